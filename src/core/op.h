// An op: forward and backward over slots. Layers add their ops to a plan by a word and a spec.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "slot.h"
#include "table.h"
#include "threads.h"
#include "weights.h"

namespace elman {

class Plan;

/// What one input is given: [samples][length][features] floats, or [samples][length] tokens; or
/// samples of unequal length one after the other, each at its offset.
struct Source {
  const float* x = nullptr;
  const int32_t* tokens = nullptr;
  long length = 0;                   // steps of each sample in the array, at most
  const int64_t* offsets = nullptr;  // [samples + 1], or null: all are of that length

  long first(long sample) const { return offsets ? offsets[sample] : sample * length; }
  long steps(long sample) const {
    return offsets ? offsets[sample + 1] - offsets[sample] : length;
  }
};

/// What one loss compares with.
struct Target {
  const float* y = nullptr;       // [samples][y_width]
  long y_width = 0;
  const float* weight = nullptr;  // [samples][weight_width], or null
  long weight_width = 0;
};

/// The samples of one call.
struct Batch {
  std::span<const Source> sources;  // one for each input of the plan
  std::span<const Target> targets;  // one for each loss; none: a prediction
  const int64_t* order = nullptr;   // sample of each row, or null: one after the other
  long from = 0, to = 0;            // the steps to go through, in runs of the plan's
};

/// What one loss has found, for one shard of rows.
struct LossPart {
  double sum = 0;           // out: this shard's part of the batch's loss
  double counting = 0;      // targets of this shard that count in it
  double counted = 0;       // the same of all runs over a batch that is gone through in several
  double divisor = 0;       // of the sum of losses; 0: as many as count in this run
};

/// Everything that may differ between two batches, for one shard of rows.
struct Run {
  int thread = 0;
  int rows = 0, first_row = 0, batch_rows = 0;
  long first_sample = 0;     // of the batch, in the order
  bool training = false;
  uint32_t seed = 0, step = 0;
  float* arena = nullptr;
  float* gradients = nullptr;  // of the weights: this thread's own block
  std::vector<std::unique_ptr<TableGradient>>* tables = nullptr;  // one for all threads
  const std::vector<Run>* all = nullptr;  // this one among those of all shards
  std::vector<LossPart> losses;  // one for each loss of the plan
  double penalty = 0;        // out: what this shard adds to all of them
  bool penalized = true;     // whether what weights cost is part of this run
  Batch batch;
  int steps = 0;             // of the plan; this run has
  int short_by = 0;          // so many fewer
  long start = 0;            // where in its sequence this run begins
  const float* states = nullptr;  // carried in, a record per row of the plan; null: zeros
  float* next_states = nullptr;   // and carried out

  bool joined = false;            // backward: gradients of the last states are there already

