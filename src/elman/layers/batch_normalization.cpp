// BatchNormalization: while training by the statistics of all rows of a batch, for which all shards
// meet; else by the moving ones.
#include <algorithm>
#include <cmath>

#include "isa/table.h"
#include "op.h"
#include "plan.h"

namespace elman {
namespace {

constexpr double kNoDivisor = 1e-7;  // Keras's: the mean of nothing is 0

class BatchNormalization : public Op {
 public:
  BatchNormalization(Plan& plan, const Spec& spec)
      : plan_(plan),
        x_(plan.at(spec.inputs.at(0))),
        momentum_(spec.number("momentum", 0)),
        epsilon_(spec.number("epsilon", 0)),
        learns_(plan.training() && !spec.flag("frozen")),
        shared_(plan.threads()) {
    size_t next = 0;
    if (spec.flag("scale")) gamma_ = spec.params.at(next++);
    if (spec.flag("center")) beta_ = spec.params.at(next++);
    moving_mean_ = spec.params.at(next++);
    moving_variance_ = spec.params.at(next);
    output = plan.slot(spec.name, x_.steps, x_.width);
    plan.at(output).mask = x_.mask;
    moving_ = plan.share(PerColumn::kFloats * rounded(x_.width));
    if (learns_) own_ = plan.reserve(0, PerColumn::kFloats * rounded(x_.width));
    for (Shared& s : shared_) s = Shared(x_.width);
  }

  void pack(int thread, int) override {
    if (thread != 0) return;
    const PerColumn moving = columns(moving_);
    for (int u = 0; u < x_.width; ++u)
      set(moving, u, weight(moving_mean_)[u], weight(moving_variance_)[u]);
  }

  bool learns() const override { return learns_; }

  bool needs_all(const Run& run, Way way) const override {
    return by_batch(run) && (way == Way::up || x_.gradient >= 0);
  }

  void share(Run& run, Way way) override {
    if (way == Way::up) share_statistics(run);
    else share_products(run);
  }

  void forward(Run& run) override {
    if (by_batch(run)) join_statistics(run);
    const PerColumn c = columns(run);
    kernels().scale_columns({run.rows_of(x_), x_.width, x_.row, run.value(x_), c.mean, c.scale, c.shift,
                             run.value(plan_.at(output))});
  }

  void backward(Run& run) override {
    if (needs_all(run, Way::down)) join_products(run);
    else share_products(run);
    const PerColumn c = columns(run);
    write_gradient(run, gamma_, shared_[run.thread].products.data() + x_.width, c.inv);
    write_gradient(run, beta_, shared_[run.thread].products.data(), nullptr);
    if (x_.gradient < 0) return;
    kernels().scale_columns_backward({run.rows_of(x_), x_.width, x_.row, run.value(x_),
                                      run.gradient(plan_.at(output)), mask(run), c.mean, c.scale,
                                      c.d_constant, c.d_slope, run.gradient(x_)});
  }

  void learn(const Run& run) override {
    const PerColumn c = columns(run.arena + own_);
    const float stay = (float)momentum_, go = (float)(1 - momentum_);
    float *mean = weight(moving_mean_), *variance = weight(moving_variance_);
    for (int u = 0; u < x_.width; ++u) {
      mean[u] = mean[u] * stay + c.mean[u] * go;
      variance[u] = variance[u] * stay + c.variance[u] * go;
    }
  }

  bool carries() const override { return true; }

  Cost cost() const override { return {2.0 * x_.steps * x_.width, std::string(kernels().isa) + (learns_ ? " by batch" : "")}; }

 private:
  /// One number of each kind for every column, [width] and zeros behind them.
  struct PerColumn {
    static constexpr int kFloats = 7;
    float *mean, *variance, *inv, *scale, *shift;
    float *d_constant, *d_slope;  // of a gradient: what every row has in common
  };
  /// What a shard knows of its rows alone.
  struct Shared {
    explicit Shared(int width = 0) : sum(width), squares(width), products(2 * width) {}
    double count = 0;
    std::vector<double> sum, squares;  // [width] of x, and of its distances from the shard's mean
    std::vector<double> products;      // [2][width] of d_y, and of d_y (x - mean)
  };

