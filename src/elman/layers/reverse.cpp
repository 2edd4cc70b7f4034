// Turns sequences round in time: all of their steps, or each sequence by its own length, up to its last
// step that counts. Their masks stay as they are.
#include <algorithm>

#include "op.h"
#include "plan.h"

namespace elman {
namespace {

/// Each: by its own length, where there is a mask.
template <bool Each>
class Reverse : public Op {
 public:
  Reverse(Plan& plan, const Spec& spec) : plan_(plan), x_(plan.at(spec.inputs.at(0))) {
    output = plan.slot(spec.name, x_.steps, x_.width, x_.gradient >= 0);
    plan.at(output).mask = x_.mask;
  }
  void forward(Run& run) override { turn(run, run.value(x_), run.value(plan_.at(output))); }
  void backward(Run& run) override {
    if (x_.gradient >= 0) turn(run, run.gradient(plan_.at(output)), run.gradient(x_));
  }
  bool follows() const override { return Each && x_.mask >= 0; }

 private:
  void turn(const Run& run, const float* from, float* to) const {
    const long step = run.rows * x_.row;
    const int steps = run.steps_of(x_);
    const float* mask = Each && x_.mask >= 0 ? run.value(plan_.at(x_.mask)) : nullptr;
    for (int row = 0; row < run.rows; ++row) {
      int there = steps;
      while (mask && there && mask[(long)(there - 1) * run.rows + row] == 0.0f) --there;
      for (int t = 0; t < steps; ++t)
        std::copy_n(from + row * x_.row + t * step, x_.row,
                    to + row * x_.row + (t < there ? there - 1 - t : t) * step);
    }
  }
  Plan& plan_;
  const Slot x_;
};

const OpWord words[] = {{"reverse", make_op<Reverse<false>>}, {"reverse_each", make_op<Reverse<true>>}};

}  // namespace
}  // namespace elman
