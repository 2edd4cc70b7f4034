// The driver of every recurrent cell: time, direction, products, masks and states.
// What happens at one step is the cell's (lstm.h, gru.h, simple_rnn.h).
#pragma once

#include "cells.h"
#include "kernels/product.h"

namespace elman {
namespace {

/// T is what products multiply: Real (vec.h), or bf16 copies of states, gradients and weights. All
/// that is added, kept or put through an activation is Real either way.
template <class Cell, class Act, class Rec, class T>
struct Driver {
  using Pass = RecurrentPassOf<Real>;
  static constexpr bool kPairs = sizeof(T) == sizeof(bf16);
  static constexpr int kV = Cell::kVectors;
  static constexpr int kOwn = Cell::kOwn ? Cell::kOwn : 1;  // no arrays of length zero
  static constexpr int kCarry = Cell::kOwnCarry ? Cell::kOwnCarry : 1;
  static constexpr int kFirst = Cell::shape.recurrent[0].count;  // gates of the first product

  /// The places of one step of one shard, worked out once per step.
  struct Step {
    Real* z;
    long z_block;
    Real* own;
    const Real* own_prev;
    long own_block, own_prev_row, own_prev_block;
    Real* h;
    const Real* h_prev;
    long h_prev_row;
    Real* reset;
    const float* mask;  // [rows] or null
    const int32_t* places;  // [rows] or null
    const int32_t* places_next;  // of the next step, or null
    int t;
    bf16* h16;
    bf16* h16_prev;
  };

  static ELMAN_INLINE Step step(const Pass& p, int s) {
    const int t = p.reverse ? p.steps - 1 - s : s;
    const int t_prev = p.reverse ? t + 1 : t - 1;
    const int blocks = blocks_of(p.units);
    Step at;
    at.t = t;
    at.z = p.z + (long)(t % p.z_steps) * p.rows * kV * L;
    at.z_block = (long)p.z_steps * p.rows * kV * L;
    const long own_step = (long)blocks * p.rows * kOwn * L;
    at.own_block = (long)p.rows * kOwn * L;
    at.own = p.own + (t % p.own_steps) * own_step;
    at.h = p.h + (t % p.h_steps) * p.rows * p.h_row;
    at.reset = p.reset ? p.reset + (t % p.h_steps) * p.rows * p.h_row : nullptr;
    if (s == 0) {
      at.h_prev = p.h0;
      at.h_prev_row = p.h0_row;
      at.own_prev = p.own0;
      at.own_prev_row = p.own0_row;
      at.own_prev_block = p.own0_block;
    } else {
      at.h_prev = p.h + (t_prev % p.h_steps) * p.rows * p.h_row;
      at.h_prev_row = p.h_row;
      at.own_prev = p.own + (t_prev % p.own_steps) * own_step;
      at.own_prev_row = kOwn * L;
      at.own_prev_block = at.own_block;
    }
    at.mask = p.mask ? p.mask + (long)t * p.rows : nullptr;
    at.places = p.places ? p.places + (long)t * p.rows : nullptr;
    at.places_next = p.places && s + 1 < p.last ? at.places + (p.reverse ? -p.rows : p.rows) : nullptr;
    if constexpr (kPairs) {
      at.h16 = p.h16 + (s & 1) * p.rows * p.row16;
      at.h16_prev = p.h16 + (~s & 1) * p.rows * p.row16;
    }
    return at;
  }

  /// Where the input's projection of a row is: its first vector belongs to that of the gates.
  static ELMAN_INLINE const Real* projection(const Pass& p, const Step& at, int block,
                                              int row) {
    constexpr Window in = Cell::shape.input;
    static_assert(in.first == 0);
    return at.places ? p.projected + block * p.projected_block + (long)at.places[row] * in.count * L
                     : at.z + block * at.z_block + (long)row * kV * L;
  }

