// All parameters of a model in one flat block, so that optimizers, clipping, checkpoints and
// (later) all-reduce are one loop over it. A layer's tensors are views into the block.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "aligned.h"

namespace elman {

struct Param {
  std::string name;
  std::vector<long> shape;
  bool trainable = true;
  bool table = false;   // rows looked up by token: its gradient touches few rows
  long offset = 0, size = 0;  // floats in the block; offsets are multiples of 16
};

class Weights {
 public:
  explicit Weights(std::vector<Param> list) : params(std::move(list)) {
    // Tables last: every thread has a gradient block for what comes before `dense` only.
    for (int tables = 0; tables < 2; ++tables) {
      for (Param& p : params) {
        if (p.table != (tables == 1)) continue;
        p.size = 1;
        for (long extent : p.shape) p.size *= extent;
        p.offset = total;
        total += (p.size + 15) / 16 * 16;
      }
      if (!tables) dense = total;
    }
    values.resize(total);
  }
  Weights(const Weights&) = delete;

  /// The values of one tensor.
  float* at(int param) { return values.data() + params[param].offset; }

  std::vector<Param> params;
  long total = 0, dense = 0;
  Floats values;

  /// An optimizer that leaves rows of tables behind until they are needed registers here;
  /// whoever reads values calls `settle` first.
  class Lazy {
   public:
    virtual ~Lazy() = default;
    virtual void settle() = 0;
  };
  void settle() {
    if (lazy) lazy->settle();
  }
  Lazy* lazy = nullptr;
  std::mutex in_use;  // by a run of a plan, or by whoever reads or sets values meanwhile

  bool left = false;  // a layer has its weights elsewhere now: whoever runs on these asks it first

  uint64_t version = 1;  // counts changes, so that packed copies know when they are stale
};

}  // namespace elman
