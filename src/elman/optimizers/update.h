// One step of each optimizer, in Keras's arithmetic, over a run of weights. Formulas: optimizers.py.
//
// A rule is written once, for one vector. `update` runs it over many weights, `update_rows` over the
// rows of a table that a batch touched. `catch_up` makes good the steps in which a row had no gradient,
// in closed form (missed.h), so that an embedding costs the rows it touches and ends with the numbers
// of a dense update.
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
  /// What steps without a gradient take from w; m as it was before them.
  static ELMAN_INLINE V coast(const Update&, const MissedRun& run, const V* m) {
    return m[0] * run.sum[0];
  }
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
  static ELMAN_INLINE V coast(const Update&, const MissedRun& run, const V* m) {
    return m[1] * run.sum[0];
  }
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
  static ELMAN_INLINE V coast(const Update& a, const MissedRun& run, const V* m) {
    // The largest velocity is what it was: the other only fades.
    const V s = square_root(a.amsgrad ? m[2] : m[1]);
    const V d = 1.0f / (s * run.centre + a.epsilon), x = s * d;
    V sum = all(run.sum[kMissedTerms - 1]);
    ELMAN_UNROLL
    for (int j = kMissedTerms - 2; j >= 0; --j) sum = sum * x + run.sum[j];
    return m[0] * d * sum;
  }
};

/// The whole step of one vector: weight decay first, then the rule.
template <class Rule>
ELMAN_INLINE void whole_step(const Update& a, V g, float rate, float bias, V& w, V* m) {
  w -= w * (a.decay * rate);
  Rule::step(a, g, rate, bias, w, m);
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
                             float fade) {
  for (long i = 0; i < count; i += L) {
    const int n = count - i < L ? (int)(count - i) : L;
    V g = load_part(gradient + i, n) * a.scale;
    if (a.clip > 0.0f) g = at_most(at_least(g, all(-a.clip)), all(a.clip));
    V w = load_part(a.value + first + i, n), m[3];
    load_moments(a, first + i, n, m);
    if (fade != 1.0f)
      ELMAN_UNROLL
      for (int j = 0; j < 3; ++j) m[j] *= fade;
    whole_step<Rule>(a, g, a.rate, a.bias, w, m);
    store_part(a.value + first + i, w, n);
    store_moments(a, first + i, n, m);
  }
}

template <class Rule>
void update(const Update& from, long count, const float* gradient) {
  const Update a = from;  // a copy that no store can reach, so that its numbers stay in registers
  update_run<Rule>(a, 0, count, gradient, 1.0f);
}

/// A step of the rows of a table that have a gradient; they lie anywhere, so memory is asked early.
/// Last come, first served: the processor still knows the pages of those that were used last.
template <class Rule>
void update_rows(const Update& from, const TouchedRows& rows) {
  constexpr long kAhead = 12;
  const Update a = from;
  for (long r = rows.count; r-- > 0;) {
    if (r >= kAhead) {
      const long row = rows.row[r - kAhead].row, ahead = row * rows.width;
      if (rows.done) __builtin_prefetch(rows.done + row, 1);
      for (long i = 0; i < rows.width; i += 16) {
        __builtin_prefetch(a.value + ahead + i, 1);
        for (int j = 0; j < a.moments; ++j) __builtin_prefetch(a.moment[j] + ahead + i, 1);
      }
    }
    const TouchedRow& t = rows.row[r];
    float fade = 1.0f;
    if (rows.done) {
      const long done = rows.done[t.row], missed = done == kUntouched ? 0 : rows.step - done;
      fade = rows.fade[missed < rows.fades ? missed : rows.fades - 1];
    }
    update_run<Rule>(a, t.row * rows.width, rows.width, t.gradient, fade);
    if (rows.done) rows.done[t.row] = (int32_t)rows.step + 1;
  }
}

/// Makes good the steps that `count` weights missed.
template <class Rule>
void catch_up(const Update& from, long count, const Missed& missed) {
  const Update a = from;
  for (long i = 0; i < count; i += L) {
    const int n = count - i < L ? (int)(count - i) : L;
    V w = load_part(a.value + i, n), m[3], change{};
    load_moments(a, i, n, m);
    for (const MissedRun* run = missed.run; run < missed.run + missed.runs; ++run) {
      V left[3];
      ELMAN_UNROLL
      for (int j = 0; j < 3; ++j) left[j] = m[j] * run->left[j];
      change += Rule::coast(a, *run, left);
    }
    w = w * missed.whole - (w * missed.decay + change);
    ELMAN_UNROLL
    for (int j = 0; j < 3; ++j) m[j] *= missed.fade[j];
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
