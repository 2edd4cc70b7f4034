// Masking: a step whose features all equal one value does not count; or, with a second input, one
// where that is zero. Its features become zero.
#include "op.h"
#include "plan.h"

namespace elman {
namespace {

class Masking : public Op {
 public:
  Masking(Plan& plan, const Spec& spec)
      : plan_(plan), x_(plan.at(spec.inputs.at(0))), value_((float)spec.number("mask_value", 0)),
        within_(spec.flag("within")) {
    if (spec.inputs.size() > 1) given_ = plan.at(spec.inputs[1]);
    output = plan.slot(spec.name, x_.steps, x_.width, x_.gradient >= 0);
    plan.add_mask(output);
  }

  void forward(Run& run) override {
    const Slot& y = plan_.at(output);
    float* mask = run.value(plan_.at(y.mask));
    const float* before = within_ && x_.mask >= 0 ? run.value(plan_.at(x_.mask)) : nullptr;
    const float* from = run.value(x_);
    float* to = run.value(y);
    const float* given = given_.width ? run.value(given_) : nullptr;
    const long count = run.rows_of(x_);
    for (long i = 0; i < count; ++i, from += x_.row, to += y.row) {
      bool counts = given && given[i * given_.row] != 0;
      for (int f = 0; !given && f < x_.width; ++f) counts |= from[f] != value_;
      counts &= !before || before[i] != 0.0f;
      mask[i] = counts ? 1.0f : 0.0f;
      for (int f = 0; f < x_.width; ++f) to[f] = counts ? from[f] : 0.0f;
    }
  }

  void backward(Run& run) override {
    if (x_.gradient < 0) return;
    const Slot& y = plan_.at(output);
    const float* mask = run.value(plan_.at(y.mask));
    const float* d_y = run.gradient(y);
    float* d_x = run.gradient(x_);
    const long count = run.rows_of(x_);
    for (long i = 0; i < count; ++i)
      for (int f = 0; f < x_.width; ++f) d_x[i * x_.row + f] = d_y[i * y.row + f] * mask[i];
  }

  bool carries() const override { return true; }

 private:
  Plan& plan_;
  const Slot x_;
  Slot given_;  // of no width: none
  const float value_;
  const bool within_;  // whether only steps that counted before can count
};

const OpWord masking("masking", make_op<Masking>);

}  // namespace
}  // namespace elman