  /// Whether this run ends with the last step of the sequence.
  bool at_end() const { return start + steps >= batch.to; }
  int steps_of(const Slot& s) const { return s.sequence ? s.steps - short_by : 1; }
  /// Rows of a slot that this run fills: one for each of its steps and each row of samples.
  long rows_of(const Slot& s) const { return (long)steps_of(s) * rows; }
  long start_of(const Slot& s) const { return s.sequence ? start : 0; }
  float* value(const Slot& s) const {
    return arena + s.value +
           (s.ring ? (s.ring_steps - short_by - 1) % s.ring : 0) * rows * s.row;
  }
  float* gradient(const Slot& s) const { return arena + s.gradient; }
  int32_t* tokens(const Slot& s) const { return reinterpret_cast<int32_t*>(arena + s.value); }
  int32_t* places(const Slot& s) const { return reinterpret_cast<int32_t*>(arena + s.places); }
  const int32_t* rank = nullptr;  // [rows] or null: where each row stood before rows were sorted
  /// Where in the order, which is also that of the outputs.
  long place(int row) const { return first_sample + first_row + (rank ? rank[row] : row); }
  long sample(int row) const {
    const long i = place(row);
    return batch.order ? batch.order[i] : i;
  }
};

/// What an op costs for one row of samples, forward only.
struct Cost {
  double flops = 0;
  std::string path = "plain";
};

enum class Way { up, down };

class Op {
 public:
  virtual ~Op() = default;
  /// Before forward: finds out what this shard will look up.
  virtual void look(Run&) {}
  virtual void forward(Run&) = 0;
  /// Whether a few rows of it are enough work for several threads, which then meet at every step.
  virtual bool meets() const { return false; }
  /// Forward with the hands of a whole team: all members call this and walk through the same phases.
  virtual void forward_together(Run& run, Team::Member& me) {
    me.phase([&](int part) {
      if (part == 0) forward(run);
    });
  }
  virtual void backward(Run&) {}
  /// Whether its forward (up) or backward (down) needs to know something of all rows of the batch. Then
  /// every shard calls `share` before, which leaves what there is to know of its own rows; all shards
  /// meet; and what they left is read. It is the same for all shards.
  virtual bool needs_all(const Run&, Way) const { return false; }
  virtual void share(Run&, Way) {}
  /// After a step of training: changes what no gradient changes. The first shard's run is given.
  virtual bool learns() const { return false; }
  virtual void learn(const Run&) {}
  /// Copies changed weights into the layout of the kernels: part `thread` of `threads`.
  virtual void pack(int /*thread*/, int /*threads*/) {}
  using Visit = std::function<void(int param, const std::vector<int32_t>& rows)>;
  /// After all shards looked: calls `visit` with the rows of tables that are this thread's to bring
  /// up to date before forward.
  virtual void visit_rows(const std::vector<Run>&, int /*thread*/, const Visit&) {}
  virtual Cost cost() const { return {}; }

  /// Whether it may be given a sequence part by part: it looks at no later step, asks
  /// `run.steps_of` how many there are, and carries what the next part needs from this one.
  virtual bool carries() const { return false; }
  /// Whether it makes the same of a sequence without the masked steps at its end: then these need
  /// not be gone through where all rows are that short.
  virtual bool follows() const { return carries(); }
  /// The tensors that it carries from run to run, each [rows][state_width]; by default none.
  virtual std::vector<std::string> state_names() const { return {}; }
  virtual int state_width() const { return 0; }
  /// One row of one of them, out of or into a block of carried states.
  virtual void get_state(const float* /*states*/, int /*row*/, int /*tensor*/, float* /*to*/) const {}
  virtual void set_state(float* /*states*/, int /*row*/, int /*tensor*/, const float*) const {}

  /// Calls f(slot) for every slot that it fills.
  template <class F>
  void each_output(const F& f) const {
    if (output >= 0) f(output);
    for (const int slot : more_outputs) f(slot);
  }

  std::string name, kind;
  std::vector<int> inputs;
  int output = -1;
  std::vector<int> more_outputs;  // besides the first
  /// Gradients of its outputs by further readers, to be added to that of the first reader, or, where
  /// that one is on no way back, to take its place.
  struct Further {
    int slot, reader;
    bool add;
  };
  std::vector<Further> further;
  bool late = false;      // reads no sequence: it waits for the last step
  bool bypassed = false;  // takes no part in backward
  double bytes = 0;       // of memory it took, over all threads
};

using Option = std::variant<double, std::string, std::vector<double>>;

/// What a layer says when it emits an op.
struct Spec {
  std::string name;
  std::vector<int> inputs, params;
  std::map<std::string, Option> options;

  double number(const std::string& key, double missing) const;
  bool flag(const std::string& key) const { return number(key, 0) != 0; }
  std::string word(const std::string& key, const std::string& missing) const;
  std::vector<double> numbers(const std::string& key) const;
};

struct OpMaker {
  std::unique_ptr<Op> (*make)(Plan&, const Spec&);
  bool takes_repeats;  // whether values that repeat may be there once (Slot::places)
};
template <class T>
std::unique_ptr<Op> make_op(Plan& plan, const Spec& spec) {
  return std::make_unique<T>(plan, spec);
}
/// A static object of this type in a layer's .cpp makes its op known under a word.
struct OpWord {
  OpWord(const char* word, decltype(OpMaker::make) make, bool takes_repeats = false);
};
const OpMaker& op_maker(const std::string& word);

/// The activation behind a Keras name; throws std::invalid_argument if there is none.
int activation_number(const std::string& name);

}  // namespace elman
