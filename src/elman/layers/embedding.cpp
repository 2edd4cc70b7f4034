// Embedding: a row of the table for every token. Its gradient touches only the rows looked up.
#include <algorithm>

#include "op.h"
#include "plan.h"

namespace elman {
namespace {

class Embedding : public Op {
 public:
  Embedding(Plan& plan, const Spec& spec)
      : plan_(plan), tokens_(plan.at(spec.inputs.at(0))), table_(spec.params.at(0)) {
    const Param& p = plan.weights().params[table_];
    width_ = (int)p.shape[1];
    output = plan.slot(spec.name, tokens_.steps, width_);
    if (spec.flag("mask_zero")) {
      Slot mask;
      mask.name = spec.name + "/mask";
      mask.steps = tokens_.steps;
      mask.width = 1;
      mask.row = 1;
      mask.value = plan.reserve(tokens_.steps);
      plan.show({mask.name, mask.value, mask.steps, 1, 1});
      const int place = plan.adopt(mask);
      plan.at(output).mask = place;
    }
  }

  void forward(Run& run) override {
    const Slot& y = plan_.at(output);
    const int32_t* tokens = run.tokens(tokens_);
    const float* table = plan_.weights().values.data() + plan_.weights().params[table_].offset;
    float* to = run.value(y);
    const long count = (long)tokens_.steps * run.rows;
    for (long i = 0; i < count; ++i, to += y.row)
      std::copy_n(table + (long)tokens[i] * width_, width_, to);
    if (y.mask < 0) return;
    float* mask = run.value(plan_.at(y.mask));
    for (long i = 0; i < count; ++i) mask[i] = tokens[i] != 0 ? 1.0f : 0.0f;
  }

  /// Every thread reads all shards and adds the rows of its own tokens, always in the same order.
  void reduce(const std::vector<Run>& shards, int thread) override {
    const Slot& y = plan_.at(output);
    each_own(shards, thread, [&](const Run& run, long i, float* row) {
      const float* d = run.gradient(y) + i * y.row;
      for (int u = 0; u < width_; ++u) row[u] += d[u];
    });
  }

  void clear(const std::vector<Run>& shards, int thread) override {
    each_own(shards, thread, [&](const Run&, long, float* row) { std::fill_n(row, width_, 0.0f); });
  }

 private:
  template <class F>
  void each_own(const std::vector<Run>& shards, int thread, const F& f) {
    const Weights& w = plan_.weights();
    float* table = shards[0].table_gradients + (w.params[table_].offset - w.dense);
    const uint32_t threads = (uint32_t)shards.size();
    for (const Run& run : shards) {
      const int32_t* tokens = run.tokens(tokens_);
      const long count = (long)tokens_.steps * run.rows;
      for (long i = 0; i < count; ++i)
        if (threads == 1 || (uint32_t)tokens[i] % threads == (uint32_t)thread)
          f(run, i, table + (long)tokens[i] * width_);
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
