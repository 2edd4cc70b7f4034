#include "plan.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "finite.h"

namespace elman {

Plan::Plan(std::shared_ptr<Weights> weights, int steps, int rows, bool training, bool keep,
           int threads, bool carry)
    : weights_(std::move(weights)),
      steps_(steps),
      rows_(rows),
      shard_rows_((rows + threads - 1) / threads),
      training_(training),
      keep_(keep),
      carry_(carry),
      team_(Team::of(threads)),
      arenas_(threads),
      gradients_(threads),
      shards_(threads),
      ranks_(threads),
      lengths_(threads) {}

long Plan::reserve(long per_row, long besides) {
  const long at = arena_floats_;
  arena_floats_ += rounded(per_row * shard_rows_ + besides);
  return at;
}

float* Plan::share(long floats) {
  shared_.push_back(std::make_unique<Floats>());
  shared_.back()->resize(floats);
  shared_floats_ += floats;
  return shared_.back()->data();
}

std::vector<float*> Plan::aside(long floats) {
  std::vector<float*> blocks;
  for (int i = 0; i < threads(); ++i) {
    shared_.push_back(std::make_unique<Floats>());
    shared_.back()->take(floats);
    blocks.push_back(shared_.back()->data());
  }
  shared_floats_ += threads() * floats;
  return blocks;
}

int Plan::slot(const std::string& name, int steps, int width, bool gradient) {
  Slot s;
  s.name = name;
  s.steps = steps;
  s.width = width;
  s.row = row_floats(width);
  s.value = reserve(steps * s.row);
  if (training_ && gradient) s.gradient = reserve(steps * s.row);
  views_.push_back({name, s.value, steps, width, (int)s.row});
  return adopt(s);
}

int Plan::adopt(const Slot& slot) {
  slots_.push_back(slot);
  return (int)slots_.size() - 1;
}

void Plan::add_mask(int slot) {
  Slot mask;
  mask.name = slots_[slot].name + "/mask";
  mask.steps = slots_[slot].steps;
  mask.width = 1;
  mask.row = 1;
  mask.value = reserve(mask.steps);
  views_.push_back({mask.name, mask.value, mask.steps, 1, 1});
  slots_[slot].mask = (int)slots_.size();
  slots_.push_back(mask);
}

void Plan::look_up(int param) {
  const int before = (int)std::count_if(lookups_.begin(), lookups_.end(),
                                        [&](const Lookup& l) { return l.param == param; });
  lookups_.push_back({param, before, ops_.size()});
  rounds_ = std::max(rounds_, before + 1);
}

void Plan::bypass(int slot) {
  if (slots_[slot].read) return;
  Op& op = *ops_[filled(slot)];
  op.bypassed = true;
  for (const int input : op.inputs) slots_[input].read = false;
}

size_t Plan::filled(int slot) const {
  for (size_t i = 0; i < ops_.size(); ++i) {
    bool found = false;
    ops_[i]->each_output([&](int output) { found |= output == slot; });
    if (found) return i;
  }
  throw std::logic_error("no op fills '" + slots_[slot].name + "'");
}

int Plan::read(int slot) {
  Slot again = slots_[slot];
  if (!again.read || (again.gradient < 0 && again.places < 0)) {
    slots_[slot].read = true;
    return slot;
  }
  if (!again.shared) again.places = -1;  // the first reader wants what repeats there every time
  again.shared = false;
  if (again.gradient < 0) return adopt(again);
  again.gradient = reserve(again.steps * again.row);
  const int reader = adopt(again);
  ops_[filled(slot)]->further.push_back({slot, reader, true});
  return reader;
}

/// It is filled once more, by an op like the one that fills the first.
int Plan::every_row(int slot) {
  const auto made = every_row_.find(slot);
  if (made != every_row_.end()) return made->second;
  const size_t filler = filled(slot);
  Spec spec = specs_[filler];
  spec.name += "/every_row";
  return every_row_[slot] = add(ops_[filler]->kind, spec);
}

int Plan::input(const std::string& name, int steps, int width, bool tokens, bool ragged) {
  Slot s;
  s.name = name;
  s.steps = std::max(steps, 1);
  s.width = width;
  s.sequence = steps > 0;
  s.tokens = tokens;
  s.row = tokens ? 1 : row_floats(width);
  s.value = reserve(s.steps * s.row);
  if (!tokens) views_.push_back({name, s.value, s.steps, width, (int)s.row});
  const int slot = adopt(s);
  inputs_.push_back(slot);
  if (ragged) {
    add_mask(slot);
    sort_by_length(slot);
  }
  return slot;
}

int Plan::add(const std::string& word, const Spec& spec) {
  const double before = bytes();
  Spec own = spec;
  const OpMaker& maker = op_maker(word);
  const size_t losses_before = losses_.size();
  for (int& input : own.inputs) {
    if (slots_[input].shared && !maker.takes_repeats) input = every_row(input);
    input = read(input);
  }
  std::unique_ptr<Op> op = maker.make(*this, own);
  op->bytes = bytes() - before;
  op->kind = word;
  op->name = spec.name;
  op->inputs = own.inputs;
  if (carry_ && !op->carries())
    throw std::invalid_argument("'" + op->name + "' needs whole sequences: a plan that carries "
                                "states from run to run cannot hold a " + word);
  // What is made of something without a time axis has none, unless it spans several steps.
  op->late = !op->inputs.empty() && !slots_[op->inputs[0]].sequence;
  op->each_output([&](int slot) {
    if (op->late && slots_[slot].steps == 1) slots_[slot].sequence = false;
  });
  if (losses_.size() == losses_before) {  // it is none itself
    if (losses_before > 0) throw std::invalid_argument("'" + op->name + "' must come before the losses");
    first_loss_ = ops_.size() + 1;
  }
  ops_.push_back(std::move(op));
  specs_.push_back(spec);
  return ops_.back()->output;
}

int Plan::add_output(int slot) {
  outputs_.push_back(slots_[slot].shared ? every_row(slot) : slot);
  return outputs_.back();
}

int Plan::add_loss(int slot, long width, bool counts) {
  losses_.push_back({slot, width, counts});
  return (int)losses_.size() - 1;
}

void Plan::find_way_back() {
  for (size_t i = ops_.size(); i-- > 0;) {
    Op& op = *ops_[i];
    bool wanted = op.output < 0;
    std::erase_if(op.further, [&](const Op::Further& f) { return !slots_[f.reader].handed; });
    for (Op::Further& f : op.further) {
      f.add = slots_[f.slot].handed;
      slots_[f.slot].handed = true;
    }
    op.each_output([&](int slot) { wanted |= slots_[slot].handed; });
    op.bypassed |= !wanted;
    if (op.bypassed) continue;
    for (const int input : op.inputs) slots_[input].handed = true;
  }
}

void Plan::seal() {
  if (!losses_.empty()) find_way_back();
  for (size_t i = 0; i < ops_.size(); ++i) {
    Op& op = *ops_[i];
    if (!op.state_names().empty()) last_with_states_ = i + 1;
    if (op.learns()) learning_.push_back(&op);
    some_late_ |= op.late;
    follows_ &= op.follows();
    meets_ |= op.meets();
  }
  if (carry_ || !records_.empty()) sorted_by_ = -1;  // a row's states are in its own place
  for (Floats& arena : arenas_) arena.resize(arena_floats_);
  for (Floats& states : states_) states.resize(state_floats_);
  if (training_) {
    for (Floats& g : gradients_) g.resize(weights_->dense);
    for (size_t i = 0; i < weights_->params.size(); ++i)
      if (weights_->params[i].table)
        tables_.push_back(std::make_unique<TableGradient>(*weights_, (int)i, threads()));
  }
  for (int i = 0; i < threads(); ++i) {
    shards_[i].thread = i;
    shards_[i].arena = arenas_[i].data();
    shards_[i].gradients = gradients_[i].data();
    shards_[i].tables = &tables_;
    shards_[i].all = &shards_;
    shards_[i].steps = steps_;
    shards_[i].losses.resize(losses_.size());
  }
}

bool Plan::counts_targets() const {
  return std::any_of(losses_.begin(), losses_.end(), [](const Compared& c) { return c.counts; });
}

void Plan::check_run(const Batch& given, long samples, int batch, long losses) const {
  if (given.from < 0 || given.from >= given.to ||
      (carry_ && given.to > given.sources[0].length))
    throw std::invalid_argument("the plan expected some steps of the samples");
  if (!carry_ && given.to - given.from != steps_)
    throw std::invalid_argument("the plan expected all steps of the samples");
  if (carry_ && !recomputes && samples > batch)
    throw std::invalid_argument("a plan that carries states takes one batch at a time");
  if (batch < 1 || batch > rows_) throw std::invalid_argument("the plan is for smaller batches");
  const long runs = (samples + batch - 1) / batch * (recomputes ? 1 : windows(given));
  if (losses >= 0 && losses != runs * this->losses())
    throw std::invalid_argument("the plan expected one loss per batch");
}

void Plan::check_room(const Batch& given, long samples, int output, long y, long mask) const {
  const Slot& s = slots_[outputs_.at(output)];
  if (y >= 0 && y != samples * floats_of(s, given))
    throw std::invalid_argument("the plan expected room for every output");
  if (mask >= 0 && mask != samples * steps_of(s, given))
    throw std::invalid_argument("the plan expected room for the mask of every output");
}

/// Rows are dealt out in neighbouring runs, so that a row's thread depends on its place only.
void Plan::shard(Run& run, long first_sample, int batch_rows, int thread) const {
  const long n = threads();
  run.first_sample = first_sample;
  run.batch_rows = batch_rows;
  run.first_row = (int)(batch_rows * (long)thread / n);
  run.rows = (int)(batch_rows * (long)(thread + 1) / n) - run.first_row;
}

/// Long rows first, so that those that are padding at a step are neighbours and can be passed by
/// together.
void Plan::sort_rows(Run& run) {
  std::vector<int32_t>& rank = ranks_[run.thread];
  std::vector<int32_t>& length = lengths_[run.thread];
  rank.resize(run.rows);
  length.resize(run.rows);
  run.rank = nullptr;
  const size_t input = std::find(inputs_.begin(), inputs_.end(), sorted_by_) - inputs_.begin();
  const Source& source = run.batch.sources[input];
  const int steps = run.steps_of(slots_[sorted_by_]);
  for (int row = 0; row < run.rows; ++row) {
    const long sample = run.sample(row);
    rank[row] = row;
    length[row] = (int32_t)source.steps(sample);
    if (source.offsets || !source.tokens) continue;
    const int32_t* tokens = source.tokens + source.first(sample);
    length[row] = steps - (int32_t)std::count(tokens, tokens + steps, 0);
  }
  std::stable_sort(rank.begin(), rank.end(),
                   [&](int32_t a, int32_t b) { return length[a] > length[b]; });
  run.rank = rank.data();
}

/// Copies `width` numbers of each step.
static void copy_steps(int steps, int width, const float* from, long from_step, float* to,
                       long to_step) {
  if (width == 1)  // a call for each number would take longer than all else that a stream does here
    for (int t = 0; t < steps; ++t) to[t * to_step] = from[t * from_step];
  else
    for (int t = 0; t < steps; ++t) std::copy_n(from + t * from_step, width, to + t * to_step);
}

/// Copies the shard's samples into the input slots, time first; ops see what they will look up.
void Plan::load(Run& run) {
  if (sorted_by_ >= 0) sort_rows(run);
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Slot& in = slots_[inputs_[i]];
    const Source& source = run.batch.sources[i];
    const int steps = run.steps_of(in);
    const long start = run.start_of(in);
    float* mask = in.mask < 0 ? nullptr : run.value(slots_[in.mask]);
    for (int row = 0; row < run.rows; ++row) {
      const long sample = run.sample(row), first = source.first(sample) + start;
      const int there = (int)std::clamp<long>(source.steps(sample) - start, 0, steps);
      for (int t = 0; mask && t < steps; ++t) mask[(long)t * run.rows + row] = t < there;
      if (in.tokens) {
        const int32_t* from = source.tokens + first;
        int32_t* to = run.tokens(in) + row;
        for (int t = 0; t < there; ++t) to[(long)t * run.rows] = from[t];
        for (int t = there; t < steps; ++t) to[(long)t * run.rows] = 0;
        continue;
      }
      float* to = run.value(in) + row * in.row;
      copy_steps(there, in.width, source.x + first * in.width, in.width, to, run.rows * in.row);
      for (int t = there; t < steps; ++t) std::fill_n(to + (long)t * run.rows * in.row, in.width, 0.0f);
    }
  }
  for (const auto& op : ops_) op->look(run);
}

