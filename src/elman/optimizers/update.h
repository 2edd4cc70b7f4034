// One step of each optimizer over a run of weights, in Keras's arithmetic. Formulas: optimizers.py.
#pragma once

#include "kernels/arguments.h"
#include "kernels/vec.h"

namespace elman {
namespace {

/// The gradient as the rule sees it: scaled by norm clipping, then clipped by value.
ELMAN_INLINE V gradient_at(const Update& a, long i) {
  const V g = load(a.gradient + i) * a.scale;
  return a.clip > 0.0f ? at_most(at_least(g, all(-a.clip)), all(a.clip)) : g;
}

/// The weight after decoupled weight decay.
ELMAN_INLINE V decayed(const Update& a, long i) {
  const V w = load(a.value + i);
  return w - w * (a.decay * a.rate);
}

/// a: momentum
void sgd(const Update& a) {
  for (long i = 0; i < a.count; i += L) {
    const V g = gradient_at(a, i);
    V w = decayed(a, i);
    if (a.a == 0.0f) {
      w -= a.rate * g;
    } else {
      const V m = load(a.moment[0] + i) * a.a - a.rate * g;
      store(a.moment[0] + i, m);
      w += a.nesterov ? a.a * m - a.rate * g : m;
    }
    store(a.value + i, w);
  }
}

/// a: rho, b: momentum; moments velocity, momentum, average gradient (those in use)
void rmsprop(const Update& a) {
  for (long i = 0; i < a.count; i += L) {
    const V g = gradient_at(a, i);
    const V w = decayed(a, i);
    const V v = load(a.moment[0] + i) * a.a + (1.0f - a.a) * g * g;
    store(a.moment[0] + i, v);
    V under = v + a.epsilon;
    if (a.centered) {
      float* average = a.moment[a.b > 0.0f ? 2 : 1] + i;
      const V mean = load(average) * a.a + (1.0f - a.a) * g;
      store(average, mean);
      under -= mean * mean;
    }
    V step = a.rate * g / square_root(under);
    if (a.b > 0.0f) {
      step += load(a.moment[1] + i) * a.b;
      store(a.moment[1] + i, step);
    }
    store(a.value + i, w - step);
  }
}

/// a: beta_1, b: beta_2; `bias` corrects the rate; moments momentum, velocity, largest velocity
void adam(const Update& a) {
  const float rate = a.rate * a.bias;
  for (long i = 0; i < a.count; i += L) {
    const V g = gradient_at(a, i);
    const V w = decayed(a, i);
    V m = load(a.moment[0] + i), v = load(a.moment[1] + i);
    m += (g - m) * (1.0f - a.a);
    v += (g * g - v) * (1.0f - a.b);
    store(a.moment[0] + i, m);
    store(a.moment[1] + i, v);
    if (a.amsgrad) {
      const V top = load(a.moment[2] + i);
      v = select(v > top, v, top);
      store(a.moment[2] + i, v);
    }
    store(a.value + i, w - m * rate / (square_root(v) + a.epsilon));
  }
}

/// to += from
void add(long count, float* to, const float* from) {
  for (long i = 0; i < count; i += L) store(to + i, load(to + i) + load(from + i));
}

}  // namespace
}  // namespace elman
