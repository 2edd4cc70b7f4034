#include "optimizers/missed.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace elman {
namespace {

constexpr long kLongest = 512;     // of one expansion, so that working it out stays cheap
constexpr double kSpread = 0.1;    // of root^k around the middle
constexpr double kNothing = 1e-12; // of what the first missed step changes

}  // namespace

MissedSteps::MissedSteps(double push, double root, bool decays, std::array<double, 3> fade)
    : decays_(decays), longest_(kLongest), fade_(fade) {
  if (root < 1) {
    const double span = std::log((1 - kSpread) / (1 + kSpread));
    longest_ = std::clamp((long)(span / std::log(root)), 1L, kLongest);
  }
  // Where m fades faster than s, so do the changes; elsewhere only once m is less than float has.
  const double shrinks = push < root ? push / root : push;
  if (push >= 1) moving_ = std::numeric_limits<long>::max();
  else if (push > 0)
    moving_ = (long)std::ceil(std::log(push < root ? kNothing : 1e-45) / std::log(shrinks));
  if (moving_ > 0) longest_ = std::min(longest_, moving_);
  // As the kernels have it: what is rounded off it must not be left out of the sums.
  centre_ = (float)((root + std::pow(root, (double)longest_)) / 2);
  for (int j = 0; j < kMissedTerms; ++j) {
    push_[j] = push * std::pow(root, j);
    double choose = 1;
    for (int i = 0; i <= j; ++i) {
      around_[j][i] = choose * std::pow(-centre_, j - i);
      choose = choose * (j - i) / (i + 1);
    }
  }
  for (std::vector<float>& f : fades_) f = {1.0f};
  prepare(1);
}

void MissedSteps::prepare(int parts) {
  if ((int)parts_.size() < parts) parts_.resize(parts);
}

void MissedSteps::took(double change, double decay) {
  ++now_;
  for (int m = 0; m < 3; ++m)
    if (fade_[m] < 1 && fades_[m].back() > 0) fades_[m].push_back((float)(faded_[m] *= fade_[m]));
  if (moving_ == 0 && !decays_) return;
  change_.push_back(change);
  decay_.push_back(decay);
}

void MissedSteps::forget(long step) {
  first_ = now_ = step;
  change_.clear();
  decay_.clear();
  for (Part& part : parts_) {
    part.now = -1;
    part.full.clear();
  }
}

void MissedSteps::extend(Sums& sums, long step) const {
  const double change = change_[step - first_] * sums.kept;
  for (int j = 0; j < kMissedTerms; ++j) sums.raw[j] = push_[j] * (change + sums.raw[j]);
  sums.kept *= 1 - decay_[step - first_];
}

MissedSteps::Closed MissedSteps::close(const Sums& sums) const {
  Closed closed;
  closed.kept = sums.kept;
  closed.run.centre = (float)centre_;
  for (int j = 0; j < kMissedTerms; ++j) {
    double sum = 0;
    for (int i = 0; i <= j; ++i) sum += around_[j][i] * sums.raw[i];
    closed.run.sum[j] = (float)(j % 2 ? -sum : sum);
  }
  return closed;
}

const MissedSteps::Closed& MissedSteps::recent(Part& part, long steps) const {
  if (part.now != now_) {
    part.now = now_;
    part.recent.clear();
    part.sums = {};
  }
  while ((long)part.recent.size() < steps) {
    extend(part.sums, now_ - 1 - (long)part.recent.size());
    part.recent.push_back(close(part.sums));
  }
  return part.recent[steps - 1];
}

const MissedSteps::Closed& MissedSteps::full(Part& part, long from) const {
  if (from - first_ >= (long)part.full.size()) part.full.resize(now_ - first_);
  Closed& closed = part.full[from - first_];
  if (closed.kept == -1) {
    Sums sums;
    for (long step = from + longest_; step-- > from;) extend(sums, step);
    closed = close(sums);
  }
  return closed;
}

Missed MissedSteps::since(const long from, int index) {
  Part& part = parts_[index];
  part.found.clear();
  part.kept.clear();
  long at = from;
  const auto next = [&]() -> const Closed& {
    const long steps = now_ - at;
    const Closed& closed = steps < longest_ ? recent(part, steps) : full(part, at);
    at += std::min(steps, longest_);
    return closed;
  };
  for (const long last = moving_ < now_ - from ? from + moving_ : now_; at < last;) {
    const long before = at - from;
    const Closed& closed = next();
    part.found.push_back(closed.run);
    part.kept.push_back(closed.kept);
    for (int m = 0; m < 3; ++m) part.found.back().left[m] = fade(m, before);
  }
  double kept = 1;
  if (decays_) {
    while (at < now_) kept *= next().kept;  // nothing else moves w any more
    for (size_t i = part.found.size(); i-- > 0; kept *= part.kept[i])
      for (float& sum : part.found[i].sum) sum *= (float)kept;
  }
  const long all = now_ - from;
  const float whole = kept < 0.5 ? 0.0f : 1.0f;
  return {part.found.data(), (long)part.found.size(), whole, (float)(whole - kept),
          {fade(0, all), fade(1, all), fade(2, all)}};
}

}  // namespace elman
