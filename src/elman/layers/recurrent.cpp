// The op of every recurrent layer: projects the input, runs the driver over time, and turns what
// backward leaves behind into the gradients of weights and input.
#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "packed.h"
#include "projection.h"

namespace elman {
namespace {

// Bytes, over all threads, for projected rows that are kept while predicting.
constexpr long kKeptBytes = 64l << 20;

// Recurrent weights, in bytes, from which on a single row is worth a meeting of threads at every step:
// they no longer fit the cache of a core, and take 10 us to come from where they are.
constexpr double kWorthMeeting = 1e6;

Columns columns(const Window& w, int units) {
  Columns c{};
  c.units = units;
  c.count = w.count;
  std::copy_n(w.gates, 4, c.gates);
  return c;
}

const CellKernels& find_cell(const std::string& name, const Bf16Kernels* pairs) {
  for (const CellKernels& c : pairs ? pairs->cells : kernels().cells)
    if (name == c.shape.name) return c;
  throw std::invalid_argument("no cell is called '" + name + "'");
}

class Recurrent : public Op {
 public:
  Recurrent(Plan& plan, const Spec& spec)
      : plan_(plan),
        x_(input(plan, spec.inputs.at(0))),
        pairs_(spec.flag("bf16") ? &bf16_kernels() : nullptr),
        x_pairs_(spec.flag("bf16_input") && !x_.shared ? pairs_ : nullptr),
        cell_(find_cell(spec.word("cell", ""), pairs_)),
        shape_(cell_.shape),
        units_((int)spec.number("units", 0)),
        reverse_(spec.flag("go_backwards")),
        zeroes_masked_(spec.flag("zero_output_for_mask") && x_.mask >= 0),
        drop_((float)spec.number("recurrent_dropout", 0)),
        drop_seed_((uint32_t)(int64_t)spec.number("seed", 0)),
        bias_(spec.params.size() > 2 ? spec.params[2] : -1),
        activation_(activation_number(spec.word("activation", "tanh"))),
        recurrent_activation_(activation_number(spec.word("recurrent_activation", "sigmoid"))),
        tensors_(1 + shape_.own_carry) {
    const int T = x_.steps, lanes = kernels().lanes;
    const bool keeps = plan.keeps(), training = plan.training();
    lanes_ = lanes;
    blocks_ = blocks_of(units_, lanes);
    usual_ = activation_ == cell_.activation &&
             (recurrent_activation_ == cell_.recurrent_activation || shape_.gates == 1);
    const int G = shape_.gates;

    const bool x_gradient = x_.gradient >= 0;
    w_ = PackedMatrix(plan, spec.params[0], 0, x_.width, columns(shape_.input, units_), x_gradient,
                      x_pairs_);
    for (int s = 0; s < shape_.stages; ++s)
      u_[s] = PackedMatrix(plan, spec.params[1], 0, units_, columns(shape_.recurrent[s], units_),
                           training, pairs_);
    packed_bias_ = plan.share((long)blocks_ * shape_.vectors * lanes);
    recurrent_bias_ = bias_ >= 0 && plan.weights().params[bias_].shape.size() == 2
                          ? (long)G * units_ : -1;

    const long z_step = (long)blocks_ * shape_.vectors * lanes;
    segment_ = steps_at_once(sizeof(float) * z_step * plan.shard_rows(), 1);
    z_steps_ = keeps ? T : std::min(T, segment_);
    ring_ = keeps ? T : std::min(T, 2);
    row_ = row_floats(units_);
    z_ = plan.reserve(z_steps_ * z_step);
    own_ = plan.reserve((long)ring_ * blocks_ * shape_.own * lanes);
    if (x_.shared) keep_projections(plan, plan.at(spec.inputs[0]));
    const bool sequences = spec.flag("return_sequences");
    h_steps_ = sequences ? T : ring_;
    if (zeroes_masked_) {  // the states behind such outputs are kept apart
      h_ = plan.reserve(h_steps_ * row_);
      output = plan.slot(spec.name + "/zeroed", sequences ? T : 1, units_);
      plan.at(output).sequence = sequences;
      if (sequences || keeps) plan.show({spec.name, h_, T, units_, (int)row_});
    } else if (sequences) {
      output = plan.slot(spec.name, T, units_);
      h_ = plan.at(output).value;
    } else {
      Slot out;
      out.name = spec.name;
      out.width = units_;
      out.row = row_;
      out.value = h_ = plan.reserve(h_steps_ * row_);
      out.sequence = false;
      if (!reverse_) out.ring = h_steps_, out.ring_steps = T;
      if (training) out.gradient = plan.reserve(row_);
      output = plan.adopt(out);
      if (keeps) plan.show({spec.name, h_, T, units_, (int)row_});
    }
    if (sequences) plan.at(output).mask = x_.mask;
    if (shape_.stages == 2) reset_ = plan.reserve(h_steps_ * row_);
    if (drop_ > 0) {
      keep_ = plan.reserve(G * row_);
      dropped_ = plan.reserve(shape_.recurrent[0].count * row_);
      scaled_ = plan.reserve(0, kOuterRows * row_);
      plan.show({spec.name + "/recurrent_dropout", keep_, G, units_, (int)row_});
    }
    zeros_ = plan.share(std::max<long>(row_, 2 * lanes));
    if (training) {
      d_h_ = plan.reserve(row_);
      d_own_ = plan.reserve((long)blocks_ * shape_.own_carry * lanes);
      d_reset_ = plan.reserve(shape_.stages == 2 ? row_ : 0);
    }
    if (plan.keeps_gradients()) {
      d_h_all_ = plan.reserve(T * row_);
      d_own_all_ = plan.reserve((long)T * blocks_ * shape_.own_carry * lanes);
    }
    if (pairs_) reserve_bf16(training);
    if (keeps) show(spec.name, T);
    record_ = row_ + rounded((long)blocks_ * shape_.own * lanes);
    if (spec.inputs.size() > 1) take_start(spec);
    if (spec.flag("return_state"))
      for (int i = 0; i < tensors_; ++i) add_last(spec.name + "/last_" + tensor_name(i));
    stays_ = spec.flag("stateful");
    carries_ = plan.carries() || stays_;
    if (carries_) states_ = plan.carry(record_, stays_);
  }

