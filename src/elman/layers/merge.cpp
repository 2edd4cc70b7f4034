// Merge: what several ops made of the same steps becomes one: side by side, or one number for each
// unit. An input of one step, or of one number a step, stands for all of them.
#include <algorithm>
#include <stdexcept>

#include "op.h"
#include "plan.h"

namespace elman {
namespace {

enum class Mode { concat, sum, ave, sub, mul, max, min };

Mode mode_called(const std::string& word) {
  static const std::map<std::string, Mode> modes{
      {"concat", Mode::concat}, {"sum", Mode::sum}, {"ave", Mode::ave}, {"sub", Mode::sub},
      {"mul", Mode::mul},       {"max", Mode::max}, {"min", Mode::min}};
  const auto found = modes.find(word);
  if (found == modes.end()) throw std::invalid_argument("no way to merge is called '" + word + "'");
  return found->second;
}

class Merge : public Op {
 public:
  Merge(Plan& plan, const Spec& spec)
      : plan_(plan), mode_(mode_called(spec.word("mode", ""))) {
    int width = 0, steps = 1;
    bool gradient = false;
    for (const int input : spec.inputs) {
      x_.push_back(plan.at(input));
      const Slot& x = x_.back();
      steps = std::max(steps, x.steps);
      width = mode_ == Mode::concat ? width + x.width : std::max(width, x.width);
      gradient |= x.gradient >= 0;
      masked_ &= x.mask >= 0;
      one_mask_ &= x.mask == x_[0].mask;
    }
    for (const Slot& x : x_) {
      if (mode_ != Mode::concat && x.width != width && x.width != 1)
        throw std::invalid_argument("'" + spec.name + "' expected inputs of one width");
      if (x.steps != steps && x.steps != 1)
        throw std::invalid_argument("'" + spec.name + "' expected inputs of one length");
      across_ |= x.steps != steps || x.sequence != x_[0].sequence;
    }
    if (mode_ == Mode::ave) scale_ = 1.0f / (float)x_.size();
    output = plan.slot(spec.name, steps, width, gradient);
    // A step counts where it does in any input.
    if (masked_ && one_mask_) plan.at(output).mask = x_[0].mask;
    else if (masked_) plan.add_mask(output);
  }

  void forward(Run& run) override {
    const Slot& y = plan_.at(output);
    if (masked_ && !one_mask_) merge_masks(run, run.value(plan_.at(y.mask)));
    each_step(run, [&](int t, int row) {
      float* to = run.value(y) + place(run, y, t, row) * y.row;
      switch (mode_) {
        case Mode::concat:
          for (const Slot& x : x_) to = std::copy_n(at(run, x, t, row), x.width, to);
          return;
        case Mode::sum:
        case Mode::ave:
        case Mode::sub:
          std::fill_n(to, y.width, 0.0f);
          for (size_t k = 0; k < x_.size(); ++k) {
            const float* from = at(run, x_[k], t, row);
            const float factor = factor_of(k);
            if (x_[k].width == y.width) for (int u = 0; u < y.width; ++u) to[u] += from[u] * factor;
            else for (int u = 0; u < y.width; ++u) to[u] += from[0] * factor;
          }
          return;
        case Mode::mul:
          for (int u = 0; u < y.width; ++u) to[u] = product(run, t, row, u, x_.size());
          return;
        case Mode::max:
        case Mode::min:
          for (int u = 0; u < y.width; ++u) to[u] = fold(run, t, row, u, x_.size()).value;
      }
    });
  }

  void backward(Run& run) override {
    const Slot& y = plan_.at(output);
    const bool folded = mode_ == Mode::max || mode_ == Mode::min;
    for (const Slot& x : x_)
      if (x.gradient >= 0 && (folded || spread(x)))
        std::fill_n(run.gradient(x), run.rows_of(x) * x.row, 0.0f);
    each_step(run, [&](int t, int row) {
      const float* d_y = run.gradient(y) + place(run, y, t, row) * y.row;
      for (int u = 0; folded && u < y.width; ++u) unfold(run, t, row, u, d_y[u]);
      for (size_t k = 0; !folded && k < x_.size(); ++k) {
        const Slot& x = x_[k];
        if (x.gradient >= 0) {
          float* d_x = run.gradient(x) + place(run, x, t, row) * x.row;
          const float factor = factor_of(k);
          if (!spread(x) && mode_ == Mode::mul)
            for (int u = 0; u < x.width; ++u) d_x[u] = d_y[u] * product(run, t, row, u, k);
          else if (!spread(x)) for (int u = 0; u < x.width; ++u) d_x[u] = d_y[u] * factor;
          else
            for (int u = 0; u < y.width; ++u)
              d_x[x.width == 1 ? 0 : u] +=
                  d_y[u] * (mode_ == Mode::mul ? product(run, t, row, u, k) : factor);
        }
        if (mode_ == Mode::concat) d_y += x.width;
      }
    });
  }

  bool carries() const override { return !across_; }

 private:
  /// Calls f(t, row) for every step of every row.
  template <class F>
  void each_step(const Run& run, const F& f) const {
    const int steps = run.steps_of(plan_.at(output));
    for (int t = 0; t < steps; ++t)
      for (int row = 0; row < run.rows; ++row)
        f(t, row);
  }

