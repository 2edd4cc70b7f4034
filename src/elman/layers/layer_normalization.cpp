// LayerNormalization: every step of every row by its own mean and variance.
#include "isa/table.h"
#include "op.h"
#include "plan.h"

namespace elman {
namespace {

class LayerNormalization : public Op {
 public:
  LayerNormalization(Plan& plan, const Spec& spec)
      : plan_(plan),
        x_(plan.at(spec.inputs.at(0))),
        epsilon_((float)spec.number("epsilon", 0)),
        centered_(!spec.flag("rms_scaling")) {
    size_t next = 0;
    if (spec.flag("scale")) gamma_ = spec.params.at(next++);
    if (spec.flag("center")) beta_ = spec.params.at(next);
    output = plan.slot(spec.name, x_.steps, x_.width);
    plan.at(output).mask = x_.mask;
  }

  void forward(Run& run) override { kernels().scale_rows(rows(run)); }

  void backward(Run& run) override {
    RowScale a = rows(run);
    a.d_y = run.gradient(plan_.at(output));
    if (x_.gradient >= 0) a.d_x = run.gradient(x_);
    if (gamma_ >= 0) a.d_gamma = run.gradients + offset(gamma_);
    if (beta_ >= 0) a.d_beta = run.gradients + offset(beta_);
    kernels().scale_rows_backward(a);
  }

  bool carries() const override { return true; }

  Cost cost() const override { return {6.0 * x_.steps * x_.width, kernels().isa}; }

 private:
  RowScale rows(const Run& run) const {
    RowScale a{};
    a.rows = run.rows_of(x_);
    a.width = x_.width;
    a.row = x_.row;
    a.centered = centered_;
    a.epsilon = epsilon_;
    a.x = run.value(x_);
    a.gamma = gamma_ < 0 ? nullptr : plan_.weights().at(gamma_);
    a.beta = beta_ < 0 ? nullptr : plan_.weights().at(beta_);
    a.y = run.value(plan_.at(output));
    return a;
  }
  long offset(int param) const { return plan_.weights().params[param].offset; }

  Plan& plan_;
  const Slot x_;
  const float epsilon_;
  const bool centered_;
  int gamma_ = -1, beta_ = -1;
};

const OpWord layer_normalization("layer_norm", make_op<LayerNormalization>);

}  // namespace
}  // namespace elman
