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
    base_.b = (float)number("momentum", 0);
    base_.centered = number("centered", 0) != 0;
  } else if (rule == "adam") {
    rule_ = Rule::adam;
    base_.a = (float)number("beta_1", 0.9);
    base_.b = (float)number("beta_2", 0.999);
    base_.amsgrad = number("amsgrad", 0) != 0;
  } else {
    throw std::invalid_argument("no optimizer rule is called '" + rule + "'");
  }
  base_.epsilon = (float)number("epsilon", 1e-7);
  base_.decay = (float)number("weight_decay", 0);
  base_.clip = (float)number("clipvalue", 0);
  clipnorm_ = number("clipnorm", 0);
  global_clipnorm_ = number("global_clipnorm", 0);
  for (const Param& p : weights->params)
    if (p.trainable) pieces_.push_back({p.offset, rounded(p.size), p.table});
  for (const Piece& p : pieces_) total_ += p.size;
  moments.resize(moment_count);
  for (Floats& m : moments) m.resize(weights->total);
}

template <class F>
void Optimizer::each(int thread, int threads, const F& f) const {
  const long first = total_ / 16 * thread / threads * 16;
  const long last = total_ / 16 * (thread + 1) / threads * 16;
  long at = 0;
  for (size_t i = 0; i < pieces_.size() && at < last; at += pieces_[i++].size) {
    const long from = std::max(first, at), to = std::min(last, at + pieces_[i].size);
    if (from < to) f(i, pieces_[i].offset + from - at, to - from);
  }
}

void Optimizer::step(const std::vector<Run>& shards, int thread, Team& team, float rate) {
  const int threads = team.size();
  const Kernels& k = kernels();
  bool tables = false;
  for (const Piece& p : pieces_) tables |= p.table;
  if (tables) team.meet();  // every row of the tables' gradients is there
  const auto gradient = [&](long offset) {
    return offset < weights->dense ? shards[0].gradients + offset
                                   : shards[0].table_gradients + (offset - weights->dense);
  };
  each(thread, threads, [&](size_t i, long offset, long count) {
    if (pieces_[i].table) return;
    for (int t = 1; t < threads; ++t)
      k.add(count, shards[0].gradients + offset, shards[t].gradients + offset);
  });

  const bool by_norm = clipnorm_ > 0 || global_clipnorm_ > 0;
  if (by_norm) {
    if (thread == 0) norms_.assign(threads * pieces_.size(), 0.0);
    team.meet();
    each(thread, threads, [&](size_t i, long offset, long count) {
      const float* g = gradient(offset);
      double s = 0;
      for (long j = 0; j < count; ++j) s += (double)g[j] * g[j];
      norms_[thread * pieces_.size() + i] = s;
    });
    team.meet();
    if (thread == 0) {
      scales_.assign(pieces_.size(), 1.0f);
      double all = 0;
      for (size_t i = 0; i < pieces_.size(); ++i) {
        double s = 0;
        for (int t = 0; t < threads; ++t) s += norms_[t * pieces_.size() + i];
        all += s;
        if (clipnorm_ > 0) scales_[i] = (float)(clipnorm_ / std::max(std::sqrt(s), clipnorm_));
      }
      if (global_clipnorm_ > 0)
        std::fill(scales_.begin(), scales_.end(),
                  (float)(global_clipnorm_ / std::max(std::sqrt(all), global_clipnorm_)));
    }
    team.meet();
  }

  Update u = base_;
  u.rate = rate;
  const double step = (double)iterations + 1;
  u.bias = rule_ == Rule::adam
               ? (float)(std::sqrt(1 - std::pow((double)base_.b, step)) /
                         (1 - std::pow((double)base_.a, step)))
               : 1.0f;
  each(thread, threads, [&](size_t i, long offset, long count) {
    u.count = count;
    u.value = weights->values.data() + offset;
    u.gradient = gradient(offset);
    for (size_t m = 0; m < moments.size(); ++m) u.moment[m] = moments[m].data() + offset;
    u.scale = by_norm ? scales_[i] : 1.0f;
    k.update[(int)rule_](u);
  });
  team.meet();  // all have read `iterations`
  if (thread == 0) ++iterations;
}

}  // namespace elman
