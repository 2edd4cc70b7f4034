// Activations as layers of their own: element by element, and softmax along a row.
#pragma once

#include "kernels/activations.h"

namespace elman {
namespace {

/// y = act(x) over `count` floats, a multiple of 16
void activation_forward(int kind, long count, const float* x, float* y) {
  for (long i = 0; i < count; i += L) store(y + i, activate(kind, load(x + i)));
}

/// d_x = d_y act'(x)
void activation_backward(int kind, long count, const float* x, const float* d_y, float* d_x) {
  for (long i = 0; i < count; i += L)
    store(d_x + i, load(d_y + i) * activation_slope(kind, load(x + i)));
}

/// Largest of a row, and the sum of exp(x - largest).
ELMAN_INLINE void softmax_sums(int width, const float* x, float& largest_x, float& total) {
  V m = all(-__builtin_inff());
  for (int u = 0; u < width; u += L) {
    const V v = select(first_lanes(width - u), load(x + u), m);
    m = select(v > m, v, m);
  }
  largest_x = largest(m);
  total = sum_row(width, [&](int u) { return exp(load(x + u) - largest_x); });
}

/// y = exp(x) / sum exp(x), or its logarithm
void softmax_forward(bool logarithm, long rows, int width, long row, const float* x, float* y) {
  for (long i = 0; i < rows; ++i, x += row, y += row) {
    float m, total;
    softmax_sums(width, x, m, total);
    const V shift = log(all(total)) + m;
    for (int u = 0; u < width; u += L) {
      const V log_y = load(x + u) - shift;
      store(y + u, select(first_lanes(width - u), logarithm ? log_y : exp(log_y), V{}));
    }
  }
}

/// softmax:     d_x = y (d_y - sum(d_y y))
/// log softmax: d_x = d_y - exp(y) sum(d_y)
void softmax_backward(bool logarithm, long rows, int width, long row, const float* y,
                      const float* d_y, float* d_x) {
  for (long i = 0; i < rows; ++i, y += row, d_y += row, d_x += row) {
    const float total = sum_row(width, [&](int u) {
      return logarithm ? load(d_y + u) : load(d_y + u) * load(y + u);
    });
    for (int u = 0; u < width; u += L) {
      const V a = load(y + u), d = load(d_y + u);
      const V d_v = logarithm ? d - exp(a) * total : a * (d - total);
      store(d_x + u, select(first_lanes(width - u), d_v, V{}));
    }
  }
}

}  // namespace
}  // namespace elman
