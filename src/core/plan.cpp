#include "plan.h"

#include <algorithm>
#include <atomic>
#include <stdexcept>

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

void Plan::bypass(int slot) {
  for (const auto& op : ops_) {
    if (op->output != slot) continue;
    op->bypassed = true;
    for (const int input : op->inputs) slots_[input].read = false;
  }
}

int Plan::read(int slot) {
  if (!slots_[slot].read) {
    slots_[slot].read = true;
    return slot;
  }
  Slot again = slots_[slot];
  if (!again.shared) again.places = -1;  // the first reader wants what repeats there every time
  again.shared = false;
  if (again.gradient >= 0) {
    again.gradient = reserve(again.steps * again.row);
    for (const auto& op : ops_)
      if (op->output == slot) op->further.push_back(again.gradient);
  }
  return adopt(again);
}

int Plan::input(const std::string& name, int width, bool tokens) {
  Slot s;
  s.name = name;
  s.steps = steps_;
  s.width = width;
  s.tokens = tokens;
  s.row = tokens ? 1 : row_floats(width);
  s.value = reserve(steps_ * s.row);
  slots_.push_back(s);
  if (!tokens) views_.push_back({name, s.value, steps_, width, (int)s.row});
  return input_ = (int)slots_.size() - 1;
}

int Plan::add(const std::string& word, const Spec& spec) {
  const long before = arena_floats_ * threads() + shared_floats_;
  Spec own = spec;
  for (int& input : own.inputs) input = read(input);
  std::unique_ptr<Op> op = op_maker(word)(*this, own);
  for (size_t i = 0; i < own.inputs.size(); ++i)
    if (slots_[own.inputs[i]].shared != slots_[spec.inputs[i]].shared)
      throw std::invalid_argument("'" + spec.name + "' reads every row of '" +
                                  slots_[own.inputs[i]].name + "': add it before the op that "
                                  "reads each different one only once");
  op->bytes = 4.0 * (arena_floats_ * threads() + shared_floats_ - before);
  op->kind = word;
  op->name = spec.name;
  op->inputs = own.inputs;
  if (carry_ && !op->carries())
    throw std::invalid_argument("'" + op->name + "' needs whole sequences: a plan that carries "
                                "states from run to run cannot hold a " + word);
  if (op->output >= 0 && !slots_[op->inputs.at(0)].sequence) slots_[op->output].sequence = false;
  ops_.push_back(std::move(op));
  return ops_.back()->output;
}

void Plan::seal(int output, long target_width) {
  output_ = output;
  while (head_ < ops_.size() && slots_[ops_[head_]->inputs.at(0)].sequence) ++head_;
  target_width_ = target_width;
  for (size_t i = 0; i < ops_.size(); ++i)
    if (!ops_[i]->state_names().empty()) last_with_states_ = i + 1;
  for (const auto& op : ops_) meets_ |= op->meets();
  if (carry_ || !records_.empty()) sorts_ = false;  // a row's states are in its own place
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
    shards_[i].steps = steps_;
  }
}

