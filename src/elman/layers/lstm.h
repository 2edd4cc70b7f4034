// LSTM (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000), the cell.
//   z = x W + h_prev U + b, gates in Keras's order i f c o
#pragma once

#include "kernels/gates.h"
#include "kernels/arguments.h"

namespace elman {
namespace {

struct Lstm {
  using Activation = Tanh;
  using RecurrentActivation = Sigmoid;
  static constexpr int kVectors = 4, kOwn = 2, kOwnCarry = 1, kStages = 1;
  static constexpr CellShape shape = {
      "lstm", 4, kVectors, kOwn, kOwnCarry, kStages,
      {0, 4, {0, 1, 2, 3}}, {{0, 4, {0, 1, 2, 3}}, {}},
      {"input_gate", "forget_gate", "candidate", "output_gate"},
      {"cell_state", "cell_output"}};

  /// z [i f g o] in: before activation    out: what backward needs of the gates
  /// own_prev, own [c, a]: the cell state and a = act(c)
  template <class A, class R>
  static ELMAN_INLINE void forward(V* z, const V* own_prev, V* own, V, V& h, A act, R rec) {
    // 1   i = rec(z_i)   f = rec(z_f)   g = act(z_g)   o = rec(z_o)
    const V i = rec(z[0]), f = rec(z[1]), g = act(z[2]), o = rec(z[3]);
    z[0] = rec.keep(z[0], i);
    z[1] = rec.keep(z[1], f);
    z[2] = act.keep(z[2], g);
    z[3] = rec.keep(z[3], o);
    // 2   c = f c_prev + i g
    const V c = multiply_add(f, own_prev[0], i * g);
    // 3   h = o act(c)
    const V a = act(c);
    h = o * a;
    own[0] = c;
    own[1] = act.keep(c, a);
  }

  /// z [i f g o] in: as forward left it    out: d_z
  /// d_own [d_c] in: from the step after   out: for the step before
  template <class A, class R>
  static ELMAN_INLINE void backward(V* z, const V* own, const V* own_prev, V, V d_h, V* d_own,
                                    V& d_h_prev, A act, R rec) {
    const V i = rec.value(z[0]), f = rec.value(z[1]), g = act.value(z[2]), o = rec.value(z[3]);
    // 3'  d_o = d_h act(c)   d_c += d_h o act'(c)
    const V d_o = d_h * act.value(own[1]);
    const V d_c = d_own[0] + d_h * o * act.slope(own[1]);
    // 2'  d_f = d_c c_prev   d_i = d_c g   d_g = d_c i   d_c_prev = d_c f
    d_own[0] = d_c * f;
    // 1'  d_z = d_gate * slope
    z[0] = d_c * g * rec.slope(z[0]);
    z[1] = d_c * own_prev[0] * rec.slope(z[1]);
    z[2] = d_c * i * act.slope(z[2]);
    z[3] = d_o * rec.slope(z[3]);
    d_h_prev = V{};  // all of it comes through the product with U
  }
};

}  // namespace
}  // namespace elman
