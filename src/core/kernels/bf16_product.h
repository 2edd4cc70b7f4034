// What the products of bf16 have of their own: rounding and pairing what they read.
#pragma once

#include "product.h"

namespace elman {
namespace {

/// `pack` in pairs of rows: weights [k][w_row] to packed [groups][k / 2][n][L][2].
void pack_bf16(const Columns& c, const float* w, long w_row, int k, bf16* out, int first,
               int last) {
  const int per = c.per_group ? c.per_group : c.count;
  for (int group = first; group < last; ++group) {
    const int n = vectors_in(c, group);
    bf16* to = out + (long)group * even(k) * per * L;
    for (int i = 0; i < k; i += 2)
      for (int v = 0; v < n; ++v, to += 2 * L) {
        const Place at = place(c, group, v);
        const float* from = w + i * w_row + at.column;
        const V odd = i + 1 < k ? load_part(from + w_row, at.lanes) : V{};
        store_pairs(to, in_turn(load_part(from, at.lanes), odd));
      }
  }
}

/// `pack_transposed` in pairs of columns: out [groups of k][columns as packed / 2][n][L][2].
void pack_transposed_bf16(const Columns& c, const float* w, long w_row, int k, bf16* out,
                          int first, int last) {
  constexpr int half = L / 2;
  const int groups = groups_of(c);
  const int k_blocks = blocks_of(k);
  long columns = 0;
  for (int g = 0; g < groups; ++g) columns += vectors_in(c, g) * L;
  for (int kg = first; kg < last; ++kg) {
    const int n = k_blocks - kg * 4 < 4 ? k_blocks - kg * 4 : 4;
    for (int m = 0; m < n; ++m) {
      const int row = (kg * 4 + m) * L;
      bf16* to = out + ((long)kg * 4 * columns + m * 2) * L;
      for (int g = 0; g < groups; ++g)
        for (int v = 0; v < vectors_in(c, g); ++v, to += (long)half * n * 2 * L) {
          const Place at = place(c, g, v);
          const auto weights = [&](int lane) {
            if (row + lane >= k) return V{};
            return load_part(w + (row + lane) * w_row + at.column, at.lanes);
          };
          // L rows of L columns are L rows of L/2 pairs, which are then transposed as they are.
          uint32_t pairs[half][L];
          for (int i = 0; i < half; ++i)
            store_pairs((bf16*)pairs[i], side_by_side(weights(i), weights(i + half)));
          for (int j = 0; j < half; ++j) {
            uint32_t line[L];
            ELMAN_UNROLL
            for (int i = 0; i < half; ++i) {
              line[i] = pairs[i][j];
              line[i + half] = pairs[i][j + half];
            }
            __builtin_memcpy(to + (long)j * n * 2 * L, line, sizeof line);
          }
        }
    }
  }
}

/// The rows [first, last) of an A, in pairs of rows: to [pairs][row][2].
void pair_rows(const OuterPart& part, long rows, long first, long last, bf16* to, long row) {
  const auto row_of = [&](long i) -> const float* {
    const long j = i - part.lag;
    return i < last && j >= 0 && j < rows ? part.a + j * part.a_row : nullptr;
  };
  for (long i = first; i < last; i += 2, to += 2 * row) {
    const float *x = row_of(i), *y = row_of(i + 1);
    if (x && y)
      for (int k = 0; k < part.k; k += L) store_pairs(to + 2 * k, in_turn(load(x + k), load(y + k)));
    else
      for (int k = 0; k < part.k; k += L)
        store_pairs(to + 2 * k, in_turn(x ? load(x + k) : V{}, y ? load(y + k) : V{}));
  }
}

/// One group of D in pairs of rows: to [pairs][N][L][2]. Adds up the rows as they were.
template <int N>
void pair_records(const OuterPairs& o, int group, long first, long last, bf16* to) {
  V sums[N] = {};
  const float* d = o.d + group * o.d_group + first * o.d_row;
  for (long i = first; i < last; i += 2, d += 2 * o.d_row, to += 2 * N * L)
    ELMAN_UNROLL
    for (int n = 0; n < N; ++n) {
      const V x = load(d + n * L), y = i + 1 < last ? load(d + o.d_row + n * L) : V{};
      sums[n] += x + y;
      store_pairs(to + n * 2 * L, in_turn(x, y));
    }
  for (int s = 0; s < o.sums; ++s)
    for (int n = 0; n < vectors_in(o.sum[s].columns, group); ++n) {
      const Place at = place(o.sum[s].columns, group, n);
      float* g = o.sum[s].g + at.column;
      store_part(g, load_part(g, at.lanes) + sums[o.sum[s].first + n], at.lanes);
    }
}

/// G += A^T D over one chunk of pairs; d_row from record to record of D.
template <int N>
void outer_pairs(const OuterPart& part, int group, int pairs, const bf16* a_pairs, long a_row,
                 const bf16* d_pairs, long d_row) {
  for_tiles<tile_rows<N, bf16>()>(part.k, [&](auto tile, int k) {
    constexpr int R = decltype(tile)::count;
    float* g = part.g + k * part.g_row;
    V s[R][N];
    ELMAN_UNROLL
    for (int r = 0; r < R; ++r)
      ELMAN_UNROLL
      for (int n = 0; n < N; ++n) {
        s[r][n] = V{};
        // Large gradients lie far away; by the end of this tile they are here.
        __builtin_prefetch(g + r * part.g_row + place(part.columns, group, n).column, 1);
      }
    const bf16* a = a_pairs + 2 * k;
    const bf16* d = d_pairs + part.first * 2 * L;
    for (int i = 0; i < pairs; ++i, a += 2 * a_row, d += 2 * d_row) {
      U w[N];
      ELMAN_UNROLL
      for (int n = 0; n < N; ++n) w[n] = load_pairs(d + n * 2 * L);
      ELMAN_UNROLL
      for (int r = 0; r < R; ++r) {
        const U x = all_pairs(a + 2 * r);
        ELMAN_UNROLL
        for (int n = 0; n < N; ++n) s[r][n] = dot2(s[r][n], x, w[n]);
      }
    }
    for (int n = 0; n < N; ++n) {
      const Place at = place(part.columns, group, n);
      for (int r = 0; r < R; ++r) {
        float* to = g + r * part.g_row + at.column;
        store_part(to, load_part(to, at.lanes) + s[r][n], at.lanes);
      }
    }
  });
}

void outer_bf16(const OuterPairs& o) {
  for (long first = 0; first < o.rows; first += kPairRows) {
    const long last = first + kPairRows < o.rows ? first + kPairRows : o.rows;
    const int pairs = (int)(last - first + 1) / 2;
    bf16* d = o.scratch;
    bf16* a[3];
    bf16* next = d + kPairRows * o.per_group * L;
    for (int p = 0; p < o.parts; ++p) {
      a[p] = next;
      next += kPairRows * o.scratch_row[p];
      pair_rows(o.part[p], o.rows, first, last, a[p], o.scratch_row[p]);
    }
    int left = o.vectors;
    for (int group = 0; left > 0; ++group, left -= o.per_group) {
      const int n = left < o.per_group ? left : o.per_group;
      const long d_row = n * L;
      switch (n) {
        case 1: pair_records<1>(o, group, first, last, d); break;
        case 2: pair_records<2>(o, group, first, last, d); break;
        case 3: pair_records<3>(o, group, first, last, d); break;
        default: pair_records<4>(o, group, first, last, d); break;
      }
      for (int p = 0; p < o.parts; ++p) {
        const OuterPart& part = o.part[p];
        switch (vectors_in(part.columns, group)) {
          case 1: outer_pairs<1>(part, group, pairs, a[p], o.scratch_row[p], d, d_row); break;
          case 2: outer_pairs<2>(part, group, pairs, a[p], o.scratch_row[p], d, d_row); break;
          case 3: outer_pairs<3>(part, group, pairs, a[p], o.scratch_row[p], d, d_row); break;
          default: outer_pairs<4>(part, group, pairs, a[p], o.scratch_row[p], d, d_row); break;
        }
      }
    }
  }
}

}  // namespace
}  // namespace elman