void Plan::check_run(const Batch& given, long samples, int batch, long losses, long out,
                     long mask) const {
  if (given.from < 0 || given.from >= given.to || given.to > given.length)
    throw std::invalid_argument("the plan expected some steps of the samples");
  if (!carry_ && given.to - given.from != steps_)
    throw std::invalid_argument("the plan expected all steps of the samples");
  if (carry_ && !recomputes && samples > batch)
    throw std::invalid_argument("a plan that carries states takes one batch at a time");
  if (batch < 1 || batch > rows_) throw std::invalid_argument("the plan is for smaller batches");
  if (losses >= 0 && losses != (samples + batch - 1) / batch * (recomputes ? 1 : windows(given)))
    throw std::invalid_argument("the plan expected one loss per batch");
  if (out >= 0 && out != samples * output_floats(given))
    throw std::invalid_argument("the plan expected room for every output");
  if (mask >= 0 && mask != samples * mask_floats(given))
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

/// Rows with many tokens first, so that those that are padding at a step are neighbours and can be
/// passed by together.
void Plan::sort_rows(Run& run) {
  std::vector<int32_t>& rank = ranks_[run.thread];
  std::vector<int32_t>& length = lengths_[run.thread];
  rank.resize(run.rows);
  length.resize(run.rows);
  run.rank = nullptr;
  for (int row = 0; row < run.rows; ++row) {
    const int32_t* tokens = run.batch.tokens + run.sample(row) * run.batch.length + run.start;
    rank[row] = row;
    length[row] = run.steps - (int32_t)std::count(tokens, tokens + run.steps, 0);
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

/// Copies the shard's samples into the input slot, time first; ops see what they will look up.
void Plan::load(Run& run) {
  const Slot& in = slots_[input_];
  if (sorts_) sort_rows(run);
  for (int row = 0; row < run.rows; ++row) {
    const long sample = run.sample(row);
    if (in.tokens) {
      const int32_t* from = run.batch.tokens + sample * run.batch.length + run.start;
      int32_t* to = run.tokens(in) + row;
      for (int t = 0; t < run.steps; ++t) to[(long)t * run.rows] = from[t];
      continue;
    }
    copy_steps(run.steps, in.width,
               run.batch.x + (sample * run.batch.length + run.start) * in.width, in.width,
               run.value(in) + row * in.row, run.rows * in.row);
  }
  for (const auto& op : ops_) op->look(run);
}

void Plan::forward(Run& run, size_t first, size_t last) const {
  last = std::min(last, ops_in(run));
  for (size_t i = first; i < last; ++i) ops_[i]->forward(run);
}

void Plan::backward(Run& run) const {
  if (!run.joined) std::fill_n(run.gradients, weights_->dense, 0.0f);
  for (size_t i = ops_in(run); i-- > 0;) {
    if (ops_[i]->bypassed) continue;
    if (!ops_[i]->further.empty()) join(run, *ops_[i]);
    ops_[i]->backward(run);
  }
}

void Plan::join(Run& run, const Op& op) const {
  const Slot& s = slots_[op.output];
  const long rows = s.shared ? run.places(s)[0] : (long)run.steps_of(s) * run.rows;
  for (const long gradient : op.further)
    kernels().add(rows * s.row, run.gradient(s), run.arena + gradient);
}

void Plan::pack(int part) {
  for (const auto& op : ops_) op->pack(part, threads());
}

void Plan::pack_all() {
  for (int part = 0; part < threads(); ++part) pack(part);
}

void Plan::write(const Run& run, Outputs out) const {
  const Slot& s = slots_[output_];
  if (!s.sequence && !run.at_end()) return;
  const float* value = run.value(s);
  const long width = output_floats(run.batch), steps = mask_floats(run.batch);
  const long first = s.sequence ? run.start - run.batch.from : 0;
  for (int row = 0; row < run.rows; ++row) {
    const long i = run.place(row);
    if (out.y)
      copy_steps(run.steps_of(s), s.width, value + row * s.row, run.rows * s.row,
                 out.y + i * width + first * s.width, s.width);
    for (int t = 0; out.mask && t < run.steps_of(s); ++t)
      out.mask[i * steps + first + t] =
          s.mask < 0 ? 1.0f : run.value(slots_[s.mask])[(long)t * run.rows + row];
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
void Plan::visit(Updater* updater, int thread) const {
  for (const auto& op : ops_)
    op->visit_rows(shards_, thread, [&](int param, const std::vector<int32_t>& rows) {
      updater->catch_up(param, rows, thread);
    });
}

/// What follows a batch: gradients are summed, weights changed and packed.
void Plan::update(Team::Member& me, Updater* updater, float rate) {
  const auto gather = [&](int part) {
    for (const auto& table : tables_) table->gather(part);
    updater->gather(shards_, part);
  };
  const auto change = [&](int part) { updater->change(shards_, part, rate); };
  if (updater->needs_all()) {
    me.phase(gather);
    me.phase(change);
  } else {
    me.phase([&](int part) {
      gather(part);
      change(part);
    });
  }
  me.phase([&](int part) {
    if (part == 0) updater->finish(rate);
    for (const auto& table : tables_) table->clear(part);
    pack(part);
  });
}

void Plan::run(const Batch& batch, long first, long last, int batch_rows, bool training,
               uint32_t seed, uint32_t first_step, Updater* updater, const float* rates,
               Outputs out, double* losses, double* counts) {
  if (batch_rows > rows_) throw std::invalid_argument("batch larger than the plan");
  if (out.y) out.y -= first * output_floats(batch);
  if (out.mask) out.mask -= first * mask_floats(batch);
  const auto lock = begin();
  if (!updater || updater->lazy() != weights_->lazy) weights_->settle();
  const bool stale = packed_version_ != weights_->version;
  const bool lookups = updater && updater->moves_untouched();
  // A masked loss is a mean over what counts in the whole batch, which all shards must know first.
  const bool counted = batch.y && counts_targets() && !counts;
  const size_t before_loss = ops_.size() - (counted ? 1 : 0);
  const bool recomputed = updater && recomputes;
  const long windows = recomputed ? 1 : this->windows(batch);
  if (updater && windows > 1 && head_ < ops_.size())
    throw std::invalid_argument("a loss at the last step only needs the whole sequence");
  const long runs = (last - first + batch_rows - 1) / batch_rows * windows;
  std::vector<double> parts((size_t)threads() * runs), counting(counts ? parts.size() : 0);
  if (updater) updater->prepare(threads());
  if (recomputed) {
    const size_t all = (this->windows(batch) + 1) * state_floats_;
    if (between_.size() != all) between_.resize(all);
  }
  for (const auto& table : tables_) table->copies = recomputed;
  team_->run([&](Team::Member& me) {
    if (stale) me.phase([&](int part) { pack(part); });
    for (long b = 0; b < runs; ++b) {
      const long at = first + b / windows * batch_rows;
      const auto begin = [&](int part) {
        Run& run = shards_[part];
        run.batch = batch;
        run.training = training;
        run.seed = seed;
        run.step = first_step + (uint32_t)(updater ? b : b / windows);
        run.loss = 0;
        run.divisor = counts ? 1 : 0;
        run.counting = 0;
        run.joined = false;
        shard(run, at, (int)std::min<long>(batch_rows, last - at), part);
        if (recomputed) return;
        window(run, b % windows, (int)b);
        load(run);
      };
      if (recomputed) {
        me.phase(begin);
        recompute(me, updater, counted, lookups, out);
        me.phase([&](int part) { parts[b * threads() + part] = shards_[part].loss; });
        update(me, updater, rates[b]);
        continue;
      }
      const auto end = [&](Run& run) {
        forward(run, before_loss, ops_.size());
        parts[b * threads() + run.thread] = run.loss;
        if (counts) counting[b * threads() + run.thread] = run.counting;
        if (out.y || out.mask) write(run, out);
        if (updater) backward(run);
      };
      if (lookups) {
        me.phase(begin);
        me.phase([&](int part) { visit(updater, part); });
      }
      me.phase([&](int part) {
        Run& run = shards_[part];
        if (!lookups) begin(part);
        forward(run, 0, before_loss);
        if (counted) ops_.back()->count(run);
        else end(run);
      });
      if (counted)
        me.phase([&](int part) {
          Run& run = shards_[part];
          run.all_counting = 0;
          for (const Run& r : shards_) run.all_counting += r.counting;
          end(run);
        });
      if (updater) update(me, updater, rates[b]);
    }
  });
  for (size_t b = 0; losses && b * threads() < parts.size(); ++b) {
    losses[b] = 0;
    for (int t = 0; t < threads(); ++t) losses[b] += parts[b * threads() + t];
    if (!counts) continue;
    counts[b] = 0;
    for (int t = 0; t < threads(); ++t) counts[b] += counting[b * threads() + t];
  }
  if (!recomputed) end_windows(runs, std::min<long>(batch_rows, last - first));
  if (updater) ++weights_->version;
  packed_version_ = weights_->version;
}

double Plan::gradients(const Batch& batch, int rows, uint32_t seed, uint32_t step, float* out,
                       bool training) {
  struct Collect : Updater {
    float* out;
    const Weights* weights;
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
  double loss = 0;
  const float rate = 0;
  run(batch, 0, rows, rows, training, seed, step, &collect, &rate, {}, &loss);
  return loss;
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

void Plan::predict(const Batch& batch, long samples, Outputs out) {
  if (stays() && samples > rows_)  // a batch needs what the one before it left
    return run(batch, 0, samples, rows_, false, 0, 0, nullptr, nullptr, out, nullptr);
  const auto lock = begin();
  weights_->settle();
  const long piece = std::min<long>(shard_rows_, (samples + threads() - 1) / threads());
  const bool stale = packed_version_ != weights_->version;
  const long windows = this->windows(batch);
  const auto alone = [&](Run& run, long at) {
    for (long w = 0; w < windows; ++w) {
      take(run, batch, at, std::min(at + piece, samples), w);
      load(run);
      forward(run, 0, ops_.size());
      write(run, out);
    }
  };
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
          for (size_t i = 0; i < ops_in(run); ++i) ops_[i]->forward_together(run, me);
          first([&] { write(run, out); });
        }
    });
  } else if (samples == 1) {  // done before another thread is awake
    const FlushDenormals flush;
    if (stale) pack_all();
    alone(shards_[0], 0);
  } else {
    // Each thread keeps to its own arena and takes the next piece as long as there is one.
    std::atomic<long> next{0};
    team_->run([&](Team::Member& me) {
      if (stale) me.phase([&](int part) { pack(part); });
      for (long at; (at = next.fetch_add(piece)) < samples;) alone(shards_[me.index], at);
    });
  }
  end_windows(windows, samples);
  for (Run& run : shards_) run.rows = 0;  // pieces, in no order: nothing to peek at
  packed_version_ = weights_->version;
}

void Plan::advance(const Batch& batch, long count, const int* rows, Outputs out) {
  weights_->settle();
  const bool stale = packed_version_ != weights_->version;
  const long windows = this->windows(batch);
  if (rows) choose_states(count, rows);
  const auto go = [&](Run& run, long first, long last) {
    for (long w = 0; w < windows; ++w) {
      take(run, batch, first, last, w);
      if (rows) {
        run.states = chosen_[w % 2].data();
        run.next_states = chosen_[(w + 1) % 2].data();
      }
      load(run);
      forward(run, 0, ops_.size());
      write(run, out);
    }
  };
  if (count <= shard_rows_) {  // one step of a few rows is done before another thread is awake
    const FlushDenormals flush;
    if (stale) pack_all();
    go(shards_[0], 0, count);
    for (int part = 1; part < threads(); ++part) shards_[part].rows = 0;
  } else {
    if (team_->elsewhere()) team_ = Team::of(team_->size());
    const long n = threads();
    team_->run([&](Team::Member& me) {
      if (stale) me.phase([&](int part) { pack(part); });
      me.phase([&](int part) { go(shards_[part], count * part / n, count * (part + 1) / n); });
    });
  }
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
  const int short_by = v.steps > 1 ? steps_ - shards_[0].steps : 0;
  steps = v.steps - short_by;
  width = v.width;
  std::vector<float> out((size_t)rows * steps * width);
  const int blocks = (width + v.lanes - 1) / v.lanes;
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
