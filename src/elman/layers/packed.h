// Weight matrices as the kernels read them, and the products that use them. Shared by the ops.
#pragma once

#include "isa/table.h"
#include "op.h"
#include "plan.h"

namespace elman {

inline int blocks_of(int units, int lanes) { return (units + lanes - 1) / lanes; }

/// A matrix [k, columns] of the weights, packed for y = x W and, if asked, for d_x = d_y W^T.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  PackedMatrix(Plan& plan, int param, long column0, int k, Columns columns, bool transposed)
      : weights_(&plan.weights()), param_(param), column0_(column0), k_(k), columns_(columns) {
    const int lanes = kernels().lanes;
    blocks_ = blocks_of(columns.units, lanes);
    groups_ = columns.per_group ? (blocks_ + columns.per_group - 1) / columns.per_group : blocks_;
    vectors_ = columns.per_group ? blocks_ : blocks_ * columns.count;
    packed = plan.share((long)vectors_ * k * lanes);
    if (transposed) transpose = plan.share((long)vectors_ * lanes * blocks_of(k, lanes) * lanes);
  }

  /// Part `thread` of `threads` of the copying.
  void pack(int thread, int threads) const {
    const Param& p = weights_->params[param_];
    const long row = p.shape.back();
    const float* w = weights_->values.data() + p.offset + column0_;
    kernels().pack(columns_, w, row, k_, packed, groups_ * thread / threads,
                   groups_ * (thread + 1) / threads);
    if (!transpose) return;
    const int k_groups = (blocks_of(k_, kernels().lanes) + 3) / 4;
    kernels().pack_transposed(columns_, w, row, k_, transpose, k_groups * thread / threads,
                              k_groups * (thread + 1) / threads);
  }

  /// The gradient of the matrix: G += A^T D.
  void gradient(const Run& run, long rows, const float* a, long a_row, const float* d, long d_row,
                long d_group) const {
    const Param& p = weights_->params[param_];
    kernels().outer({rows, a, a_row, k_, d, d_row, d_group, columns_,
                     run.gradients + p.offset + column0_, p.shape.back()});
  }

  /// The gradient of a bias that lies behind the same columns.
  void bias_gradient(const Run& run, int bias, long offset, long rows, const float* d, long d_row,
                     long d_group) const {
    Outer o{rows, nullptr, 0, 0, d, d_row, d_group, columns_,
            run.gradients + weights_->params[bias].offset + offset, 0};
    kernels().sum_rows(o);
  }

  int k() const { return k_; }
  int vectors() const { return vectors_; }
  const Columns& columns() const { return columns_; }

  float* packed = nullptr;
  float* transpose = nullptr;

 private:
  const Weights* weights_ = nullptr;
  int param_ = -1;
  long column0_ = 0;
  int k_ = 0;
  Columns columns_{};
  int blocks_ = 0, groups_ = 0, vectors_ = 0;
};

}  // namespace elman