void Plan::forward(Run& run, size_t first, size_t last) const {
  const bool end = run.at_end();
  for (size_t i = first; i < last; ++i)
    if (end || !ops_[i]->late) ops_[i]->forward(run);
}

void Plan::backward(Run& run, size_t i) const {
  Op& op = *ops_[i];
  if (op.bypassed || (op.late && !run.at_end())) return;
  if (!op.further.empty() && !op.needs_all(run, Way::down)) join(run, op);  // else it is done
  op.backward(run);
}

void Plan::backward(Run& run) const {
  if (!run.joined) std::fill_n(run.gradients, weights_->dense, 0.0f);
  for (size_t i = ops_.size(); i-- > 0;) backward(run, i);
}

std::vector<size_t> Plan::stops(const Run& run, bool down) const {
  const size_t n = ops_.size();
  std::vector<size_t> found;
  for (size_t i = 0; i < n; ++i)
    if (ops_[i]->needs_all(run, Way::up) && !shares_with_last(run, i)) found.push_back(i);
  for (size_t i = n; down && i-- > 0;)
    if (!ops_[i]->bypassed && ops_[i]->needs_all(run, Way::down)) found.push_back(2 * n - i);
  found.push_back(down ? 2 * n + 1 : n + 1);
  return found;
}

bool Plan::shares_with_last(const Run& run, size_t i) const {
  return i > 0 && ops_[i - 1]->output < 0 && ops_[i - 1]->needs_all(run, Way::up);
}

