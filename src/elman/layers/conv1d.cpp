// Convolution along time: y[t] = b + sum_k x[t stride + k dilation] W[k], wherever all of these steps
// are there. One product per k over the steps as they lie in memory; nothing is copied.
#include <algorithm>
#include <stdexcept>

#include "packed.h"

namespace elman {
namespace {

class Convolution : public Op {
 public:
  Convolution(Plan& plan, const Spec& spec)
      : plan_(plan),
        x_(plan.at(spec.inputs.at(0))),
        filters_((int)spec.number("filters", 0)),
        stride_((int)spec.number("stride", 1)),
        dilation_((int)spec.number("dilation", 1)),
        bias_(spec.params.size() > 1 ? spec.params[1] : -1),
        lanes_(kernels().lanes),
        blocks_(blocks_of(filters_, lanes_)) {
    const std::vector<long>& shape = plan.weights().params[spec.params.at(0)].shape;
    const int size = (int)shape.at(0), left = x_.steps - 1 - (size - 1) * dilation_;
    if (shape.at(1) != x_.width || shape.at(2) != filters_ || left < 0)
      throw std::invalid_argument("'" + spec.name + "' does not fit what it reads");
    Columns columns{};
    columns.units = filters_;
    columns.count = 1;
    columns.per_group = 4;
    for (int k = 0; k < size; ++k)
      w_.emplace_back(plan, spec.params[0], (long)k * x_.width * filters_, x_.width, columns,
                      x_.gradient >= 0);
    packed_bias_ = plan.share((long)blocks_ * lanes_);
    output = plan.slot(spec.name, left / stride_ + 1, filters_);
  }

  void pack(int thread, int threads) override {
    for (const PackedMatrix& w : w_) w.pack(thread, threads);
    if (thread == 0 && bias_ >= 0) std::copy_n(plan_.weights().at(bias_), filters_, packed_bias_);
  }

  void forward(Run& run) override {
    const Slot& y = plan_.at(output);
    each_product(run, [&](int k, long x_at, long y_at, long rows) {
      Product p = w_[k].product(rows, run.value(x_) + x_at * x_.row, x_.row,
                                run.value(y) + y_at * y.row, y.row);
      p.start = k ? p.c : packed_bias_;
      p.start_row = k ? p.c_row : 0;
      kernels().product(p);
    });
  }

  void backward(Run& run) override {
    const Slot& y = plan_.at(output);
    const float* d_y = run.gradient(y);
    if (x_.gradient >= 0) std::fill_n(run.gradient(x_), (long)x_.steps * run.rows * x_.row, 0.0f);
    each_product(run, [&](int k, long x_at, long y_at, long rows) {
      w_[k].gradient(run, rows, run.value(x_) + x_at * x_.row, x_.row, d_y + y_at * y.row, y.row,
                     4 * lanes_);
      if (x_.gradient < 0) return;
      Product p = w_[k].transposed_product(rows, d_y + y_at * y.row, y.row,
                                           run.gradient(x_) + x_at * x_.row, x_.row);
      p.start = p.c;
      p.start_row = p.c_row;
      kernels().product(p);
    });
    if (bias_ >= 0)
      w_[0].bias_gradient(run, bias_, 0, (long)y.steps * run.rows, d_y, y.row, 4 * lanes_);
  }

  Cost cost() const override {
    return {2.0 * plan_.at(output).steps * w_.size() * x_.width * filters_, kernels().isa};
  }

 private:
  /// Calls f(k, row of x, row of y, rows) for all k and runs of steps that are neighbours in both.
  template <class F>
  void each_product(const Run& run, const F& f) const {
    const int steps = plan_.at(output).steps, at_once = stride_ == 1 ? steps : 1;
    for (int t = 0; t < steps; t += at_once)
      for (size_t k = 0; k < w_.size(); ++k)
        f((int)k, (t * stride_ + (long)k * dilation_) * run.rows, (long)t * run.rows,
          (long)at_once * run.rows);
  }

  Plan& plan_;
  const Slot x_;
  const int filters_, stride_, dilation_, bias_, lanes_, blocks_;
  std::vector<PackedMatrix> w_;  // one for each step that the kernel spans
  float* packed_bias_;
};

const OpWord convolution("conv1d", make_op<Convolution>);

}  // namespace
}  // namespace elman
