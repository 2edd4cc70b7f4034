// GRU (Cho et al. 2014), the cell, in Keras's two forms. Gates in the weights: z r h.
#pragma once

#include "kernels/gates.h"
#include "kernels/arguments.h"

namespace elman {
namespace {

/// reset_after=True, Keras's default: the reset gate acts on the recurrent product,
///   n = act(x W_h + b_h + r (h_prev U_h + rb_h)), so that product has a bias of its own.
/// Kept [n z r u]: the vectors that x fills and those that h_prev fills are each neighbours.
struct Gru {
  using Activation = Tanh;
  using RecurrentActivation = Sigmoid;
  static constexpr int kVectors = 4, kOwn = 0, kOwnCarry = 0, kStages = 1;
  static constexpr CellShape shape = {
      "gru", 3, kVectors, kOwn, kOwnCarry, kStages,
      {0, 3, {2, 0, 1}}, {{1, 3, {0, 1, 2}}, {}},
      {"candidate", "update_gate", "reset_gate", "recurrent_candidate"}, {}};

  /// z [x_h, z_z, z_r, u] in: before activation, u = h_prev U_h + rb_h    out: [n z r u]
  template <class A, class R>
  static ELMAN_INLINE void forward(V* k, const V*, V*, V h_prev, V& h, A act, R rec) {
    // 1   z = rec(z_z)   r = rec(z_r)
    const V z = rec(k[1]), r = rec(k[2]);
    // 2   n = act(x_h + r u)
    const V a = k[0] + r * k[3];
    const V n = act(a);
    // 3   h = z h_prev + (1 - z) n
    h = n + z * (h_prev - n);
    k[0] = act.keep(a, n);
    k[1] = rec.keep(k[1], z);
    k[2] = rec.keep(k[2], r);
  }

  /// k [n z r u] in: as forward left it    out: gradients of [x_h, z_z, z_r, u]
  template <class A, class R>
  static ELMAN_INLINE void backward(V* k, const V*, const V*, V h_prev, V d_h, V*, V& d_h_prev,
                                    A act, R rec) {
    const V n = act.value(k[0]), z = rec.value(k[1]), r = rec.value(k[2]);
    // 3'  d_n = d_h (1 - z)   d_z = d_h (h_prev - n)   d_h_prev = d_h z
    const V d_z = d_h * (h_prev - n);
    d_h_prev = d_h * z;
    // 2'  d_x_h = d_n act'(a)   d_r = d_x_h u   d_u = d_x_h r
    const V d_a = (d_h - d_h_prev) * act.slope(k[0]);
    // 1'  d_z_z = d_z rec'   d_z_r = d_r rec'
    k[0] = d_a;
    k[1] = d_z * rec.slope(k[1]);
    k[2] = d_a * k[3] * rec.slope(k[2]);
    k[3] = d_a * r;
  }
};

/// reset_after=False, the paper's form: n = act(x W_h + b_h + (r h_prev) U_h).
/// Two products per step: z and r first, then the candidate from the reset state q = r h_prev.
struct GruResetBefore {
  using Activation = Tanh;
  using RecurrentActivation = Sigmoid;
  static constexpr int kVectors = 3, kOwn = 0, kOwnCarry = 0, kStages = 2;
  static constexpr CellShape shape = {
      "gru_reset_before", 3, kVectors, kOwn, kOwnCarry, kStages,
      {0, 3, {2, 0, 1}}, {{1, 2, {0, 1}}, {0, 1, {2}}},
      {"candidate", "update_gate", "reset_gate"}, {}};

  /// First half: k [., z_z, z_r] in: before activation. Kept as they are until the second half.
  template <class R>
  static ELMAN_INLINE void reset(V* k, V h_prev, V& q, R rec) {
    // 1   r = rec(z_r)   q = r h_prev
    const V r = rec(k[2]);
    q = r * h_prev;
    k[2] = rec.keep(k[2], r);
  }

  template <class A, class R>
  static ELMAN_INLINE void forward(V* k, const V*, V*, V h_prev, V& h, A act, R rec) {
    // 2   z = rec(z_z)   n = act(z_h), z_h = x W_h + b_h + q U_h
    const V z = rec(k[1]), n = act(k[0]);
    // 3   h = z h_prev + (1 - z) n
    h = n + z * (h_prev - n);
    k[0] = act.keep(k[0], n);
    k[1] = rec.keep(k[1], z);
  }

  /// k [n z r] in: as forward left it    out: [d_z_h, d_z_z, r as before]
  template <class A, class R>
  static ELMAN_INLINE void backward(V* k, const V*, const V*, V h_prev, V d_h, V*, V& d_h_prev,
                                    A act, R rec) {
    const V n = act.value(k[0]), z = rec.value(k[1]);
    // 3'  d_n = d_h (1 - z)   d_z = d_h (h_prev - n)   d_h_prev = d_h z
    d_h_prev = d_h * z;
    // 2'  d_z_h = d_n act'   d_z_z = d_z rec'
    k[0] = (d_h - d_h_prev) * act.slope(k[0]);
    k[1] = d_h * (h_prev - n) * rec.slope(k[1]);
  }

  /// Second half, once d_q = d_z_h U_h^T is known.
  template <class R>
  static ELMAN_INLINE void backward_reset(V* k, V h_prev, V d_q, V& d_h_prev, R rec) {
    // 1'  d_z_r = d_q h_prev rec'   d_h_prev += d_q r
    d_h_prev += d_q * rec.value(k[2]);
    k[2] = d_q * h_prev * rec.slope(k[2]);
  }
};

}  // namespace
}  // namespace elman
