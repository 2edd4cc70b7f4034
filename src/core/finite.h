// Whether numbers from outside can be computed with.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace elman {

/// Whether there is no NaN or infinity. Without a branch per number, so that whole vectors of them are
/// looked at.
inline bool finite(const float* x, size_t n) {
  constexpr uint32_t infinite = 0x7f800000;  // the exponent of infinity and of every NaN
  uint32_t found = 0;
  for (size_t i = 0; i < n; ++i)
    found |= (std::bit_cast<uint32_t>(x[i]) & infinite) == infinite;
  return !found;
}

}  // namespace elman
