#include "optimizer.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace elman {

namespace {
constexpr size_t kAhead = 8;  // rows of a table lie anywhere: ask memory for them early
}

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
    if (p.table) tables_.push_back({(int)i, std::vector<long>(p.shape[0], 0)});
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
  iterations = first_ = steps;
  rates_.clear();
  biases_.clear();
  for (Table& t : tables_) std::fill(t.done.begin(), t.done.end(), steps);
}

template <class F>
void Optimizer::each_dense(int thread, int threads, const F& f) const {
  const long first = dense_total_ / 16 * thread / threads * 16;
  const long last = dense_total_ / 16 * (thread + 1) / threads * 16;
  long at = 0;
  for (size_t i = 0; i < pieces_.size() && at < last; ++i) {
    if (pieces_[i].table) continue;
    const long from = std::max(first, at), to = std::min(last, at + pieces_[i].size);
    if (from < to) f(i, pieces_[i].offset + from - at, to - from);
    at += pieces_[i].size;
  }
}

template <class F>
void Optimizer::each_row(const std::vector<Run>& shards, int thread, const F& f) const {
  for (const auto& gradient : *shards[0].tables)
    for (size_t i = 0; i < pieces_.size(); ++i) {
      if (pieces_[i].param != gradient->param) continue;
      const std::vector<int32_t>& rows = gradient->touched(thread);
      for (size_t r = 0; r < rows.size(); ++r) {
        if (r + kAhead < rows.size()) fetch(pieces_[i].offset + rows[r + kAhead] * gradient->width,
                                            gradient->width);
        f(i, *gradient, rows[r]);
      }
    }
}

void Optimizer::fetch(long offset, long count) const {
  for (long i = 0; i < count; i += 16) {
    __builtin_prefetch(weights->values.data() + offset + i, 1);
    for (const Floats& m : moments) __builtin_prefetch(m.data() + offset + i, 1);
  }
}

Update Optimizer::at(long offset, long count) const {
  Update u = base_;
  u.count = count;
  u.value = weights->values.data() + offset;
  for (size_t m = 0; m < moments.size(); ++m)
    u.moment[m] = const_cast<float*>(moments[m].data()) + offset;
  return u;
}

void Optimizer::catch_up(Table& table, int32_t row) {
  const long missing = iterations - table.done[row];
  if (missing == 0) return;
  const Param& p = weights->params[table.param];
  Update u = at(p.offset + row * p.shape[1], p.shape[1]);
  u.rate = largest_rate_;
  const long from = table.done[row] - first_;
  kernels().catch_up[(int)rule_](u, rates_.data() + from, biases_.data() + from, missing);
  table.done[row] = iterations;
}

void Optimizer::catch_up(int param, int32_t row) {
  for (Table& t : tables_)
    if (t.param == param) catch_up(t, row);
}

void Optimizer::settle() {
  bool changed = false;
  for (Table& t : tables_)
    for (size_t row = 0; row < t.done.size(); ++row) {
      changed |= t.done[row] != iterations;
      catch_up(t, (int32_t)row);
    }
  if (!changed) return;
  if (moves_untouched_) ++weights->version;
  rates_.clear();
  biases_.clear();
  first_ = iterations;
}

void Optimizer::step(const std::vector<Run>& shards, int thread, Team& team, float rate) {
  const int threads = team.size();
  const Kernels& k = kernels();
  float* sum = shards[0].gradients;
  each_dense(thread, threads, [&](size_t, long offset, long count) {
    for (int t = 1; t < threads; ++t) k.add(count, sum + offset, shards[t].gradients + offset);
  });

  const bool by_norm = clipnorm_ > 0 || global_clipnorm_ > 0;
  if (by_norm) {
    const size_t n = pieces_.size();
    if (thread == 0) norms_.assign(threads * n, 0.0);
    team.meet();
    const auto square = [](const float* g, long count) {
      double s = 0;
      for (long j = 0; j < count; ++j) s += (double)g[j] * g[j];
      return s;
    };
    each_dense(thread, threads, [&](size_t i, long offset, long count) {
      norms_[thread * n + i] += square(sum + offset, count);
    });
    each_row(shards, thread, [&](size_t i, const TableGradient& g, int32_t row) {
      norms_[thread * n + i] += square(g.row(row), g.width);
    });
    team.meet();
    if (thread == 0) {
      scales_.assign(n, 1.0f);
      double all = 0;
      for (size_t i = 0; i < n; ++i) {
        double s = 0;
        for (int t = 0; t < threads; ++t) s += norms_[t * n + i];
        all += s;
        if (clipnorm_ > 0) scales_[i] = (float)(clipnorm_ / std::max(std::sqrt(s), clipnorm_));
      }
      if (global_clipnorm_ > 0)
        std::fill(scales_.begin(), scales_.end(),
                  (float)(global_clipnorm_ / std::max(std::sqrt(all), global_clipnorm_)));
    }
    team.meet();
  }

  const double step = (double)iterations + 1;
  const float bias = rule_ == Rule::adam
                         ? (float)(std::sqrt(1 - std::pow((double)base_.b, step)) /
                                   (1 - std::pow((double)base_.a, step)))
                         : 1.0f;
  const auto change = [&](size_t i, long offset, long count, const float* gradient) {
    Update u = at(offset, count);
    u.gradient = gradient;
    u.scale = by_norm ? scales_[i] : 1.0f;
    u.rate = rate;
    u.bias = bias;
    k.update[(int)rule_](u);
  };
  each_dense(thread, threads, [&](size_t i, long offset, long count) {
    change(i, offset, count, sum + offset);
  });
  each_row(shards, thread, [&](size_t i, const TableGradient& g, int32_t row) {
    for (Table& t : tables_) {
      if (t.param != g.param) continue;
      catch_up(t, row);
      t.done[row] = iterations + 1;
    }
    change(i, pieces_[i].offset + row * g.width, g.width, g.row(row));
  });
  team.meet();  // all have read `iterations`
  if (thread != 0) return;
  ++iterations;
  if (tables_.empty()) return;
  rates_.push_back(rate);
  biases_.push_back(bias);
  // Adam's correction makes the first steps shorter or longer than the rate itself.
  largest_rate_ = std::max(largest_rate_, rate * std::max(1.0f, bias));
}

}  // namespace elman
