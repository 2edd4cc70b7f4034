// What cells are made of: exp, tanh, sigmoid and relu over V, of floats or doubles.
//
// Errors of the floats are in activations.h; those of doubles are within 4 units in the last place.
#pragma once

#include "activation_list.h"
#include "vec.h"

namespace elman {
namespace {

#ifdef ELMAN_DOUBLE

// Adding this to a double below 2^51 in size rounds it to an integer n and leaves n + 1023 in the low
// bits, which are 2^n once they are shifted to where a double has its exponent.
constexpr Real kRounder = 6755399441055744.0 + 1023.0;  // 1.5 * 2^52, and the bias of exponents
constexpr int kFractionBits = 52;
constexpr Real kLn2 = 6.93145751953125e-1, kLn2Rest = 1.42860682030941723212e-6;
constexpr bool kTinyRest = false;
constexpr Real kFar = 700.0, kFlat = 40.0;

/// (exp(a) - 1 - a) / a^2 for |a| <= ln2 / 2: the series, whose next term is below a rounding error.
ELMAN_INLINE V exp_rest(V a, V) {
  V q = all(1.0 / 6227020800.0);  // 13!
  q = q * a + 1.0 / 479001600.0;
  q = q * a + 1.0 / 39916800.0;
  q = q * a + 1.0 / 3628800.0;
  q = q * a + 1.0 / 362880.0;
  q = q * a + 1.0 / 40320.0;
  q = q * a + 1.0 / 5040.0;
  q = q * a + 1.0 / 720.0;
  q = q * a + 1.0 / 120.0;
  q = q * a + 1.0 / 24.0;
  q = q * a + 1.0 / 6.0;
  return q * a + 0.5;
}

#else

// Adding this to a float below 2^22 in size rounds it to an integer n and leaves n + 127 in the low
// bits, which are 2^n once they are shifted to where a float has its exponent.
constexpr Real kRounder = 12582912.0f + 127.0f;  // 1.5 * 2^23, and the bias of exponents
constexpr int kFractionBits = 23;

#ifdef __FMA__
// n kLn2 is not rounded before it is subtracted, so kLn2 may have all the bits of a float.
constexpr Real kLn2 = 0.693147182f, kLn2Rest = -1.90465421e-9f;
constexpr bool kTinyRest = true;
#else
constexpr Real kLn2 = 0.693359375f, kLn2Rest = -2.12194440e-4f;
constexpr bool kTinyRest = false;
#endif
constexpr Real kFar = 86.0f, kFlat = 20.0f;

/// (exp(a) - 1 - a) / a^2: the polynomial of degree 4 for which the largest error of exp, 0.06 ulp,
/// is smallest.
ELMAN_INLINE V exp_rest(V a, V a2) {
  return (a2 * 1.3814771e-3f + (8.368739e-3f * a + 4.1668385e-2f)) * a2 +
         (1.6666521e-1f * a + 4.9999994e-1f);
}

#endif

/// exp(x) = 2^n (1 + r + r^2 q) with x = n ln2 + r, n whole and |r| <= ln2 / 2. Good for |x| <= kFar.
/// A step of a single sequence is a chain of operations that wait for each other, most of them here:
/// so whatever can be done beside the chain is not in it.
struct Exp {
  V power, r, r2, q;

  explicit ELMAN_INLINE Exp(V x) {
    const V shifted = x * (Real)1.44269504088896341 + kRounder;
    const V n = shifted - kRounder;
    power = floats(bits(shifted) << kFractionBits);
    const V rough = x - n * kLn2;
    r = rough - n * kLn2Rest;
    // What a kLn2 with all its bits leaves is too little for q, which then need not wait for it.
    const V a = kTinyRest ? rough : r;
    r2 = a * a;
    q = exp_rest(a, r2);
  }

  /// exp(x) + c for a c about as large as 1, beside which a 2^n that nearly vanishes is nothing.
  ELMAN_INLINE V plus(Real c) const { return (q * r2 + r) * power + (power + c); }
};

/// exp where the caller knows |x| < 87.
ELMAN_INLINE V exp_bounded(V x) {
  const Exp e(x);
  return (e.q * (e.r * e.r) + e.r + 1.0f) * e.power;
}

/// exp(x) - 1, accurate near zero; |x| < 87.
ELMAN_INLINE V exp_minus_one(V x) { return Exp(x).plus(-1.0f); }

ELMAN_INLINE V sigmoid(V x) {
  return 1.0f / Exp(-at_most(at_least(x, all(-kFar)), all(kFar))).plus(1.0f);
}

ELMAN_INLINE V tanh(V x) {
  const V doubled = at_most(at_least(x + x, all(-kFlat)), all(kFlat));
  const V e = exp_minus_one(doubled);
  return e / (e + 2.0f);
}

ELMAN_INLINE V relu(V x) { return at_least(x, all(0.0f)); }

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

struct Relu {
  static constexpr int kind = static_cast<int>(Activation::relu);
  explicit Relu(int, bool) {}
  ELMAN_INLINE V operator()(V x) const { return relu(x); }
  ELMAN_INLINE V keep(V, V y) const { return y; }
  ELMAN_INLINE V value(V kept) const { return kept; }
  ELMAN_INLINE V slope(V kept) const { return select(kept > 0.0f, all(1.0f), V{}); }
};

}  // namespace
}  // namespace elman
