// The matrix products. One register tile, `accumulate`, under all of them.
#pragma once

#include "arguments.h"
#include "bf16.h"

namespace elman {
namespace {

/// Rows of a tile for N vectors of T: as many sums as the registers hold beside N weights.
template <int N, class T = Real>
constexpr int tile_rows() {
#ifndef ELMAN_AVX512_BF16
  // Pairs by way of floats take twice the registers, and are not worth much code.
  if (sizeof(T) == sizeof(bf16)) return L == 16 ? 4 : 2;
#endif
  if (sizeof(V) == 64) return N == 4 ? 6 : 8;
  return N == 1 ? 8 : N == 2 ? 5 : N == 3 ? 3 : 2;
}

/// s[r, n] += sum_k a[r, k] b[k, n]
///   a [R][k] rows a_row apart    b packed [k][N][L]
template <int R, int N>
ELMAN_INLINE void accumulate(V (&s)[R][N], const Real* a, long a_row, int k, const Real* b) {
  for (int i = 0; i < k; ++i, b += N * L) {
    V w[N];
    ELMAN_UNROLL
    for (int n = 0; n < N; ++n) w[n] = load(b + n * L);
    ELMAN_UNROLL
    for (int r = 0; r < R; ++r) {
      const V x = all(a[r * a_row + i]);
      ELMAN_UNROLL
      for (int n = 0; n < N; ++n) s[r][n] += x * w[n];
    }
  }
}

/// The same over pairs: a and b are bf16, k is even, b is packed [k / 2][N][L][2].
template <int R, int N>
ELMAN_INLINE void accumulate(V (&s)[R][N], const bf16* a, long a_row, int k, const bf16* b) {
  for (int i = 0; i < k; i += 2, b += N * 2 * L) {
    U w[N];
    ELMAN_UNROLL
    for (int n = 0; n < N; ++n) w[n] = load_pairs(b + n * 2 * L);
    ELMAN_UNROLL
    for (int r = 0; r < R; ++r) {
      const U x = all_pairs(a + r * a_row + i);
      ELMAN_UNROLL
      for (int n = 0; n < N; ++n) s[r][n] = dot2(s[r][n], x, w[n]);
    }
  }
}

/// One row and M blocks side by side: s[m, 0, n] += sum_k a[k] b[m, k, n]
template <int M, int N>
ELMAN_INLINE void accumulate_blocks(V (&s)[M][1][N], const Real* a, int k, const Real* b) {
  for (int i = 0; i < k; ++i, b += N * L) {
    const V x = all(a[i]);
    ELMAN_UNROLL
    for (int m = 0; m < M; ++m)
      ELMAN_UNROLL
      for (int n = 0; n < N; ++n) s[m][0][n] += x * load(b + ((long)m * k * N + n) * L);
  }
}

/// Calls f with a tile of rows at a time: f(Rows<R>{}, first row).
template <int R>
struct Rows {
  static constexpr int count = R;
};
template <int R, class F>
ELMAN_INLINE void last_rows(int left, int row, const F& f) {
  if constexpr (R > 0) {
    if (left == R)
      f(Rows<R>{}, row);
    else
      last_rows<R - 1>(left, row, f);
  }
}
template <int R, class F>
ELMAN_INLINE void for_tiles(int rows, const F& f) {
  int row = 0;
  for (; row + R <= rows; row += R) f(Rows<R>{}, row);
  last_rows<R - 1>(rows - row, row, f);
}

/// Whether any of so many rows counts.
ELMAN_INLINE bool any_live(const float* live, int count) {
  if (!live) return true;
  for (int r = 0; r < count; ++r)
    if (live[r] != 0.0f) return true;
  return false;
}

template <int N, class T>
void product_group(const ProductOf<T>& p, int group) {
  const long b_rows = p.b_rows ? p.b_rows : p.k;
  const T* b = p.b + group * p.a_blocks * b_rows * p.per_group * L + (long)p.b_first * N * L;
  Real* c = p.c + group * p.c_group;
  const Real* start = p.start ? p.start + group * p.start_group : nullptr;
  const Real* scale = p.scale ? p.scale + group * p.c_group : nullptr;
  for_tiles<tile_rows<N, T>()>(p.rows, [&](auto tile, int row) {
    constexpr int R = decltype(tile)::count;
    V s[R][N];
    ELMAN_UNROLL
    for (int r = 0; r < R; ++r)
      ELMAN_UNROLL
      for (int n = 0; n < N; ++n)
        s[r][n] = start && !scale ? load(start + (row + r) * p.start_row + n * L) : V{};
    for (int block = 0; block < p.a_blocks && any_live(p.live ? p.live + row : nullptr, R); ++block)
      accumulate<R, N>(s, p.a + row * p.a_row + block * p.a_block, p.a_row, p.k,
                       b + block * b_rows * N * L);
    if (scale)
      for (int r = 0; r < R; ++r)
        ELMAN_UNROLL
        for (int n = 0; n < N; ++n)
          s[r][n] = multiply_add(s[r][n], load(scale + (row + r) * p.c_row + n * L),
                                 load(start + (row + r) * p.start_row + n * L));
    ELMAN_UNROLL
    for (int r = 0; r < R; ++r)
      ELMAN_UNROLL
      for (int n = 0; n < N; ++n) store(c + (row + r) * p.c_row + n * L, s[r][n]);
  });
}

template <class T>
void product(const ProductOf<T>& p) {
  int left = p.vectors;
  for (int group = 0; left > 0; ++group, left -= p.per_group) {
    switch (left < p.per_group ? left : p.per_group) {
      case 1: product_group<1, T>(p, group); break;
      case 2: product_group<2, T>(p, group); break;
      case 3: product_group<3, T>(p, group); break;
      default: product_group<4, T>(p, group); break;
    }
  }
}

/// Blocks side by side, so that a number of A serves several: gates cannot, each has its own.
template <int N>
void gate_blocks(const GateProductOf<Real>& p, int block) {
  for_tiles<tile_rows<N>()>(p.rows, [&](auto tile, int row) {
    constexpr int R = decltype(tile)::count;
    if (!any_live(p.live ? p.live + row : nullptr, R)) return;
    Real* c = p.c + block * p.c_block + row * p.c_row;
    const Real* a = p.a + row * p.a_row;
    const Real* b = p.b + block * p.b_block;
    V s[R][N];
    ELMAN_UNROLL
    for (int r = 0; r < R; ++r)
      ELMAN_UNROLL
      for (int n = 0; n < N; ++n) s[r][n] = load(c + r * p.c_row + n * p.c_block);
    for (int i = 0; i < p.k; ++i, b += p.b_row) {
      V w[N];
      ELMAN_UNROLL
      for (int n = 0; n < N; ++n) w[n] = load(b + n * p.b_block);
      ELMAN_UNROLL
      for (int r = 0; r < R; ++r) {
        const V x = all(a[r * p.a_row + i]);
        ELMAN_UNROLL
        for (int n = 0; n < N; ++n) s[r][n] += x * w[n];
      }
    }
    ELMAN_UNROLL
    for (int r = 0; r < R; ++r)
      ELMAN_UNROLL
      for (int n = 0; n < N; ++n) store(c + r * p.c_row + n * p.c_block, s[r][n]);
  });
}

void gate_product(const GateProductOf<Real>& p) {
  for_tiles<4>(p.blocks, [&](auto tile, int block) {
    gate_blocks<decltype(tile)::count>(p, block);
  });
}

/// Where vector v of a group lies in the columns of the weights, and how many lanes are real.
struct Place {
  long column;
  int lanes;
};
ELMAN_INLINE Place place(const Columns& c, int group, int v) {
  const int unit = (c.per_group ? group * c.per_group + v : group) * L;
  const long gate = c.per_group ? 0 : c.gates[v];
  const int left = c.units - unit;
  return {gate * c.units + unit, left < L ? (left < 0 ? 0 : left) : L};
}
ELMAN_INLINE int blocks_of(int units) { return (units + L - 1) / L; }
ELMAN_INLINE int groups_of(const Columns& c) {
  const int blocks = blocks_of(c.units);
  return c.per_group ? (blocks + c.per_group - 1) / c.per_group : blocks;
}
ELMAN_INLINE int vectors_in(const Columns& c, int group) {
  if (!c.per_group) return c.count;
  const int left = blocks_of(c.units) - group * c.per_group;
  return left < c.per_group ? left : c.per_group;
}

/// Copies weights [k][w_row] to packed [groups][k][n][L]; groups [first, last) of them.
void pack(const Columns& c, const Real* w, long w_row, int k, Real* out, int first, int last) {
  const int per = c.per_group ? c.per_group : c.count;
  for (int group = first; group < last; ++group) {
    const int n = vectors_in(c, group);
    Real* to = out + (long)group * k * per * L;
    for (int i = 0; i < k; ++i)
      for (int v = 0; v < n; ++v, to += L) {
        const Place at = place(c, group, v);
        store(to, load_part(w + i * w_row + at.column, at.lanes));
      }
  }
}

/// Copies the transpose: out [groups of k][columns as packed][n][L], zeros where there is none.
/// The summed index runs over the packed columns (group, v, lane), the vectors over k.
void pack_transposed(const Columns& c, const Real* w, long w_row, int k, Real* out, int first,
                     int last) {
  const int groups = groups_of(c);
  const int k_blocks = blocks_of(k);
  long columns = 0;
  for (int g = 0; g < groups; ++g) columns += vectors_in(c, g) * L;
  for (int kg = first; kg < last; ++kg) {
    const int n = k_blocks - kg * 4 < 4 ? k_blocks - kg * 4 : 4;
    Real* base = out + (long)kg * 4 * L * columns;
    for (long i = 0; i < columns * n * L; i += L) store(base + i, V{});
    for (int lane = 0; lane < n * L; ++lane) {
      const int row = kg * 4 * L + lane;
      if (row >= k) break;
      Real* to = base + lane;
      for (int g = 0; g < groups; ++g)
        for (int v = 0; v < vectors_in(c, g); ++v, to += (long)L * n * L) {
          const Place at = place(c, g, v);
          const Real* from = w + row * w_row + at.column;
          for (int i = 0; i < at.lanes; ++i) to[(long)i * n * L] = from[i];
        }
    }
  }
}

/// G += A^T D over a chunk of rows; a tile holds R weights rows by the group's vectors.
template <int R, int N, bool Apart>
ELMAN_INLINE void outer_tile(const OuterOf<Real>& o, int group, int k, long first, long last) {
  V s[R][N];
  ELMAN_UNROLL
  for (int r = 0; r < R; ++r)
    ELMAN_UNROLL
    for (int n = 0; n < N; ++n) s[r][n] = V{};
  const Real* a = o.a + first * o.a_row + k;
  const Real* d = o.d + group * o.d_group + first * o.d_row;
  for (long i = first; i < last; ++i, a += o.a_row, d += o.d_row) {
    if (o.live && o.live[i] == 0.0f) continue;
    V w[N];
    ELMAN_UNROLL
    for (int n = 0; n < N; ++n) w[n] = load(d + n * (Apart ? o.d_vector : L));
    ELMAN_UNROLL
    for (int r = 0; r < R; ++r) {
      const V x = all(a[r]);
      ELMAN_UNROLL
      for (int n = 0; n < N; ++n) s[r][n] += x * w[n];
    }
  }
  for (int n = 0; n < N; ++n) {
    const Place at = place(o.columns, group, n);
    for (int r = 0; r < R; ++r) {
      Real* g = o.g + (k + r) * o.g_row + at.column;
      store_part(g, load_part(g, at.lanes) + s[r][n], at.lanes);
    }
  }
}

template <int N>
void outer_group(const OuterOf<Real>& o, int group, long first, long last) {
  for_tiles<tile_rows<N>()>(o.k, [&](auto tile, int k) {
    constexpr int R = decltype(tile)::count;
    if (N > 1 && o.d_vector) outer_tile<R, N, true>(o, group, k, first, last);
    else outer_tile<R, N, false>(o, group, k, first, last);
  });
}

/// Rows [first, last) of A, scaled, for those that ask for them from `first` on.
OuterOf<Real> scaled(OuterOf<Real> o, long first, long last) {
  Real* to = o.scaled;
  long row = first % o.scale_rows;
  for (long i = first; i < last; ++i, to += o.scale_row) {
    const Real* scale = o.scale + row * o.scale_row;
    if (++row == o.scale_rows) row = 0;
    for (int k = 0; k < o.k; k += L) store(to + k, load(o.a + i * o.a_row + k) * load(scale + k));
  }
  o.a = o.scaled - first * o.scale_row;
  o.a_row = o.scale_row;
  return o;
}

void outer(const OuterOf<Real>& given) {
  const int groups = groups_of(given.columns);
  for (long first = 0; first < given.rows; first += kOuterRows) {
    const long last = first + kOuterRows < given.rows ? first + kOuterRows : given.rows;
    const OuterOf<Real> o = given.scale ? scaled(given, first, last) : given;
    for (int group = 0; group < groups; ++group) {
      switch (vectors_in(o.columns, group)) {
        case 1: outer_group<1>(o, group, first, last); break;
        case 2: outer_group<2>(o, group, first, last); break;
        case 3: outer_group<3>(o, group, first, last); break;
        default: outer_group<4>(o, group, first, last); break;
      }
    }
  }
}

/// g[columns] += sum_i D[i, columns]: the gradient of a bias. Uses d, rows, columns and g of `o`.
void sum_rows(const OuterOf<Real>& o) {
  const int groups = groups_of(o.columns);
  for (int group = 0; group < groups; ++group)
    for (int v = 0; v < vectors_in(o.columns, group); ++v) {
      V s[4] = {};  // four sums, so that additions overlap
      const Real* d = o.d + group * o.d_group + v * L;
      long i = 0;
      for (; i + 4 <= o.rows; i += 4, d += 4 * o.d_row)
        ELMAN_UNROLL
        for (int j = 0; j < 4; ++j) s[j] += load(d + j * o.d_row);
      for (; i < o.rows; ++i, d += o.d_row) s[0] += load(d);
      const Place at = place(o.columns, group, v);
      Real* g = o.g + at.column;
      store_part(g, load_part(g, at.lanes) + ((s[0] + s[1]) + (s[2] + s[3])), at.lanes);
    }
}

}  // namespace
}  // namespace elman
