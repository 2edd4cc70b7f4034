// SimpleRNN (Elman 1990), the cell: h = act(x W + h_prev U + b).
#pragma once

#include "kernels/gates.h"
#include "kernels/arguments.h"

namespace elman {
namespace {

struct SimpleRnn {
  using Activation = Tanh;            // the pair with a path of its own
  using RecurrentActivation = Tanh;   // unused by this cell
  static constexpr int kVectors = 1, kOwn = 0, kOwnCarry = 0, kStages = 1;
  static constexpr CellShape shape = {
      "simple_rnn", 1, kVectors, kOwn, kOwnCarry, kStages,
      {0, 1, {0}}, {{0, 1, {0}}, {}}, {"state"}, {}};

  /// z [1] in: x W + h_prev U + b    out: what backward needs of h
  template <class A, class R>
  static ELMAN_INLINE void forward(V* z, const V*, V*, V, V& h, A act, R) {
    // 1   h = act(z)
    h = act(z[0]);
    z[0] = act.keep(z[0], h);
  }

  /// z [1] in: as forward left it    out: d_z
  template <class A, class R>
  static ELMAN_INLINE void backward(V* z, const V*, const V*, V, V d_h, V*, V& d_h_prev, A act, R) {
    // 1'  d_z = d_h act'(z)
    z[0] = d_h * act.slope(z[0]);
    d_h_prev = V{};  // all of it comes through the product with U
  }
};

}  // namespace
}  // namespace elman