template <class F>
void Plan::walk(Run& run, size_t from, size_t to, bool meets, const F& end) const {
  const size_t n = ops_.size();
  forward(run, from, std::min(to, n));
  if (from <= n && n < to) end(run);
  for (size_t at = std::max(from, n + 1); at < to; ++at) backward(run, 2 * n - at);
  if (!meets) return;
  if (to < n) return share(run, to);
  Op& op = *ops_[2 * n - to];
  if (op.late && !run.at_end()) return;
  if (!op.further.empty()) join(run, op);
  op.share(run, Way::down);
}

void Plan::share(Run& run, size_t first) const {
  for (size_t i = first; i < ops_.size(); ++i) {
    if (i > first && !shares_with_last(run, i)) return;
    if (ops_[i]->needs_all(run, Way::up) && (!ops_[i]->late || run.at_end()))
      ops_[i]->share(run, Way::up);
  }
}

bool Plan::sound(const Run& run) const {
  double all = run.penalty;
  for (const LossPart& loss : run.losses) all += loss.sum;
  return std::isfinite(all) && finite(run.gradients, weights_->dense);
}

void Plan::learn() const {
  for (Op* op : learning_) op->learn(shards_[0]);
}

void Plan::join(Run& run, const Op& op) const {
  for (const Op::Further& f : op.further) {
    const Slot& s = slots_[f.slot];
    const long rows = s.shared ? run.places(s)[0] : run.rows_of(s);
    const float* from = run.gradient(slots_[f.reader]);
    if (f.add) kernels().add(rows * s.row, run.gradient(s), from);
    else std::copy_n(from, rows * s.row, run.gradient(s));
  }
}

