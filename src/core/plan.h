// The plan: a flat list of ops over one arena per shard of rows, walked up and then down.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "op.h"

namespace elman {

/// Changes the weights once all gradients are there.
class Updater {
 public:
  virtual ~Updater() = default;
  /// Before any step: how many parts there will be.
  virtual void prepare(int /*parts*/) {}
  /// A step: called for every part, what can be summed and the change; and once for all, what
  /// happens last.
  virtual void gather(const std::vector<Run>& shards, int part) = 0;
  virtual void change(const std::vector<Run>&, int /*part*/, float /*rate*/) {}
  virtual void finish(float /*rate*/) {}
  /// Between change and finish, for every part: puts weights back to where they may be.
  virtual bool constrains() const { return false; }
  virtual void constrain(int /*part*/, int /*parts*/) {}
  /// Whether this is training, and not only a look at gradients: then a batch whose losses or gradients
  /// are not finite changes nothing and ends the run.
  virtual bool trains() const { return true; }
  /// Whether the change of a part needs what others have gathered, and so must wait for them.
  virtual bool needs_all() const { return true; }
  /// Whether rows of tables move on without a gradient, and so must be brought up to date before
  /// they are looked up.
  virtual bool moves_untouched() const { return false; }
  virtual void catch_up(int /*param*/, const std::vector<int32_t>& /*rows*/, int /*part*/) {}
  virtual Weights::Lazy* lazy() { return nullptr; }
};

class Plan {
 public:
  /// For batches of up to `rows` rows of `steps` steps. With `carry` the last states of a run are
  /// the first of the next, and a sequence of any length is gone through in runs of up to `steps`.
  Plan(std::shared_ptr<Weights> weights, int steps, int rows, bool training, bool keep, int threads,
       bool carry = false);

  Plan(const Plan&) = delete;

  // -- building ---------------------------------------------------------------------------------
  /// A place for one array of the samples: tokens, or floats of so many features. Without steps it
  /// has no time axis.
  int input(const std::string& name, int steps, int width, bool tokens, bool ragged);
  int add(const std::string& word, const Spec& spec);
  /// One more slot to hand out, asked for before the first loss. The one that will have its rows.
  int add_output(int slot);
  /// By a loss: it compares that slot with so many floats for each step; whether only some of its
  /// targets may count. Its number.
  int add_loss(int slot, long width, bool counts);
  /// By an op that adds to `run.penalty`.
  void add_penalty() { penalized_ = true; }
  /// Takes the memory.
  void seal();

  /// A new slot with a value and, if training and asked for, a gradient.
  int slot(const std::string& name, int steps, int width, bool gradient = true);
  int adopt(const Slot& slot);
  /// Gives a slot a mask [steps][rows], to be filled with 1 or 0.
  void add_mask(int slot);
  /// Rows of this input end early, or have tokens of 0, which are padding: the rows of a shard may
  /// be put in an order that suits that.
  void sort_by_length(int input) {
    if (sorted_by_ < 0) sorted_by_ = input;
  }
  /// One more op looks up rows of this table.
  void look_up(int param);
  /// A loss enters before the op that filled this slot, which takes no part in backward unless
  /// others read the slot.
  void bypass(int slot);
  /// Floats in each shard's arena: so many per row, and so many besides.
  long reserve(long per_row, long besides = 0);
  /// Where in a block of carried states there is a record of so many floats for every row. What `stays`
  /// is carried from batch to batch too, row by row.
  long carry(long record, bool stays = false);
  /// Floats that all shards share: packed weights.
  float* share(long floats);
  /// Floats for each thread apart from its arena: memory only as far as they are written.
  std::vector<float*> aside(long floats);
  void show(const View& view) { views_.push_back(view); }
  void hide(const Slot& slot) {
    std::erase_if(views_, [&](const View& v) { return v.value == slot.value; });
  }

