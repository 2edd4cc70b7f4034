// The gradient of a table: only the rows that a batch looked up.
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
      : param(param), width(weights.params[param].shape[1]), rows_(weights.params[param].shape[0]),
        shards_(threads), touched_(threads), pairs_(threads) {
    for (Shard& s : shards_) s.seen.assign(rows_ / 64 + 1, 0);
  }

  /// Whose a row is among `parts`. Tokens are mixed first: the frequent ones are neighbours.
  static int owner(int32_t token, size_t parts) {
    return (int)(((uint64_t)((uint32_t)token * 2654435761u) * parts) >> 32);
  }

  /// Different rows that a shard looked up, and their gradients, padded to a multiple of 16.
  struct LookedUp {
    const int32_t* tokens = nullptr;
    long count = 0;
    const int32_t* place = nullptr;  // [rows of the table] the row's place in `tokens`
    float* gradient = nullptr;
    long stride = 0;                 // floats from gradient to gradient
  };
  /// All of what a shard looked up in this batch; or, with `copies`, some more of it.
  void take(int shard, const LookedUp& found) {
    Shard& s = shards_[shard];
    if (copies) s.copy(found, rows_, rounded(width));
    else s.all = found;
    for (long i = 0; i < found.count; ++i)
      s.seen[found.tokens[i] / 64] |= uint64_t{1} << found.tokens[i] % 64;
  }

  /// Once all shards are there: a row is left to one that looked it up, whose core has its gradient
  /// at hand. Takes in the gradients of the others for the rows that are left to `part`.
  void gather(int part) {
    // What the others have is in the caches of their cores: all is asked for before it is used.
    std::vector<Pair>& pairs = pairs_[part];
    const LookedUp& own = shards_[part].all;
    for (long i = 0; i < own.count; ++i) {
      const int32_t token = own.tokens[i];
      if (holder(token) != part) continue;
      float* sum = own.gradient + i * own.stride;
      touched_[part].push_back({token, sum});
      for (const Shard& s : shards_) {
        if (&s == &shards_[part] || !s.has(token)) continue;
        pairs.push_back({sum, &s.all, s.all.place + token, nullptr});
        __builtin_prefetch(pairs.back().place);
      }
    }
    for (Pair& p : pairs) {
      p.from = p.other->gradient + *p.place * p.other->stride;
      for (long i = 0; i < width; i += 16) __builtin_prefetch(p.from + i);
    }
    for (const Pair& p : pairs) kernels().add(rounded(width), p.to, p.from);
    pairs.clear();
  }
  /// The rows left to a part, in the order they were met.
  const std::vector<TouchedRow>& touched(int part) const { return touched_[part]; }

  void clear(int part) {
    Shard& s = shards_[part];
    for (long i = 0; i < s.all.count; ++i) s.seen[s.all.tokens[i] / 64] = 0;
    if (copies) s.forget();
    s.all = {};
    touched_[part].clear();
  }

  const int param;
  const long width;
  bool copies = false;  // whether a batch comes in several parts, each gone when the next is there

 private:
  struct Shard {
    LookedUp all;
    // A bit per row of the table: few lines of memory for the other cores to ask for.
    std::vector<uint64_t> seen;
    bool has(int32_t token) const { return seen[token / 64] >> token % 64 & 1; }

    /// Adds to copies of what came before.
    void copy(const LookedUp& found, long rows, long padded) {
      if (place.empty()) place.assign(rows, -1);
      for (long i = 0; i < found.count; ++i) {
        const int32_t token = found.tokens[i];
        float* from = found.gradient + i * found.stride;
        if (place[token] >= 0) {
          kernels().add(padded, values.data() + place[token] * padded, from);
          continue;
        }
        place[token] = (int32_t)tokens.size();
        tokens.push_back(token);
        values.insert(values.end(), from, from + padded);
      }
      all = {tokens.data(), (long)tokens.size(), place.data(), values.data(), padded};
    }
    void forget() {
      for (const int32_t token : tokens) place[token] = -1;
      tokens.clear();
      values.clear();
    }
    std::vector<int32_t> tokens, place;
    std::vector<float> values;
  };
  struct Pair {  // gradients of one row in two shards
    float* to;
    const LookedUp* other;
    const int32_t* place;
    const float* from;
  };

  /// One of the shards that looked a row up; which one, only the row decides.
  int holder(int32_t token) const {
    const int n = (int)shards_.size();
    int shard = owner(token, n);
    while (!shards_[shard].has(token)) shard = shard + 1 < n ? shard + 1 : 0;
    return shard;
  }

  const long rows_;
  std::vector<Shard> shards_;
  std::vector<std::vector<TouchedRow>> touched_;  // [part]
  std::vector<std::vector<Pair>> pairs_;          // [part]
};

}  // namespace elman