  /// A tile's sums start from the input's projection, or from the bias where x has no part.
  template <int R, int N, int First>
  static ELMAN_INLINE void start(V (&s)[R][N], const Pass& p, const Step& at, int block,
                                 int row) {
    ELMAN_UNROLL
    for (int r = 0; r < R; ++r) {
      const Real* x = projection(p, at, block, row + r);
      ELMAN_UNROLL
      for (int n = 0; n < N; ++n) {
        const int v = First + n;
        s[r][n] = v < Cell::shape.input.count ? load(x + v * L)
                                              : load(p.bias + ((long)block * kV + v) * L);
      }
    }
  }

  /// Rows that were projected for other batches lie anywhere: they are asked for a step early.
  template <int R>
  static ELMAN_INLINE void ask_for_next(const Pass& p, const Step& at, int block, int row) {
    constexpr int count = Cell::shape.input.count;
    for (int r = 0; r < R; ++r) {
      const Real* x = p.projected + block * p.projected_block + (long)at.places_next[row + r] * count * L;
      ELMAN_UNROLL
      for (int v = 0; v < count; ++v) __builtin_prefetch(x + v * L);
    }
  }

  static void forward(const Pass& p) {
    const Act act(p.activation, p.training);
    const Rec rec(p.recurrent_activation, p.training);
    for (int s = p.first; s < p.last; ++s) {
      const Step at = step(p, s);
      if constexpr (kPairs) {
        if (s == p.first)
          round_rows(p.rows, p.units, at.h_prev, at.h_prev_row, at.h16_prev, p.row16);
        stage<0>(p, at, p.u16[0], at.h16_prev, p.row16, act, rec);
        if constexpr (Cell::kStages == 2)
          stage<1>(p, at, p.u16[1], p.reset16, p.row16, act, rec);
      } else {
        if (p.keep) stage_dropped(p, at, act, rec);
        else stage<0>(p, at, p.u[0], at.h_prev, at.h_prev_row, act, rec);
        if constexpr (Cell::kStages == 2) stage<1>(p, at, p.u[1], at.reset, p.h_row, act, rec);
      }
    }
  }

  /// The first product where each gate sees its own part of the state, and what follows from it.
  static ELMAN_INLINE void stage_dropped(const Pass& p, const Step& at, Act act, Rec rec) {
    constexpr int First = Cell::shape.recurrent[0].first;
    for (int block = p.first_block; block < p.last_block; ++block)
      for (int row = 0; row < p.rows; ++row) {
        const V h = load(at.h_prev + row * at.h_prev_row + block * L);
        V sums[1][kFirst];
        start<1, kFirst, First>(sums, p, at, block, row);
        ELMAN_UNROLL
        for (int n = 0; n < kFirst; ++n) {
          store(p.dropped + ((long)n * p.rows + row) * p.h_row + block * L,
                h * keep(p, n, block, row));
          store(at.z + block * at.z_block + ((long)row * kV + First + n) * L, sums[0][n]);
        }
      }
    for (int n = 0; n < kFirst; ++n)
      gate_product({p.rows, p.dropped + (long)n * p.rows * p.h_row, p.h_row, p.units, blocks_of(p.units),
                    p.u[0] + n * L, kFirst * L, (long)p.units * kFirst * L,
                    at.z + (First + n) * L, kV * L, at.z_block, at.mask});
    for (int block = p.first_block; block < p.last_block; ++block)
      for (int row = 0; row < p.rows; ++row) {
        V sums[kFirst];
        ELMAN_UNROLL
        for (int n = 0; n < kFirst; ++n)
          sums[n] = load(at.z + block * at.z_block + ((long)row * kV + First + n) * L);
        gates<0>(p, at, block, row, sums, act, rec);
      }
  }
  static ELMAN_INLINE V keep(const Pass& p, int gate, int block, int row) {
    return load(p.keep + ((long)gate * p.rows + row) * p.h_row + block * L);
  }

  /// Lanes behind the last unit meet weights of zero, but zero times infinity is not a number.
  static ELMAN_INLINE V only_units(const Pass& p, int block, V v) {
    const int left = p.units - block * L;
    return left < L ? select(first_lanes(left), v, V{}) : v;
  }

