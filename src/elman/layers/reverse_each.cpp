// Turns sequences of unequal length round in time, each by its own length: up to its last step that
// counts. Those of one length are turned by a rule of rearrange.cpp.
#include <algorithm>

#include "op.h"
#include "plan.h"

namespace elman {
namespace {

class ReverseEach : public Op {
 public:
  ReverseEach(Plan& plan, const Spec& spec) : plan_(plan), x_(plan.at(spec.inputs.at(0))) {
    output = plan.slot(spec.name, x_.steps, x_.width, x_.gradient >= 0);
    plan.at(output).mask = x_.mask;
  }
  void forward(Run& run) override { turn(run, run.value(x_), run.value(plan_.at(output))); }
  void backward(Run& run) override {
    if (x_.gradient >= 0) turn(run, run.gradient(plan_.at(output)), run.gradient(x_));
  }
  bool follows() const override { return true; }

 private:
  void turn(const Run& run, const float* from, float* to) const {
    const long step = run.rows * x_.row;
    const int steps = run.steps_of(x_);
    const float* mask = run.value(plan_.at(x_.mask));
    for (int row = 0; row < run.rows; ++row) {
      int there = steps;
      while (there && mask[(long)(there - 1) * run.rows + row] == 0.0f) --there;
      for (int t = 0; t < steps; ++t)
        std::copy_n(from + row * x_.row + t * step, x_.row,
                    to + row * x_.row + (t < there ? there - 1 - t : t) * step);
    }
  }
  Plan& plan_;
  const Slot x_;
};

const OpWord word("reverse_each", make_op<ReverseEach>);

}  // namespace
}  // namespace elman
