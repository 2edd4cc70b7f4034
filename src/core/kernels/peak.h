// What the processor can do at most: multiply-adds that wait for nothing and touch no memory.
#pragma once

#include "vec.h"

namespace elman {
namespace {

/// Runs `rounds` rounds of independent multiply-adds and returns how many floating-point operations
/// that were. The sums go to `out` [L], so that the compiler cannot leave them out.
long multiply_adds(long rounds, float* out) {
  constexpr int chains = 12;  // more than latency times units, fewer than the registers of AVX2
  V sums[chains];
  ELMAN_UNROLL
  for (int i = 0; i < chains; ++i) sums[i] = all((float)i);
  const V x = all(0.999f), y = all(0.5f);
  for (long r = 0; r < rounds; ++r) {
    ELMAN_UNROLL
    for (int i = 0; i < chains; ++i) sums[i] = sums[i] * x + y;
  }
  V total{};
  ELMAN_UNROLL
  for (int i = 0; i < chains; ++i) total += sums[i];
  store(out, total);
  return rounds * chains * L * 2;
}

}  // namespace
}  // namespace elman