  void pack(int thread, int threads) override {
    w_.pack(thread, threads);
    for (int s = 0; s < shape_.stages; ++s) u_[s].pack(thread, threads);
    if (thread != 0 || bias_ < 0) return;
    // One bias per kept vector: the input's, the recurrent one, or both added.
    const float* b = plan_.weights().at(bias_);
    std::memset(packed_bias_, 0, sizeof(float) * blocks_ * shape_.vectors * lanes_);
    const auto add = [&](const PackedMatrix& w, const float* bias, int first) {
      add_bias(w.columns(), bias, first, shape_.vectors, lanes_, packed_bias_);
    };
    add(w_, b, shape_.input.first);
    if (recurrent_bias_ >= 0) add(u_[0], b + recurrent_bias_, shape_.recurrent[0].first);
  }

  void forward(Run& run) override {
    if (drop_ > 0) draw_dropout(run);
    walk(run, x_.steps, [](const auto& part) { part(0, 1); });
    if (zeroes_masked_) hand_out(run);
  }

  bool meets() const override {
    return 4.0 * units_ * u_[0].vectors() * lanes_ >= kWorthMeeting && shape_.stages == 1 &&
           !pairs_ && drop_ == 0 && !zeroes_masked_;
  }

  void forward_together(Run& run, Team::Member& me) override {
    if (!meets()) return Op::forward_together(run, me);
    // All units of a step must be there before the next step.
    walk(run, 1, [&](const auto& part) {
      me.phase([&](int i) { part(i, me.team_size()); });
    });
  }

