// How a recurrent layer projects its input: some steps ahead of the recurrence, from the bias on. For the
// plan's op (layers/recurrent.cpp) and for the one that guests call (sequence.cpp).
#pragma once

#include <algorithm>

#include "kernels/arguments.h"

namespace elman {

/// Steps to project at once, of so many bytes each and not below `least`: few enough for them to stay
/// in the cache of a core, beside the recurrent weights.
inline int steps_at_once(long bytes, long least) {
  constexpr long kMost = 16, kBytes = 256l << 10;
  return (int)std::clamp(kBytes / bytes, least, kMost);
}

/// Calls f(first, steps, t) for all of the T steps, segment by segment: `first` in the order of
/// processing, t in time. Segments begin at multiples of `segment` in time, whichever way it is walked.
template <class F>
void each_segment(int T, int segment, bool reverse, const F& f) {
  for (int first = 0, steps; first < T; first += steps) {
    const int odd = T % segment;
    steps = std::min(T - first, reverse && first == 0 && odd ? odd : segment);
    f(first, steps, reverse ? T - first - steps : first);
  }
}

/// Adds the bias of some gates to packed [blocks][vectors][lanes], from vector `first` of each block on.
template <class Real>
void add_bias(const Columns& columns, const Real* bias, int first, int vectors, int lanes, Real* packed) {
  for (int unit = 0; unit < columns.units; ++unit)
    for (int v = 0; v < columns.count; ++v)
      packed[((long)(unit / lanes) * vectors + first + v) * lanes + unit % lanes] +=
          bias[(long)columns.gates[v] * columns.units + unit];
}

}  // namespace elman
