// Activation: element by element, or softmax along the last axis.
#include "isa/table.h"
#include "op.h"
#include "plan.h"

namespace elman {
namespace {

class ActivationOp : public Op {
 public:
  ActivationOp(Plan& plan, const Spec& spec)
      : plan_(plan), x_(plan.at(spec.inputs.at(0))), word_(spec.word("activation", "linear")) {
    softmax_ = word_ == "softmax" || word_ == "log_softmax";
    if (!softmax_) number_ = activation_number(word_);
    output = plan.slot(spec.name, x_.steps, x_.width, x_.gradient >= 0);
    plan.at(output).mask = x_.mask;
  }

  void forward(Run& run) override {
    const float* x = run.value(x_);
    float* y = run.value(plan_.at(output));
    const long rows = run.rows_of(x_);
    if (softmax_)
      kernels().softmax_forward(word_ == "log_softmax", rows, x_.width, x_.row, x, y);
    else
      kernels().activation_forward(number_, rows * x_.row, x, y);
  }

  void backward(Run& run) override {
    if (x_.gradient < 0) return;
    const Slot& out = plan_.at(output);
    const float* d_y = run.gradient(out);
    float* d_x = run.gradient(x_);
    const long rows = run.rows_of(x_);
    if (softmax_)
      kernels().softmax_backward(word_ == "log_softmax", rows, x_.width, x_.row, run.value(out),
                                 d_y, d_x);
    else
      kernels().activation_backward(number_, rows * x_.row, run.value(x_), d_y, d_x);
  }

  bool carries() const override { return true; }

  Cost cost() const override { return {(double)x_.steps * x_.width, kernels().isa}; }

 private:
  Plan& plan_;
  const Slot x_;
  const std::string word_;
  bool softmax_;
  int number_ = 0;
};

const OpWord activation("activation", make_op<ActivationOp>);

}  // namespace
}  // namespace elman