  void backward(Run& run) override {
    RecurrentPass p = pass(run);
    if (zeroes_masked_ && p.d_out) zero_masked(run, run.gradient(plan_.at(output)));
    const long rows = run.rows, T = run.steps_of(x_), all = T * rows;
    const long record = shape_.vectors * lanes_, z_group = z_steps_ * rows * record;
    if (!run.joined) {
      std::memset(p.d_h, 0, sizeof(float) * rows * row_);
      std::memset(p.d_own, 0, sizeof(float) * rows * blocks_ * shape_.own_carry * lanes_);
      for (int i = 0; i < (int)last_.size(); ++i)
        if (const Slot& last = plan_.at(last_[i]); last.handed)
          each_unit(p, i, [&](float& d, int row, int unit) {
            d = run.gradient(last)[row * last.row + unit];
          });
    }
    p.first = 0;
    p.last = (int)T;
    (usual_ ? cell_.backward : cell_.backward_any)(p);

    // What reaches the input's projection: each row of it, or the sums of those that repeat.
    const float* d_in = p.z + shape_.input.first * lanes_;
    long in_rows = all, in_record = record, in_group = z_group;
    if (x_.shared) {
      in_rows = run.places(x_)[0];
      in_record = shape_.input.count * lanes_;
      in_group = p.projected_block;
      float* sums = run.arena + projected_;
      kernels().sum_places({all, blocks_, shape_.input.count, d_in, record, z_group, p.places, sums,
                            in_group});
      d_in = sums;
    }
    if (!x_pairs_) {  // else the driver has made d_x already, and d_W comes with the other gradients
      if (x_.gradient >= 0)
        kernels().product(w_.transposed_product(in_rows, d_in, in_record, run.gradient(x_), x_.row,
                                                in_group));
      w_.gradient(run, in_rows, run.value(x_), x_.row, d_in, in_record, in_group,
                  x_.shared ? nullptr : p.mask);
    }
    const float* d_rec = p.z + shape_.recurrent[0].first * lanes_;
    if (pairs_) {
      other_gradients_of_pairs(run, p);
    } else {
      // Step t saw the output of the step before it; the first saw zeros, or the state carried in.
      const long shift = rows * (T > 1 ? 1 : 0);
      state_gradient(run, p, all - rows, p.h + (reverse_ ? shift * row_ : 0), row_,
                     d_rec + (reverse_ ? 0 : shift * record),
                     p.mask && !reverse_ ? p.mask + shift : p.mask);
      if (shape_.stages == 2)
        u_[1].gradient(run, all, p.reset, row_, p.z + shape_.recurrent[1].first * lanes_, record,
                       z_group, p.mask);
      if (bias_ >= 0) w_.bias_gradient(run, bias_, 0, in_rows, d_in, in_record, in_group);
      if (recurrent_bias_ >= 0)
        u_[0].bias_gradient(run, bias_, recurrent_bias_, all, d_rec, record, z_group);
    }
    for (int i = 0; i < (int)start_.size(); ++i)
      if (start_[i].gradient >= 0)
        each_unit(p, i, [&](float& d, int row, int unit) {
          run.gradient(start_[i])[row * start_[i].row + unit] = d;
        });
    if (starts())
      state_gradient(run, p, rows, p.h0, p.h0_row,
                     d_rec + (reverse_ ? (T - 1) * rows * record : 0), nullptr);
  }

  bool carries() const override { return !reverse_ && start_.empty(); }
  bool follows() const override { return true; }

  std::vector<std::string> state_names() const override {
    std::vector<std::string> names;
    for (int i = 0; carries_ && i < tensors_; ++i) names.push_back(tensor_name(i));
    return names;
  }

  int state_width() const override { return units_; }

  void get_state(const float* states, int row, int tensor, float* to) const override {
    take_state(states + states_ + row * record_, tensor, to);
  }
  void set_state(float* states, int row, int tensor, const float* from) const override {
    put_state(states + states_ + row * record_, tensor, from);
  }

  Cost cost() const override {
    const double products = (double)x_.width * w_.columns().count + (double)units_ * shape_.gates;
    return {2.0 * x_.steps * products * units_,
            std::string(kernels().isa) + (usual_ ? " fused" : " general") + path_of(pairs_) +
                (drop_ > 0 ? " dropping" : "") + (zeroes_masked_ ? " zeroing" : "") +
                (stays_ ? " stateful" : "")};
  }

 private:
  /// One tensor of a row's states, out of its record.
  void take_state(const float* from, int tensor, float* to) const {
    if (tensor == 0) std::copy_n(from, units_, to);
    else own_units(from + row_, tensor - 1, [&](const float& value, int unit) { to[unit] = value; });
  }

  /// And into it.
  void put_state(float* to, int tensor, const float* from) const {
    if (tensor == 0) std::copy_n(from, units_, to);
    else own_units(to + row_, tensor - 1, [&](float& value, int unit) { value = from[unit]; });
    if (tensor == 0 || shape_.own != 2 * shape_.own_carry) return;
    // LSTM keeps a = act(c) beside c. Nothing computes with an old a, but it can be looked at.
    std::vector<float> a(rounded(units_));
    std::copy_n(from, units_, a.data());
    kernels().activation_forward(activation_, (long)a.size(), a.data(), a.data());
    own_units(to + row_, tensor - 1 + shape_.own_carry,
              [&](float& value, int unit) { value = a[unit]; });
  }

