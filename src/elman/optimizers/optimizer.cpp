#include "optimizer.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace elman {
namespace {

constexpr long kAhead = 8;             // rows lie anywhere: ask memory for them early
constexpr long kRemembered = 1 << 16;  // steps without settling: something is kept of each

}  // namespace

Optimizer::Optimizer(std::shared_ptr<Weights> w, const std::string& rule,
                     const std::map<std::string, double>& options, int moment_count)
    : weights(std::move(w)), missed_(0, 1, false, {}) {
  const auto number = [&](const char* key, double missing) {
    const auto found = options.find(key);
    return found == options.end() ? missing : found->second;
  };
  // Without a gradient (missed.h). SGD's momentum has the rate in it already.
  double push = 0, root = 1;
  std::array<double, 3> fade{1, 1, 1};
  if (rule == "sgd") {
    rule_ = Rule::sgd;
    push = number("momentum", 0);
    base_.a = (float)push;
    base_.nesterov = number("nesterov", 0) != 0;
    constant_change_ = base_.nesterov ? -push : -1;
    fade = {push, 1, 1};
  } else if (rule == "rmsprop") {
    const double rho = number("rho", 0.9);
    rule_ = Rule::rmsprop;
    push = number("momentum", 0);
    base_.a = (float)rho;
    base_.a_rest = (float)(1 - rho);
    base_.b = (float)push;
    base_.centered = number("centered", 0) != 0;
    constant_change_ = 1;
    fade = {rho, push > 0 ? push : rho, rho};
  } else if (rule == "adam") {
    const double beta_1 = number("beta_1", 0.9), beta_2 = number("beta_2", 0.999);
    rule_ = Rule::adam;
    push = beta_1;
    base_.a = (float)beta_1;
    base_.b = (float)beta_2;
    base_.a_rest = (float)(1 - beta_1);
    base_.b_rest = (float)(1 - beta_2);
    base_.amsgrad = number("amsgrad", 0) != 0;
    if (!base_.amsgrad) root = std::sqrt(beta_2);
    fade = {beta_1, beta_2, 1};
  } else {
    throw std::invalid_argument("no optimizer rule is called '" + rule + "'");
  }
  base_.epsilon = (float)number("epsilon", 1e-7);
  base_.decay = (float)number("weight_decay", 0);
  base_.clip = (float)number("clipvalue", 0);
  base_.moments = moment_count;
  clipnorm_ = number("clipnorm", 0);
  global_clipnorm_ = number("global_clipnorm", 0);
  moves_untouched_ = rule_ == Rule::adam || push > 0 || base_.decay > 0;
  missed_ = MissedSteps(push, root, base_.decay > 0, fade);
  for (size_t i = 0; i < weights->params.size(); ++i) {
    const Param& p = weights->params[i];
    if (!p.trainable) continue;
    pieces_.push_back({(int)i, p.offset, rounded(p.size), p.table});
    if (!p.table) {
      dense_total_ += rounded(p.size);
      continue;
    }
    tables_.push_back({(int)i, {}});
    if (moment_count == 0 && !moves_untouched_) continue;
    Integers& done = tables_.back().done;
    done.resize(p.shape[0]);
    std::fill(done.begin(), done.end(), base_.decay > 0 ? 0 : kUntouched);
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
  catch_up_all();
  iterations = steps;
  missed_.forget(steps);
  for (Table& t : tables_)
    for (int32_t& done : t.done)
      if (done != kUntouched) done = (int32_t)steps;
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

void Optimizer::catch_up(Table& table, int32_t row, int part) {
  int32_t& done = table.done[row];
  if (done == kUntouched || done == iterations) return;
  const Param& p = weights->params[table.param];
  kernels().catch_up[(int)rule_](at(p.offset + row * p.shape[1]), p.shape[1],
                                 missed_.since(done, part));
  done = (int32_t)iterations;
}

void Optimizer::catch_up(int param, const std::vector<int32_t>& rows, int part) {
  for (Table& table : tables_) {
    if (table.param != param) continue;
    const Param& p = weights->params[param];
    const Update all = at(p.offset);
    const long width = p.shape[1];
    // Last first: the lookup that follows begins with those whose pages were used last.
    for (long r = (long)rows.size(); r-- > 0;) {
      if (r >= kAhead) {
        const int32_t next = rows[r - kAhead];
        const long ahead = next * width;
        __builtin_prefetch(table.done.data() + next, 1);
        for (long i = 0; i < width; i += 16) {
          __builtin_prefetch(all.value + ahead + i, 1);
          for (int m = 0; m < all.moments; ++m) __builtin_prefetch(all.moment[m] + ahead + i, 1);
        }
      }
      catch_up(table, rows[r], part);
    }
  }
}

void Optimizer::catch_up_all() {
  for (Table& t : tables_)
    for (size_t row = 0; row < t.done.size(); ++row) catch_up(t, (int32_t)row, 0);
  if (moves_untouched_ && missed_.known() > 0) ++weights->version;
  missed_.forget(iterations);
}

void Optimizer::settle() {
  // Where weights stay, moments fade when their rows are next touched.
  if (moves_untouched_ && missed_.known() > 0) catch_up_all();
}

float* Optimizer::moment(int number, int param) {
  catch_up_all();
  for (Table& t : tables_)
    if (t.param == param) std::fill(t.done.begin(), t.done.end(), (int32_t)iterations);
  return moments.at(number).data() + weights->params.at(param).offset;
}

void Optimizer::prepare(int parts) {
  squares_.assign(parts * pieces_.size(), 0.0);
  missed_.prepare(parts);
}

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
        {rows.data(), (long)rows.size(), g.width, iterations, own->done.data(),
         missed_.fades().data(), (long)missed_.fades().size()});
  });
}

void Optimizer::constrain(int part, int parts) {
  for (size_t i = part; i < constraints.size(); i += parts) {
    const int param = constraints[i].param;
    constraints[i].apply(weights->params[param].shape, weights->at(param));
  }
}

void Optimizer::finish(float rate) {
  const float correction = bias();
  ++iterations;
  if (tables_.empty()) return;
  missed_.took(rule_ == Rule::adam ? (double)rate * correction : constant_change_,
               (double)base_.decay * rate);
  if (missed_.known() >= kRemembered) settle();
}

}  // namespace elman
