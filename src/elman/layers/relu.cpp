// Bend: what ReLU, LeakyReLU and ELU do beyond what an activation can. Above `threshold` y = x, at
// most max_value; below it y = slope (x - threshold), or with alpha y = alpha (exp(x) - 1).
#include <cmath>
#include <limits>

#include "op.h"
#include "plan.h"

namespace elman {
namespace {

class Bend : public Op {
 public:
  Bend(Plan& plan, const Spec& spec)
      : plan_(plan),
        x_(plan.at(spec.inputs.at(0))),
        slope_((float)spec.number("slope", 0)),
        threshold_((float)spec.number("threshold", 0)),
        most_((float)spec.number("max_value", std::numeric_limits<double>::infinity())),
        alpha_((float)spec.number("alpha", 0)) {
    output = plan.slot(spec.name, x_.steps, x_.width, x_.gradient >= 0);
    plan.at(output).mask = x_.mask;
  }

  void forward(Run& run) override {
    const long count = run.rows_of(x_) * x_.row;
    const float* x = run.value(x_);
    float* y = run.value(plan_.at(output));
    if (alpha_ != 0)
      for (long i = 0; i < count; ++i) y[i] = x[i] > 0 ? x[i] : alpha_ * std::expm1(x[i]);
    else
      for (long i = 0; i < count; ++i) {
        const float above = x[i] > most_ ? most_ : x[i], below = slope_ * (x[i] - threshold_);
        y[i] = x[i] > threshold_ ? above : below;
      }
  }

  void backward(Run& run) override {
    if (x_.gradient < 0) return;
    const long count = run.rows_of(x_) * x_.row;
    const float* x = run.value(x_);
    const float* d_y = run.gradient(plan_.at(output));
    float* d_x = run.gradient(x_);
    if (alpha_ != 0)
      for (long i = 0; i < count; ++i) d_x[i] = x[i] > 0 ? d_y[i] : d_y[i] * alpha_ * std::exp(x[i]);
    else
      for (long i = 0; i < count; ++i) {
        const float above = x[i] > most_ ? 0 : d_y[i], below = slope_ * d_y[i];
        d_x[i] = x[i] > threshold_ ? above : below;
      }
  }

  bool carries() const override { return true; }

  Cost cost() const override { return {(double)x_.steps * x_.width}; }

 private:
  Plan& plan_;
  const Slot x_;
  const float slope_, threshold_, most_, alpha_;
};

const OpWord bend("bend", make_op<Bend>);

}  // namespace
}  // namespace elman