  PerColumn columns(float* at) const {
    const long w = rounded(x_.width);
    return {at, at + w, at + 2 * w, at + 3 * w, at + 4 * w, at + 5 * w, at + 6 * w};
  }
  PerColumn columns(const Run& run) const {
    return columns(by_batch(run) ? run.arena + own_ : moving_);
  }
  void set(const PerColumn& c, int u, double mean, double variance) const {
    c.mean[u] = (float)mean;
    c.variance[u] = (float)variance;
    c.inv[u] = (float)(1 / std::sqrt(variance + epsilon_));
    c.scale[u] = gamma_ < 0 ? c.inv[u] : c.inv[u] * weight(gamma_)[u];
    c.shift[u] = beta_ < 0 ? 0.0f : weight(beta_)[u];
  }

  bool by_batch(const Run& run) const { return learns_ && run.training; }
  const float* mask(const Run& run) const {
    return x_.mask < 0 ? nullptr : run.value(plan_.at(x_.mask));
  }
  float* weight(int param) const { return plan_.weights().at(param); }

  void share_statistics(const Run& run) {
    Shared& own = shared_[run.thread];
    const PerColumn c = columns(run);
    const float* counts = mask(run);
    const long rows = run.rows_of(x_);
    own.count = (double)(counts ? std::count_if(counts, counts + rows, [](float m) { return m != 0; })
                                : rows);
    const ColumnSums a{rows, x_.width, x_.row, run.value(x_), nullptr, counts, c.mean};
    kernels().column_sums(a, own.sum.data());
    for (int u = 0; u < x_.width; ++u) c.mean[u] = (float)(own.sum[u] / std::max(own.count, 1.0));
    kernels().column_squares(a, own.squares.data());
    for (int u = 0; u < x_.width; ++u) {
      const double rest = own.sum[u] / std::max(own.count, 1.0) - c.mean[u];  // lost in rounding
      own.squares[u] -= own.count * rest * rest;
    }
  }

  /// The statistics of all rows: squares of distances from the mean of each shard's rows, and of those
  /// means from the mean of all (Chan et al. 1979).
  void join_statistics(const Run& run) {
    const PerColumn c = columns(run);
    const double count = divisor();
    for (int u = 0; u < x_.width; ++u) {
      double mean = 0, squares = 0;
      for (const Shared& s : shared_) mean += s.sum[u];
      mean /= count;
      for (const Shared& s : shared_) {
        const double apart = s.count ? s.sum[u] / s.count - mean : 0;
        squares += s.squares[u] + s.count * apart * apart;
      }
      set(c, u, mean, squares / count);
    }
  }

  double divisor() const {
    double count = x_.mask < 0 ? 0 : kNoDivisor;
    for (const Shared& s : shared_) count += s.count;
    return count;
  }

  void share_products(const Run& run) {
    kernels().column_products({run.rows_of(x_), x_.width, x_.row, run.value(x_),
                               run.gradient(plan_.at(output)), nullptr, columns(run).mean},
                              shared_[run.thread].products.data());
  }

  void join_products(const Run& run) {
    const PerColumn c = columns(run);
    const double count = divisor();
    for (int u = 0; u < x_.width; ++u) {
      double d_y = 0, product = 0;
      for (const Shared& s : shared_) {
        d_y += s.products[u];
        product += s.products[x_.width + u];
      }
      c.d_constant[u] = (float)(-c.scale[u] * d_y / count);
      c.d_slope[u] = (float)(-c.scale[u] * c.inv[u] * c.inv[u] * product / count);
    }
  }

  void write_gradient(const Run& run, int param, const double* sums, const float* times) const {
    if (param < 0) return;
    float* g = run.gradients + plan_.weights().params[param].offset;
    for (int u = 0; u < x_.width; ++u) g[u] += (float)(sums[u] * (times ? times[u] : 1.0f));
  }

  Plan& plan_;
  const Slot x_;
  const double momentum_, epsilon_;
  const bool learns_;
  int gamma_ = -1, beta_ = -1, moving_mean_, moving_variance_;
  float* moving_;  // PerColumn of the moving statistics, which all shards share
  long own_ = -1;  // in the arena: PerColumn of the batch
  std::vector<Shared> shared_;
};

const OpWord batch_normalization("batch_norm", make_op<BatchNormalization>);

}  // namespace
}  // namespace elman
