#include "optimizer.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace elman {

Optimizer::Optimizer(std::shared_ptr<Weights> w, const std::string& rule,
                     const std::map<std::string, double>& options, int moment_count)
    : weights(std::move(w)) {
  const auto number = [&](const char* key, double missing) {
    const auto found = options.find(key);
    return found == options.end() ? missing : found->second;
  };
  if (rule == "sgd") {
    rule_ = Rule::sgd;
    base_.a = (float)number("momentum", 0);
    base_.nesterov = number("nesterov", 0) != 0;
  } else if (rule == "rmsprop") {
    rule_ = Rule::rmsprop;
    base_.a = (float)number("rho", 0.9);
    base_.a_rest = (float)(1 - number("rho", 0.9));
    base_.b = (float)number("momentum", 0);
    base_.centered = number("centered", 0) != 0;
  } else if (rule == "adam") {
    rule_ = Rule::adam;
    base_.a = (float)number("beta_1", 0.9);
    base_.b = (float)number("beta_2", 0.999);
    base_.a_rest = (float)(1 - number("beta_1", 0.9));
    base_.b_rest = (float)(1 - number("beta_2", 0.999));
    base_.amsgrad = number("amsgrad", 0) != 0;
  } else {
    throw std::invalid_argument("no optimizer rule is called '" + rule + "'");
  }
  base_.epsilon = (float)number("epsilon", 1e-7);
  base_.decay = (float)number("weight_decay", 0);
  base_.clip = (float)number("clipvalue", 0);
  base_.moments = moment_count;
  clipnorm_ = number("clipnorm", 0);
  global_clipnorm_ = number("global_clipnorm", 0);
  const bool momentum = rule_ == Rule::adam || (rule_ == Rule::sgd ? base_.a > 0 : base_.b > 0);
  moves_untouched_ = base_.moves = momentum || base_.decay > 0;
  for (size_t i = 0; i < weights->params.size(); ++i) {
    const Param& p = weights->params[i];
    if (!p.trainable) continue;
    pieces_.push_back({(int)i, p.offset, rounded(p.size), p.table});
    if (p.table) tables_.push_back({(int)i, std::vector<int32_t>(p.shape[0], 0)});
    else dense_total_ += rounded(p.size);
  }
  moments.resize(moment_count);
  for (Floats& m : moments) m.resize(weights->total);
  if (!tables_.empty()) {
    weights->settle();
    weights->lazy = this;
  }
}

Optimizer::~Optimizer() {
  if (weights->lazy != this) return;
  settle();
  weights->lazy = nullptr;
}

void Optimizer::set_iterations(long steps) {
  if (steps == iterations) return;
  settle();
  iterations = first_ = settled_ = steps;
  rates_.clear();
  biases_.clear();
  for (Table& t : tables_) std::fill(t.done.begin(), t.done.end(), (int32_t)steps);
}

template <class F>
void Optimizer::each_dense(int part, int parts, const F& f) const {
  const long first = dense_total_ / 16 * part / parts * 16;
  const long last = dense_total_ / 16 * (part + 1) / parts * 16;
  long at = 0;
  for (size_t i = 0; i < pieces_.size() && at < last; ++i) {
    if (pieces_[i].table) continue;
    const long from = std::max(first, at), to = std::min(last, at + pieces_[i].size);
    if (from < to) f(i, pieces_[i].offset + from - at, to - from);
    at += pieces_[i].size;
  }
}

template <class F>
void Optimizer::each_table(const std::vector<Run>& shards, const F& f) const {
  for (const auto& gradient : *shards[0].tables)
    for (size_t i = 0; i < pieces_.size(); ++i)
      if (pieces_[i].param == gradient->param) f(i, *gradient);
}

Update Optimizer::at(long offset) const {
  Update u = base_;
  u.value = weights->values.data() + offset;
  for (size_t m = 0; m < moments.size(); ++m)
    u.moment[m] = const_cast<float*>(moments[m].data()) + offset;
  return u;
}

void Optimizer::catch_up(Table& table, int32_t row) {
  const long missing = iterations - table.done[row];
  if (missing == 0) return;
  const Param& p = weights->params[table.param];
  Update u = at(p.offset + row * p.shape[1]);
  u.rate = largest_rate_;
  const long from = table.done[row] - first_;
  kernels().catch_up[(int)rule_](u, p.shape[1], rates_.data() + from, biases_.data() + from,
                                 missing);
  table.done[row] = (int32_t)iterations;
}

