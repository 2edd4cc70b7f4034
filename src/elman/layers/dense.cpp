// Dense: y = x W + b at every step. Its activation is an op of its own.
#include <algorithm>

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
        blocks_(blocks_of(units_, lanes_)) {
    Columns columns{};
    columns.units = units_;
    columns.count = 1;
    columns.per_group = 4;
    w_ = PackedMatrix(plan, spec.params[0], 0, x_.width, columns, x_.gradient >= 0);
    packed_bias_ = plan.share((long)blocks_ * lanes_);
    output = plan.slot(spec.name, x_.steps, units_);
    plan.at(output).mask = x_.mask;
  }

  void pack(int thread, int threads) override {
    w_.pack(thread, threads);
    if (thread != 0 || bias_ < 0) return;
    const float* b = plan_.weights().values.data() + plan_.weights().params[bias_].offset;
    std::copy_n(b, units_, packed_bias_);
  }

  void forward(Run& run) override {
    const Slot& y = plan_.at(output);
    Product p{};
    p.rows = run.steps_of(x_) * run.rows;
    p.a = run.value(x_);
    p.a_row = x_.row;
    p.k = w_.k();
    p.a_blocks = 1;
    p.b = w_.packed;
    p.c = run.value(y);
    p.c_row = y.row;
    p.c_group = 4 * lanes_;
    p.vectors = blocks_;
    p.per_group = 4;
    p.start = packed_bias_;
    p.start_group = 4 * lanes_;
    kernels().product(p);
  }

  void backward(Run& run) override {
    const Slot& y = plan_.at(output);
    const float* d_y = run.gradient(y);
    const long rows = (long)run.steps_of(x_) * run.rows;
    if (x_.gradient >= 0) {
      Product p{};
      p.rows = (int)rows;
      p.a = d_y;
      p.a_row = y.row;
      p.k = blocks_ * lanes_;
      p.a_blocks = 1;
      p.b = w_.transpose;
      p.c = run.gradient(x_);
      p.c_row = x_.row;
      p.c_group = 4 * lanes_;
      p.vectors = blocks_of(x_.width, lanes_);
      p.per_group = 4;
      kernels().product(p);
    }
    w_.gradient(run, rows, run.value(x_), x_.row, d_y, y.row, 4 * lanes_);
    if (bias_ >= 0) w_.bias_gradient(run, bias_, 0, rows, d_y, y.row, 4 * lanes_);
  }

  bool carries() const override { return true; }

  Cost cost() const override {
    return {2.0 * x_.steps * x_.width * units_, std::string(kernels().isa)};
  }

 private:
  Plan& plan_;
  const Slot x_;
  const int units_, bias_, lanes_, blocks_;
  PackedMatrix w_;
  float* packed_bias_;
};

const OpWord dense("dense", [](Plan& plan, const Spec& spec) -> std::unique_ptr<Op> {
  return std::make_unique<Dense>(plan, spec);
});

}  // namespace
}  // namespace elman
