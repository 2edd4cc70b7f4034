// Layer normalization (Ba et al. 2016): every row x [W] by its own mean and variance.
//   1   mean = sum x / W,   var = sum (x - mean)^2 / W,   inv = 1 / sqrt(var + epsilon)
//   2   z    = (x - mean) inv      or, if it is not centered, x inv
//   3   y    = z gamma + beta
#pragma once

#include "kernels/arguments.h"
#include "kernels/vec.h"

namespace elman {
namespace {

struct RowMoments {
  float mean, inv;
};
ELMAN_INLINE RowMoments row_moments(const RowScale& a, const float* x) {
  const float w = 1.0f / (float)a.width;
  const float mean = w * sum_row(a.width, [&](int u) { return load(x + u); });
  const float squares = sum_row(a.width, [&](int u) {
    const V e = load(x + u) - mean;
    return e * e;
  });
  return {mean, 1.0f / __builtin_sqrtf(squares * w + a.epsilon)};
}

void scale_rows(const RowScale& a) {
  for (long i = 0; i < a.rows; ++i) {
    const float* x = a.x + i * a.row;
    const RowMoments m = row_moments(a, x);
    const float from = a.centered ? m.mean : 0.0f;
    for (int u = 0; u < a.width; u += L) {
      V y = (load(x + u) - from) * m.inv;
      if (a.gamma) y *= load(a.gamma + u);
      if (a.beta) y += load(a.beta + u);
      store(a.y + i * a.row + u, select(first_lanes(a.width - u), y, V{}));
    }
  }
}

/// 3'  d_beta += d_y,   d_gamma += d_y z,   d_z = d_y gamma
/// 2'  d_x = inv (d_z - [centered] sum d_z / W)
/// 1'      - (x - mean) inv^2 sum (d_z z) / W
void scale_rows_backward(const RowScale& a) {
  for (long i = 0; i < a.rows; ++i) {
    const float* x = a.x + i * a.row;
    const float* d_y = a.d_y + i * a.row;
    const RowMoments m = row_moments(a, x);
    const float from = a.centered ? m.mean : 0.0f;
    const auto d_z = [&](int u) { return a.gamma ? load(d_y + u) * load(a.gamma + u) : load(d_y + u); };
    const auto z = [&](int u) { return (load(x + u) - from) * m.inv; };
    if (a.d_x) {
      const float w = 1.0f / (float)a.width;
      const float mean = a.centered ? w * sum_row(a.width, d_z) : 0.0f;
      const float slope = w * m.inv * sum_row(a.width, [&](int u) { return d_z(u) * z(u); });
      for (int u = 0; u < a.width; u += L) {
        const V d = (d_z(u) - mean - (load(x + u) - m.mean) * slope) * m.inv;
        store(a.d_x + i * a.row + u, select(first_lanes(a.width - u), d, V{}));
      }
    }
    for (int u = 0; u < a.width; u += L) {
      const I real = first_lanes(a.width - u);
      const V d = select(real, load(d_y + u), V{});
      if (a.d_beta) store(a.d_beta + u, load(a.d_beta + u) + d);
      if (a.d_gamma) store(a.d_gamma + u, load(a.d_gamma + u) + d * select(real, z(u), V{}));
    }
  }
}

}  // namespace
}  // namespace elman