  /// One product with the recurrent weights, and what follows from it, for all units and rows.
  template <int S>
  static ELMAN_INLINE void stage(const Pass& p, const Step& at, const T* u, const T* a,
                                 long a_row, Act act, Rec rec) {
    constexpr int N = Cell::shape.recurrent[S].count, First = Cell::shape.recurrent[S].first;
    if constexpr (!kPairs)
      if (p.rows == 1) return stage_of_one<S>(p, at, u, a, act, rec);
    const int depth = kPairs ? even(p.units) : p.units;
    for (int block = p.first_block; block < p.last_block; ++block) {
      const T* w = u + (long)block * depth * N * L;
      Real* z = at.z + block * at.z_block;
      for_tiles<tile_rows<N, T>()>(p.rows, [&](auto tile, int row) {
        constexpr int R = decltype(tile)::count;
        if (at.mask && !any_live(at.mask + row, R)) return;
        V sums[R][N];
        start<R, N, First>(sums, p, at, block, row);
        if (at.places_next) ask_for_next<R>(p, at, block, row);
        accumulate<R, N>(sums, a + row * a_row, a_row, depth, w);
        ELMAN_UNROLL
        for (int r = 0; r < R; ++r)
          ELMAN_UNROLL
          for (int n = 0; n < N; ++n) store(z + ((row + r) * kV + First + n) * L, sums[r][n]);
      });
      // Apart from the products, whose sums fill the registers; z is still in the nearest cache.
      for (int row = 0; row < p.rows; ++row) {
        V sums[N];
        ELMAN_UNROLL
        for (int n = 0; n < N; ++n) sums[n] = load(z + ((long)row * kV + First + n) * L);
        gates<S>(p, at, block, row, sums, act, rec);
      }
    }
  }

  /// The same where there is one row. No weight serves twice, so a tile is of blocks, as many as it
  /// takes for sums that wait for nothing; and they go on to the gates without a way through memory.
  template <int S>
  static ELMAN_INLINE void stage_of_one(const Pass& p, const Step& at, const Real* u,
                                        const Real* a, Act act, Rec rec) {
    constexpr int N = Cell::shape.recurrent[S].count, First = Cell::shape.recurrent[S].first;
    const bool live = any_live(at.mask, 1);
    // Back and forth, step by step: the weights that are nearest are those of the last tiles.
    for_tiles<8 / N>(p.last_block - p.first_block, [&](auto tile, int place) {
      constexpr int M = decltype(tile)::count;
      const int block = at.t & 1 ? p.last_block - M - place : p.first_block + place;
      V sums[M][1][N] = {};
      if (live) {
        ELMAN_UNROLL
        for (int m = 0; m < M; ++m) start<1, N, First>(sums[m], p, at, block + m, 0);
        accumulate_blocks<M, N>(sums, a, p.units, u + (long)block * p.units * N * L);
      }
      ELMAN_UNROLL
      for (int m = 0; m < M; ++m) gates<S>(p, at, block + m, 0, sums[m][0], act, rec);
    });
  }

  /// From the sums of one row and block to what they keep: the gates, or the states as they were.
  template <int S, int N>
  static ELMAN_INLINE void gates(const Pass& p, const Step& at, int block, int row,
                                 const V (&sums)[N], Act act, Rec rec) {
    constexpr int First = Cell::shape.recurrent[S].first;
    if (at.mask && at.mask[row] == 0.0f) return pass_by(p, at, block, row);
    const Real* x = projection(p, at, block, row);
    const Real* z = at.z + block * at.z_block + (long)row * kV * L;
    V k[kV];
    ELMAN_UNROLL
    for (int v = 0; v < kV; ++v) {
      const bool summed = v >= First && v < First + N;
      // What only the input has a part in is still where its projection is.
      k[v] = summed ? sums[summed ? v - First : 0] : load((S == 0 ? x : z) + v * L);
    }
    if constexpr (Cell::kStages == 2 && S == 0)
      finish_reset(p, at, block, row, k, rec);
    else
      finish(p, at, block, row, k, act, rec);
  }

