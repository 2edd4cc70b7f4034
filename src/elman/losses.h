// The losses over rows of predictions, each with its gradient beside it. Formulas: losses.py.
#pragma once

#include "layers/activation.h"
#include "kernels/arguments.h"

namespace elman {
namespace {

constexpr float kEpsilon = 1e-7f;  // Keras's backend epsilon

ELMAN_INLINE V row_weight(const LossRows& a, long i) { return all(a.weight ? a.weight[i] : 1.0f); }

/// Losses that are a mean over the width of f(p, y): f gives value and slope together.
template <class F>
ELMAN_INLINE double mean_over_width(const LossRows& a, const F& f) {
  double total = 0;
  for (long i = 0; i < a.rows; ++i) {
    const float* p = a.p + i * a.p_row;
    const float* y = a.y + i * a.y_row;
    const V weight = row_weight(a, i) / (float)a.width;
    V s{};
    for (int u = 0; u < a.width; u += L) {
      const I real = first_lanes(a.width - u);
      V slope;
      const V value = f(load(p + u), load_part(y + u, a.width - u), slope);
      s += select(real, value, V{});
      if (a.d) store(a.d + i * a.p_row + u, select(real, slope * weight * a.scale, V{}));
    }
    total += (double)sum(s * weight);
  }
  return total;
}

double mean_squared_error(const LossRows& a) {
  return mean_over_width(a, [](V p, V y, V& slope) {
    slope = 2.0f * (p - y);
    return (p - y) * (p - y);
  });
}

double mean_absolute_error(const LossRows& a) {
  return mean_over_width(a, [](V p, V y, V& slope) {
    const V e = p - y;
    slope = select(e > 0.0f, all(1.0f), select(e < 0.0f, all(-1.0f), V{}));
    return absolute(e);
  });
}

double huber(const LossRows& a) {
  const float delta = a.option;
  return mean_over_width(a, [delta](V p, V y, V& slope) {
    const V e = p - y, size = absolute(e);
    const I near = size <= delta;
    slope = select(near, e, copy_sign(all(delta), e));
    return select(near, 0.5f * e * e, delta * size - 0.5f * delta * delta);
  });
}

double binary_crossentropy(const LossRows& a) {
  const float smooth = a.option;
  return mean_over_width(a, [smooth](V p, V y, V& slope) {
    y = y * (1.0f - smooth) + 0.5f * smooth;
    const V q = at_most(at_least(p, all(kEpsilon)), all(1.0f - kEpsilon));
    slope = select(q == p, (q - y) / (q * (1.0f - q)), V{});
    return -(y * log(q) + (1.0f - y) * log(1.0f - q));
  });
}

double binary_crossentropy_logits(const LossRows& a) {
  const float smooth = a.option;
  return mean_over_width(a, [smooth](V x, V y, V& slope) {
    y = y * (1.0f - smooth) + 0.5f * smooth;
    slope = sigmoid(x) - y;
    return relu(x) - x * y + log_one_plus(exp(-absolute(x)));
  });
}

/// The target of one vector of classes: a row of numbers, or 1 at the class that y names.
template <bool Sparse>
ELMAN_INLINE V target(const LossRows& a, long i, int u) {
  if constexpr (Sparse) {
    const int label = (int)a.y[i * a.y_row];
    return select(lane_index() + u == label, all(1.0f), V{});
  } else {
    const V y = load_part(a.y + i * a.y_row + u, a.width - u);
    return y * (1.0f - a.option) + a.option / (float)a.width;
  }
}

template <bool Sparse>
ELMAN_INLINE bool ignored(const LossRows& a, long i) {
  if (!Sparse || a.y[i * a.y_row] != a.ignore) return false;
  if (a.d)
    for (int u = 0; u < a.width; u += L) store(a.d + i * a.p_row + u, V{});
  return true;
}

/// -sum y log(p / sum p), p clipped as Keras does
template <bool Sparse>
double crossentropy(const LossRows& a) {
  double total = 0;
  for (long i = 0; i < a.rows; ++i) {
    if (ignored<Sparse>(a, i)) continue;
    const float* p = a.p + i * a.p_row;
    const float weight = a.weight ? a.weight[i] : 1.0f;
    const float whole = sum_row(a.width, [&](int u) { return load(p + u); });
    V value{}, inside{};  // inside: the share of y whose p is not clipped
    for (int u = 0; u < a.width; u += L) {
      const I real = first_lanes(a.width - u);
      const V y = select(real, target<Sparse>(a, i, u), V{});
      const V r = load(p + u) / whole;
      const V q = at_most(at_least(r, all(kEpsilon)), all(1.0f - kEpsilon));
      value -= select(real, y * log(q), V{});
      inside += select(q == r, y, V{});
    }
    total += (double)(sum(value) * weight);
    if (!a.d) continue;
    const float y_inside = sum(inside), factor = weight * a.scale / whole;
    for (int u = 0; u < a.width; u += L) {
      const I real = first_lanes(a.width - u);
      const V y = select(real, target<Sparse>(a, i, u), V{});
      const V r = load(p + u) / whole;
      const V q = at_most(at_least(r, all(kEpsilon)), all(1.0f - kEpsilon));
      const V d = y_inside - select(q == r, y / q, V{});
      store(a.d + i * a.p_row + u, select(real, d * factor, V{}));
    }
  }
  return total;
}

/// sum y (log sum exp x - x)
template <bool Sparse>
double crossentropy_logits(const LossRows& a) {
  double total = 0;
  for (long i = 0; i < a.rows; ++i) {
    if (ignored<Sparse>(a, i)) continue;
    const float* x = a.p + i * a.p_row;
    const float weight = a.weight ? a.weight[i] : 1.0f;
    float m, exps;
    softmax_sums(a.width, x, m, exps);
    const V shift = log(all(exps)) + m;
    V value{}, mass{};
    for (int u = 0; u < a.width; u += L) {
      const V y = select(first_lanes(a.width - u), target<Sparse>(a, i, u), V{});
      value += y * (shift - select(first_lanes(a.width - u), load(x + u), V{}));
      mass += y;
    }
    total += (double)(sum(value) * weight);
    if (!a.d) continue;
    const float y_total = sum(mass), factor = weight * a.scale;
    for (int u = 0; u < a.width; u += L) {
      const I real = first_lanes(a.width - u);
      const V y = select(real, target<Sparse>(a, i, u), V{});
      const V d = exp(load(x + u) - shift) * y_total - y;
      store(a.d + i * a.p_row + u, select(real, d * factor, V{}));
    }
  }
  return total;
}

}  // namespace
}  // namespace elman
