// Weight matrices as the kernels read them, and the products that use them. Shared by the ops.
#pragma once

#include <algorithm>
#include <string>

#include "isa/table.h"
#include "op.h"
#include "plan.h"

namespace elman {

/// bf16 in memory that a plan gave out as floats.
inline bf16* as_bf16(float* p) { return reinterpret_cast<bf16*>(p); }
inline long even(long k) { return (k + 1) / 2 * 2; }

/// How a path says which products of bf16 it takes.
inline std::string path_of(const Bf16Kernels* pairs) {
  return !pairs ? "" : pairs->native ? " bf16" : " bf16 by floats";
}

/// The product `p` with rows of k bf16 in place of its floats.
inline ProductOf<bf16> of_pairs(const Product& p, const bf16* a, long a_row, long k,
                                const bf16* b) {
  return {p.rows, a, a_row, (int)k, 1, 0, b, p.c, p.c_row, p.c_group, p.vectors, p.per_group,
          p.start, p.start_row, p.start_group, nullptr, 0, 0, nullptr};
}

/// Share `i` of `of` of the groups of the product `p`.
inline Product groups_of(Product p, int i, int of) {
  const int groups = (p.vectors + p.per_group - 1) / p.per_group;
  const int first = groups * i / of, last = groups * (i + 1) / of;
  p.b += (long)first * p.a_blocks * p.k * p.per_group * kernels().lanes;
  p.c += first * p.c_group;
  if (p.start) p.start += first * p.start_group;
  p.vectors = std::min(p.vectors, last * p.per_group) - first * p.per_group;
  return p;
}

/// A matrix [k, columns] of the weights, packed for y = x W and, if asked, for d_x = d_y W^T:
/// as floats, or as bf16 for the kernels that multiply these.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  PackedMatrix(Plan& plan, int param, long column0, int k, Columns columns, bool transposed,
               const Bf16Kernels* pairs = nullptr)
      : weights_(&plan.weights()), pairs_(pairs), param_(param), column0_(column0), k_(k),
        columns_(columns) {
    const int lanes = kernels().lanes;
    blocks_ = blocks_of(columns.units, lanes);
    groups_ = columns.per_group ? (blocks_ + columns.per_group - 1) / columns.per_group : blocks_;
    vectors_ = columns.per_group ? blocks_ : blocks_ * columns.count;
    const long size = vectors_ * (pairs ? even(k) : (long)k) * lanes;
    const long transposed_size = (long)vectors_ * lanes * blocks_of(k, lanes) * lanes;
    if (pairs) {
      packed16 = as_bf16(plan.share(size / 2));
      if (transposed) transpose16 = as_bf16(plan.share(transposed_size / 2));
      return;
    }
    packed = plan.share(size);
    if (transposed) transpose = plan.share(transposed_size);
  }

  /// Part `thread` of `threads` of the copying.
  void pack(int thread, int threads) const {
    const Param& p = weights_->params[param_];
    const long row = p.shape.back();
    const float* w = weights_->at(param_) + column0_;
    const int first = groups_ * thread / threads, last = groups_ * (thread + 1) / threads;
    const int k_groups = (blocks_of(k_, kernels().lanes) + 3) / 4;
    if (pairs_) {
      pairs_->pack(columns_, w, row, k_, packed16, first, last);
      if (transpose16)
        pairs_->pack_transposed(columns_, w, row, k_, transpose16, k_groups * thread / threads,
                                k_groups * (thread + 1) / threads);
      return;
    }
    kernels().pack(columns_, w, row, k_, packed, first, last);
    if (!transpose) return;
    kernels().pack_transposed(columns_, w, row, k_, transpose, k_groups * thread / threads,
                              k_groups * (thread + 1) / threads);
  }

  /// y = x W for a matrix without gates; `start` is left to the caller.
  Product product(long rows, const float* x, long x_row, float* y, long y_row) const {
    Product p{};
    p.rows = (int)rows;
    p.a = x;
    p.a_row = x_row;
    p.k = k_;
    p.a_blocks = 1;
    p.b = packed;
    p.c = y;
    p.c_row = y_row;
    p.vectors = vectors_;
    p.per_group = columns_.per_group;
    p.c_group = p.start_group = p.per_group * kernels().lanes;
    return p;
  }

  /// d_x = d_y W^T. Where there are gates, d_y lies in blocks `d_block` apart.
  Product transposed_product(long rows, const float* d_y, long d_row, float* d_x, long x_row,
                             long d_block = 0) const {
    const int lanes = kernels().lanes;
    Product p{};
    p.rows = (int)rows;
    p.a = d_y;
    p.a_row = d_row;
    p.a_blocks = columns_.per_group ? 1 : blocks_;
    p.a_block = d_block;
    p.k = vectors_ / p.a_blocks * lanes;
    p.b = transpose;
    p.c = d_x;
    p.c_row = x_row;
    p.vectors = blocks_of(k_, lanes);
    p.per_group = 4;
    p.c_group = p.start_group = 4 * lanes;
    return p;
  }

  /// The gradient of the matrix: G += A^T D. Rows of D that are not `live` are zero.
  void gradient(const Run& run, long rows, const float* a, long a_row, const float* d, long d_row,
                long d_group, const float* live = nullptr) const {
    const Param& p = weights_->params[param_];
    kernels().outer({rows, a, a_row, k_, d, d_row, d_group, columns_,
                     run.gradients + p.offset + column0_, p.shape.back(), live, 0, nullptr, 0, 0, nullptr});
  }

  /// The same for one gate, which sees each of A's rows times one of `scale`, in `scaled`.
  void gate_gradient(const Run& run, int gate, long rows, const float* a, long a_row,
                     const float* d, long d_row, long d_block, const float* live,
                     const float* scale, long scale_row, float* scaled) const {
    const Param& p = weights_->params[param_];
    const Columns blocks = {columns_.units, 1, {}, 4};
    kernels().outer({rows, a, a_row, k_, d, d_row, 4 * d_block, blocks,
                     run.gradients + p.offset + column0_ + (long)gate * columns_.units,
                     p.shape.back(), live, d_block, scale, run.rows, scale_row,
                     scaled});
  }

  /// The same as one part of a pass in pairs of rows.
  void gradient_part(const Run& run, OuterPairs& o, const float* a, long a_row, long lag,
                     int first) const {
    const Param& p = weights_->params[param_];
    o.scratch_row[o.parts] = row_floats(k_);
    o.part[o.parts++] = {a, a_row, k_, lag, columns_, first,
                         run.gradients + p.offset + column0_, p.shape.back()};
  }

  /// The gradient of a bias that lies behind the same columns.
  void bias_gradient(const Run& run, int bias, long offset, long rows, const float* d, long d_row,
                     long d_group) const {
    Outer o{rows, nullptr, 0, 0, d, d_row, d_group, columns_,
            run.gradients + weights_->params[bias].offset + offset, 0, nullptr, 0, nullptr, 0, 0, nullptr};
    kernels().sum_rows(o);
  }

  int k() const { return k_; }
  int vectors() const { return vectors_; }
  const Columns& columns() const { return columns_; }

  float* packed = nullptr;
  float* transpose = nullptr;
  bf16* packed16 = nullptr;
  bf16* transpose16 = nullptr;

 private:
  Weights* weights_ = nullptr;
  const Bf16Kernels* pairs_ = nullptr;
  int param_ = -1;
  long column0_ = 0;
  int k_ = 0;
  Columns columns_{};
  int blocks_ = 0, groups_ = 0, vectors_ = 0;
};

}  // namespace elman
