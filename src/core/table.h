// The gradient of a table: only the rows that a batch looked up, side by side.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/table.h"
#include "slot.h"
#include "weights.h"

namespace elman {

class TableGradient {
 public:
  TableGradient(const Weights& weights, int param, int threads)
      : param(param),
        width(weights.params[param].shape[1]),
        stride_(rounded(width)),
        place_(weights.params[param].shape[0], -1),
        touched_(threads),
        values_(threads) {}

  /// Rows are dealt out by token, so that one row has one thread whoever looked it up. Tokens are
  /// mixed first: the frequent ones are neighbours.
  int owner(int32_t token) const {
    const uint32_t mixed = (uint32_t)token * 2654435761u;
    return (int)(((uint64_t)mixed * touched_.size()) >> 32);
  }
  /// The rows of a thread, in the order they were met.
  const std::vector<int32_t>& touched(int thread) const { return touched_[thread]; }
  /// The gradient of a row that was touched.
  const float* row(int32_t token) const {
    return values_[owner(token)].data() + place_[token] * stride_;
  }
  /// Adds to the gradient of one of the thread's own rows. `d` is padded to a multiple of 16.
  void add(int32_t token, int thread, const float* d) {
    std::vector<float>& values = values_[thread];
    if (place_[token] < 0) {
      place_[token] = (int32_t)touched_[thread].size();
      touched_[thread].push_back(token);
      values.insert(values.end(), d, d + stride_);
      return;
    }
    kernels().add(stride_, values.data() + place_[token] * stride_, d);
  }
  void clear(int thread) {
    for (const int32_t token : touched_[thread]) place_[token] = -1;
    touched_[thread].clear();
    values_[thread].clear();
  }

  const int param;
  const long width;

 private:
  const long stride_;
  std::vector<int32_t> place_;                 // [rows] among the touched ones, or -1
  std::vector<std::vector<int32_t>> touched_;  // [thread]
  std::vector<std::vector<float>> values_;     // [thread][touched][stride]
};

}  // namespace elman