  /// Which of its records a slot has for a step.
  long place(const Run& run, const Slot& x, int t, int row) const {
    return (x.steps == 1 ? 0 : (long)t * run.rows) + row;
  }
  const float* at(const Run& run, const Slot& x, int t, int row) const {
    return run.value(x) + place(run, x, t, row) * x.row;
  }
  float unit(const Run& run, const Slot& x, int t, int row, int u) const {
    return at(run, x, t, row)[x.width == 1 ? 0 : u];
  }
  /// Whether one number of an input stands for several, whose gradients add up.
  bool spread(const Slot& x) const {
    const Slot& y = plan_.at(output);
    return x.steps != y.steps || (mode_ != Mode::concat && x.width != y.width);
  }
  /// Whether a mask leaves a step of an input out.
  bool left_out(const Run& run, const Slot& x, int t, int row) const {
    return x.mask >= 0 && run.value(plan_.at(x.mask))[place(run, x, t, row)] == 0;
  }
  float factor_of(size_t k) const { return mode_ == Mode::sub && k > 0 ? -1.0f : scale_; }

  void merge_masks(const Run& run, float* to) const {
    each_step(run, [&](int t, int row) {
      bool counts = false;
      for (const Slot& x : x_) counts |= !left_out(run, x, t, row);
      to[(long)t * run.rows + row] = counts ? 1.0f : 0.0f;
    });
  }

  /// The product of a unit over all inputs but one, as Keras: what is left out is a 1, and where
  /// everything is, a 0. The derivative with respect to an input that is left out is 0.
  float product(const Run& run, int t, int row, int u, size_t without) const {
    float found = 1;
    bool some = !masked_;
    for (size_t k = 0; k < x_.size(); ++k) {
      const bool out = left_out(run, x_[k], t, row);
      if (out && k == without) return 0;
      some |= !out;
      if (k != without && !out) found *= unit(run, x_[k], t, row, u);
    }
    return some ? found : 0;
  }

  /// The largest or smallest of a unit over the first `count` inputs, as Keras: one after the other,
  /// what is left out gives way, as long as both sides have a mask.
  struct Folded {
    float value;
    bool masked, out;
  };
  Folded fold(const Run& run, int t, int row, int u, size_t count) const {
    Folded f{unit(run, x_[0], t, row, u), x_[0].mask >= 0, left_out(run, x_[0], t, row)};
    for (size_t k = 1; k < count; ++k) {
      const float x = unit(run, x_[k], t, row, u);
      const float share = taken(run, f, t, row, k, x);
      if (share == 1) f.value = x;
      const bool masked = x_[k].mask >= 0;
      f.out = f.masked && masked && f.out && left_out(run, x_[k], t, row);
      f.masked &= masked;
    }
    return f;
  }
  /// How much of the result is the k-th input's: 1, 0, or a half where both are equal.
  float taken(const Run& run, const Folded& f, int t, int row, size_t k, float x) const {
    if (left_out(run, x_[k], t, row)) return 0;
    if (f.masked && f.out) return 1;
    if (x == f.value) return 0.5f;
    return (x > f.value) == (mode_ == Mode::max) ? 1 : 0;
  }
  void unfold(const Run& run, int t, int row, int u, float d) const {
    for (size_t k = x_.size(); k-- > 0;) {
      const Slot& x = x_[k];
      const float share =
          k == 0 ? 1 : taken(run, fold(run, t, row, u, k), t, row, k, unit(run, x, t, row, u));
      if (x.gradient >= 0)
        run.gradient(x)[place(run, x, t, row) * x.row + (x.width == 1 ? 0 : u)] += d * share;
      d *= 1 - share;
    }
  }

  Plan& plan_;
  const Mode mode_;
  std::vector<Slot> x_;
  float scale_ = 1;
  bool masked_ = true, one_mask_ = true;  // whether every input has a mask; the same one
  bool across_ = false;                   // whether one step of an input stands for several
};

const OpWord merge("merge", make_op<Merge>);

/// Sequences one after the other. A step of one without a mask counts where another has one.
class Append : public Op {
 public:
  Append(Plan& plan, const Spec& spec) : plan_(plan) {
    int steps = 0;
    bool gradient = false, masked = false;
    for (const int input : spec.inputs) {
      x_.push_back(plan.at(input));
      if (x_.back().width != x_[0].width)
        throw std::invalid_argument("'" + spec.name + "' expected inputs of one width");
      steps += x_.back().steps;
      gradient |= x_.back().gradient >= 0;
      masked |= x_.back().mask >= 0;
    }
    output = plan.slot(spec.name, steps, x_[0].width, gradient);
    if (masked) plan.add_mask(output);
  }

  void forward(Run& run) override {
    const Slot& y = plan_.at(output);
    float* to = run.value(y);
    for (const Slot& x : x_) to = std::copy_n(run.value(x), floats(run, x), to);
    if (y.mask < 0) return;
    float* mask = run.value(plan_.at(y.mask));
    for (const Slot& x : x_) {
      const long count = run.rows_of(x);
      mask = x.mask < 0 ? std::fill_n(mask, count, 1.0f)
                        : std::copy_n(run.value(plan_.at(x.mask)), count, mask);
    }
  }

  void backward(Run& run) override {
    const float* d_y = run.gradient(plan_.at(output));
    for (const Slot& x : x_) {
      if (x.gradient >= 0) std::copy_n(d_y, floats(run, x), run.gradient(x));
      d_y += floats(run, x);
    }
  }

 private:
  static long floats(const Run& run, const Slot& x) {
    return run.rows_of(x) * x.row;
  }
  Plan& plan_;
  std::vector<Slot> x_;
};

const OpWord append("append", make_op<Append>);

}  // namespace
}  // namespace elman
