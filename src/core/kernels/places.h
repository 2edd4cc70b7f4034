// Sums over rows that stand for the same row.
#pragma once

#include "arguments.h"
#include "vec.h"

namespace elman {
namespace {

void sum_places(const SumPlaces& p) {
  const long record = p.vectors * L;
  for (int block = 0; block < p.blocks; ++block) {
    const float* d = p.d + block * p.d_block;
    int32_t known = 0;
    for (long i = 0; i < p.rows; ++i, d += p.d_row) {
      float* to = p.to + block * p.to_block + p.places[i] * record;
      if (p.places[i] == known) {
        ++known;
        for (int v = 0; v < p.vectors; ++v) store(to + v * L, load(d + v * L));
      } else {
        for (int v = 0; v < p.vectors; ++v) store(to + v * L, load(to + v * L) + load(d + v * L));
      }
    }
  }
}

}  // namespace
}  // namespace elman