  /// The slot of the input. Where rows of it repeat, they need be there and be projected only once.
  static const Slot& input(Plan& plan, int slot) {
    Slot& x = plan.at(slot);
    x.shared = x.places >= 0;
    return x;
  }

  /// Forward. `deal` sees to it that all parts of a piece of work are done, part(i, of) for a share of
  /// the units; the steps of the recurrence are dealt `at_once` at a time.
  template <class Deal>
  void walk(Run& run, int at_once, const Deal& deal) {
    if (!start_.empty())
      deal([&](int i, int) {
        if (i == 0) load_start(run);
      });
    RecurrentPass p = pass(run);
    const int T = run.steps_of(x_);
    Product project{};
    project.a_row = x_.row;
    project.k = w_.k();
    project.a_blocks = 1;
    project.b = w_.packed;
    project.vectors = w_.vectors();
    project.per_group = shape_.input.count;
    project.start = packed_bias_ + shape_.input.first * lanes_;
    project.start_group = shape_.vectors * lanes_;
    const auto recur = [&](int first, int last) {
      for (; first < last; first = p.last) {
        p.first = first;
        p.last = std::min(last, first + at_once);
        deal([&](int i, int of) {
          RecurrentPass part = p;
          part.first_block = blocks_ * i / of;
          part.last_block = blocks_ * (i + 1) / of;
          (usual_ ? cell_.forward : cell_.forward_any)(part);
        });
      }
    };
    if (x_.shared) {
      project.a = run.value(x_);
      project.c_row = shape_.input.count * lanes_;
      project.c_group = p.projected_block;
      deal([&](int i, int of) {
        project.rows = run.places(x_)[0];  // those that are not kept from an earlier run
        project.c = projected(run) + run.places(x_)[1] * project.c_row;
        kernels().product(groups_of(project, i, of));
      });
      recur(0, T);
    } else {
      project.c_row = shape_.vectors * lanes_;
      project.c_group = (long)z_steps_ * run.rows * project.c_row;
      each_segment(T, segment_, reverse_, [&](int first, int steps, long t) {
        project.rows = steps * run.rows;
        project.a = run.value(x_) + t * run.rows * x_.row;
        project.c = p.z + (t % z_steps_) * run.rows * project.c_row + shape_.input.first * lanes_;
        if (x_pairs_) {
          bf16* x = as_bf16(run.arena + x16_);
          x_pairs_->round_rows(project.rows, w_.k(), project.a, x_.row, x, x_row16_);
          x_pairs_->product(of_pairs(project, x, x_row16_, even(w_.k()), w_.packed16));
        } else {
          deal([&](int i, int of) { kernels().product(groups_of(project, i, of)); });
        }
        recur(first, first + steps);
      });
    }
    if (carries_ || !last_.empty())
      deal([&](int i, int) {
        if (i == 0) keep_last(run, p);
      });
  }

  /// Room for the projected rows of an input that repeats: those of one run, or, where nothing asks for
  /// more than outputs, of every row met since the weights changed.
  void keep_projections(Plan& plan, Slot& x) {
    const long row = (long)w_.vectors() * lanes_, run = (long)x_.steps * plan.shard_rows();
    if (plan.keeps()) {
      projected_ = plan.reserve(x_.steps * row);
      return;
    }
    const long most = kKeptBytes / (long)(sizeof(float) * row * plan.threads());
    kept_ = x.kept ? x.kept : std::max(run, std::min(most, x.different));
    kept_rows_ = plan.aside(kept_ * row);
    x.kept = kept_;
    plan.hide(x);  // rows that were projected before are not there
  }
  float* projected(const Run& run) const {
    return kept_ ? kept_rows_[run.thread] : run.arena + projected_;
  }

  /// Which states each gate does not see in this batch, drawn from the place of each number in it:
  /// whoever goes through the same steps again draws the same.
  void draw_dropout(const Run& run) const {
    float* keep = run.arena + keep_;
    std::fill_n(keep, shape_.gates * run.rows * row_, 1.0f);
    if (run.training)
      kernels().dropout({shape_.gates, 0, run.rows, units_, row_, run.first_row, run.rank, false,
                         Noise::zeros, drop_, drop_seed_ ^ run.seed, run.step, keep, keep});
  }

