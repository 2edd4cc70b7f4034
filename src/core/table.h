// The gradient of a table: only the rows that a batch looked up.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "isa/table.h"
#include "slot.h"
#include "weights.h"

namespace elman {

class TableGradient {
 public:
  TableGradient(const Weights& weights, int param, int threads)
      : param(param), width(weights.params[param].shape[1]), shards_(threads), touched_(threads) {
    const long rows = weights.params[param].shape[0];
    for (Shard& s : shards_) {
      s.place.assign(rows, -1);
      s.seen.assign(rows / 64 + 1, 0);
    }
  }

  /// Whose a row is among `parts`. Tokens are mixed first: the frequent ones are neighbours.
  static int owner(int32_t token, size_t parts) {
    return (int)(((uint64_t)((uint32_t)token * 2654435761u) * parts) >> 32);
  }

  /// Adds to the gradient of a row, in the shard that looked it up. The first `d` of a row, padded
  /// to a multiple of 16, takes in those that follow, and stays until `clear`.
  void add(int shard, int32_t token, float* d) {
    Shard& s = shards_[shard];
    if (s.place[token] >= 0) {
      kernels().add(rounded(width), s.rows[s.place[token]].gradient, d);
      return;
    }
    if (copies) {
      s.copies.emplace_back(d, d + rounded(width));
      d = s.copies.back().data();
    }
    s.place[token] = (int32_t)s.rows.size();
    s.seen[token / 64] |= uint64_t{1} << token % 64;
    s.rows.push_back({token, d});
  }

  /// Once all shards are there: a row is left to one that looked it up, whose core has its gradient
  /// at hand. Takes in the gradients of the others for the rows that are left to `part`.
  void gather(int part) {
    for (const TouchedRow& t : shards_[part].rows) {
      if (holder(t.row) != part) continue;
      for (const Shard& s : shards_)
        if (&s != &shards_[part] && s.has(t.row))
          kernels().add(rounded(width), t.gradient, s.rows[s.place[t.row]].gradient);
      touched_[part].push_back(t);
    }
  }
  /// The rows left to a part, in the order they were met.
  const std::vector<TouchedRow>& touched(int part) const { return touched_[part]; }

  void clear(int part) {
    Shard& s = shards_[part];
    for (const TouchedRow& t : s.rows) {
      s.place[t.row] = -1;
      s.seen[t.row / 64] = 0;
    }
    s.rows.clear();
    s.copies.clear();
    touched_[part].clear();
  }

  const int param;
  const long width;
  bool copies = false;  // whether what is added is gone before it is gathered

 private:
  /// One of the shards that looked a row up; which one, only the row decides.
  int holder(int32_t token) const {
    const int n = (int)shards_.size();
    int shard = owner(token, n);
    while (!shards_[shard].has(token)) shard = shard + 1 < n ? shard + 1 : 0;
    return shard;
  }

  struct Shard {
    std::vector<int32_t> place;    // [rows of the table] among `rows`, or -1
    std::deque<std::vector<float>> copies;
    std::vector<TouchedRow> rows;  // in the order they were met
    // A bit per row of the table: few lines of memory for the other cores to ask for.
    std::vector<uint64_t> seen;
    bool has(int32_t token) const { return seen[token / 64] >> token % 64 & 1; }
  };
  std::vector<Shard> shards_;
  std::vector<std::vector<TouchedRow>> touched_;  // [part]
};

}  // namespace elman
