// The loss op: gathers targets and weights of its rows, and starts the way back.
#include <cmath>
#include <limits>
#include <stdexcept>

#include "isa/table.h"
#include "op.h"
#include "plan.h"

namespace elman {
namespace {

Loss find_loss(const std::string& word, bool logits) {
  const int off = logits ? 1 : 0;
  if (word == "mean_squared_error") return Loss::mean_squared_error;
  if (word == "mean_absolute_error") return Loss::mean_absolute_error;
  if (word == "huber") return Loss::huber;
  if (word == "binary_crossentropy") return (Loss)((int)Loss::binary_crossentropy + off);
  if (word == "categorical_crossentropy") return (Loss)((int)Loss::categorical_crossentropy + off);
  if (word == "sparse_categorical_crossentropy")
    return (Loss)((int)Loss::sparse_categorical_crossentropy + off);
  throw std::invalid_argument("no loss is called '" + word + "'");
}

class LossOp : public Op {
 public:
  LossOp(Plan& plan, const Spec& spec)
      : plan_(plan), p_(plan.at(spec.inputs.at(0))) {
    const std::string word = spec.word("loss", "");
    loss_ = find_loss(word, spec.flag("from_logits"));
    sparse_ = word == "sparse_categorical_crossentropy";
    sum_ = spec.flag("sum");
    option_ = (float)spec.number(word == "huber" ? "delta" : "label_smoothing", 0);
    ignore_ = (float)spec.number("ignore_class", std::numeric_limits<double>::quiet_NaN());
    loss_weight_ = spec.number("loss_weight", 1);
    y_width_ = sparse_ ? 1 : p_.width;
    counts_ = p_.mask >= 0 || ignore_ == ignore_;
    number_ = plan.add_loss(spec.inputs.at(0), y_width_, counts_);
    y_ = plan.reserve((long)p_.steps * y_width_);
    weight_ = plan.reserve(p_.steps);
  }

  /// Keras: the mean is over the targets that count, in the whole batch.
  bool needs_all(const Run& run, Way way) const override {
    return way == Way::up && counts_ && !run.batch.targets.empty() &&
           run.losses[number_].divisor == 0;
  }

  /// Gathers the targets and weights of the shard's rows.
  void share(Run& run, Way) override {
    const Target& b = run.batch.targets[number_];
    LossPart& part = run.losses[number_];
    const long T = run.steps_of(p_), rows = run.rows, start = run.start_of(p_);
    const float* mask = p_.mask >= 0 ? run.value(plan_.at(p_.mask)) : nullptr;
    float* y = run.arena + y_;
    float* weight = run.arena + weight_;
    part.counting = 0;
    for (long row = 0; row < rows; ++row) {
      const long sample = run.sample((int)row);
      for (long t = 0; t < T; ++t) {
        const float* from = b.y + sample * b.y_width + (start + t) * y_width_;
        std::copy_n(from, y_width_, y + (t * rows + row) * y_width_);
        float w = b.weight ? b.weight[sample * b.weight_width + (b.weight_width > 1 ? start + t : 0)] : 1.0f;
        const bool counts = (!mask || mask[t * rows + row] != 0.0f) && from[0] != ignore_;
        part.counting += counts;
        weight[t * rows + row] = counts ? w : 0.0f;
      }
    }
  }

  void forward(Run& run) override {
    if (run.batch.targets.empty()) return;  // a prediction
    LossPart& part = run.losses[number_];
    double divisor = part.divisor;
    if (needs_all(run, Way::up)) {
      for (const Run& shard : *run.all) divisor += shard.losses[number_].counting;
      divisor += 1e-7;
    } else {
      share(run, Way::up);
    }
    if (divisor == 0) divisor = (double)run.batch_rows * run.steps_of(p_);
    const double scale = sum_ ? 1.0 : 1.0 / divisor;
    LossRows a{run.rows_of(p_), p_.width, run.value(p_), p_.row, run.arena + y_, y_width_,
               run.arena + weight_, (float)(scale * loss_weight_), p_.gradient >= 0 ? run.gradient(p_) : nullptr,
               option_, ignore_};
    part.sum += kernels().losses[(int)loss_](a) * scale;
  }

  bool carries() const override { return true; }

 private:
  Plan& plan_;
  const Slot p_;
  Loss loss_;
  bool sparse_, sum_;
  bool counts_;  // whether only some of the targets may
  double loss_weight_;  // of its gradient, beside those of other losses
  float option_, ignore_;
  int number_;
  long y_width_, y_, weight_;
};

const OpWord loss("loss", make_op<LossOp>);

}  // namespace
}  // namespace elman