void Plan::pack(int part) {
  for (const auto& op : ops_) op->pack(part, threads());
}

void Plan::pack_all() {
  for (int part = 0; part < threads(); ++part) pack(part);
}

void Plan::write(const Run& run, Rooms out) const {
  for (size_t i = 0; i < out.size(); ++i)
    if (out[i].y || out[i].mask) write(run, slots_[outputs_[i]], out[i]);
}

void Plan::write(const Run& run, const Slot& s, const Room& out) const {
  if (!s.sequence && !run.at_end()) return;
  const float* value = run.value(s);
  const long width = floats_of(s, run.batch), steps = steps_of(s, run.batch);
  const long first = s.sequence ? run.start - run.batch.from : 0;
  for (int row = 0; row < run.rows; ++row) {
    const long i = run.place(row);
    if (out.y)
      copy_steps(run.steps_of(s), s.width, value + row * s.row, run.rows * s.row,
                 out.y + i * width + first * s.width, s.width);
    for (int t = 0; out.mask && t < run.steps_of(s); ++t)
      out.mask[i * steps + first + t] =
          s.mask < 0 ? 1.0f : run.value(slots_[s.mask])[(long)t * run.rows + row];
    if (carry_ || !s.sequence || !run.short_by) continue;
    // Steps that no row of this shard has were not gone through.
    if (out.y) std::fill_n(out.y + i * width + run.steps_of(s) * s.width, run.short_by * s.width, 0.0f);
    if (out.mask) std::fill_n(out.mask + i * steps + run.steps_of(s), run.short_by, 0.0f);
  }
}

