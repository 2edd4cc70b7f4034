// Zeroed floats on cache-line boundaries.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

namespace elman {

class Floats {
 public:
  void resize(size_t count) {
    const size_t bytes = (count * sizeof(float) + 63) / 64 * 64;
    void* p = bytes ? ::operator new(bytes, std::align_val_t(64)) : nullptr;
    if (p) std::memset(p, 0, bytes);
    block_.reset(static_cast<float*>(p));
    count_ = count;
  }
  float* data() { return block_.get(); }
  const float* data() const { return block_.get(); }
  size_t size() const { return count_; }

 private:
  struct Free {
    void operator()(float* p) const { ::operator delete(p, std::align_val_t(64)); }
  };
  std::unique_ptr<float, Free> block_;
  size_t count_ = 0;
};

}  // namespace elman
