// What the products of bf16 have of their own: rounding and pairing what they read.
#pragma once

#include "product.h"

namespace elman {
namespace {

/// Rounds [rows][k] floats to [rows][to_row], zeros behind them up to the next multiple of L.
void round_rows(int rows, int k, const float* from, long from_row, bf16* to, long to_row) {
  for (int row = 0; row < rows; ++row, from += from_row, to += to_row)
    for (int i = 0; i < k; i += L) store(to + i, rounded(load_part(from + i, k - i)));
}

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

/// G += A^T D in pairs of rows, which are made for one chunk at a time and used by all its tiles.
template <int N>
void outer_group_bf16(const Outer& o, int group, long first, long last) {
  const int pairs = (int)(last - first + 1) / 2;
  bf16* d_pairs = o.scratch + kOuterChunk * o.scratch_row;  // [pairs][N][L][2]
  const float* d = o.d + group * o.d_group + first * o.d_row;
  for (int i = 0; i < pairs; ++i, d += 2 * o.d_row) {
    const bool both = first + 2 * i + 1 < last;
    ELMAN_UNROLL
    for (int n = 0; n < N; ++n)
      store_pairs(d_pairs + (i * N + n) * 2 * L,
                  in_turn(load(d + n * L), both ? load(d + o.d_row + n * L) : V{}));
  }
  for_tiles<tile_rows<N>()>(o.k, [&](auto tile, int k) {
    constexpr int R = decltype(tile)::count;
    V s[R][N];
    ELMAN_UNROLL
    for (int r = 0; r < R; ++r)
      ELMAN_UNROLL
      for (int n = 0; n < N; ++n) s[r][n] = V{};
    const bf16* a = o.scratch + 2 * k;
    const bf16* b = d_pairs;
    for (int i = 0; i < pairs; ++i, a += 2 * o.scratch_row, b += N * 2 * L) {
      U w[N];
      ELMAN_UNROLL
      for (int n = 0; n < N; ++n) w[n] = load_pairs(b + n * 2 * L);
      ELMAN_UNROLL
      for (int r = 0; r < R; ++r) {
        const U x = all_pairs(a + 2 * r);
        ELMAN_UNROLL
        for (int n = 0; n < N; ++n) s[r][n] = dot2(s[r][n], x, w[n]);
      }
    }
    for (int n = 0; n < N; ++n) {
      const Place at = place(o.columns, group, n);
      for (int r = 0; r < R; ++r) {
        float* g = o.g + (k + r) * o.g_row + at.column;
        store_part(g, load_part(g, at.lanes) + s[r][n], at.lanes);
      }
    }
  });
}

void outer_bf16(const Outer& o) {
  const int groups = groups_of(o.columns);
  for (long first = 0; first < o.rows; first += kOuterChunk) {
    const long last = first + kOuterChunk < o.rows ? first + kOuterChunk : o.rows;
    const float* a = o.a + first * o.a_row;
    bf16* to = o.scratch;
    for (long i = first; i < last; i += 2, a += 2 * o.a_row, to += 2 * o.scratch_row)
      for (int k = 0; k < o.k; k += L)  // rows of a have room for whole vectors
        store_pairs(to + 2 * k, in_turn(load(a + k), i + 1 < last ? load(a + o.a_row + k) : V{}));
    for (int group = 0; group < groups; ++group) {
      switch (vectors_in(o.columns, group)) {
        case 1: outer_group_bf16<1>(o, group, first, last); break;
        case 2: outer_group_bf16<2>(o, group, first, last); break;
        case 3: outer_group_bf16<3>(o, group, first, last); break;
        default: outer_group_bf16<4>(o, group, first, last); break;
      }
    }
  }
}

}  // namespace
}  // namespace elman