std::unique_lock<std::mutex> Plan::begin() {
  std::unique_lock<std::mutex> lock(weights_->in_use);
  if (team_->elsewhere()) {
    team_ = Team::of(team_->size());
  }
  return lock;
}

/// Rows of tables that are looked up are brought up to date first.
void Plan::visit(Team::Member& me, Updater* updater) const {
  for (int round = 0; round < rounds_; ++round)
    me.phase([&](int part) {
      for (const Lookup& lookup : lookups_)
        if (lookup.round == round)
          ops_[lookup.op]->visit_rows(shards_, part, [&](int param, const auto& rows) {
            updater->catch_up(param, rows, part);
          });
    });
}

/// What follows a batch: gradients are summed, weights changed and packed.
void Plan::update(Team::Member& me, Updater* updater, float rate,
                  const std::function<bool()>& stopped) {
  const auto gather = [&](int part) {
    if (stopped()) return;
    for (const auto& table : tables_) table->gather(part);
    updater->gather(shards_, part);
  };
  const auto change = [&](int part) {
    if (!stopped()) updater->change(shards_, part, rate);
  };
  if (updater->needs_all()) {
    me.phase(gather);
    me.phase(change);
  } else {
    me.phase([&](int part) {
      gather(part);
      change(part);
    });
  }
  if (updater->constrains())
    me.phase([&](int part) {
      if (!stopped()) updater->constrain(part, threads());
    });
  me.phase([&](int part) {
    if (part == 0 && !stopped()) {
      updater->finish(rate);
      if (updater->trains()) learn();
    }
    for (const auto& table : tables_) table->clear(part);
    pack(part);
  });
}

