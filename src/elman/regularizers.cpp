// Regularizers: ops that add to the loss what weights, or a layer's output, cost by their size.
// Formulas: regularizers.py.
#include <algorithm>
#include <cmath>

#include "op.h"
#include "plan.h"

namespace elman {
namespace {

/// The sum of l1 |x| + l2 x^2.
double penalty_of(long count, double l1, double l2, const float* x) {
  constexpr long kBlock = 512;  // summed in float32, in 16 sums side by side
  double sum = 0;
  for (long first = 0; first < count; first += kBlock) {
    const long last = std::min(first + kBlock, count);
    float sizes[16] = {}, squares[16] = {};
    for (long i = first; i < last; ++i) {
      sizes[i % 16] += std::fabs(x[i]);
      squares[i % 16] += x[i] * x[i];
    }
    for (int j = 0; j < 16; ++j) sum += l1 * sizes[j] + l2 * squares[j];
  }
  return sum;
}

/// Adds `scale` times its derivative to d.
void add_slope(long count, double l1, double l2, const float* x, float scale, float* d) {
  const float by_sign = scale * (float)l1, by_value = scale * (float)(2 * l2);
  for (long i = 0; i < count; ++i) {
    const float sign = (float)((x[i] > 0) - (x[i] < 0));
    d[i] = d[i] + by_sign * sign + by_value * x[i];
  }
}

/// Of weights. Each shard does its part, whatever rows it has.
class WeightPenalty : public Op {
 public:
  WeightPenalty(Plan& plan, const Spec& spec)
      : plan_(plan),
        param_(plan.weights().params[spec.params.at(0)]),
        l1_(spec.number("l1", 0)),
        l2_(spec.number("l2", 0)),
        orthogonal_(spec.number("orthogonal", 0)),
        columns_(spec.flag("columns")) {
    if (orthogonal_ > 0)
      for (int i = 0; i < plan.threads(); ++i) unit_.emplace_back(param_.size);
  }

  void forward(Run& run) override {
    if (run.batch.targets.empty() || !run.penalized) return;
    run.penalty += orthogonal_ > 0 ? cosines(run, nullptr)
                                   : penalty_of(count(run), l1_, l2_, weights() + first(run));
  }

  void backward(Run& run) override {
    if (!run.penalized) return;
    float* d = run.gradients + param_.offset;
    if (orthogonal_ > 0) cosines(run, d);
    else add_slope(count(run), l1_, l2_, weights() + first(run), 1.0f, d + first(run));
  }

  bool carries() const override { return true; }

 private:
  const float* weights() const { return plan_.weights().values.data() + param_.offset; }

  /// A shard's part of the weights.
  long first(const Run& run) const { return param_.size * run.thread / plan_.threads(); }
  long count(const Run& run) const {
    return param_.size * (run.thread + 1) / plan_.threads() - first(run);
  }

  /// 1   u_i = w_i / |w_i|
  /// 2   loss = factor / pairs * sum_{i < j} |u_i . u_j|
  /// 2b  d_u_i = factor / pairs * sum_{j != i} sign(u_i . u_j) u_j
  /// 1b  d_w_i = (d_u_i - u_i (u_i . d_u_i)) / |w_i|
  double cosines(const Run& run, float* d) {
    const long rows = param_.shape[0], columns = param_.shape[1];
    const long n = columns_ ? columns : rows, width = columns_ ? rows : columns;
    const long to_next = columns_ ? 1 : columns, along = columns_ ? columns : 1;
    const float* w = weights();
    float* u = unit_[run.thread].data();  // [n][width]
    std::vector<float> norm(n), d_u(width);
    for (long i = 0; i < n; ++i) {
      double square = 0;
      for (long k = 0; k < width; ++k) {
        u[i * width + k] = w[i * to_next + k * along];
        square += (double)u[i * width + k] * u[i * width + k];
      }
      norm[i] = (float)std::max(std::sqrt(square), 1e-12);
      for (long k = 0; k < width; ++k) u[i * width + k] /= norm[i];
    }
    const double factor = orthogonal_ / (n * (n - 1) / 2.0);
    double sum = 0;
    for (long i = n * run.thread / plan_.threads(); i < n * (run.thread + 1) / plan_.threads(); ++i) {
      const float* own = u + i * width;
      std::fill(d_u.begin(), d_u.end(), 0.0f);
      for (long j = 0; j < n; ++j) {
        if (j == i || (!d && j < i)) continue;
        const float* other = u + j * width;
        float cosine = 0;
        for (long k = 0; k < width; ++k) cosine += own[k] * other[k];
        if (j > i) sum += std::fabs(cosine);
        const float sign = (float)((cosine > 0) - (cosine < 0));
        for (long k = 0; d && k < width; ++k) d_u[k] += sign * other[k];
      }
      if (!d) continue;
      float inward = 0;
      for (long k = 0; k < width; ++k) inward += own[k] * d_u[k];
      for (long k = 0; k < width; ++k)
        d[i * to_next + k * along] += (float)factor * (d_u[k] - own[k] * inward) / norm[i];
    }
    return factor * sum;
  }

  Plan& plan_;
  const Param param_;
  const double l1_, l2_, orthogonal_;
  const bool columns_;
  std::vector<std::vector<float>> unit_;  // [thread]
};

/// Of what a layer returns, by row of the batch. It is Keras's: steps that a mask leaves out count.
class ActivityPenalty : public Op {
 public:
  ActivityPenalty(Plan& plan, const Spec& spec)
      : plan_(plan),
        x_(plan.at(spec.inputs.at(0))),
        l1_(spec.number("l1", 0)),
        l2_(spec.number("l2", 0)),
        zero_masked_(spec.flag("zero_masked") && x_.mask >= 0) {}

  void forward(Run& run) override {
    if (run.batch.targets.empty()) return;
    double sum = 0;
    each(run, [&](long at) { sum += penalty_of(x_.width, l1_, l2_, run.value(x_) + at); });
    run.penalty += sum / run.batch_rows;
  }

  void backward(Run& run) override {
    if (x_.gradient < 0) return;
    std::fill_n(run.gradient(x_), run.rows_of(x_) * x_.row, 0.0f);
    const float scale = 1.0f / (float)run.batch_rows;
    each(run, [&](long at) {
      add_slope(x_.width, l1_, l2_, run.value(x_) + at, scale, run.gradient(x_) + at);
    });
  }

  bool carries() const override { return true; }

 private:
  /// Calls f(where its numbers begin) for every step and row that costs something.
  template <class F>
  void each(const Run& run, const F& f) const {
    const float* mask = zero_masked_ ? run.value(plan_.at(x_.mask)) : nullptr;
    for (long i = 0; i < run.rows_of(x_); ++i)
      if (!mask || mask[i] != 0.0f) f(i * x_.row);
  }

  Plan& plan_;
  const Slot x_;
  const double l1_, l2_;
  const bool zero_masked_;  // Keras returns zeros there, which cost nothing
};

const OpWord penalty("penalty", [](Plan& plan, const Spec& spec) -> std::unique_ptr<Op> {
  plan.add_penalty();
  if (spec.inputs.empty()) return std::make_unique<WeightPenalty>(plan, spec);
  return std::make_unique<ActivityPenalty>(plan, spec);
});

}  // namespace
}  // namespace elman
