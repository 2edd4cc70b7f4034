// One recurrent layer over a batch of sequences in memory that a guest owns, such as PyTorch: forward,
// and backward through what forward left. Weights lie as there: [gates * units][features].
//
// The plan has its own op for this (layers/recurrent.cpp), over its own memory; both drive the same
// kernels. Here numbers may also be doubles.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aligned.h"
#include "isa/table.h"

namespace elman {

/// Rows of numbers at every step. Those of step t begin t steps behind the first, or, where `packed`
/// [T] is given, as many rows behind it as all steps before have together.
template <class Real>
struct Timeline {
  Real* first = nullptr;
  long step = 0, row = 0;
  const long* packed = nullptr;

  Real* at(int t, int row_number) const {
    return first + (packed ? packed[t] * row : t * step) + row_number * row;
  }
};

/// The tensors of one direction, or their gradients: null for those that are not there or not wanted.
template <class Real>
struct GuestWeights {
  Real* kernel = nullptr;          // [gates * units][features]
  Real* recurrent = nullptr;       // [gates * units][units]
  Real* bias = nullptr;            // [gates * units]
  Real* recurrent_bias = nullptr;  // [gates * units]
};

/// Where a guest's last states, or first, or their gradients are: [directions][rows][units] or null.
template <class Real>
struct States {
  Real* h = nullptr;
  Real* c = nullptr;  // where the cell has one
};

struct SequenceShape {
  std::string cell;         // its word in the table
  std::string activation;   // "tanh" or "relu"
  std::vector<int> order;   // of each gate of the cell, in Keras's order: its place in the weights
  bool biased = true;
  int features = 0, units = 0, steps = 0, rows = 0, directions = 1, threads = 1;
  std::vector<int64_t> batch_sizes;  // [T] rows that are still there, never more than before; or none
};

template <class Real>
class Sequence {
 public:
  using Weights = std::vector<GuestWeights<const Real>>;  // of each direction
  using Gradients = std::vector<GuestWeights<Real>>;

  /// Throws std::invalid_argument for a shape that cannot be.
  explicit Sequence(SequenceShape shape);
  ~Sequence();
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  /// y [T][rows][directions * units]. `keep`: backward will follow. y and last may be null.
  void forward(const Weights& weights, Timeline<const Real> x, States<const Real> initial,
               Timeline<Real> y, States<Real> last, bool keep);

  /// Once after a forward that kept: it uses up what that left. Results are overwritten; null
  /// gradients that come in are zero, null ones that go out are not wanted.
  void backward(const Weights& weights, Timeline<const Real> x, Timeline<const Real> d_y,
                States<const Real> d_last, Timeline<Real> d_x, States<Real> d_initial,
                const Gradients& d_weights);

  const SequenceShape& shape() const { return shape_; }
  int threads() const { return shards_; }
  bool keeps() const { return memory_.data() != nullptr; }

 private:
  /// What forward leaves of some rows and one direction, and where; see RecurrentPass.
  struct Part {
    int first_row, rows, direction;
    Real *z, *own, *h, *h0, *own0;
    float* mask;
    long z_group;
  };
  /// One direction's weights as the kernels read them.
  struct Packed {
    Real *kernel, *recurrent, *bias;
  };

  Columns columns(const Window& window) const;
  int live(const Part& part, int t) const;
  Part part(int shard, int direction) const;
  Packed packed_at(Real* memory, int direction) const;
  void pack(const Packed& to, const GuestWeights<const Real>& from, bool recurrent,
            Real* scratch) const;
  void pack_transposed(const Packed& to, const GuestWeights<const Real>& from, bool recurrent) const;
  RecurrentPassOf<Real> pass(const Part& part, const Packed& weights) const;
  void take(const Part& part, const States<const Real>& from, Real* h, Real* own, int numbers) const;
  void give(const Part& part, const Real* h, const Real* own, int numbers, const States<Real>& to) const;
  void begin(const Part& part, const States<const Real>& initial) const;
  void walk(const Part& part, const Packed& weights, const Timeline<const Real>& x,
            const Timeline<Real>& y, const States<Real>& last) const;
  void project(const Part& part, const Packed& weights, const Timeline<const Real>& x, int t,
               int steps) const;
  void walk_back(const Part& part, const Packed& weights, const Timeline<const Real>& d_y,
                 const States<const Real>& d_last, const States<Real>& d_initial, Real* work) const;
  void gradient_of_x(const Part& part, const Packed& weights, const Timeline<Real>& d_x,
                     Real* work) const;
  void gradients(const Part& part, const Timeline<const Real>& x, const GuestWeights<Real>& wanted,
                 Real* sums) const;
  void add_up(const Real* sums, const GuestWeights<Real>& to, int i, int of) const;

  const SequenceShape shape_;
  const SequenceKernels<Real>& kernels_;
  const CellKernelsOf<Real>* cell_ = nullptr;
  int activation_;
  bool usual_;
  int lanes_, blocks_, columns_;  // columns: gates * units
  long row_, x_row_, record_;     // of a state, of an input, of a step's gates
  int shards_ = 1;
  std::vector<int> bounds_;       // shard i has the rows [bounds_[i], bounds_[i + 1])
  std::vector<long> before_;      // rows before each step, if packed
  int segment_, z_steps_, own_steps_, h_steps_;
  bool kept_ = false;
  long part_size_, packed_size_, sums_size_, work_size_;  // of a row; a direction; one more; a row
  Aligned<Real> memory_;          // what forward leaves
};

}  // namespace elman