  /// The states as outputs: what a step that does not count returns becomes zero.
  void hand_out(const Run& run) const {
    const Slot& y = plan_.at(output);
    const int first = first_returned(run) % h_steps_;
    std::copy_n(run.arena + h_ + first * run.rows * row_, run.rows_of(y) * row_,
                run.value(y));
    zero_masked(run, run.value(y));
  }

  /// Of the outputs, or of their gradients.
  void zero_masked(const Run& run, float* to) const {
    const float* mask = run.value(plan_.at(x_.mask)) + first_returned(run) * run.rows;
    for (long i = 0; i < run.rows_of(plan_.at(output)); ++i)
      if (mask[i] == 0.0f) std::fill_n(to + i * row_, units_, 0.0f);
  }

  /// Where there is one output it is that of the last step gone through.
  int first_returned(const Run& run) const {
    return plan_.at(output).sequence || reverse_ ? 0 : run.steps_of(x_) - 1;
  }

  RecurrentPass pass(const Run& run) const {
    RecurrentPass p{};
    p.steps = run.steps_of(x_);
    p.rows = run.rows;
    p.units = units_;
    p.last_block = blocks_;
    p.reverse = reverse_;
    p.training = plan_.training();
    p.activation = activation_;
    p.recurrent_activation = recurrent_activation_;
    p.z = run.arena + z_;
    p.z_steps = z_steps_;
    p.own = run.arena + own_;
    p.own_steps = ring_;
    p.h = run.arena + h_;
    p.h_steps = h_steps_;
    p.h_row = row_;
    p.reset = shape_.stages == 2 ? run.arena + reset_ : nullptr;
    if (drop_ > 0) {
      p.keep = run.arena + keep_;
      p.dropped = run.arena + dropped_;
    }
    p.mask = x_.mask >= 0 ? run.value(plan_.at(x_.mask)) : nullptr;
    p.bias = packed_bias_;
    for (int s = 0; s < shape_.stages; ++s) {
      p.u[s] = u_[s].packed;
      p.ut[s] = u_[s].transpose;
    }
    if (x_.shared) {
      p.projected = projected(run);
      p.projected_block =
          (kept_ ? kept_ : (long)x_.steps * run.rows) * shape_.input.count * lanes_;
      p.places = run.places(x_) + 16;
    }
    p.h0 = p.own0 = zeros_;
    if (starts()) {
      p.h0 = start_.empty() ? run.states + states_ + run.first_row * record_ : run.arena + first_;
      p.own0 = p.h0 + row_;
      p.h0_row = p.own0_row = record_;
      p.own0_block = (long)shape_.own * lanes_;
    }
    if (plan_.training()) {
      const Slot& out = plan_.at(output);
      // Before the end of a sequence there is no gradient of its last output.
      if (out.handed && (out.sequence || run.at_end())) p.d_out = run.gradient(out);
      p.d_out_steps = p.d_out ? run.steps_of(out) : 0;
      p.d_h = run.arena + d_h_;
      p.d_own = run.arena + d_own_;
      p.d_reset = run.arena + d_reset_;
    }
    if (plan_.keeps_gradients()) {
      p.d_h_all = run.arena + d_h_all_;
      p.d_own_all = run.arena + d_own_all_;
    }
    if (pairs_) {
      for (int s = 0; s < shape_.stages; ++s) {
        p.u16[s] = u_[s].packed16;
        p.ut16[s] = u_[s].transpose16;
      }
      p.h16 = as_bf16(run.arena + h16_);
      p.reset16 = as_bf16(run.arena + reset16_);
      p.d_z16 = as_bf16(run.arena + d_z16_);
      p.row16 = (long)blocks_ * lanes_;
      if (x_pairs_ && x_.gradient >= 0) {
        p.wt16 = w_.transpose16;
        p.d_x = run.gradient(x_);
        p.d_x_row = x_.row;
        p.features = x_.width;
      }
    }
    return p;
  }

