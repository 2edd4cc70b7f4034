// The gradient of a table: only the rows that a batch looked up.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "isa/table.h"
#include "numbering.h"
#include "slot.h"
#include "weights.h"

namespace elman {

class TableGradient {
 public:
  TableGradient(const Weights& weights, int param, int threads)
      : param(param), width(weights.params[param].shape[1]),
        shards_(threads), touched_(threads), kept_(threads), pairs_(threads) {
    for (Shard& s : shards_) s.seen.assign(weights.params[param].shape[0] / 64 + 1, 0);
  }

  /// The shard, among those that looked a row up, whose core works with it: has(shard) tells which
  /// did. Only the row decides, not who asks.
  template <class Has>
  static int holder(int32_t token, int shards, const Has& has) {
    // Tokens are mixed first: the frequent ones are neighbours.
    const int first = (int)(((uint64_t)((uint32_t)token * 2654435761u) * shards) >> 32);
    int holder = first;
    for (int k = shards - 1; k >= 0; --k) {  // to the end: where it stops no processor could foresee
      const int shard = first + k < shards ? first + k : first + k - shards;
      holder = has(shard) ? shard : holder;
    }
    return holder;
  }

  /// Different rows that a shard looked up, and their gradients, padded to a multiple of 16.
  struct LookedUp {
    const int32_t* tokens = nullptr;
    long count = 0;
    const Numbering* place = nullptr;  // of a row in `tokens`
    float* gradient = nullptr;
    long stride = 0;                 // floats from gradient to gradient
  };
  /// All of what a shard looked up in this batch; or, with `copies`, some more of it.
  void take(int shard, const LookedUp& found) {
    Shard& s = shards_[shard];
    if (copies) s.copy(found, rounded(width));
    else s.all = found;
    for (long i = 0; i < found.count; ++i)
      s.seen[found.tokens[i] / 64] |= uint64_t{1} << found.tokens[i] % 64;
  }

  /// Once all shards are there: a row is left to one that looked it up, whose core has its gradient
  /// at hand. Takes in the gradients of the others for the rows that are left to `part`.
  void gather(int part) {
    // Which rows those are no processor can foresee. Each is noted, and the note kept or written over.
    const LookedUp& own = shards_[part].all;
    std::vector<TouchedRow>& touched = touched_[part];
    if ((long)touched.size() < own.count) touched.resize(own.count);
    long kept = 0;
    for (long i = 0; i < own.count; ++i) {
      touched[kept].row = own.tokens[i];
      touched[kept].gradient = own.gradient + i * own.stride;
      const auto has = [&](int shard) { return shards_[shard].has(own.tokens[i]); };
      kept += holder(own.tokens[i], (int)shards_.size(), has) == part;
    }
    kept_[part] = kept;
    // What the others have is in the caches of their cores: all is asked for before it is used.
    for (const Shard& s : shards_) {
      if (&s == &shards_[part]) continue;
      std::vector<Pair>& pairs = pairs_[part];
      if ((long)pairs.size() < kept) pairs.resize(kept);
      long both = 0;
      for (long i = 0; i < kept; ++i) {
        pairs[both].to = touched[i].gradient;
        pairs[both].row = touched[i].row;
        both += s.has(touched[i].row);
      }
      for (long i = 0; i < both; ++i) s.all.place->ask(pairs[i].row);
      for (long i = 0; i < both; ++i) {
        pairs[i].from = s.all.gradient + s.all.place->find(pairs[i].row) * s.all.stride;
        for (long j = 0; j < width; j += 16) __builtin_prefetch(pairs[i].from + j);
      }
      for (long i = 0; i < both; ++i) kernels().add(rounded(width), pairs[i].to, pairs[i].from);
    }
  }
  /// The rows left to a part, in the order they were met.
  std::span<const TouchedRow> touched(int part) const {
    return {touched_[part].data(), (size_t)kept_[part]};
  }

  void clear(int part) {
    Shard& s = shards_[part];
    for (long i = 0; i < s.all.count; ++i) s.seen[s.all.tokens[i] / 64] = 0;
    if (copies) s.forget();
    s.all = {};
    kept_[part] = 0;
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
    void copy(const LookedUp& found, long padded) {
      for (long i = 0; i < found.count; ++i) {
        const float* from = found.gradient + i * found.stride;
        const int32_t number = place.add(found.tokens[i]);
        if (number < (int32_t)tokens.size()) {
          kernels().add(padded, values.data() + number * padded, from);
          continue;
        }
        tokens.push_back(found.tokens[i]);
        values.insert(values.end(), from, from + padded);
      }
      all = {tokens.data(), (long)tokens.size(), &place, values.data(), padded};
    }
    void forget() {
      place.clear();
      tokens.clear();
      values.clear();
    }
    Numbering place;
    std::vector<int32_t> tokens;
    std::vector<float> values;
  };
  struct Pair {  // gradients of one row in two shards
    float* to;
    int32_t row;
    const float* from;
  };

  std::vector<Shard> shards_;
  std::vector<std::vector<TouchedRow>> touched_;  // [part], of which
  std::vector<long> kept_;                        // [part] so many count
  std::vector<std::vector<Pair>> pairs_;          // [part]
};

}  // namespace elman
