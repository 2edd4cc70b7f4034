// Embedding: a row of the table for every token. Its gradient touches only the rows looked up.
#include <algorithm>
#include <stdexcept>

#include "op.h"
#include "plan.h"

namespace elman {
namespace {

constexpr long kAhead = 8;  // rows lie anywhere: ask memory for them early

class Embedding : public Op {
 public:
  Embedding(Plan& plan, const Spec& spec)
      : plan_(plan), tokens_(plan.at(spec.inputs.at(0))), table_(spec.params.at(0)) {
    const Param& p = plan.weights().params[table_];
    width_ = (int)p.shape[1];
    output = plan.slot(spec.name, tokens_.steps, width_);
    if (spec.flag("mask_zero")) plan.add_mask(output);
  }

  void forward(Run& run) override {
    const Slot& y = plan_.at(output);
    const int32_t* tokens = run.tokens(tokens_);
    const float* table = plan_.weights().values.data() + plan_.weights().params[table_].offset;
    float* to = run.value(y);
    const long count = (long)run.steps_of(tokens_) * run.rows;
    for (long i = 0; i < count; ++i, to += y.row) {
      if (i + kAhead < count) {
        const float* ahead = table + (long)tokens[i + kAhead] * width_;
        for (int u = 0; u < width_; u += 16) __builtin_prefetch(ahead + u);
      }
      std::copy_n(table + (long)tokens[i] * width_, width_, to);
    }
    if (y.mask < 0) return;
    float* mask = run.value(plan_.at(y.mask));
    for (long i = 0; i < count; ++i) mask[i] = tokens[i] != 0 ? 1.0f : 0.0f;
  }

  /// Every thread reads all shards and adds the rows of its own tokens, always in the same order.
  void reduce(const std::vector<Run>& shards, int thread) override {
    const Slot& y = plan_.at(output);
    TableGradient& table = gradient(shards);
    each_own(shards, thread, [&](const Run& run, long i, int32_t token) {
      table.add(token, thread, run.gradient(y) + i * y.row);
    });
  }

  void visit_rows(const std::vector<Run>& shards, int thread,
                  const std::function<void(int, int32_t)>& visit) override {
    each_own(shards, thread, [&](const Run&, long, int32_t token) { visit(table_, token); });
  }

  bool carries() const override { return true; }

 private:
  TableGradient& gradient(const std::vector<Run>& shards) const {
    for (const auto& table : *shards[0].tables)
      if (table->param == table_) return *table;
    throw std::logic_error("a table without a gradient");
  }

  template <class F>
  void each_own(const std::vector<Run>& shards, int thread, const F& f) {
    const TableGradient& table = gradient(shards);
    for (const Run& run : shards) {
      const int32_t* tokens = run.tokens(tokens_);
      const long count = (long)run.steps_of(tokens_) * run.rows;
      for (long i = 0; i < count; ++i)
        if (table.owner(tokens[i]) == thread) f(run, i, tokens[i]);
    }
  }

  Plan& plan_;
  const Slot tokens_;
  const int table_;
  int width_;
};

const OpWord embedding("embedding", [](Plan& plan, const Spec& spec) -> std::unique_ptr<Op> {
  return std::make_unique<Embedding>(plan, spec);
});

}  // namespace
}  // namespace elman
