// Dropout: the same pass over values forward and over gradients backward. Noise that is added leaves
// gradients alone.
#include <algorithm>
#include <stdexcept>

#include "isa/table.h"
#include "op.h"
#include "plan.h"

namespace elman {
namespace {

Noise noise_called(const std::string& word) {
  if (word == "zeros") return Noise::zeros;
  if (word == "added") return Noise::added;
  if (word == "factor") return Noise::factor;
  throw std::invalid_argument("no noise is called '" + word + "'");
}

class Dropout : public Op {
 public:
  Dropout(Plan& plan, const Spec& spec)
      : plan_(plan),
        x_(plan.at(spec.inputs.at(0))),
        noise_(noise_called(spec.word("kind", "zeros"))),
        rate_((float)spec.number("rate", 0)),
        seed_((uint32_t)(int64_t)spec.number("seed", 0)),
        same_each_step_(spec.flag("same_each_step")) {
    output = plan.slot(spec.name, x_.steps, x_.width, x_.gradient >= 0);
    plan.at(output).mask = x_.mask;
  }

  void forward(Run& run) override {
    const Slot& y = plan_.at(output);
    if (!run.training || rate_ == 0)
      std::copy_n(run.value(x_), run.rows_of(x_) * x_.row, run.value(y));
    else
      drop(run, run.value(x_), run.value(y));
  }

  void backward(Run& run) override {
    if (x_.gradient < 0) return;
    const Slot& y = plan_.at(output);
    if (!run.training || rate_ == 0 || noise_ == Noise::added)
      std::copy_n(run.gradient(y), run.rows_of(x_) * x_.row, run.gradient(x_));
    else
      drop(run, run.gradient(y), run.gradient(x_));
  }

  bool carries() const override { return true; }

 private:
  void drop(const Run& run, const float* from, float* to) const {
    kernels().dropout({run.steps_of(x_), run.start_of(x_), run.rows, x_.width, x_.row,
                       run.first_row, run.rank, same_each_step_, noise_, rate_, seed_ ^ run.seed, run.step,
                       from, to});
  }

  Plan& plan_;
  const Slot x_;
  const Noise noise_;
  const float rate_;
  const uint32_t seed_;
  const bool same_each_step_;
};

const OpWord dropout("dropout", make_op<Dropout>);

}  // namespace
}  // namespace elman
