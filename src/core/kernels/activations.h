// exp, log, tanh, sigmoid and every activation Keras knows by name, over V.
//
// Largest errors against float64, swept over floats by tests/test_kernels.py:
// exp 2.5 ulp, sigmoid 3 ulp, tanh 3 ulp (in float32 units in the last place). Below -86 sigmoid
// stays at 4.5e-38, and numbers too small to be normal count as zero.
#pragma once

#include "gates.h"

namespace elman {
namespace {

/// exp over the whole range: 0 below, infinity above.
ELMAN_INLINE V exp(V x) {
  const V half = exp_bounded(at_most(at_least(x * 0.5f, all(-52.5f)), all(52.5f)));
  const V inside = exp_bounded(at_most(at_least(x, all(-86.0f)), all(86.0f)));
  // Past the range of one reduction, exp(x) = exp(x/2)^2 overflows or vanishes by itself.
  const V outside = select(x > 89.0f, all(__builtin_inff()), select(x < -104.0f, all(0.0f), half * half));
  const I near = (x > -86.0f) & (x < 86.0f);
  return select(x == x, select(near, inside, outside), x);
}

/// Natural logarithm of a positive number (Cephes' logf); -infinity at 0, NaN below.
ELMAN_INLINE V log(V x) {
  I exponent = ((bits(x) >> 23) & 0xff) - 126;
  V m = floats((bits(x) & 0x007fffff) | 0x3f000000);  // in [0.5, 1)
  const I small = m < 0.707106781186547524f;
  exponent = exponent + small;  // true is -1
  m = select(small, m + m, m) - 1.0f;
  V p = all(7.0376836292e-2f);
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  const V e = __builtin_convertvector(exponent, V);
  const V m2 = m * m;
  V y = p * m * m2 + e * -2.12194440e-4f - 0.5f * m2 + m + e * 0.693359375f;
  y = select(x == 0.0f, all(-__builtin_inff()), y);
  y = select(x == __builtin_inff(), x, y);
  return select((x < 0.0f) | (x != x), all(__builtin_nanf("")), y);
}

/// log(1 + x) for x >= 0, accurate near zero: log(u) x / (u - 1) with u = 1 + x.
ELMAN_INLINE V log_one_plus(V x) {
  const V u = x + 1.0f;
  const V d = u - 1.0f;
  return select(d == 0.0f, x, select(u == __builtin_inff(), u, log(u) * (x / select(d == 0.0f, all(1.0f), d))));
}

/// Error function (Abramowitz and Stegun 7.1.26), within 1.5e-7.
ELMAN_INLINE V erf(V x) {
  const V a = absolute(x);
  const V t = 1.0f / (1.0f + 0.3275911f * a);
  V p = all(1.061405429f);
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  return copy_sign(1.0f - p * t * exp_bounded(at_least(-a * a, all(-86.0f))), x);
}

ELMAN_INLINE V softplus(V x) { return at_least(x, all(0.0f)) + log_one_plus(exp(-absolute(x))); }
ELMAN_INLINE V clip(V x, float low, float high) { return at_most(at_least(x, all(low)), all(high)); }

constexpr float kSeluScale = 1.05070098735548049342f, kSeluAlpha = 1.67326324235437728481f;

/// Any activation by its number; the list is in activation_list.h.
__attribute__((noinline)) V activate(int kind, V x) {
  const V zero = all(0.0f), one = all(1.0f);
  switch (static_cast<Activation>(kind)) {
    case Activation::linear: return x;
    case Activation::tanh: return tanh(x);
    case Activation::sigmoid: return sigmoid(x);
    case Activation::relu: return relu(x);
    case Activation::relu6: return clip(x, 0.0f, 6.0f);
    case Activation::leaky_relu: return select(x > 0.0f, x, x * 0.2f);
    case Activation::elu: return select(x > 0.0f, x, exp_minus_one(clip(x, -86.0f, 0.0f)));
    case Activation::celu: return select(x > 0.0f, x, exp_minus_one(clip(x, -86.0f, 0.0f)));
    case Activation::selu:
      return kSeluScale * select(x > 0.0f, x, kSeluAlpha * exp_minus_one(clip(x, -86.0f, 0.0f)));
    case Activation::softplus: return softplus(x);
    case Activation::softsign: return x / (one + absolute(x));
    case Activation::silu: return x * sigmoid(x);
    case Activation::gelu: return 0.5f * x * (1.0f + erf(x * 0.70710678118654752f));
    case Activation::exponential: return exp(x);
    case Activation::hard_sigmoid: return clip(x + 3.0f, 0.0f, 6.0f) / 6.0f;
    case Activation::hard_silu: return x * (clip(x + 3.0f, 0.0f, 6.0f) / 6.0f);
    case Activation::hard_tanh: return clip(x, -1.0f, 1.0f);
    case Activation::mish: return x * tanh(softplus(x));
    case Activation::log_sigmoid: return -softplus(-x);
    case Activation::tanh_shrink: return x - tanh(x);
    case Activation::soft_shrink:
      return select(x > 0.5f, x - 0.5f, select(x < -0.5f, x + 0.5f, zero));
    case Activation::hard_shrink: return select(absolute(x) > 0.5f, x, zero);
    case Activation::squareplus: return 0.5f * (x + square_root(x * x + 4.0f));
    case Activation::sparse_plus:
      return select(x <= -1.0f, zero, select(x >= 1.0f, x, 0.25f * (x + 1.0f) * (x + 1.0f)));
    case Activation::sparse_sigmoid: return clip(0.5f * (x + 1.0f), 0.0f, 1.0f);
  }
  return x;
}

/// Derivative of `activate` at x.
__attribute__((noinline)) V activation_slope(int kind, V x) {
  const V zero = all(0.0f), one = all(1.0f);
  switch (static_cast<Activation>(kind)) {
    case Activation::linear: return one;
    case Activation::tanh: { const V y = tanh(x); return one - y * y; }
    case Activation::sigmoid: { const V y = sigmoid(x); return y * (one - y); }
    case Activation::relu: return select(x > 0.0f, one, zero);
    case Activation::relu6: return select((x > 0.0f) & (x < 6.0f), one, zero);
    case Activation::leaky_relu: return select(x > 0.0f, one, all(0.2f));
    case Activation::elu: return select(x > 0.0f, one, exp(at_most(x, zero)));
    case Activation::celu: return select(x > 0.0f, one, exp(at_most(x, zero)));
    case Activation::selu:
      return kSeluScale * select(x > 0.0f, one, kSeluAlpha * exp(at_most(x, zero)));
    case Activation::softplus: return sigmoid(x);
    case Activation::softsign: { const V d = one + absolute(x); return one / (d * d); }
    case Activation::silu: { const V s = sigmoid(x); return s + x * s * (one - s); }
    case Activation::gelu:
      return 0.5f * (1.0f + erf(x * 0.70710678118654752f)) +
             x * 0.39894228040143268f * exp(-0.5f * x * x);
    case Activation::exponential: return exp(x);
    case Activation::hard_sigmoid: return select((x > -3.0f) & (x < 3.0f), all(1.0f / 6.0f), zero);
    case Activation::hard_silu:
      return select(x <= -3.0f, zero, select(x >= 3.0f, one, (2.0f * x + 3.0f) / 6.0f));
    case Activation::hard_tanh: return select((x > -1.0f) & (x < 1.0f), one, zero);
    case Activation::mish: {
      const V t = tanh(softplus(x));
      return t + x * (one - t * t) * sigmoid(x);
    }
    case Activation::log_sigmoid: return sigmoid(-x);
    case Activation::tanh_shrink: { const V y = tanh(x); return y * y; }
    case Activation::soft_shrink: return select(absolute(x) > 0.5f, one, zero);
    case Activation::hard_shrink: return select(absolute(x) > 0.5f, one, zero);
    case Activation::squareplus: return 0.5f * (one + x / square_root(x * x + 4.0f));
    case Activation::sparse_plus:
      return select(x <= -1.0f, zero, select(x >= 1.0f, one, 0.5f * (x + 1.0f)));
    case Activation::sparse_sigmoid: return select((x > -1.0f) & (x < 1.0f), all(0.5f), zero);
  }
  return one;
}

/// An activation chosen at run time. Some derivatives need the input, so while training the input
/// is what is kept; otherwise the output, so that a trace can show it.
struct AnyActivation {
  int kind;
  bool training;
  AnyActivation(int kind_, bool training_) : kind(kind_), training(training_) {}
  V operator()(V x) const { return activate(kind, x); }
  V keep(V x, V y) const { return training ? x : y; }
  V value(V kept) const { return activate(kind, kept); }
  V slope(V kept) const { return activation_slope(kind, kept); }
};

}  // namespace
}  // namespace elman
