// Numbers for the different tokens of a batch.
#pragma once

#include <cstdint>
#include <vector>

namespace elman {

/// Each token that is new gets the next number, from 0. A small hash table in the near caches: an
/// array with a place for every row of a large table takes more pages than a processor keeps at hand.
class Numbering {
 public:
  /// The token's number, the next one if it had none.
  int32_t add(int32_t token) {
    Entry* entry = &entries_[place(token)];
    if (entry->token == token) return entry->number;
    if (4 * (size_ + 1) > (long)entries_.size()) {
      grow();
      entry = &entries_[place(token)];
    }
    *entry = {token, size_};
    return size_++;
  }
  /// The token's number, or -1.
  int32_t find(int32_t token) const { return entries_[place(token)].number; }
  /// Asks memory for what `find` will need.
  void ask(int32_t token) const { __builtin_prefetch(&entries_[home(token)]); }
  int32_t size() const { return size_; }
  void clear() {
    entries_.assign(entries_.size(), {});
    size_ = 0;
  }

 private:
  struct Entry {
    int32_t token = -1, number = -1;
  };
  size_t home(int32_t token) const { return (uint32_t)token * 2654435761u >> shift_; }
  /// Where the token is, or the empty entry that it would take.
  size_t place(int32_t token) const {
    size_t i = home(token);
    while (entries_[i].token != token && entries_[i].token != -1)
      i = i + 1 < entries_.size() ? i + 1 : 0;
    return i;
  }
  /// At most one entry of four is taken, so that most tokens are in the first place.
  void grow() {
    std::vector<Entry> before(2 * entries_.size());
    before.swap(entries_);
    --shift_;
    for (const Entry& entry : before)
      if (entry.token != -1) entries_[place(entry.token)] = entry;
  }

  int shift_ = 22;
  std::vector<Entry> entries_ = std::vector<Entry>(size_t{1} << (32 - 22));  // a power of two
  int32_t size_ = 0;
};

}  // namespace elman
