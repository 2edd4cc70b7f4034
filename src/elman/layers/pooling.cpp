// Pooling: the largest number, or the mean, of each feature in windows of steps. A window of all steps
// leaves one row; its mean is then over the steps that count.
#include <algorithm>

#include "op.h"
#include "plan.h"

namespace elman {
namespace {

class Pooling : public Op {
 public:
  Pooling(Plan& plan, const Spec& spec)
      : plan_(plan),
        x_(plan.at(spec.inputs.at(0))),
        largest_(spec.word("kind", "max") == "max"),
        size_((int)spec.number("size", x_.steps)),
        stride_((int)spec.number("stride", 1)),
        before_((int)spec.number("before", 0)),
        mask_(spec.flag("masked") ? x_.mask : -1) {
    output = plan.slot(spec.name, (int)spec.number("steps", 1), x_.width, x_.gradient >= 0);
    if (spec.flag("flat")) plan.at(output).sequence = false;
  }

  void forward(Run& run) override {
    each(run, [&](long row, int first, int last, long at) {
      float* y = run.value(plan_.at(output)) + at;
      const float* x = run.value(x_) + row * x_.row;
      const long step = run.rows * x_.row;
      if (largest_) {
        std::copy_n(x + first * step, x_.width, y);
        for (int t = first + 1; t < last; ++t)
          for (int f = 0; f < x_.width; ++f) y[f] = std::max(y[f], x[t * step + f]);
        return;
      }
      std::fill_n(y, x_.width, 0.0f);
      for (int t = first; t < last; ++t)
        if (counts(run, t, row))
          for (int f = 0; f < x_.width; ++f) y[f] += x[t * step + f];
      const float share = this->share(run, row, first, last);
      for (int f = 0; f < x_.width; ++f) y[f] *= share;
    });
  }

  void backward(Run& run) override {
    if (x_.gradient < 0) return;
    const long step = run.rows * x_.row;
    std::fill_n(run.gradient(x_), x_.steps * step, 0.0f);
    each(run, [&](long row, int first, int last, long at) {
      const float* d_y = run.gradient(plan_.at(output)) + at;
      float* d_x = run.gradient(x_) + row * x_.row;
      if (largest_) {  // all of it goes to the first of the largest
        const float* x = run.value(x_) + row * x_.row;
        const float* y = run.value(plan_.at(output)) + at;
        for (int f = 0; f < x_.width; ++f) {
          int t = first;
          while (t < last - 1 && x[t * step + f] != y[f]) ++t;
          d_x[t * step + f] += d_y[f];
        }
        return;
      }
      const float share = this->share(run, row, first, last);
      for (int t = first; t < last; ++t)
        if (counts(run, t, row))
          for (int f = 0; f < x_.width; ++f) d_x[t * step + f] += d_y[f] * share;
    });
  }

  Cost cost() const override { return {(double)plan_.at(output).steps * size_ * x_.width}; }

 private:
  /// Calls f(row, first, last, where in the output) for each window [first, last) of each row.
  template <class F>
  void each(const Run& run, const F& f) const {
    const Slot& y = plan_.at(output);
    for (int t = 0; t < y.steps; ++t) {
      const int from = t * stride_ - before_;
      for (long row = 0; row < run.rows; ++row)
        f(row, std::max(from, 0), std::min(from + size_, x_.steps), (t * run.rows + row) * y.row);
    }
  }

  bool counts(const Run& run, int t, long row) const {
    return mask_ < 0 || run.value(plan_.at(mask_))[(long)t * run.rows + row] != 0;
  }

  /// What one step is of a mean; of a row without a step that counts the mean is zero.
  float share(const Run& run, long row, int first, int last) const {
    int count = 0;
    for (int t = first; t < last; ++t) count += counts(run, t, row);
    return count ? 1.0f / (float)count : 0.0f;
  }

  Plan& plan_;
  const Slot x_;
  const bool largest_;
  const int size_, stride_, before_;
  const int mask_;  // the slot that says which steps count, or -1
};

const OpWord pooling("pooling", make_op<Pooling>);

}  // namespace
}  // namespace elman
