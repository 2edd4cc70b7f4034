// Rescaling: every column by fixed numbers, which are options; or, for Normalization, a mean and a
// variance among the weights.
#include <algorithm>
#include <cmath>

#include "isa/table.h"
#include "op.h"
#include "plan.h"

namespace elman {
namespace {

constexpr float kLeast = 1e-7f;  // Keras's backend epsilon: a constant column is divided by this

class Rescaling : public Op {
 public:
  Rescaling(Plan& plan, const Spec& spec)
      : plan_(plan), x_(plan.at(spec.inputs.at(0))), inverts_(spec.flag("invert")) {
    output = plan.slot(spec.name, x_.steps, x_.width, x_.gradient >= 0);
    plan.at(output).mask = x_.mask;
    const long width = rounded(x_.width);
    mean_ = plan.share(4 * width);
    scale_ = mean_ + width;
    shift_ = scale_ + width;
    zeros_ = shift_ + width;
    if (!spec.params.empty()) {
      mean_param_ = spec.params.at(0);
      variance_param_ = spec.params.at(1);
      return;
    }
    for (const auto& [word, to] : {std::pair{"mean", mean_}, {"scale", scale_}, {"shift", shift_}}) {
      const std::vector<double> numbers = spec.numbers(word);
      if ((int)numbers.size() != x_.width)
        throw std::invalid_argument("'" + spec.name + "' expected one " + word + " per column");
      std::copy(numbers.begin(), numbers.end(), to);
    }
  }

  void pack(int thread, int) override {
    if (thread != 0 || mean_param_ < 0) return;
    Weights& w = plan_.weights();
    const float *mean = w.at(mean_param_), *variance = w.at(variance_param_);
    const bool one = w.params[mean_param_].size == 1;  // for all columns
    for (int u = 0; u < x_.width; ++u) {
      const float deviation = std::max(std::sqrt(variance[one ? 0 : u]), kLeast);
      (inverts_ ? shift_ : mean_)[u] = mean[one ? 0 : u];
      scale_[u] = inverts_ ? deviation : 1.0f / deviation;
    }
  }

  void forward(Run& run) override { scale(run, run.value(x_), mean_, shift_, run.value(plan_.at(output))); }

  void backward(Run& run) override {
    if (x_.gradient >= 0)
      scale(run, run.gradient(plan_.at(output)), zeros_, zeros_, run.gradient(x_));
  }

  bool carries() const override { return true; }

  Cost cost() const override { return {2.0 * x_.steps * x_.width, kernels().isa}; }

 private:
  void scale(const Run& run, const float* from, const float* mean, const float* shift, float* to) const {
    kernels().scale_columns({run.rows_of(x_), x_.width, x_.row, from, mean, scale_,
                             shift, to});
  }

  Plan& plan_;
  const Slot x_;
  const bool inverts_;
  int mean_param_ = -1, variance_param_ = -1;
  float *mean_, *scale_, *shift_, *zeros_;
};

const OpWord rescaling("rescaling", make_op<Rescaling>);

}  // namespace
}  // namespace elman