  // -- running ----------------------------------------------------------------------------------
  struct Room {             // where to write an output, or null
    float* y = nullptr;     // [samples][steps * width], in the order given
    float* mask = nullptr;  // [samples][steps]
  };
  using Rooms = std::span<const Room>;  // one for each output, or none
  /// Batches of the first `samples` of the order: forward, and with an updater backward and a step
  /// each. `losses` takes [batches][losses] (or null); where a batch takes several runs, [runs].
  /// With `counts` losses are sums, and these how many targets are in each. How many runs there
  /// were before one that stopped all; losses of those after it are NaN.
  long run(const Batch& batch, long samples, int batch_rows, bool training, uint32_t seed,
           uint32_t first_step, Updater* updater, const float* rates, Rooms out, double* losses,
           double* counts = nullptr);
  /// Forward and backward of one batch; the gradient of every weight, summed over threads. `losses`
  /// takes the value of each loss. Without `training` dropout is off.
  void gradients(const Batch& batch, int rows, uint32_t seed, uint32_t step, float* out,
                 double* losses, bool training = true);
  /// Forward only, each thread over its own part of the samples.
  void predict(const Batch& batch, long samples, Rooms out);
  /// Streaming: `count` rows of a plan that carries states go on by the steps of `batch`: all of
  /// them from the first, or those named by `rows`. The caller holds the weights' `in_use`.
  void advance(const Batch& batch, long count, const int* rows, Rooms out);
  /// What penalties added to each of the last runs; empty if there are none.
  const std::vector<double>& penalties() const { return penalties_; }
  /// After a run: whether the gradient of each tensor is finite.
  std::vector<bool> finite_gradients() const;
  /// A value after the last run of at most one batch: [rows][steps][width].
  std::vector<float> peek(const std::string& name, int& rows, int& steps, int& width) const;
  std::vector<std::string> names() const;

  /// The carried states: zero for all rows or some; a tensor of an op as [rows][state_width].
  void reset_states();
  void reset_states(const std::vector<int>& rows);
  std::vector<float> get_state(const Op& op, int tensor) const;
  void set_state(const Op& op, int tensor, const float* values);
  bool carries() const { return carry_; }
  /// Whether an update sees whole sequences, gone through in runs of `steps`: forward, keeping the
  /// states between runs only, then from the last run to the first, each computed once more.
  bool recomputes = false;
  /// Whether only some of the targets of any loss, or of a certain one, may count.
  bool counts_targets() const;
  bool counts_targets(int loss) const { return losses_[loss].counts; }
  /// Per sample of a run of `batch`: floats of a slot and of its mask; of the targets of a loss.
  long floats_of(const Slot& s, const Batch& batch) const { return steps_of(s, batch) * s.width; }
  long steps_of(const Slot& s, const Batch& batch) const;
  long target_floats(int loss, const Batch& batch) const {
    return steps_of(compared(loss), batch) * losses_[loss].width;
  }

  const Slot& at(int slot) const { return slots_[slot]; }
  Slot& at(int slot) { return slots_[slot]; }
  Weights& weights() { return *weights_; }
  const std::vector<std::unique_ptr<Op>>& ops() const { return ops_; }
  int steps() const { return steps_; }
  int rows() const { return rows_; }
  int shard_rows() const { return shard_rows_; }
  int threads() const { return team_->size(); }
  bool training() const { return training_; }
  /// Every intermediate keeps its whole history, not only what is needed: training, or a trace.
  bool keeps() const { return training_ || keep_; }
  /// The way back keeps the gradient of every step's states too, which no training needs.
  bool keeps_gradients() const { return training_ && keep_; }
  const std::vector<int>& inputs() const { return inputs_; }
  const std::vector<int>& outputs() const { return outputs_; }
  int losses() const { return (int)losses_.size(); }
  /// The slot that a loss compares.
  const Slot& compared(int loss) const { return slots_[losses_[loss].slot]; }
  /// Throws unless the caller's arrays fit: a last guard before native code writes to them. -1: none.
  void check_run(const Batch& given, long samples, int batch, long losses) const;
  void check_room(const Batch& given, long samples, int output, long y, long mask) const;
  double bytes() const { return 4.0 * (arena_floats_ * threads() + shared_floats_); }

