// Every column of [rows][width] by numbers of its own: batch normalization, and what only rescales.
//
// Ioffe and Szegedy (2015), for one column x [N], of which n rows count (n = N without a mask):
//   1   mean = sum x / n                      over the rows that count
//   2   var  = sum (x - mean)^2 / n
//   3   y    = (x - mean) inv gamma + beta    inv = 1 / sqrt(var + epsilon), every row
#pragma once

#include "kernels/arguments.h"
#include "kernels/vec.h"

namespace elman {
namespace {

/// Calls f(i, column) for every row and vector of columns and adds up the `S` vectors it returns, in
/// float for a few rows and in double from there on: to[s * width + u].
template <int S, class F>
ELMAN_INLINE void sum_columns(long rows, int width, double* to, const F& f) {
  constexpr long kNear = 128;  // rows that stay in the cache from one vector of columns to the next
  for (int i = 0; i < S * width; ++i) to[i] = 0;
  for (long first = 0; first < rows; first += kNear) {
    const long last = first + kNear < rows ? first + kNear : rows;
    for (int u = 0; u < width; u += L) {
      V sums[4][S] = {};  // four of each, so that additions overlap
      long i = first;
      for (; i + 4 <= last; i += 4)
        ELMAN_UNROLL
        for (int j = 0; j < 4; ++j) f(i + j, u, sums[j]);
      for (; i < last; ++i) f(i, u, sums[0]);
      for (int s = 0; s < S; ++s) {
        const V sum = (sums[0][s] + sums[1][s]) + (sums[2][s] + sums[3][s]);
        for (int k = 0; k < L && u + k < width; ++k) to[s * width + u + k] += (double)sum[k];
      }
    }
  }
}

ELMAN_INLINE V where_it_counts(const float* mask, long i, V x) {
  return mask ? select(all(mask[i]) != 0.0f, x, V{}) : x;
}

/// 1   sums[u] = sum x
void column_sums(const ColumnSums& a, double* sums) {
  sum_columns<1>(a.rows, a.width, sums, [&](long i, int u, V* s) __attribute__((always_inline)) {
    s[0] += where_it_counts(a.mask, i, load(a.x + i * a.row + u));
  });
}

/// 2   sums[u] = sum (x - mean)^2
void column_squares(const ColumnSums& a, double* sums) {
  sum_columns<1>(a.rows, a.width, sums, [&](long i, int u, V* s) __attribute__((always_inline)) {
    const V e = where_it_counts(a.mask, i, load(a.x + i * a.row + u) - load(a.mean + u));
    s[0] += e * e;
  });
}

/// 3   y = (x - mean) scale + shift
void scale_columns(const ColumnScale& a) {
  for (long i = 0; i < a.rows; ++i)
    for (int u = 0; u < a.width; u += L) {
      const V y = (load(a.x + i * a.row + u) - load(a.mean + u)) * load(a.scale + u) + load(a.shift + u);
      store(a.y + i * a.row + u, select(first_lanes(a.width - u), y, V{}));
    }
}

/// What all rows are to 3': sums[u] = sum d_y; sums[width + u] = sum d_y (x - mean).
/// d_beta is the first, d_gamma the second times inv.
void column_products(const ColumnSums& a, double* sums) {
  sum_columns<2>(a.rows, a.width, sums, [&](long i, int u, V* s) __attribute__((always_inline)) {
    const V d = load(a.d + i * a.row + u);
    s[0] += d;
    s[1] += d * (load(a.x + i * a.row + u) - load(a.mean + u));
  });
}

/// 3'  d_x = gamma inv (d_y - [it counts] (sum d_y + (x - mean) inv^2 sum d_y (x - mean)) / n)
///         = a d_y + [it counts] (b + c (x - mean))
/// The mean in 2 adds nothing, because sum (x - mean) is zero.
void scale_columns_backward(const ColumnGradient& a) {
  for (long i = 0; i < a.rows; ++i)
    for (int u = 0; u < a.width; u += L) {
      const V e = load(a.x + i * a.row + u) - load(a.mean + u);
      const V d = load(a.a + u) * load(a.d_y + i * a.row + u) +
                  where_it_counts(a.mask, i, load(a.b + u) + load(a.c + u) * e);
      store(a.d_x + i * a.row + u, select(first_lanes(a.width - u), d, V{}));
    }
}

}  // namespace
}  // namespace elman
