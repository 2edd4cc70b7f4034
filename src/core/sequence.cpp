#include "sequence.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <stdexcept>

#include "op.h"
#include "projection.h"
#include "threads.h"

namespace elman {
namespace {

// FLOPs of a forward pass for which one more thread is worth meeting. Between two calls a guest does
// other things for so long that threads fall asleep, and waking them takes 50 us. Measured.
constexpr double kWorthThread = 1e7;
// Memory kept for the next calls. Getting it from the system costs as much as a small layer.
constexpr size_t kKeptBlocks = 16, kKeptBytes = 64u << 20;

/// Blocks of memory that earlier calls left, as they left them.
template <class Real>
class Blocks {
 public:
  static Aligned<Real> take(size_t count) {
    const std::lock_guard lock(guard());
    auto& kept = blocks();
    auto best = kept.end();
    for (auto b = kept.begin(); b != kept.end(); ++b)
      if (b->size() >= count && (best == kept.end() || b->size() < best->size())) best = b;
    Aligned<Real> block;
    if (best != kept.end() && best->size() <= 2 * count + 1024) {
      block = std::move(*best);
      kept.erase(best);
    } else {
      block.take(std::max<size_t>(count, 1));
    }
    return block;
  }
  static void give(Aligned<Real>&& block) {
    const std::lock_guard lock(guard());
    auto& kept = blocks();
    size_t bytes = block.size() * sizeof(Real);
    if (bytes > kKeptBytes) return;
    for (const auto& b : kept) bytes += b.size() * sizeof(Real);
    // The oldest go first.
    while (!kept.empty() && (kept.size() >= kKeptBlocks || bytes > kKeptBytes)) {
      bytes -= kept.front().size() * sizeof(Real);
      kept.erase(kept.begin());
    }
    kept.push_back(std::move(block));
  }