  /// A masked step carries the states through.
  static ELMAN_INLINE void pass_by(const Pass& p, const Step& at, int block, int row) {
    const V h = load(at.h_prev + row * at.h_prev_row + block * L);
    Real* z = at.z + block * at.z_block + (long)row * kV * L;
    Real* own = at.own + block * at.own_block + (long)row * kOwn * L;
    const Real* prev = at.own_prev + block * at.own_prev_block + row * at.own_prev_row;
    ELMAN_UNROLL
    for (int v = 0; v < kV; ++v) store(z + v * L, V{});
    ELMAN_UNROLL
    for (int v = 0; v < Cell::kOwn; ++v) store(own + v * L, load(prev + v * L));
    if (Cell::kStages == 2) store(at.reset + row * p.h_row + block * L, V{});
    store(at.h + row * p.h_row + block * L, h);
    if constexpr (kPairs)
      store(at.h16 + row * p.row16 + block * L, rounded(only_units(p, block, h)));
  }

  /// The state before this step, as the gate of the second product sees it.
  static ELMAN_INLINE V seen_by_last(const Pass& p, const Step& at, int block, int row) {
    const V h = load(at.h_prev + row * at.h_prev_row + block * L);
    return p.keep ? h * keep(p, kFirst, block, row) : h;
  }

  static ELMAN_INLINE void finish_reset(const Pass& p, const Step& at, int block, int row,
                                        V (&k)[kV], Rec rec) {
    Real* z = at.z + block * at.z_block + (long)row * kV * L;
    V q;
    Cell::reset(k, seen_by_last(p, at, block, row), q, rec);
    ELMAN_UNROLL
    for (int v = 0; v < kV; ++v) store(z + v * L, k[v]);
    store(at.reset + row * p.h_row + block * L, q);
    if constexpr (kPairs)
      store(p.reset16 + row * p.row16 + block * L, rounded(only_units(p, block, q)));
  }

  static ELMAN_INLINE void finish(const Pass& p, const Step& at, int block, int row,
                                  V (&k)[kV], Act act, Rec rec) {
    const V h_prev = load(at.h_prev + row * at.h_prev_row + block * L);
    Real* z = at.z + block * at.z_block + (long)row * kV * L;
    Real* own = at.own + block * at.own_block + (long)row * kOwn * L;
    const Real* prev = at.own_prev + block * at.own_prev_block + row * at.own_prev_row;
    V own_prev[kOwn], own_now[kOwn], h;
    ELMAN_UNROLL
    for (int v = 0; v < Cell::kOwn; ++v) own_prev[v] = load(prev + v * L);
    Cell::forward(k, own_prev, own_now, h_prev, h, act, rec);
    ELMAN_UNROLL
    for (int v = 0; v < kV; ++v) store(z + v * L, k[v]);
    ELMAN_UNROLL
    for (int v = 0; v < Cell::kOwn; ++v) store(own + v * L, own_now[v]);
    store(at.h + row * p.h_row + block * L, h);
    if constexpr (kPairs)
      store(at.h16 + row * p.row16 + block * L, rounded(only_units(p, block, h)));
  }

  /// Back through the steps [first, last). Leaves d_z in z, and d_h, d_own for the step before.
  static void backward(const Pass& p) {
    const Act act(p.activation, true);
    const Rec rec(p.recurrent_activation, true);
    const int blocks = blocks_of(p.units);
    for (int s = p.last - 1; s >= p.first; --s) {
      const Step at = step(p, s);
      const Real* d_out = nullptr;
      if (p.d_out_steps == p.steps) d_out = p.d_out + (long)at.t * p.rows * p.h_row;
      else if (s == p.steps - 1) d_out = p.d_out;
      if (p.d_h_all) show_gradient(p, at.t, d_out);
      for (int block = 0; block < blocks; ++block)
        for (int row = 0; row < p.rows; ++row) back(p, at, d_out, block, row, act, rec);
      if constexpr (Cell::kStages == 2) {
        spread(p, at, 1, p.d_reset, false);
        for (int block = 0; block < blocks; ++block)
          for (int row = 0; row < p.rows; ++row) back_reset(p, at, block, row, rec);
      }
      if (p.keep) spread_dropped(p, at);
      else spread(p, at, 0, p.d_h, true);
      if constexpr (kPairs)
        if (p.d_x)
          product(onto(p, at, Cell::shape.input, p.d_z16, (long)p.rows * kV * L, p.wt16,
                       p.d_x + (long)at.t * p.rows * p.d_x_row, p.d_x_row, p.features, false));
    }
  }

