// Dense: y = x W + b at every step. Its activation is an op of its own.
#include <algorithm>
#include <stdexcept>

#include "packed.h"

namespace elman {
namespace {

class Dense : public Op {
 public:
  Dense(Plan& plan, const Spec& spec)
      : plan_(plan),
        x_(plan.at(spec.inputs.at(0))),
        units_((int)spec.number("units", 0)),
        bias_(spec.params.size() > 1 ? spec.params[1] : -1),
        lanes_(kernels().lanes),
        pairs_(spec.flag("bf16") ? &bf16_kernels() : nullptr),
        blocks_(blocks_of(units_, lanes_)) {
    if (plan.weights().params[spec.params.at(0)].shape.at(0) != x_.width)
      throw std::invalid_argument("'" + spec.name + "' has weights for another width");
    Columns columns{};
    columns.units = units_;
    columns.count = 1;
    columns.per_group = 4;
    w_ = PackedMatrix(plan, spec.params[0], 0, x_.width, columns, x_.gradient >= 0, pairs_);
    packed_bias_ = plan.share((long)blocks_ * lanes_);
    output = plan.slot(spec.name, x_.steps, units_);
    plan.at(output).mask = x_.mask;
    if (!pairs_) return;
    row16_ = rounded(std::max(x_.width, units_));
    long most = std::min<long>(kRows, (long)x_.steps * plan.shard_rows()) * row16_;
    if (plan.training()) most = std::max(most, kPairRows * (4 * lanes_ + row_floats(x_.width)));
    scratch_ = plan.reserve(0, most / 2);
  }

  void pack(int thread, int threads) override {
    w_.pack(thread, threads);
    if (thread == 0 && bias_ >= 0) std::copy_n(plan_.weights().at(bias_), units_, packed_bias_);
  }

  void forward(Run& run) override {
    const Slot& y = plan_.at(output);
    Product p = w_.product(run.rows_of(x_), run.value(x_), x_.row, run.value(y), y.row);
    p.start = packed_bias_;
    multiply(run, p, x_.width, w_.packed16);
  }

  void backward(Run& run) override {
    const Slot& y = plan_.at(output);
    const float* d_y = run.gradient(y);
    const long rows = run.rows_of(x_);
    if (x_.gradient >= 0)
      multiply(run, w_.transposed_product(rows, d_y, y.row, run.gradient(x_), x_.row), units_,
               w_.transpose16);
    if (pairs_) return weight_gradients_of_pairs(run, rows, d_y, y.row);
    w_.gradient(run, rows, run.value(x_), x_.row, d_y, y.row, 4 * lanes_);
    if (bias_ >= 0) w_.bias_gradient(run, bias_, 0, rows, d_y, y.row, 4 * lanes_);
  }

  bool carries() const override { return true; }

  Cost cost() const override {
    return {2.0 * x_.steps * x_.width * units_, std::string(kernels().isa) + path_of(pairs_)};
  }

 private:
  // Rows rounded at a time, so that they are still near when they are multiplied.
  static constexpr int kRows = 256;

  /// The product `p` of floats, or the same of bf16: rows of k numbers times the packed b16.
  void multiply(const Run& run, const Product& p, int k, const bf16* b16) const {
    if (!pairs_) return kernels().product(p);
    bf16* a = as_bf16(run.arena + scratch_);
    ProductOf<bf16> q = of_pairs(p, a, row16_, even(p.k), b16);
    for (int first = 0; first < p.rows; first += kRows) {
      q.rows = std::min(kRows, p.rows - first);
      q.c = p.c + first * p.c_row;
      pairs_->round_rows(q.rows, k, p.a + first * p.a_row, p.a_row, a, row16_);
      pairs_->product(q);
    }
  }

  void weight_gradients_of_pairs(const Run& run, long rows, const float* d_y, long d_row) const {
    OuterPairs o{};
    o.rows = rows;
    o.d = d_y;
    o.d_row = d_row;
    o.d_group = 4 * lanes_;
    o.vectors = blocks_;
    o.per_group = 4;
    o.scratch = as_bf16(run.arena + scratch_);
    w_.gradient_part(run, o, run.value(x_), x_.row, 0, 0);
    if (bias_ >= 0)
      o.sum[o.sums++] = {w_.columns(), 0,
                         run.gradients + plan_.weights().params[bias_].offset};
    pairs_->outer(o);
  }

  Plan& plan_;
  const Slot x_;
  const int units_, bias_, lanes_;
  const Bf16Kernels* const pairs_;  // for products of bf16, or null
  const int blocks_;
  PackedMatrix w_;
  float* packed_bias_;
  long row16_ = 0, scratch_ = 0;
};

const OpWord dense("dense", make_op<Dense>);

}  // namespace
}  // namespace elman