long Plan::run(const Batch& batch, long samples, int batch_rows, bool training, uint32_t seed,
               uint32_t first_step, Updater* updater, const float* rates, Rooms out,
               double* losses, double* counts) {
  if (batch_rows > rows_) throw std::invalid_argument("batch larger than the plan");
  const auto lock = begin();
  if (!updater || updater->lazy() != weights_->lazy) weights_->settle();
  const bool stale = packed_version_ != weights_->version;
  const bool lookups = updater && rounds_ && updater->moves_untouched();
  const bool recomputed = updater && recomputes;
  Run like;  // what is the same for all shards and batches
  like.batch = batch;
  like.training = training;
  like.losses.assign(losses_.size(), {.divisor = counts ? 1.0 : 0.0});
  const std::vector<size_t> stops = this->stops(like, updater);
  if (recomputed && stops[0] < first_loss_)
    throw std::invalid_argument("what needs all steps of all rows cannot be trained in parts");
  const long windows = recomputed ? 1 : this->windows(batch);
  if (updater && windows > 1 && some_late_)
    throw std::invalid_argument("a loss at the last step only needs the whole sequence");
  const long runs = (samples + batch_rows - 1) / batch_rows * windows;
  const size_t kinds = losses_.size();
  std::vector<LossPart> parts((size_t)runs * kinds * threads());
  std::vector<double> penalties(penalized_ ? (size_t)runs * threads() : 0);
  std::atomic<long> stop{runs};
  if (updater) updater->prepare(threads());
  if (recomputed) {
    const size_t all = (this->windows(batch) + 1) * state_floats_;
    if (between_.size() != all) between_.resize(all);
  }
  for (const auto& table : tables_)
    table->copies = recomputed || std::any_of(lookups_.begin(), lookups_.end(), [&](const Lookup& l) {
                      return l.param == table->param && l.round > 0;
                    });
  team_->run([&](Team::Member& me) {
    if (stale) me.phase([&](int part) { pack(part); });
    for (long b = 0; b < std::min(runs, stop.load()); ++b) {
      const long at = b / windows * batch_rows;
      const auto note = [&](const Run& run) {
        std::copy_n(run.losses.data(), kinds, parts.data() + (b * threads() + run.thread) * kinds);
        if (penalized_) penalties[b * threads() + run.thread] = run.penalty;
      };
      // Written when something is wrong only, so that no other core waits for it.
      const auto judge = [&](const Run& run) {
        if (updater->trains() && !sound(run)) stop.store(b);
      };
      const auto stopped = [&] { return stop.load() <= b; };
      const auto begin = [&](int part) {
        Run& run = shards_[part];
        run.batch = batch;
        run.training = training;
        run.seed = seed;
        run.step = first_step + (uint32_t)(updater ? b : b / windows);
        run.losses = like.losses;
        run.penalty = 0;
        run.penalized = !counts;
        run.joined = false;
        shard(run, at, (int)std::min<long>(batch_rows, samples - at), part);
        if (recomputed) return;
        window(run, b % windows, (int)b);
        load(run);
      };
      if (recomputed) {
        me.phase(begin);
        recompute(me, updater, lookups, out);
        me.phase([&](int part) {
          note(shards_[part]);
          judge(shards_[part]);
        });
        update(me, updater, rates[b], stopped);
        continue;
      }
      const auto end = [&](Run& run) {
        note(run);
        write(run, out);
        if (updater) std::fill_n(run.gradients, weights_->dense, 0.0f);
      };
      if (lookups) {
        me.phase(begin);
        visit(me, updater);
      }
      for (size_t k = 0; k < stops.size(); ++k)
        me.phase([&](int part) {
          if (k == 0 && !lookups) begin(part);
          const bool meets = k + 1 < stops.size();
          walk(shards_[part], k ? stops[k - 1] : 0, stops[k], meets, end);
          if (updater && !meets) judge(shards_[part]);
        });
      if (updater) update(me, updater, rates[b], stopped);
      else if (training && !learning_.empty()) me.phase([&](int part) { if (part == 0) learn(); });
    }
  });
  for (size_t i = 0; losses && i < runs * kinds; ++i) {
    losses[i] = (long)(i / kinds) > stop ? std::numeric_limits<double>::quiet_NaN() : 0;
    if (counts) counts[i] = 0;
    for (int t = 0; t < threads(); ++t) {
      const LossPart& part = parts[(i / kinds * threads() + t) * kinds + i % kinds];
      losses[i] += part.sum;
      if (counts) counts[i] += part.counting;
    }
  }
  if (!recomputed) end_windows(runs, std::min<long>(batch_rows, samples));
  if (updater) ++weights_->version;
  packed_version_ = weights_->version;
  if (!updater && training && !learning_.empty()) ++weights_->version;  // not packed yet
  penalties_.assign(penalized_ ? runs : 0, 0.0);
  for (size_t i = 0; i < penalties.size(); ++i) penalties_[i / threads()] += penalties[i];
  return stop;
}