  /// Of the weights of the first product, by some steps whose states before are `h`.
  void state_gradient(const Run& run, const RecurrentPass& p, long rows, const float* h, long h_row,
                      const float* d, const float* live) const {
    const long record = shape_.vectors * lanes_, z_group = z_steps_ * run.rows * record;
    if (!p.keep) return u_[0].gradient(run, rows, h, h_row, d, record, z_group, live);
    for (int g = 0; g < shape_.recurrent[0].count; ++g)
      u_[0].gate_gradient(run, g, rows, h, h_row, d + g * lanes_, record, z_group, live,
                          p.keep + g * run.rows * row_, row_, run.arena + scaled_);
  }

  /// All that are left to make, in one pass over d_z, which is read and rounded only once.
  void other_gradients_of_pairs(const Run& run, const RecurrentPass& p) const {
    OuterPairs o{};
    o.rows = (long)p.steps * p.rows;
    o.d = p.z;
    o.d_row = shape_.vectors * lanes_;
    o.d_group = (long)z_steps_ * p.rows * o.d_row;
    o.vectors = blocks_ * shape_.vectors;
    o.per_group = shape_.vectors;
    o.scratch = as_bf16(run.arena + scratch16_);
    if (x_pairs_) w_.gradient_part(run, o, run.value(x_), x_.row, 0, shape_.input.first);
    u_[0].gradient_part(run, o, p.h, row_, reverse_ ? -p.rows : p.rows, shape_.recurrent[0].first);
    if (shape_.stages == 2)
      u_[1].gradient_part(run, o, p.reset, row_, 0, shape_.recurrent[1].first);
    if (bias_ >= 0) {
      float* g = run.gradients + plan_.weights().params[bias_].offset;
      o.sum[o.sums++] = {w_.columns(), shape_.input.first, g};
      if (recurrent_bias_ >= 0)
        o.sum[o.sums++] = {u_[0].columns(), shape_.recurrent[0].first, g + recurrent_bias_};
    }
    pairs_->outer(o);
  }

  /// Room for the rounded copies of what products multiply; two bf16 take the place of one float.
  void reserve_bf16(bool training) {
    const long row = (long)blocks_ * lanes_;
    h16_ = plan_.reserve(row);  // two steps of halves
    if (shape_.stages == 2) reset16_ = plan_.reserve(row / 2);
    if (x_pairs_) {
      x_row16_ = rounded(x_.width);
      x16_ = plan_.reserve(std::min(x_.steps, segment_) * x_row16_ / 2);
    }
    if (!training) return;
    d_z16_ = plan_.reserve(row * shape_.vectors / 2);
    long pairs = shape_.vectors * lanes_ + shape_.stages * row_floats(units_);
    if (x_pairs_) pairs += row_floats(x_.width);
    scratch16_ = plan_.reserve(0, kPairRows * pairs / 2);
  }

  /// Whether the first step sees other states than zeros.
  bool starts() const { return carries_ || !start_.empty(); }

  std::string tensor_name(int i) const { return i == 0 ? "h" : shape_.own_names[i - 1]; }

  /// What a sequence begins with comes from slots, one for each tensor of the states.
  void take_start(const Spec& spec) {
    for (size_t i = 1; i < spec.inputs.size(); ++i) {
      start_.push_back(plan_.at(spec.inputs[i]));
      if (start_.back().steps != 1 || start_.back().width != units_)
        throw std::invalid_argument("'" + spec.name + "' expected initial states of its own width");
    }
    if ((int)start_.size() != tensors_)
      throw std::invalid_argument("'" + spec.name + "' expected all of its initial states");
    first_ = plan_.reserve(record_);
  }

  void load_start(const Run& run) const {
    for (int i = 0; i < tensors_; ++i)
      for (int row = 0; row < run.rows; ++row)
        put_state(run.arena + first_ + row * record_, i,
                  run.value(start_[i]) + row * start_[i].row);
  }

  /// One more slot to fill: a tensor of the states after the last step.
  void add_last(const std::string& name) {
    const int slot = plan_.slot(name, 1, units_);
    plan_.at(slot).sequence = false;
    more_outputs.push_back(slot);
    last_.push_back(slot);
  }

  /// Calls f(gradient, row, unit) for what backward carries of one tensor of the states.
  template <class F>
  void each_unit(const RecurrentPass& p, int tensor, const F& f) const {
    for (int row = 0; row < p.rows; ++row)
      for (int unit = 0; unit < units_; ++unit)
        f(tensor == 0 ? p.d_h[row * row_ + unit]
                      : p.d_own[(((long)(unit / lanes_) * p.rows + row) * shape_.own_carry + tensor - 1) *
                                    lanes_ + unit % lanes_],
          row, unit);
  }

