// One step of each optimizer, in Keras's arithmetic, over a run of weights. Formulas: optimizers.py.
//
// A rule is written once, for one vector. `update` runs it over many weights, `update_rows` over the
// rows of a table that a batch touched; `catch_up` runs it over one row for all the steps in which
// the row had no gradient, so that an embedding costs the rows it touches and ends with the same
// numbers as a dense update.
#pragma once

#include "kernels/arguments.h"
#include "kernels/vec.h"

namespace elman {
namespace {

/// a: momentum
struct Sgd {
  static ELMAN_INLINE void step(const Update& a, V g, float rate, float, V& w, V* m) {
    if (a.a == 0.0f) {
      w -= rate * g;
      return;
    }
    m[0] = m[0] * a.a - rate * g;
    w += a.nesterov ? a.a * m[0] - rate * g : m[0];
  }
  /// A moment after a step without a gradient, as `step` rounds it.
  static ELMAN_INLINE V fade(const Update& a, int, V m) { return m * a.a; }
  /// The factor that amounts to.
  static float fading(const Update& a, int) { return a.a; }
  /// Whether a change without a gradient is never larger than the one before.
  static bool settles(const Update&) { return true; }
};

/// a: rho, b: momentum; moments velocity, momentum, average gradient (those in use)
struct RmsProp {
  static ELMAN_INLINE void step(const Update& a, V g, float rate, float, V& w, V* m) {
    m[0] = m[0] * a.a + a.a_rest * g * g;
    V under = m[0] + a.epsilon;
    if (a.centered) {
      V& mean = m[a.b > 0.0f ? 2 : 1];
      mean = mean * a.a + a.a_rest * g;
      under -= mean * mean;
    }
    V change = rate * g / square_root(under);
    if (a.b > 0.0f) {
      change += m[1] * a.b;
      m[1] = change;
    }
    w -= change;
  }
  static ELMAN_INLINE V fade(const Update& a, int moment, V m) { return m * fading(a, moment); }
  static float fading(const Update& a, int moment) {
    return moment == 1 && a.b > 0.0f ? a.b : a.a;
  }
  static bool settles(const Update&) { return true; }
};

/// a: beta_1, b: beta_2; `bias` corrects the rate; moments momentum, velocity, largest velocity
struct Adam {
  static ELMAN_INLINE void step(const Update& a, V g, float rate, float bias, V& w, V* m) {
    m[0] += (g - m[0]) * a.a_rest;
    m[1] += (g * g - m[1]) * a.b_rest;
    V v = m[1];
    if (a.amsgrad) v = m[2] = select(v > m[2], v, m[2]);
    w -= m[0] * (rate * bias) / (square_root(v) + a.epsilon);
  }
  static ELMAN_INLINE V fade(const Update& a, int moment, V m) {
    return moment == 2 ? m : m + (V{} - m) * (moment == 0 ? a.a_rest : a.b_rest);
  }
  static float fading(const Update& a, int moment) {
    return moment == 0 ? a.a : moment == 1 ? a.b : 1.0f;
  }
  // m / sqrt(v) changes by beta_1 / sqrt(beta_2) with each step.
  static bool settles(const Update& a) { return a.a * a.a <= a.b; }
};

/// The whole step of one vector: weight decay first, then the rule.
template <class Rule>
ELMAN_INLINE void whole_step(const Update& a, V g, float rate, float bias, V& w, V* m) {
  w -= w * (a.decay * rate);
  Rule::step(a, g, rate, bias, w, m);
}

ELMAN_INLINE bool same(V a, V b) {
  const I equal = a == b;
  int32_t s = 0;
  for (int i = 0; i < L; ++i) s += equal[i];
  return s == -L;
}

ELMAN_INLINE float power(double base, long exponent) {
  double result = 1;
  for (; exponent; exponent >>= 1, base *= base)
    if (exponent & 1) result *= base;
  return (float)result;
}

/// Moments after `steps` steps without a gradient.
template <class Rule>
ELMAN_INLINE void fade_all(const Update& a, V* m, long steps) {
  if (steps <= 64) {
    for (long t = 0; t < steps; ++t)
      ELMAN_UNROLL
      for (int j = 0; j < 3; ++j)
        if (j < a.moments) m[j] = Rule::fade(a, j, m[j]);
    return;
  }
  for (int j = 0; j < a.moments; ++j) m[j] = m[j] * power(Rule::fading(a, j), steps);
}

/// The moments of one vector; in registers, because their number is the same for every vector.
ELMAN_INLINE void load_moments(const Update& a, long i, int n, V* m) {
  ELMAN_UNROLL
  for (int j = 0; j < 3; ++j) m[j] = j < a.moments ? load_part(a.moment[j] + i, n) : V{};
}
ELMAN_INLINE void store_moments(const Update& a, long i, int n, const V* m) {
  ELMAN_UNROLL
  for (int j = 0; j < 3; ++j)
    if (j < a.moments) store_part(a.moment[j] + i, m[j], n);
}

/// A step of the `count` weights at `first` of all those that `a` tells of.
template <class Rule>
ELMAN_INLINE void update_run(const Update& a, long first, long count, const float* gradient,
                             long missing) {
  for (long i = 0; i < count; i += L) {
    const int n = count - i < L ? (int)(count - i) : L;
    V g = load_part(gradient + i, n) * a.scale;
    if (a.clip > 0.0f) g = at_most(at_least(g, all(-a.clip)), all(a.clip));
    V w = load_part(a.value + first + i, n), m[3];
    load_moments(a, first + i, n, m);
    if (missing) fade_all<Rule>(a, m, missing);
    whole_step<Rule>(a, g, a.rate, a.bias, w, m);
    store_part(a.value + first + i, w, n);
    store_moments(a, first + i, n, m);
  }
}

template <class Rule>
void update(const Update& from, long count, const float* gradient) {
  const Update a = from;  // a copy that no store can reach, so that its numbers stay in registers
  update_run<Rule>(a, 0, count, gradient, 0);
}

/// A step of the rows of a table that have a gradient; they lie anywhere, so memory is asked early.
template <class Rule>
void update_rows(const Update& from, const TouchedRows& rows) {
  constexpr long kAhead = 12;
  const Update a = from;
  for (long r = 0; r < rows.count; ++r) {
    if (r + kAhead < rows.count) {
      const long ahead = rows.row[r + kAhead].row * rows.width;
      for (long i = 0; i < rows.width; i += 16) {
        __builtin_prefetch(a.value + ahead + i, 1);
        for (int j = 0; j < a.moments; ++j) __builtin_prefetch(a.moment[j] + ahead + i, 1);
      }
    }
    const TouchedRow& t = rows.row[r];
    update_run<Rule>(a, t.row * rows.width, rows.width, t.gradient, rows.step - rows.done[t.row]);
    rows.done[t.row] = (int32_t)rows.step + 1;
  }
}

/// The steps [0, steps) of which `rates` and `biases` tell, all without a gradient; a.rate is the
/// largest rate there has been.
template <class Rule>
void catch_up(const Update& from, long count, const float* rates, const float* biases,
              long steps) {
  const Update a = from;
  for (long i = 0; i < count; i += L) {
    const int n = count - i < L ? (int)(count - i) : L;
    V w = load_part(a.value + i, n), m[3];
    load_moments(a, i, n, m);
    long k = 0;
    for (; a.moves && k < steps; ++k) {
      // At rest: when even the largest rate no longer moves w, nothing that follows does, since
      // the change only fades. What is left to do is fade the moments.
      V rest = w, faded[3] = {m[0], m[1], m[2]};
      if (k % 8 == 0 && Rule::settles(a)) {
        whole_step<Rule>(a, V{}, a.rate, 1.0f, rest, faded);
        if (same(rest, w)) break;
      }
      whole_step<Rule>(a, V{}, rates[k], biases[k], w, m);
    }
    fade_all<Rule>(a, m, steps - k);
    store_part(a.value + i, w, n);
    store_moments(a, i, n, m);
  }
}

/// to += from
void add(long count, float* to, const float* from) {
  for (long i = 0; i < count; i += L) store(to + i, load(to + i) + load(from + i));
}

}  // namespace
}  // namespace elman