std::vector<bool> Plan::finite_gradients() const {
  std::vector<bool> found;
  for (const Param& p : weights_->params) {
    bool all = true;
    for (const Floats& g : gradients_)
      if (!p.table) all = all && finite(g.data() + p.offset, p.size);
    found.push_back(all);
  }
  return found;
}

void Plan::gradients(const Batch& batch, int rows, uint32_t seed, uint32_t step, float* out,
                     double* losses, bool training) {
  struct Collect : Updater {
    float* out;
    const Weights* weights;
    bool trains() const override { return false; }
    void gather(const std::vector<Run>&, int) override {}
    void change(const std::vector<Run>& shards, int part, float) override {
      if (part) return;
      std::fill_n(out, weights->dense, 0.0f);
      for (const Run& r : shards)
        for (long i = 0; i < weights->dense; ++i) out[i] += r.gradients[i];
      for (const auto& table : *shards[0].tables) {
        const Param& p = weights->params[table->param];
        std::fill_n(out + p.offset, p.size, 0.0f);
        for (size_t t = 0; t < shards.size(); ++t)
          for (const TouchedRow& r : table->touched((int)t))
            std::copy_n(r.gradient, table->width, out + p.offset + r.row * table->width);
      }
    }
  } collect;
  collect.out = out;
  collect.weights = weights_.get();
  const float rate = 0;
  run(batch, rows, rows, training, seed, step, &collect, &rate, {}, losses);
}

/// Sets up window `w` of a run that only predicts, of the rows [first, last) of `batch`.
void Plan::take(Run& run, const Batch& batch, long first, long last, long w) const {
  run.batch = batch;
  run.training = false;
  run.first_sample = 0;
  run.first_row = (int)first;
  run.batch_rows = run.rows = (int)(last - first);
  window(run, w, (int)w);
}

void Plan::predict_rows(Run& run, const Batch& batch, long first, long last, bool chosen,
                        Rooms out) {
  const long windows = this->windows(batch);
  for (long w = 0; w < windows; ++w) {
    take(run, batch, first, last, w);
    if (chosen) {
      run.states = chosen_[w % 2].data();
      run.next_states = chosen_[(w + 1) % 2].data();
    }
    load(run);
    forward(run, 0, ops_.size());
    write(run, out);
  }
}

void Plan::predict(const Batch& batch, long samples, Rooms out) {
  if (stays() && samples > rows_) {  // a batch needs what the one before it left
    run(batch, samples, rows_, false, 0, 0, nullptr, nullptr, out, nullptr);
    return;
  }
  const auto lock = begin();
  weights_->settle();
  const long piece = std::min<long>(shard_rows_, (samples + threads() - 1) / threads());
  const bool stale = packed_version_ != weights_->version;
  const long windows = this->windows(batch);
  if (samples < threads() && meets_) {  // no row for every thread: all go through each
    team_->run([&](Team::Member& me) {
      if (stale) me.phase([&](int part) { pack(part); });
      Run run = shards_[0];  // a view of its arena for each thread, since one may lag behind
      const auto first = [&](const auto& work) {
        me.phase([&](int part) {
          if (part == 0) work();
        });
      };
      for (long at = 0; at < samples; at += piece)
        for (long w = 0; w < windows; ++w) {
          take(run, batch, at, std::min(at + piece, samples), w);
          first([&] { load(run); });
          for (const auto& op : ops_)
            if (run.at_end() || !op->late) op->forward_together(run, me);
          first([&] { write(run, out); });
        }
    });
  } else if (samples == 1) {  // done before another thread is awake
    const FlushDenormals flush;
    if (stale) pack_all();
    predict_rows(shards_[0], batch, 0, 1, false, out);
  } else {
    // Each thread keeps to its own arena and takes the next piece as long as there is one.
    std::atomic<long> next{0};
    team_->run([&](Team::Member& me) {
      if (stale) me.phase([&](int part) { pack(part); });
      for (long at; (at = next.fetch_add(piece)) < samples;)
        predict_rows(shards_[me.index], batch, at, std::min(at + piece, samples), false, out);
    });
  }
  end_windows(windows, samples);
  for (Run& run : shards_) run.rows = 0;  // pieces, in no order: nothing to peek at
  packed_version_ = weights_->version;
}

