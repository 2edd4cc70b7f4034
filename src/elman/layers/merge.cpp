// Merge: what several ops made of the same steps becomes one: side by side, or one number for each
// unit.
#include <algorithm>
#include <stdexcept>

#include "op.h"
#include "plan.h"

namespace elman {
namespace {

enum class Mode { concat, sum, ave, mul };

Mode mode_called(const std::string& word) {
  if (word == "concat") return Mode::concat;
  if (word == "sum") return Mode::sum;
  if (word == "ave") return Mode::ave;
  if (word == "mul") return Mode::mul;
  throw std::invalid_argument("no way to merge is called '" + word + "'");
}

class Merge : public Op {
 public:
  Merge(Plan& plan, const Spec& spec)
      : plan_(plan), mode_(mode_called(spec.word("mode", ""))) {
    int width = 0;
    bool gradient = false;
    for (const int input : spec.inputs) {
      x_.push_back(plan.at(input));
      if (mode_ != Mode::concat && x_.back().width != x_[0].width)
        throw std::invalid_argument("'" + spec.name + "' expected inputs of one width");
      width = mode_ == Mode::concat ? width + x_.back().width : x_[0].width;
      gradient |= x_.back().gradient >= 0;
    }
    if (mode_ == Mode::ave) scale_ = 1.0f / (float)x_.size();
    output = plan.slot(spec.name, x_.at(0).steps, width, gradient);
    plan.at(output).mask = x_[0].mask;
  }

  void forward(Run& run) override {
    const Slot& y = plan_.at(output);
    for (long i = 0; i < all_steps(run); ++i) {
      float* to = run.value(y) + i * y.row;
      if (mode_ == Mode::concat) {
        for (const Slot& x : x_) to = std::copy_n(run.value(x) + i * x.row, x.width, to);
        continue;
      }
      std::fill_n(to, y.width, mode_ == Mode::mul ? 1.0f : 0.0f);
      for (const Slot& x : x_) {
        const float* from = run.value(x) + i * x.row;
        if (mode_ == Mode::mul) for (int u = 0; u < y.width; ++u) to[u] *= from[u];
        else for (int u = 0; u < y.width; ++u) to[u] += from[u] * scale_;
      }
    }
  }

  void backward(Run& run) override {
    const Slot& y = plan_.at(output);
    for (long i = 0; i < all_steps(run); ++i) {
      const float* d_y = run.gradient(y) + i * y.row;
      for (size_t k = 0; k < x_.size(); ++k) {
        const Slot& x = x_[k];
        if (x.gradient >= 0) {
          float* d_x = run.gradient(x) + i * x.row;
          for (int u = 0; u < x.width; ++u) d_x[u] = d_y[u] * scale_;
          if (mode_ == Mode::mul) times_others(run, i, k, d_x);
        }
        if (mode_ == Mode::concat) d_y += x.width;
      }
    }
  }

  bool carries() const override { return true; }

 private:
  long all_steps(const Run& run) const { return (long)run.steps_of(x_[0]) * run.rows; }

  void times_others(const Run& run, long i, size_t own, float* d_x) const {
    for (size_t k = 0; k < x_.size(); ++k) {
      const float* other = run.value(x_[k]) + i * x_[k].row;
      for (int u = 0; k != own && u < x_[k].width; ++u) d_x[u] *= other[u];
    }
  }

  Plan& plan_;
  const Mode mode_;
  std::vector<Slot> x_;
  float scale_ = 1;
};

const OpWord merge("merge", [](Plan& plan, const Spec& spec) -> std::unique_ptr<Op> {
  return std::make_unique<Merge>(plan, spec);
});

}  // namespace
}  // namespace elman