  /// The gradient of the states that step t leaves, for whoever wants to see how far it reaches.
  static void show_gradient(const Pass& p, int t, const Real* d_out) {
    const long h = (long)p.rows * p.h_row, own = (long)p.rows * blocks_of(p.units) * kCarry * L;
    for (long i = 0; i < h; ++i) p.d_h_all[t * h + i] = p.d_h[i] + (d_out ? d_out[i] : 0.0f);
    if (Cell::kOwnCarry == 0) return;
    for (long i = 0; i < own; ++i) p.d_own_all[t * own + i] = p.d_own[i];
  }

  static ELMAN_INLINE void back(const Pass& p, const Step& at, const Real* d_out,
                                int block, int row, Act act, Rec rec) {
    Real* z = at.z + block * at.z_block + (long)row * kV * L;
    Real* carry = p.d_h + row * p.h_row + block * L;
    V d_h = load(carry);
    if (d_out) d_h += load(d_out + row * p.h_row + block * L);
    if (at.mask && at.mask[row] == 0.0f) {
      ELMAN_UNROLL
      for (int v = 0; v < kV; ++v) store(z + v * L, V{});
      store(carry, d_h);
      if constexpr (kPairs) round_d_z(p, block, row, {});
      return;
    }
    const Real* own = at.own + block * at.own_block + (long)row * kOwn * L;
    const Real* prev = at.own_prev + block * at.own_prev_block + row * at.own_prev_row;
    Real* d_own = p.d_own + ((long)block * p.rows + row) * kCarry * L;
    V k[kV], own_now[kOwn], own_prev[kOwn], d_carry[kCarry], d_h_prev;
    ELMAN_UNROLL
    for (int v = 0; v < kV; ++v) k[v] = load(z + v * L);
    ELMAN_UNROLL
    for (int v = 0; v < Cell::kOwn; ++v) {
      own_now[v] = load(own + v * L);
      own_prev[v] = load(prev + v * L);
    }
    ELMAN_UNROLL
    for (int v = 0; v < Cell::kOwnCarry; ++v) d_carry[v] = load(d_own + v * L);
    Cell::backward(k, own_now, own_prev, load(at.h_prev + row * at.h_prev_row + block * L), d_h,
                   d_carry, d_h_prev, act, rec);
    if (const int left = p.units - block * L; left < L) {
      // Lanes behind the last unit have weights of zero, but zero times infinity is not a number.
      ELMAN_UNROLL
      for (int v = 0; v < kV; ++v) k[v] = select(first_lanes(left), k[v], V{});
      ELMAN_UNROLL
      for (int v = 0; v < Cell::kOwnCarry; ++v) d_carry[v] = select(first_lanes(left), d_carry[v], V{});
      d_h_prev = select(first_lanes(left), d_h_prev, V{});
    }
    ELMAN_UNROLL
    for (int v = 0; v < kV; ++v) store(z + v * L, k[v]);
    ELMAN_UNROLL
    for (int v = 0; v < Cell::kOwnCarry; ++v) store(d_own + v * L, d_carry[v]);
    store(carry, d_h_prev);
    if constexpr (kPairs) round_d_z(p, block, row, k);
  }

  static ELMAN_INLINE void round_d_z(const Pass& p, int block, int row, const V (&k)[kV]) {
    bf16* to = p.d_z16 + ((long)block * p.rows + row) * kV * L;
    ELMAN_UNROLL
    for (int v = 0; v < kV; ++v) store(to + v * L, rounded(k[v]));
  }

