// Dropout (Srivastava et al. 2014): y = x m / (1 - rate), m in {0, 1}. Backward is the same pass
// over the gradient: the mask is drawn again from the same numbers, so it is never stored.
#pragma once

#include "kernels/arguments.h"
#include "kernels/vec.h"

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

void dropout(const DropoutPass& p) {
  const float scale = 1.0f / (1.0f - p.rate);
  const uint32_t threshold = (uint32_t)((double)p.rate * 4294967296.0);
  const U lanes = (U)lane_index();
  for (int t = 0; t < p.steps; ++t)
    for (int row = 0; row < p.rows; ++row) {
      const long at = ((long)t * p.rows + row) * p.row;
      // The place of an element in the batch, not in the shard, chooses its random number.
      const uint32_t place = (uint32_t)(p.first_row + (p.rank ? p.rank[row] : row)) * 0x9e3779b9u ^
                             (p.same_each_step ? 0u : (uint32_t)(p.first_step + t + 1) * 0x85ebca6bu);
      const U key = mix(mix(U{} + p.seed) + p.step) + place;
      for (int u = 0; u < p.width; u += L) {
        const U random = mix(mix(key) + lanes + (uint32_t)u);
        const V x = load(p.in + at + u);
        store(p.out + at + u, select((I)(random >= threshold), x * scale, V{}));
      }
    }
}

}  // namespace
}  // namespace elman