void Optimizer::catch_up(int param, int32_t row) {
  for (Table& t : tables_)
    if (t.param == param) catch_up(t, row);
}

void Optimizer::settle() {
  if (settled_ == iterations) return;
  bool changed = false;
  for (Table& t : tables_)
    for (size_t row = 0; row < t.done.size(); ++row) {
      changed |= t.done[row] != iterations;
      catch_up(t, (int32_t)row);
    }
  settled_ = iterations;
  if (!changed) return;
  if (moves_untouched_) ++weights->version;
  rates_.clear();
  biases_.clear();
  first_ = iterations;
}

void Optimizer::prepare(int parts) { squares_.assign(parts * pieces_.size(), 0.0); }

void Optimizer::gather(const std::vector<Run>& shards, int part) {
  const int parts = (int)shards.size();
  float* sum = shards[0].gradients;
  each_dense(part, parts, [&](size_t, long offset, long count) {
    for (int t = 1; t < parts; ++t)
      kernels().add(count, sum + offset, shards[t].gradients + offset);
  });
  if (!clips_norms()) return;
  double* squares = squares_.data() + part * pieces_.size();
  std::fill_n(squares, pieces_.size(), 0.0);
  const auto square = [](const float* g, long count) {
    double s = 0;
    for (long j = 0; j < count; ++j) s += (double)g[j] * g[j];
    return s;
  };
  each_dense(part, parts, [&](size_t i, long offset, long count) {
    squares[i] += square(sum + offset, count);
  });
  each_table(shards, [&](size_t i, const TableGradient& g) {
    for (const TouchedRow& t : g.touched(part)) squares[i] += square(t.gradient, g.width);
  });
}

std::vector<float> Optimizer::scales() const {
  const size_t n = pieces_.size();
  std::vector<float> scales(n, 1.0f);
  if (!clips_norms()) return scales;
  double all = 0;
  for (size_t i = 0; i < n; ++i) {
    double s = 0;
    for (size_t at = i; at < squares_.size(); at += n) s += squares_[at];
    all += s;
    if (clipnorm_ > 0) scales[i] = (float)(clipnorm_ / std::max(std::sqrt(s), clipnorm_));
  }
  if (global_clipnorm_ > 0)
    std::fill(scales.begin(), scales.end(),
              (float)(global_clipnorm_ / std::max(std::sqrt(all), global_clipnorm_)));
  return scales;
}

float Optimizer::bias() const {
  if (rule_ != Rule::adam) return 1.0f;
  const double step = (double)iterations + 1;
  return (float)(std::sqrt(1 - std::pow((double)base_.b, step)) /
                 (1 - std::pow((double)base_.a, step)));
}

void Optimizer::change(const std::vector<Run>& shards, int part, float rate) {
  const std::vector<float> scale = scales();
  const float correction = bias();
  const auto rule = [&](size_t i, long offset) {
    Update u = at(offset);
    u.scale = scale[i];
    u.rate = rate;
    u.bias = correction;
    return u;
  };
  each_dense(part, (int)shards.size(), [&](size_t i, long offset, long count) {
    kernels().update[(int)rule_](rule(i, offset), count, shards[0].gradients + offset);
  });
  each_table(shards, [&](size_t i, const TableGradient& g) {
    // Rows that move on their own were brought up to date before they were looked up.
    const auto own = std::find_if(tables_.begin(), tables_.end(),
                                  [&](const Table& t) { return t.param == g.param; });
    const std::span<const TouchedRow> rows = g.touched(part);
    kernels().update_rows[(int)rule_](
        rule(i, pieces_[i].offset),
        {rows.data(), (long)rows.size(), g.width, iterations, own->done.data()});
  });
}

void Optimizer::want(WantedRows& wanted) const {
  wanted.moments.clear();
  if (wanted.param < 0 || !weights->params[wanted.param].trainable) return;
  for (const Floats& m : moments)
    wanted.moments.push_back(m.data() + weights->params[wanted.param].offset);
  wanted.asked = 0;
}

void Optimizer::finish(float rate) {
  const float correction = bias();
  ++iterations;
  if (tables_.empty()) return;
  rates_.push_back(rate);
  biases_.push_back(correction);
  // Adam's correction makes the first steps shorter or longer than the rate itself.
  largest_rate_ = std::max(largest_rate_, rate * std::max(1.0f, correction));
}

}  // namespace elman
