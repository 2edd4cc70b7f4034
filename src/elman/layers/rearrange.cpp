// Rearrange: the numbers of a row in another order, repeated, left out, or with zeros in between. A rule
// says for each stretch of the output where in the input it comes from; backward follows it back.
#include <algorithm>
#include <vector>

#include "op.h"
#include "plan.h"

namespace elman {
namespace {

/// Numbers that lie side by side, both before and after.
struct Stretch {
  int to_step, to;      // the first of them in the output: its step, and its place there
  int from_step, from;  // and in the input
  int count;
};

/// What the output is like.
struct Rule {
  int steps, width;
  std::vector<Stretch> stretches;
};

/// Whole steps: step t of the output is step from(t) of the input, or zeros.
template <class F>
Rule by_step(const Slot& x, int steps, const F& from) {
  Rule rule{steps, x.width, {}};
  for (int t = 0; t < steps; ++t) {
    const int s = from(t);
    if (s >= 0 && s < x.steps) rule.stretches.push_back({t, 0, s, 0, x.width});
  }
  return rule;
}

/// Each step so many times.
Rule repeat(const Slot& x, const Spec& spec) {
  const int times = (int)spec.number("times", 1);
  return by_step(x, x.steps * times, [&](int t) { return t / times; });
}

/// Steps of zeros before and after; negative: so many steps are left out.
Rule pad(const Slot& x, const Spec& spec) {
  const int before = (int)spec.number("before", 0), after = (int)spec.number("after", 0);
  return by_step(x, before + x.steps + after, [&](int t) { return t - before; });
}

/// The same numbers one after the other, in steps of another width.
Rule reshape(const Slot& x, const Spec& spec) {
  const int width = (int)spec.number("width", 1), all = x.steps * x.width;
  Rule rule{all / width, width, {}};
  for (int i = 0, count; i < all; i += count) {
    count = std::min(width - i % width, x.width - i % x.width);
    rule.stretches.push_back({i / width, i % width, i / x.width, i % x.width, count});
  }
  return rule;
}

/// Steps become features, and features steps.
Rule transpose(const Slot& x, const Spec&) {
  Rule rule{x.width, x.steps, {}};
  for (int t = 0; t < x.steps; ++t)
    for (int f = 0; f < x.width; ++f) rule.stretches.push_back({f, t, t, f, 1});
  return rule;
}

class Rearrange : public Op {
 public:
  Rearrange(Plan& plan, const Spec& spec, Rule (*make)(const Slot&, const Spec&))
      : plan_(plan), x_(plan.at(spec.inputs.at(0))) {
    Rule rule = make(x_, spec);
    stretches_ = std::move(rule.stretches);
    output = plan.slot(spec.name, rule.steps, rule.width, x_.gradient >= 0);
    long filled = 0;
    for (const Stretch& s : stretches_) filled += s.count;
    leaves_gaps_ = filled < (long)rule.steps * rule.width;
    if (spec.flag("flat")) plan.at(output).sequence = false;
  }

  void forward(Run& run) override {
    const Slot& y = plan_.at(output);
    if (leaves_gaps_) std::fill_n(run.value(y), (long)y.steps * run.rows * y.row, 0.0f);
    each(run, run.value(x_), run.value(y), [](const float* x, float* y, int count) {
      std::copy_n(x, count, y);
    });
  }

  void backward(Run& run) override {
    if (x_.gradient < 0) return;
    std::fill_n(run.gradient(x_), run.rows_of(x_) * x_.row, 0.0f);
    each(run, run.gradient(x_), run.gradient(plan_.at(output)), [](float* d_x, const float* d_y, int count) {
      for (int i = 0; i < count; ++i) d_x[i] += d_y[i];
    });
  }

 private:
  /// Calls f(input, output, count) for every stretch of every row.
  template <class X, class Y, class F>
  void each(const Run& run, X* x, Y* y, const F& f) const {
    const long x_row = x_.row, y_row = plan_.at(output).row, rows = run.rows;
    for (const Stretch& s : stretches_)
      for (long row = 0; row < rows; ++row)
        f(x + (s.from_step * rows + row) * x_row + s.from, y + (s.to_step * rows + row) * y_row + s.to,
          s.count);
  }

  Plan& plan_;
  const Slot x_;
  std::vector<Stretch> stretches_;
  bool leaves_gaps_;
};

template <Rule (*make)(const Slot&, const Spec&)>
std::unique_ptr<Op> made(Plan& plan, const Spec& spec) {
  return std::make_unique<Rearrange>(plan, spec, make);
}

const OpWord words[] = {{"repeat", made<repeat>}, {"pad", made<pad>}, {"reshape", made<reshape>},
                        {"transpose", made<transpose>}};

}  // namespace
}  // namespace elman