  static ELMAN_INLINE void back_reset(const Pass& p, const Step& at, int block, int row,
                                      Rec rec) {
    if (at.mask && at.mask[row] == 0.0f) return;  // d_z is zero already
    Real* z = at.z + block * at.z_block + (long)row * kV * L;
    Real* carry = p.d_h + row * p.h_row + block * L;
    V k[kV], d_seen{};
    ELMAN_UNROLL
    for (int v = 0; v < kV; ++v) k[v] = load(z + v * L);
    Cell::backward_reset(k, seen_by_last(p, at, block, row),
                         load(p.d_reset + row * p.h_row + block * L), d_seen, rec);
    V d_h_prev = load(carry) + (p.keep ? d_seen * keep(p, kFirst, block, row) : d_seen);
    if (const int left = p.units - block * L; left < L) {
      ELMAN_UNROLL
      for (int v = 0; v < kV; ++v) k[v] = select(first_lanes(left), k[v], V{});
      d_h_prev = select(first_lanes(left), d_h_prev, V{});
    }
    ELMAN_UNROLL
    for (int v = 0; v < kV; ++v) store(z + v * L, k[v]);
    store(carry, d_h_prev);
    if constexpr (kPairs) round_d_z(p, block, row, k);
  }

  /// d_h (+)= d_z U^T over one window of the gates.
  static ELMAN_INLINE void spread(const Pass& p, const Step& at, int stage, Real* out,
                                  bool add) {
    const Window& window = Cell::shape.recurrent[stage];
    if constexpr (kPairs)
      product(onto(p, at, window, p.d_z16, (long)p.rows * kV * L, p.ut16[stage], out, p.h_row,
                   p.units, add));
    else
      product(onto(p, at, window, at.z, at.z_block, p.ut[stage], out, p.h_row, p.units, add));
  }

  /// d_h += sum over the gates of keep * d_z U^T
  static ELMAN_INLINE void spread_dropped(const Pass& p, const Step& at) {
    if constexpr (!kPairs)
      for (int n = 0; n < kFirst; ++n) {
        const Window gate = {Cell::shape.recurrent[0].first + n, 1, {}};
        ProductOf<Real> d = onto(p, at, gate, at.z, at.z_block, p.ut[0], p.d_h, p.h_row, p.units, true);
        d.b_rows = kFirst * L;
        d.b_first = n * L;
        d.scale = p.keep + (long)n * p.rows * p.h_row;
        product(d);
      }
  }

  /// out (+)= d_z M^T, where M [width, columns] has the columns of one window of the gates.
  static ELMAN_INLINE ProductOf<T> onto(const Pass& p, const Step& at,
                                        const Window& window, const T* d_z, long d_z_block,
                                        const T* transpose, Real* out, long out_row, int width,
                                        bool add) {
    ProductOf<T> d{};
    d.rows = p.rows;
    d.a = d_z + window.first * L;
    d.a_row = kV * L;
    d.k = window.count * L;
    d.a_blocks = blocks_of(p.units);
    d.a_block = d_z_block;
    d.b = transpose;
    d.c = out;
    d.c_row = out_row;
    d.c_group = 4 * L;
    d.vectors = blocks_of(width);
    d.per_group = 4;
    d.start = add ? out : nullptr;
    d.start_row = out_row;
    d.start_group = 4 * L;
    d.live = at.mask;
    return d;
  }
};

/// The table's entry for a cell: its usual activations have a path of their own, all others share
/// one, where they are Other.
template <class Cell, class T, class Other>
constexpr CellKernelsOf<Real> cell_kernels() {
  using Usual = Driver<Cell, typename Cell::Activation, typename Cell::RecurrentActivation, T>;
  using Any = Driver<Cell, Other, Other, T>;
  return {Cell::shape, Cell::Activation::kind, Cell::RecurrentActivation::kind,
          Usual::forward, Usual::backward, Any::forward, Any::backward};
}

}  // namespace
}  // namespace elman