  /// The states after the last step: handed out, and what the next run begins with.
  void keep_last(const Run& run, const RecurrentPass& p) const {
    const long own = (long)shape_.own * lanes_;
    const int t = reverse_ ? 0 : p.steps - 1;
    const float* h = p.h + t % h_steps_ * run.rows * row_;
    const float* last = p.own + t % ring_ * run.rows * blocks_ * own;
    std::vector<float> apart(carries_ ? 0 : record_);
    for (int row = 0; row < run.rows; ++row) {
      float* to = carries_ ? run.next_states + states_ + (run.first_row + row) * record_ : apart.data();
      std::copy_n(h + row * row_, row_, to);
      for (int block = 0; block < blocks_; ++block)
        std::copy_n(last + ((long)block * run.rows + row) * own, own, to + row_ + block * own);
      for (int i = 0; i < (int)last_.size(); ++i)
        take_state(to, i, run.value(plan_.at(last_[i])) + row * plan_.at(last_[i]).row);
    }
  }

  /// Calls f(place, unit) for one tensor of the cell's own state in a record.
  template <class Float, class F>
  void own_units(Float* own, int tensor, const F& f) const {
    for (int unit = 0; unit < units_; ++unit)
      f(own[((long)(unit / lanes_) * shape_.own + tensor) * lanes_ + unit % lanes_], unit);
  }

  /// Names for what a step keeps, so that looking inside is reading a place.
  void show(const std::string& name, int T) {
    for (int v = 0; v < shape_.vectors; ++v)
      plan_.show({name + "/" + shape_.vector_names[v], z_, T, units_, lanes_, shape_.vectors, v});
    for (int v = 0; v < shape_.own; ++v)
      plan_.show({name + "/" + shape_.own_names[v], own_, T, units_, lanes_, shape_.own, v, true});
    if (!plan_.keeps_gradients()) return;
    plan_.show({name + "/state_gradient", d_h_all_, T, units_, (int)row_});
    for (int v = 0; v < shape_.own_carry; ++v)
      plan_.show({name + "/" + shape_.own_names[v] + "_gradient", d_own_all_, T, units_, lanes_,
                  shape_.own_carry, v, true});
  }

  Plan& plan_;
  const Slot x_;
  const Bf16Kernels* const pairs_;    // for products of bf16, or null
  const Bf16Kernels* const x_pairs_;  // for those of the input, or null; never for a shared one
  const CellKernels& cell_;
  const CellShape& shape_;
  const int units_;
  const bool reverse_;
  const bool zeroes_masked_;
  const float drop_;
  const uint32_t drop_seed_;
  const int bias_;
  const int activation_, recurrent_activation_;
  bool usual_;
  int lanes_, blocks_, segment_, z_steps_, ring_, h_steps_;
  long row_, recurrent_bias_;
  PackedMatrix w_, u_[2];
  float* packed_bias_;
  float* zeros_;
  long kept_ = 0;                   // projected rows of a shared input that outlive a run
  std::vector<float*> kept_rows_;   // [thread][blocks][kept_][vectors of the input][lanes]
  const int tensors_;             // of the states: h, and the cell's own
  std::vector<Slot> start_;       // what a sequence begins with, or none
  std::vector<int> last_;         // the slots of the states after the last step, or none
  bool carries_ = false;          // from run to run
  bool stays_ = false;            // from batch to batch
  long record_ = 0, states_ = 0;  // of a row's states: [h][blocks][own][lanes]
  long first_ = 0;                // a record for each row: those from `start_`
  long z_, own_, projected_ = 0, h_, reset_ = 0, d_h_ = 0, d_own_ = 0, d_reset_ = 0;
  long keep_ = 0, dropped_ = 0, scaled_ = 0;
  long d_h_all_ = 0, d_own_all_ = 0;
  long h16_ = 0, reset16_ = 0, x16_ = 0, x_row16_ = 0, d_z16_ = 0, scratch16_ = 0;
};

const OpWord recurrent("recurrent", make_op<Recurrent>, true);

}  // namespace
}  // namespace elman
