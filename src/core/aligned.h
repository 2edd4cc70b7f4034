// Zeroed numbers on cache-line boundaries; large blocks on huge pages, where the system has them.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

namespace elman {

struct FreeAligned {
  size_t align = 64;
  void operator()(void* p) const { ::operator delete(p, std::align_val_t(align)); }
};

template <class T>
class Aligned {
 public:
  void resize(size_t count) {
    take(count);
    if (count_) std::memset(block_.get(), 0, count_ * sizeof(T));
  }
  /// As the system gives it: memory that nobody writes to takes none.
  void take(size_t count) {
    size_t bytes = count * sizeof(T), align = 64;
    if (bytes >= kHuge / 2) align = kHuge;  // rows looked up anywhere otherwise miss the page tables
    bytes = (bytes + align - 1) / align * align;
    block_ = Block(bytes ? static_cast<T*>(::operator new(bytes, std::align_val_t(align)))
                         : nullptr, FreeAligned{align});
#ifdef MADV_HUGEPAGE
    if (align == kHuge) madvise(block_.get(), bytes, MADV_HUGEPAGE);
#endif
    count_ = count;
  }
  T* data() { return block_.get(); }
  const T* data() const { return block_.get(); }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }
  T* begin() { return data(); }
  T* end() { return data() + count_; }
  size_t size() const { return count_; }

 private:
  static constexpr size_t kHuge = size_t{1} << 21;
  using Block = std::unique_ptr<T, FreeAligned>;
  Block block_;
  size_t count_ = 0;
};

using Floats = Aligned<float>;
using Integers = Aligned<int32_t>;

}  // namespace elman
