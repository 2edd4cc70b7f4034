// exp, log, tanh, sigmoid and every activation Keras knows by name, over V.
//
// Largest errors against float64, swept over floats by tests/test_kernels.py:
// exp 2.5 ulp, sigmoid 3 ulp, tanh 3 ulp (in float32 units in the last place). Below -86 sigmoid
// stays at 4.5e-38, and numbers too small to be normal count as zero.
#pragma once

#include "activation_list.h"
#include "vec.h"

namespace elman {
namespace {

// Adding this to a float below 2^22 in size rounds it to an integer n and leaves n + 127 in the low
// bits, which are 2^n once they are shifted to where a float has its exponent.
constexpr float kRounder = 12582912.0f + 127.0f;  // 1.5 * 2^23, and the bias of exponents

#ifdef __FMA__
// n kLn2 is not rounded before it is subtracted, so kLn2 may have all the bits of a float.
constexpr float kLn2 = 0.693147182f, kLn2Rest = -1.90465421e-9f;
#else
constexpr float kLn2 = 0.693359375f, kLn2Rest = -2.12194440e-4f;
#endif

/// exp(x) = 2^n (1 + r + r^2 q) with x = n ln2 + r, n whole and |r| <= ln2 / 2. Good for |x| < 88.
/// A step of a single sequence is a chain of operations that wait for each other, most of them here:
/// so whatever can be done beside the chain is not in it.
struct Exp {
  V power, r, r2, q;

  explicit ELMAN_INLINE Exp(V x) {
    const V shifted = x * 1.44269504088896341f + kRounder;
    const V n = shifted - kRounder;
    power = floats(bits(shifted) << 23);
    const V rough = x - n * kLn2;
    r = rough - n * kLn2Rest;
    // What a kLn2 with all its bits leaves is too little for q, which then need not wait for it.
    const V a = kLn2Rest > -1e-8f ? rough : r;
    r2 = a * a;
    // (exp(a) - 1 - a) / a^2: the polynomial of degree 4 for which the largest error of exp, 0.06 ulp,
    // is smallest.
    q = (r2 * 1.3814771e-3f + (8.368739e-3f * a + 4.1668385e-2f)) * r2 +
        (1.6666521e-1f * a + 4.9999994e-1f);
  }

  /// exp(x) + c for a c about as large as 1, beside which a 2^n that nearly vanishes is nothing.
  ELMAN_INLINE V plus(float c) const { return (q * r2 + r) * power + (power + c); }
};

/// exp where the caller knows |x| < 87.
ELMAN_INLINE V exp_bounded(V x) {
  const Exp e(x);
  return (e.q * (e.r * e.r) + e.r + 1.0f) * e.power;
}

/// exp over the whole range: 0 below, infinity above.
ELMAN_INLINE V exp(V x) {
  const V half = exp_bounded(at_most(at_least(x * 0.5f, all(-52.5f)), all(52.5f)));
  const V inside = exp_bounded(at_most(at_least(x, all(-86.0f)), all(86.0f)));
  // Past the range of one reduction, exp(x) = exp(x/2)^2 overflows or vanishes by itself.
  const V outside = select(x > 89.0f, all(__builtin_inff()), select(x < -104.0f, all(0.0f), half * half));
  const I near = (x > -86.0f) & (x < 86.0f);
  return select(x == x, select(near, inside, outside), x);
}

/// exp(x) - 1, accurate near zero; |x| < 87.
ELMAN_INLINE V exp_minus_one(V x) { return Exp(x).plus(-1.0f); }

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

ELMAN_INLINE V sigmoid(V x) {
  return 1.0f / Exp(-at_most(at_least(x, all(-86.0f)), all(86.0f))).plus(1.0f);
}

ELMAN_INLINE V tanh(V x) {
  const V doubled = at_most(at_least(x + x, all(-20.0f)), all(20.0f));
  const V e = exp_minus_one(doubled);
  return e / (e + 2.0f);
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
ELMAN_INLINE V relu(V x) { return at_least(x, all(0.0f)); }
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

// What a cell asks of an activation. `keep` says what forward leaves in memory for backward;
// `value` and `slope` read the output and the derivative from what was kept.

struct Tanh {
  static constexpr int kind = static_cast<int>(Activation::tanh);
  explicit Tanh(int, bool) {}
  ELMAN_INLINE V operator()(V x) const { return tanh(x); }
  ELMAN_INLINE V keep(V, V y) const { return y; }
  ELMAN_INLINE V value(V kept) const { return kept; }
  ELMAN_INLINE V slope(V kept) const { return 1.0f - kept * kept; }
};

struct Sigmoid {
  static constexpr int kind = static_cast<int>(Activation::sigmoid);
  explicit Sigmoid(int, bool) {}
  ELMAN_INLINE V operator()(V x) const { return sigmoid(x); }
  ELMAN_INLINE V keep(V, V y) const { return y; }
  ELMAN_INLINE V value(V kept) const { return kept; }
  ELMAN_INLINE V slope(V kept) const { return kept * (1.0f - kept); }
};

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