 private:
  /// Holds the weights for one run; after a fork() also finds threads that exist.
  std::unique_lock<std::mutex> begin();
  void shard(Run& run, long first_sample, int batch_rows, int thread) const;
  void load(Run& run);
  void sort_rows(Run& run);
  void forward(Run& run, size_t first, size_t last) const;
  /// Op `i`; and all of them, from the last.
  void backward(Run& run, size_t i) const;
  void backward(Run& run) const;
  /// The way of a batch is up through the ops, from place 0, to the outputs at place ops_.size(), and
  /// then down again, op i at place 2 * ops_.size() - i. These are the places before which all shards
  /// must meet, and last the end.
  std::vector<size_t> stops(const Run& run, bool down) const;
  /// A stretch of the way, [from, to), and what must be shared before the next; `end` is called at
  /// the outputs.
  template <class F>
  void walk(Run& run, size_t from, size_t to, bool meets, const F& end) const;
  /// Of the ops that need to know all rows: what op `first` and those that meet with it have to share.
  /// Losses, which fill nothing that the next could read, meet at once.
  void share(Run& run, size_t first) const;
  bool shares_with_last(const Run& run, size_t i) const;
  /// Lets ops change what no gradient changes.
  void learn() const;
  /// The slot that one more op reads: the first reads the slot itself; others the same values, with
  /// a gradient of their own.
  int read(int slot);
  /// Which op fills a slot.
  size_t filled(int slot) const;
  /// The slot with a row for every step, of one whose readers so far want each different row once.
  int every_row(int slot);
  /// Before an op's backward: adds up what the readers of its outputs left.
  void join(Run& run, const Op& op) const;
  /// Which ops take part in backward: those from which a loss can be reached.
  void find_way_back();
  void pack(int part);
  void pack_all();
  void take(Run& run, const Batch& batch, long first, long last, long w) const;
  /// Forward only, the rows [first, last) of a batch from window to window: of the plan's own states,
  /// or of the `chosen_` ones.
  void predict_rows(Run& run, const Batch& batch, long first, long last, bool chosen, Rooms out);
  void recompute(Team::Member& me, Updater* updater, bool lookups, Rooms out);
  void visit(Team::Member& me, Updater* updater) const;
  /// Whether all that a shard's run has found is finite.
  bool sound(const Run& run) const;
  /// Changes nothing when `stopped` says so, which it must to all parts alike.
  void update(Team::Member& me, Updater* updater, float rate, const std::function<bool()>& stopped);
  void write(const Run& run, Rooms out) const;
  void write(const Run& run, const Slot& s, const Room& out) const;
  /// How many runs it takes to go through the steps of a batch; and sets up one of them.
  long windows(const Batch& batch) const;
  void window(Run& run, long number, int before) const;
  /// By how many steps every row of this shard is shorter than the plan.
  int padding(const Run& run) const;
  void end_windows(long runs, long rows);
  /// Whether a batch begins where the one before it ended.
  bool stays() const;
  /// Copies the records of the rows named to the first of `chosen_[0]`; and those of `from` back.
  void choose_states(long count, const int* rows);
  void return_states(long count, const int* rows, const Floats& from);

  std::shared_ptr<Weights> weights_;
  const int steps_, rows_, shard_rows_;
  const bool training_, keep_, carry_;
  bool penalized_ = false;
  std::vector<double> penalties_;
  std::shared_ptr<Team> team_;
  std::vector<Slot> slots_;
  std::vector<View> views_;
  std::vector<std::unique_ptr<Op>> ops_;
  std::vector<std::unique_ptr<Floats>> shared_;
  long shared_floats_ = 0;
  long arena_floats_ = 0, state_floats_ = 0;
  struct Record {  // of an op's states: [rows][floats]
    long at, floats;
    bool stays;
  };
  std::vector<Record> records_;
  Floats states_[2];  // before and after a run, which backward must tell apart
  Floats between_;    // when recomputing: the states before each run of a batch
  Floats chosen_[2];  // the same of rows picked out by `advance`, made when it is first asked
  int now_ = 0;       // the one that the next run starts from
  size_t last_with_states_ = 0;  // one more than the last op that carries states
  size_t first_loss_ = 0;        // the ops from here on are losses
  bool some_late_ = false;       // some op waits for the last step
  std::vector<int> inputs_, outputs_;
  struct Compared {
    int slot;
    long width;  // floats of y for each step
    bool counts;
  };
  std::vector<Compared> losses_;  // by number
  std::vector<Spec> specs_;       // of each op, as it was asked for
  std::map<int, int> every_row_;  // of a slot whose rows are there once: one that has all
  struct Lookup {
    int param, round;  // those of one table take turns
    size_t op;
  };
  std::vector<Lookup> lookups_;
  int rounds_ = 0;
  std::vector<Floats> arenas_, gradients_;
  std::vector<std::unique_ptr<TableGradient>> tables_;
  std::vector<Run> shards_;
  int sorted_by_ = -1;  // the input whose padding gives rows their order, or -1
  bool follows_ = true;  // every op makes the same of sequences without padding at their end
  bool meets_ = false;  // some op of a single row is worth the work of several threads
  std::vector<Op*> learning_;  // ops that change weights which have no gradient
  std::vector<std::vector<int32_t>> ranks_, lengths_;  // [thread][rows] when sorted
  uint64_t packed_version_ = 0;
};

}  // namespace elman
