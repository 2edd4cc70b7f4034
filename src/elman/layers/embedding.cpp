// Embedding: a row of the table for every token. A batch's tokens repeat, so each different one is
// looked up once where the op that follows can work with that, and once for all batches where that op
// keeps what became of it. Its gradient touches only those rows.
#include <algorithm>
#include <stdexcept>

#include "op.h"
#include "plan.h"

namespace elman {
namespace {

constexpr long kAhead = 32;  // rows lie anywhere: ask memory for them early

class Embedding : public Op {
 public:
  Embedding(Plan& plan, const Spec& spec)
      : plan_(plan), tokens_(plan.at(spec.inputs.at(0))), table_(spec.params.at(0)) {
    const Param& p = plan.weights().params[table_];
    width_ = (int)p.shape[1];
    output = plan.slot(spec.name, tokens_.steps, width_);
    plan.at(output).places = plan.reserve(tokens_.steps, 16);
    plan.at(output).different = p.shape[0];
    different_ = plan.reserve(tokens_.steps);
    plan.look_up(table_);
    known_.resize(plan.threads());
    visited_.resize(plan.threads());
    plan.at(output).mask = tokens_.mask;
    zeros_ = spec.flag("mask_zero");
    if (zeros_) {
      plan.add_mask(output);
      plan.sort_by_length(spec.inputs[0]);
    }
  }

  /// Numbers the different tokens in the order they are met: in this batch, or since the weights
  /// changed where all that came after is kept.
  void look(Run& run) override {
    const uint64_t version = plan_.weights().version;
    Known& known = known_[run.thread];
    if (!plan_.at(output).kept || known.version != version) known.tokens.clear();
    known.version = version;
    if (!number(run)) {
      known.tokens.clear();
      number(run);
    }
  }

  void forward(Run& run) override {
    const Slot& y = plan_.at(output);
    const int32_t* tokens = y.shared ? different_tokens(run) : run.tokens(tokens_);
    const long count = y.shared ? run.places(y)[0] : run.rows_of(tokens_);
    const float* table = plan_.weights().at(table_);
    float* to = run.value(y);
    for (long i = 0; i < count; ++i, to += y.row) {
      if (i + kAhead < count) {
        const float* ahead = table + (long)tokens[i + kAhead] * width_;
        for (int u = 0; u < width_; u += 16) __builtin_prefetch(ahead + u);
      }
      std::copy_n(table + (long)tokens[i] * width_, width_, to);
    }
    if (!zeros_) return;
    float* mask = run.value(plan_.at(y.mask));
    const long all = run.rows_of(tokens_);
    for (long i = 0; i < all; ++i) mask[i] = run.tokens(tokens_)[i] != 0 ? 1.0f : 0.0f;
  }

  void backward(Run& run) override {
    const Slot& y = plan_.at(output);
    const int32_t* places = run.places(y);
    float* d = run.gradient(y);
    // One sum for each token, in the place of the first: sums never overtake what is still to be read.
    if (!y.shared)
      kernels().sum_places({run.rows_of(tokens_), 1, (int)(y.row / kernels().lanes), d, y.row, 0,
                            places + 16, d, 0});
    const int32_t* different = different_tokens(run);
    const Param& p = plan_.weights().params[table_];
    if (p.table) {
      gradient(run).take(run.thread, {different, places[0], &known_[run.thread].tokens, d, y.row});
      return;
    }
    // What a penalty or a constraint moves as a whole has a gradient in every row.
    for (int32_t i = 0; i < places[0]; ++i) {
      float* to = run.gradients + p.offset + (long)different[i] * width_;
      for (int u = 0; u < width_; ++u) to[u] += d[i * y.row + u];
    }
  }

  void visit_rows(const std::vector<Run>& shards, int thread, const Visit& visit) override {
    // Left to a shard that looked the row up: its core is the one that works with it next.
    const Run& run = shards[thread];
    std::vector<int32_t>& rows = visited_[thread];
    rows.clear();
    const int32_t* different = different_tokens(run);
    for (int32_t i = 0; i < run.places(plan_.at(output))[0]; ++i) {
      const int32_t token = different[i];
      const auto has = [&](int shard) { return known_[shard].tokens.find(token) >= 0; };
      if (TableGradient::holder(token, (int)shards.size(), has) == thread) rows.push_back(token);
    }
    visit(table_, rows);
  }

  bool carries() const override { return true; }

 private:
  struct Known {  // of the tokens numbered so far
    Numbering tokens;
    uint64_t version = 0;  // of the weights they were looked up in
  };

  /// False when what is kept has no room for more.
  bool number(Run& run) {
    const Slot& y = plan_.at(output);
    const int32_t* tokens = run.tokens(tokens_);
    int32_t* places = run.places(y);
    int32_t* different = different_tokens(run);
    Numbering& known = known_[run.thread].tokens;
    const int32_t first = known.size();
    for (long i = 0, n = run.rows_of(tokens_); i < n; ++i) {
      different[known.size() - first] = tokens[i];  // stays there if it is new
      places[16 + i] = known.add(tokens[i]);
    }
    places[0] = known.size() - first;
    places[1] = first;
    return !y.kept || known.size() <= y.kept;
  }
  int32_t* different_tokens(const Run& run) const {
    return reinterpret_cast<int32_t*>(run.arena + different_);
  }
  TableGradient& gradient(const Run& run) const {
    for (const auto& table : *run.tables)
      if (table->param == table_) return *table;
    throw std::logic_error("a table without a gradient");
  }

  Plan& plan_;
  const Slot tokens_;
  const int table_;
  int width_;
  bool zeros_ = false;                       // whether a token of 0 is no step (nor is padding, then)
  long different_;                           // int32 [steps * rows] in the arena
  std::vector<Known> known_;                 // [thread]
  std::vector<std::vector<int32_t>> visited_;  // [thread]
};

const OpWord embedding("embedding", make_op<Embedding>);

}  // namespace
}  // namespace elman
