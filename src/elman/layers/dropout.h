// Dropout (Srivastava et al. 2014): y = x m / (1 - rate), m in {0, 1}. Backward is the same pass
// over the gradient: the mask is drawn again from the same numbers, so it is never stored. The same
// for normal numbers that are added or multiply.
#pragma once

#include "kernels/activations.h"
#include "kernels/arguments.h"

namespace elman {
namespace {

/// A well-mixed 32-bit hash of each lane (Wellons' lowbias32).
ELMAN_INLINE U mix(U x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  x ^= x >> 16;
  return x;
}

/// Random bits as normal numbers: sqrt(2) erfinv(u), u evenly spread over (-1, 1).
/// Giles (2010), "Approximating the erfinv function", in single precision: within 1e-6 of it.
ELMAN_INLINE V normal(U random) {
  const V u = __builtin_convertvector((I)(random >> 8), V) * 0x1p-23f + (0x1p-24f - 1.0f);
  const V w = -log((1.0f - u) * (1.0f + u));
  const I centre = w < 5.0f;
  const V a = select(centre, w - 2.5f, square_root(w) - 3.0f);
  constexpr float c[9][2] = {
      {2.81022636e-08f, -0.000200214257f}, {3.43273939e-07f, 0.000100950558f},
      {-3.5233877e-06f, 0.00134934322f},   {-4.39150654e-06f, -0.00367342844f},
      {0.00021858087f, 0.00573950773f},    {-0.00125372503f, -0.0076224613f},
      {-0.00417768164f, 0.00943887047f},   {0.246640727f, 1.00167406f},
      {1.50140941f, 2.83297682f}};
  V p = select(centre, all(c[0][0]), all(c[0][1]));
  ELMAN_UNROLL
  for (int i = 1; i < 9; ++i) p = p * a + select(centre, all(c[i][0]), all(c[i][1]));
  return p * u * 1.41421356f;
}

/// out = f(random bits, in) for every number
template <class F>
ELMAN_INLINE void with_random(const DropoutPass& p, const F& f) {
  const U lanes = (U)lane_index();
  for (int t = 0; t < p.steps; ++t)
    for (int row = 0; row < p.rows; ++row) {
      const long at = ((long)t * p.rows + row) * p.row;
      // The place of an element in the batch, not in the shard, chooses its random number.
      const uint32_t place = (uint32_t)(p.first_row + (p.rank ? p.rank[row] : row)) * 0x9e3779b9u ^
                             (p.same_each_step ? 0u : (uint32_t)(p.first_step + t + 1) * 0x85ebca6bu);
      const U key = mix(mix(U{} + p.seed) + p.step) + place;
      for (int u = 0; u < p.width; u += L)
        store(p.out + at + u, f(mix(mix(key) + lanes + (uint32_t)u), load(p.in + at + u)));
    }
}

void dropout(const DropoutPass& p) {
  const float scale = 1.0f / (1.0f - p.rate);
  const uint32_t threshold = (uint32_t)((double)p.rate * 4294967296.0);
  switch (p.noise) {
    case Noise::zeros:
      return with_random(p, [=](U random, V x) {
        return select((I)(random >= threshold), x * scale, V{});
      });
    case Noise::added:
      return with_random(p, [&](U random, V x) { return x + p.rate * normal(random); });
    case Noise::factor:
      return with_random(p, [&](U random, V x) { return x * (1.0f + p.rate * normal(random)); });
  }
}

}  // namespace
}  // namespace elman