 private:
  static std::mutex& guard() {
    static auto* mutex = new std::mutex;
    return *mutex;
  }
  static std::vector<Aligned<Real>>& blocks() {
    static auto* kept = new std::vector<Aligned<Real>>;
    return *kept;
  }
};

/// A block for the length of a call.
template <class Real>
struct Borrowed {
  explicit Borrowed(size_t count) : block(Blocks<Real>::take(count)) {}
  ~Borrowed() { Blocks<Real>::give(std::move(block)); }
  Real* data() { return block.data(); }
  Aligned<Real> block;
};

/// The team stays between calls: its threads are not made anew each time.
std::shared_ptr<Team> team_of(int members) {
  static auto* guard = new std::mutex;
  static auto* team = new std::shared_ptr<Team>;
  const std::lock_guard lock(*guard);
  if (!*team || (*team)->size() != members || (*team)->elsewhere()) *team = Team::of(members);
  return *team;
}

/// to [columns][rows] = from [rows][columns], transposed
template <class Real>
void transpose(const Real* from, long rows, long columns, Real* to) {
  constexpr long kTile = 16;
  for (long r0 = 0; r0 < rows; r0 += kTile)
    for (long c = 0; c < columns; ++c)
      for (long r = r0; r < std::min(rows, r0 + kTile); ++r) to[c * rows + r] = from[r * columns + c];
}

[[noreturn]] void refuse(const std::string& what) {
  throw std::invalid_argument("a sequence expected " + what);
}

}  // namespace

template <class Real>
Sequence<Real>::Sequence(SequenceShape shape)
    : shape_(std::move(shape)), kernels_(sequence_kernels<Real>()),
      activation_(activation_number(shape_.activation)) {
  for (const CellKernelsOf<Real>& c : kernels_.cells)
    if (shape_.cell == c.shape.name) cell_ = &c;
  if (!cell_ || cell_->shape.stages != 1) refuse("a cell with one product per step");
  const CellShape& cell = cell_->shape;
  usual_ = activation_ == cell_->activation;
  if (!usual_ && cell.gates != 1) refuse("the cell's own activations");
  if (!usual_ && shape_.activation != "relu") refuse("tanh or relu");
  std::vector<int> order = shape_.order;
  std::sort(order.begin(), order.end());
  bool places = (int)order.size() == cell.gates;
  for (int g = 0; places && g < cell.gates; ++g) places = order[g] == g;
  if (!places) refuse("a place for each gate");
  if (shape_.features < 1 || shape_.units < 1 || shape_.steps < 1 || shape_.rows < 1 ||
      shape_.directions < 1 || shape_.directions > 2 || shape_.threads < 1)
    refuse("extents above zero");
  const auto& sizes = shape_.batch_sizes;
  if (!sizes.empty()) {
    if ((int)sizes.size() != shape_.steps || sizes[0] != shape_.rows) refuse("one size per step");
    for (size_t t = 0; t < sizes.size(); ++t) {
      if (sizes[t] < 1 || (t && sizes[t] > sizes[t - 1])) refuse("sizes that never grow");
      before_.push_back(t ? before_[t - 1] + (long)sizes[t - 1] : 0);
    }
  }

  const int T = shape_.steps;
  lanes_ = kernels_.lanes;
  blocks_ = blocks_of(shape_.units, lanes_);
  columns_ = cell.gates * shape_.units;
  row_ = row_floats(shape_.units);
  x_row_ = row_floats(shape_.features);
  record_ = (long)cell.vectors * lanes_;

  // Threads share the rows, so that each has about as many steps to go through.
  const long all = sizes.empty() ? (long)T * shape_.rows : before_.back() + (long)sizes.back();
  const double work = 2.0 * all * columns_ * (shape_.features + shape_.units) * shape_.directions;
  shards_ = std::clamp((int)std::min(work / kWorthThread, 1e3), 1,
                       std::min(shape_.threads, shape_.rows));
  bounds_.assign(1, 0);
  long passed = 0;
  for (int row = 0, t = T; row < shape_.rows; ++row) {
    while (!sizes.empty() && sizes[t - 1] <= row) --t;  // steps of this row
    const int shard = (int)bounds_.size() - 1, left = shape_.rows - row;
    if (row > bounds_.back() && (passed * shards_ >= all * (shard + 1) || left < shards_ - shard) &&
        shard + 1 < shards_)
      bounds_.push_back(row);
    passed += t;
  }
  bounds_.push_back(shape_.rows);
  shards_ = (int)bounds_.size() - 1;

  int widest = 0;
  for (int i = 0; i < shards_; ++i) widest = std::max(widest, bounds_[i + 1] - bounds_[i]);
  segment_ = steps_at_once(sizeof(Real) * blocks_ * record_ * widest, 2);
  packed_size_ = rounded((long)blocks_ * record_ * (rounded(shape_.features) + rounded(shape_.units) + 1));
  sums_size_ = rounded((long)columns_ * (shape_.features + shape_.units + 2));
  work_size_ = T * row_ + row_ + rounded((long)blocks_ * cell.own_carry * lanes_) + x_row_;
}

template <class Real>
Sequence<Real>::~Sequence() {
  if (keeps()) Blocks<Real>::give(std::move(memory_));
}

template <class Real>
void Sequence<Real>::forward(const Weights& weights, Timeline<const Real> x,
                             States<const Real> initial, Timeline<Real> y, States<Real> last,
                             bool keep) {
  const int T = shape_.steps;
  kept_ = keep;
  z_steps_ = keep ? T : std::min(T, segment_);
  own_steps_ = keep ? T : std::min(T, 2);
  h_steps_ = z_steps_;
  part_size_ = rounded(blocks_ * (z_steps_ * record_ + (own_steps_ + 1l) * cell_->shape.own * lanes_) +
                       (h_steps_ + 1l) * row_ + (before_.empty() ? 0 : T));
  if (!before_.empty()) x.packed = y.packed = before_.data();
  if (keeps()) Blocks<Real>::give(std::move(memory_));
  memory_ = Blocks<Real>::take(part_size_ * shape_.rows * shape_.directions);
  const long scratch = (long)columns_ * std::max(shape_.features, shape_.units);
  const int tensors = 2 * shape_.directions;
  Borrowed<Real> work(packed_size_ * shape_.directions + scratch * tensors);
  const auto job = [&](Team::Member& me) {
    me.phase([&](int i) {
      for (int j = i; j < tensors; j += me.team_size())
        pack(packed_at(work.data(), j / 2), weights[j / 2], j % 2,
             work.data() + packed_size_ * shape_.directions + scratch * j);
    });
    me.phase([&](int i) {
      for (int d = 0; d < shape_.directions; ++d) {
        begin(part(i, d), initial);
        walk(part(i, d), packed_at(work.data(), d), x, y, last);
      }
    });
  };
  team_of(shards_)->run(job);
  if (!keep) Blocks<Real>::give(std::move(memory_));
}

template <class Real>
void Sequence<Real>::backward(const Weights& weights, Timeline<const Real> x,
                              Timeline<const Real> d_y, States<const Real> d_last,
                              Timeline<Real> d_x, States<Real> d_initial,
                              const Gradients& d_weights) {
  if (!keeps()) throw std::logic_error("a sequence goes back once after each time forward");
  if (!before_.empty()) x.packed = d_y.packed = d_x.packed = before_.data();
  const int D = shape_.directions, tensors = 2 * D;
  const long sums = sums_size_ * D * shards_, packed = packed_size_ * D;
  Borrowed<Real> work(packed + sums + work_size_ * shape_.rows);
  const auto job = [&](Team::Member& me) {
    me.phase([&](int i) {
      for (int j = i; j < tensors; j += me.team_size())
        if (j % 2 || d_x.first)
          pack_transposed(packed_at(work.data(), j / 2), weights[j / 2], j % 2);
    });
    me.phase([&](int i) {
      Real* own = work.data() + packed + sums + work_size_ * bounds_[i];
      for (int d = 0; d < D; ++d) {
        const Part p = part(i, d);
        const Packed w = packed_at(work.data(), d);
        walk_back(p, w, d_y, d_last, d_initial, own);
        if (d_x.first) gradient_of_x(p, w, d_x, own);
        gradients(p, x, d_weights[d], work.data() + packed + sums_size_ * (d * shards_ + i));
      }
    });
    me.phase([&](int i) {
      for (int d = 0; d < D; ++d)
        add_up(work.data() + packed + sums_size_ * d * shards_, d_weights[d], i, me.team_size());
    });
  };
  team_of(shards_)->run(job);
  Blocks<Real>::give(std::move(memory_));
}

// -- weights ----------------------------------------------------------------------------------------

/// The guest's columns behind the vectors of a window.
template <class Real>
Columns Sequence<Real>::columns(const Window& window) const {
  Columns c{};
  c.units = shape_.units;
  c.count = window.count;
  for (int v = 0; v < window.count; ++v) c.gates[v] = (int8_t)shape_.order[window.gates[v]];
  return c;
}

template <class Real>
auto Sequence<Real>::packed_at(Real* memory, int direction) const -> Packed {
  const long k = (long)blocks_ * record_;
  Real* first = memory + direction * packed_size_;
  return {first, first + k * rounded(shape_.features),
          first + k * (rounded(shape_.features) + rounded(shape_.units))};
}

/// For forward: one of the matrices, and with it the biases.
template <class Real>
void Sequence<Real>::pack(const Packed& to, const GuestWeights<const Real>& from, bool recurrent,
                          Real* scratch) const {
  const CellShape& cell = cell_->shape;
  const int k = recurrent ? shape_.units : shape_.features;
  transpose(recurrent ? from.recurrent : from.kernel, columns_, k, scratch);
  kernels_.pack(columns(recurrent ? cell.recurrent[0] : cell.input), scratch, columns_, k,
                recurrent ? to.recurrent : to.kernel, 0, blocks_);
  if (recurrent) return;
  std::fill_n(to.bias, blocks_ * record_, Real(0));
  if (!shape_.biased) return;
  const auto add = [&](const Window& window, const Real* bias) {
    add_bias(columns(window), bias, window.first, cell.vectors, lanes_, to.bias);
  };
  add(cell.input, from.bias);
  add(cell.recurrent[0], from.recurrent_bias);
}

/// For backward: what the kernels' `pack_transposed` makes. The guest's rows are its rows already.
template <class Real>
void Sequence<Real>::pack_transposed(const Packed& to, const GuestWeights<const Real>& from,
                                     bool recurrent) const {
  const Columns c = columns(recurrent ? cell_->shape.recurrent[0] : cell_->shape.input);
  const int k = recurrent ? shape_.units : shape_.features;
  const Real* w = recurrent ? from.recurrent : from.kernel;
  Real* out = recurrent ? to.recurrent : to.kernel;
  for (int first = 0; first < k; first += 4 * lanes_) {
    const int width = std::min(4, blocks_of(k - first, lanes_)) * lanes_;
    const int there = std::min(width, k - first);
    for (int block = 0; block < blocks_; ++block)
      for (int v = 0; v < c.count; ++v)
        for (int lane = 0; lane < lanes_; ++lane, out += width) {
          const int unit = block * lanes_ + lane, some = unit < shape_.units ? there : 0;
          if (some)
            std::copy_n(w + ((long)c.gates[v] * shape_.units + unit) * k + first, some, out);
          std::fill_n(out + some, width - some, Real(0));
        }
  }
}

// -- forward ----------------------------------------------------------------------------------------

/// Rows of a part that are there at step t: the longest come first.
template <class Real>
int Sequence<Real>::live(const Part& part, int t) const {
  if (before_.empty()) return part.rows;
  return (int)std::clamp<long>(shape_.batch_sizes[t] - part.first_row, 0, part.rows);
}

template <class Real>
auto Sequence<Real>::part(int shard, int direction) const -> Part {
  const CellShape& cell = cell_->shape;
  const int first = bounds_[shard];
  const long rows = bounds_[shard + 1] - first;
  Part p{};
  p.first_row = first;
  p.rows = (int)rows;
  p.direction = direction;
  Real* next = const_cast<Real*>(memory_.data()) +
               part_size_ * ((long)direction * shape_.rows + first);
  const auto take = [&](long size) {
    Real* taken = next;
    next += size;
    return taken;
  };
  p.z_group = z_steps_ * rows * record_;
  p.z = take(blocks_ * p.z_group);
  p.own = take(own_steps_ * rows * blocks_ * cell.own * lanes_);
  p.own0 = take(rows * blocks_ * cell.own * lanes_);
  p.h = take(h_steps_ * rows * row_);
  p.h0 = take(rows * row_);
  p.mask = before_.empty() ? nullptr : reinterpret_cast<float*>(next);
  return p;
}

/// A guest's states, zeros where it has none, as the kernels have them: h [rows][row_] and, of so many
/// `numbers` of its own that a unit has, own [blocks][rows][numbers][L], of which c is the first.
template <class Real>
void Sequence<Real>::take(const Part& part, const States<const Real>& from, Real* h, Real* own,
                          int numbers) const {
  const long units = shape_.units, rows = part.rows, record = (long)numbers * lanes_;
  std::fill_n(h, rows * row_, Real(0));
  std::fill_n(own, rows * blocks_ * record, Real(0));
  const long first = ((long)part.direction * shape_.rows + part.first_row) * units;
  for (long row = 0; row < rows; ++row) {
    if (from.h) std::copy_n(from.h + first + row * units, units, h + row * row_);
    for (long unit = 0; from.c && unit < units; ++unit)
      own[(unit / lanes_ * rows + row) * record + unit % lanes_] = from.c[first + row * units + unit];
  }
}

/// And back to the guest, if it wants them.
template <class Real>
void Sequence<Real>::give(const Part& part, const Real* h, const Real* own, int numbers,
                          const States<Real>& to) const {
  const long units = shape_.units, rows = part.rows, record = (long)numbers * lanes_;
  const long first = ((long)part.direction * shape_.rows + part.first_row) * units;
  for (long row = 0; row < rows; ++row) {
    if (to.h) std::copy_n(h + row * row_, units, to.h + first + row * units);
    for (long unit = 0; to.c && unit < units; ++unit)
      to.c[first + row * units + unit] = own[(unit / lanes_ * rows + row) * record + unit % lanes_];
  }
}

/// What there is before the first step.
template <class Real>
void Sequence<Real>::begin(const Part& part, const States<const Real>& initial) const {
  take(part, initial, part.h0, part.own0, cell_->shape.own);
  if (part.mask)
    for (int t = 0; t < shape_.steps; ++t)
      for (int row = 0; row < part.rows; ++row) part.mask[t * part.rows + row] = row < live(part, t);
}

template <class Real>
RecurrentPassOf<Real> Sequence<Real>::pass(const Part& part, const Packed& weights) const {
  RecurrentPassOf<Real> p{};
  p.steps = shape_.steps;
  p.rows = part.rows;
  p.units = shape_.units;
  p.last_block = blocks_;
  p.reverse = part.direction == 1;
  p.training = kept_;
  p.activation = activation_;
  p.recurrent_activation = cell_->recurrent_activation;
  p.z = part.z;
  p.z_steps = z_steps_;
  p.own = part.own;
  p.own_steps = own_steps_;
  p.h = part.h;
  p.h_steps = h_steps_;
  p.h_row = row_;
  p.mask = part.mask;
  p.bias = weights.bias;
  p.u[0] = p.ut[0] = weights.recurrent;
  p.h0 = part.h0;
  p.h0_row = row_;
  p.own0 = part.own0;
  p.own0_row = (long)cell_->shape.own * lanes_;
  p.own0_block = part.rows * p.own0_row;
  return p;
}

/// The input's part in the gates of some steps.
template <class Real>
void Sequence<Real>::project(const Part& part, const Packed& weights, const Timeline<const Real>& x,
                             int t, int steps) const {
  const Window& in = cell_->shape.input;
  ProductOf<Real> p{};
  p.a_row = x.row;
  p.k = shape_.features;
  p.a_blocks = 1;
  p.b = weights.kernel;
  p.c_row = record_;
  p.c_group = part.z_group;
  p.vectors = blocks_ * in.count;
  p.per_group = in.count;
  p.start = weights.bias + in.first * lanes_;
  p.start_group = record_;
  // Rows that follow one another from step to step are one long product.
  const bool whole = before_.empty() && x.step == part.rows * x.row;
  for (const int last = t + steps; t < last; t += whole ? steps : 1) {
    p.rows = whole ? steps * part.rows : live(part, t);
    p.a = x.at(t, part.first_row);
    p.c = part.z + (t % z_steps_) * part.rows * record_ + in.first * lanes_;
    kernels_.product(p);
  }
}

template <class Real>
void Sequence<Real>::walk(const Part& part, const Packed& weights, const Timeline<const Real>& x,
                          const Timeline<Real>& y, const States<Real>& last) const {
  RecurrentPassOf<Real> p = pass(part, weights);
  const int T = shape_.steps, units = shape_.units;
  each_segment(T, segment_, p.reverse, [&](int first, int steps, int t0) {
    project(part, weights, x, t0, steps);
    p.first = first;
    p.last = first + steps;
    (usual_ ? cell_->forward : cell_->forward_any)(p);
    for (int t = t0; y.first && t < t0 + steps; ++t) {
      const Real* h = part.h + (t % h_steps_) * part.rows * row_;
      for (int row = 0; row < live(part, t); ++row, h += row_)
        std::copy_n(h, units, y.at(t, part.first_row + row) + part.direction * units);
    }
  });
  const int t = p.reverse ? 0 : T - 1, own = cell_->shape.own;
  give(part, part.h + (t % h_steps_) * part.rows * row_,
       part.own + (t % own_steps_) * (long)part.rows * blocks_ * own * lanes_, own, last);
}

// -- backward ---------------------------------------------------------------------------------------

/// Through time: leaves d_z where the gates were, and the gradients of the first states.
template <class Real>
void Sequence<Real>::walk_back(const Part& part, const Packed& weights,
                               const Timeline<const Real>& d_y, const States<const Real>& d_last,
                               const States<Real>& d_initial, Real* work) const {
  const int T = shape_.steps, units = shape_.units;
  const int carry = cell_->shape.own_carry;
  const long rows = part.rows;
  Real* d_out = work;
  Real* d_h = d_out + T * rows * row_;
  Real* d_own = d_h + rows * row_;
  take(part, d_last, d_h, d_own, carry);
  RecurrentPassOf<Real> p = pass(part, weights);
  p.d_h = d_h;
  p.d_own = d_own;
  if (d_y.first) {
    p.d_out = d_out;
    p.d_out_steps = T;
    for (int t = 0; t < T; ++t)
      for (int row = 0; row < rows; ++row, d_out += row_) {
        const int there = row < live(part, t) ? units : 0;
        if (there) std::copy_n(d_y.at(t, part.first_row + row) + part.direction * units, units, d_out);
        std::fill_n(d_out + there, row_ - there, Real(0));
      }
  }
  p.last = T;
  (usual_ ? cell_->backward : cell_->backward_any)(p);
  give(part, d_h, d_own, carry, d_initial);
}

/// d_x = d_z W^T; the second direction adds to the first.
template <class Real>
void Sequence<Real>::gradient_of_x(const Part& part, const Packed& weights,
                                   const Timeline<Real>& d_x, Real* work) const {
  const Window& in = cell_->shape.input;
  ProductOf<Real> d{};
  d.a_row = record_;
  d.k = in.count * lanes_;
  d.a_blocks = blocks_;
  d.a_block = part.z_group;
  d.b = weights.kernel;
  d.c = work;  // its rows have room for whole vectors
  d.c_row = x_row_;
  d.c_group = 4 * lanes_;
  d.vectors = blocks_of(shape_.features, lanes_);
  d.per_group = 4;
  for (int t = 0; t < shape_.steps; ++t) {
    d.rows = live(part, t);
    d.a = part.z + (long)t * part.rows * record_ + in.first * lanes_;
    kernels_.product(d);
    for (int row = 0; row < d.rows; ++row) {
      const Real* from = work + row * x_row_;
      Real* to = d_x.at(t, part.first_row + row);
      if (part.direction == 0) std::copy_n(from, shape_.features, to);
      else
        for (int f = 0; f < shape_.features; ++f) to[f] += from[f];
    }
  }
}

/// A shard's part in the gradients of the weights: [features][columns], [units][columns] and biases.
template <class Real>
void Sequence<Real>::gradients(const Part& part, const Timeline<const Real>& x,
                               const GuestWeights<Real>& wanted, Real* sums) const {
  const CellShape& cell = cell_->shape;
  const int T = shape_.steps;
  const long rows = part.rows, step = rows * record_;
  const bool reverse = part.direction == 1;
  std::fill_n(sums, sums_size_, Real(0));
  OuterOf<Real> o{};
  o.d_group = part.z_group;
  o.g_row = columns_;
  if (wanted.kernel) {
    const Real* d = part.z + cell.input.first * lanes_;
    o.columns = columns(cell.input);
    o.k = shape_.features;
    o.g = sums;
    o.d_row = record_;
    o.a_row = x.row;
    if (before_.empty() && x.step == rows * x.row) {
      o.rows = T * rows;
      o.a = x.at(0, part.first_row);
      o.d = d;
      kernels_.outer(o);
    } else {
      for (int t = 0; t < T; ++t) {
        o.rows = live(part, t);
        o.a = x.at(t, part.first_row);
        o.d = d + t * step;
        kernels_.outer(o);
      }
    }
  }
  Real* d = part.z + cell.recurrent[0].first * lanes_;
  o.columns = columns(cell.recurrent[0]);
  o.d_row = record_;
  if (wanted.recurrent) {
    // Step t saw the output of the step before it, the first one the initial state.
    o.k = shape_.units;
    o.g = sums + (long)columns_ * shape_.features;
    o.a_row = row_;
    o.rows = rows;
    o.a = part.h0;
    o.d = d + (reverse ? (T - 1) * step : 0);
    kernels_.outer(o);
    const long shift = T > 1;
    o.rows = (T - 1) * rows;
    o.a = part.h + (reverse ? shift * rows * row_ : 0);
    o.d = d + (reverse ? 0 : shift * step);
    o.live = part.mask && !reverse ? part.mask + shift * rows : part.mask;
    kernels_.outer(o);
  }
  o.rows = T * rows;
  o.d = d;
  o.g = sums + (long)columns_ * (shape_.features + shape_.units);
  if (wanted.recurrent_bias) kernels_.sum_rows(o);
  o.columns = columns(cell.input);
  o.d = part.z + cell.input.first * lanes_;
  o.g += columns_;
  if (wanted.bias) kernels_.sum_rows(o);
}

/// The sums of all shards, into the guest's layout: share i of `of`.
template <class Real>
void Sequence<Real>::add_up(const Real* sums, const GuestWeights<Real>& to, int i, int of) const {
  const auto matrix = [&](const Real* from, long k, Real* out) {
    if (!out) return;
    for (long r = k * i / of; r < k * (i + 1) / of; ++r)
      for (long c = 0; c < columns_; ++c) {
        Real sum = 0;
        for (int s = 0; s < shards_; ++s) sum += from[s * sums_size_ + r * columns_ + c];
        out[c * k + r] = sum;
      }
  };
  matrix(sums, shape_.features, to.kernel);
  sums += (long)columns_ * shape_.features;
  matrix(sums, shape_.units, to.recurrent);
  sums += (long)columns_ * shape_.units;
  if (i != 0) return;
  const auto vector = [&](const Real* from, Real* out) {
    for (long c = 0; out && c < columns_; ++c) {
      out[c] = 0;
      for (int s = 0; s < shards_; ++s) out[c] += from[s * sums_size_ + c];
    }
  };
  vector(sums, to.recurrent_bias);
  vector(sums + columns_, to.bias);
}

template class Sequence<float>;
template class Sequence<double>;

}  // namespace elman