void Plan::advance(const Batch& batch, long count, const int* rows, Rooms out) {
  weights_->settle();
  const bool stale = packed_version_ != weights_->version;
  if (rows) choose_states(count, rows);
  if (count <= shard_rows_) {  // one step of a few rows is done before another thread is awake
    const FlushDenormals flush;
    if (stale) pack_all();
    predict_rows(shards_[0], batch, 0, count, rows, out);
    for (int part = 1; part < threads(); ++part) shards_[part].rows = 0;
  } else {
    if (team_->elsewhere()) team_ = Team::of(team_->size());
    const long n = threads();
    team_->run([&](Team::Member& me) {
      if (stale) me.phase([&](int part) { pack(part); });
      me.phase([&](int part) {
        predict_rows(shards_[part], batch, count * part / n, count * (part + 1) / n, rows, out);
      });
    });
  }
  const long windows = this->windows(batch);
  if (rows) return_states(count, rows, chosen_[windows % 2]);
  else end_windows(windows, count);
  packed_version_ = weights_->version;
}

void Plan::choose_states(long count, const int* rows) {
  for (Floats& c : chosen_)
    if (c.size() < states_[0].size()) c.resize(states_[0].size());
  for (const Record& r : records_)
    for (long i = 0; i < count; ++i)
      std::copy_n(states_[now_].data() + r.at + rows[i] * r.floats, r.floats,
                  chosen_[0].data() + r.at + i * r.floats);
}

void Plan::return_states(long count, const int* rows, const Floats& from) {
  for (const Record& r : records_)
    for (long i = 0; i < count; ++i)
      std::copy_n(from.data() + r.at + i * r.floats, r.floats,
                  states_[now_].data() + r.at + rows[i] * r.floats);
}

std::vector<std::string> Plan::names() const {
  std::vector<std::string> names;
  for (const View& v : views_) names.push_back(v.name);
  return names;
}

std::vector<float> Plan::peek(const std::string& name, int& rows, int& steps, int& width) const {
  const auto found = std::find_if(views_.begin(), views_.end(),
                                  [&](const View& v) { return v.name == name; });
  if (found == views_.end()) throw std::invalid_argument("the plan has nothing called '" + name + "'");
  const View& v = *found;
  const auto repeats = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& s) {
    return s.shared && s.value == v.value;
  });
  rows = 0;
  for (const Run& r : shards_) rows += r.rows;
  if (rows == 0)
    throw std::invalid_argument("peek expected one batch to have run before, got none or many. "
                                "Call the plan's forward.");
  steps = v.steps;
  for (const Run& r : shards_)
    if (r.rows && v.steps > 1) steps = std::min(steps, v.steps - r.short_by);
  width = v.width;
  std::vector<float> out((size_t)rows * steps * width);
  const int blocks = blocks_of(width, v.lanes);
  long first = 0;
  for (const Run& r : shards_) {
    for (int row = 0; row < r.rows; ++row)
      for (int t = 0; t < steps; ++t)
        for (int u = 0; u < width; ++u) {
          const long block = u / v.lanes, lane = u % v.lanes;
          const long place = (long)t * r.rows + row;
          const long record = repeats != slots_.end() ? r.places(*repeats)[16 + place]
                              : v.by_step ? ((long)t * blocks + block) * r.rows + row
                                          : block * v.steps * r.rows + place;
          out[((first + (r.rank ? r.rank[row] : row)) * steps + t) * width + u] =
              r.arena[v.value + (record * v.parts + v.part) * v.lanes + lane];
        }
    first += r.rows;
  }
  return out;
}

}  // namespace elman
