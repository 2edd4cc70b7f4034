// Long sequences in a plan that carries states: cut into runs, and trained by computing twice.
#include <algorithm>

#include "plan.h"

namespace elman {

long Plan::windows(const Batch& batch) const { return (batch.to - batch.from + steps_ - 1) / steps_; }

void Plan::window(Run& run, long number, int before) const {
  run.start = run.batch.from + number * steps_;
  run.short_by = (int)std::max<long>(run.start + steps_ - run.batch.to, 0);
  if (!carry_) {
    run.rank = nullptr;  // that of the batch before
    run.short_by = padding(run);
  }
  if (records_.empty()) return;
  run.states = states_[(now_ + before) % 2].data();
  run.next_states = const_cast<float*>(states_[(now_ + before + 1) % 2].data());
}

int Plan::padding(const Run& run) const {
  int padding = follows_ && !keep_ && run.rows ? steps_ - 1 : 0;
  for (size_t i = 0; i < inputs_.size() && padding; ++i) {
    const Slot& in = slots_[inputs_[i]];
    if (!in.sequence) continue;
    const Source& source = run.batch.sources[i];
    if (!source.offsets) return 0;
    long longest = 1;
    for (int row = 0; row < run.rows; ++row)
      longest = std::max(longest, source.steps(run.sample(row)));
    padding = std::min(padding, in.steps - (int)longest);
  }
  return padding;
}

/// Whoever took no part keeps its state.
void Plan::end_windows(long runs, long rows) {
  if (records_.empty() || rows == 0) return;
  const int before = now_;
  now_ = (int)((now_ + runs) % 2);
  if (now_ == before) return;
  for (const Record& r : records_)
    std::copy_n(states_[before].data() + r.at + rows * r.floats, (rows_ - rows) * r.floats,
                states_[now_].data() + r.at + rows * r.floats);
}

long Plan::steps_of(const Slot& s, const Batch& batch) const {
  return !s.sequence ? 1 : carry_ ? batch.to - batch.from : s.steps;
}

long Plan::carry(long record, bool stays) {
  records_.push_back({state_floats_, record, stays});
  state_floats_ += record * rows_;
  return records_.back().at;
}

bool Plan::stays() const {
  return std::any_of(records_.begin(), records_.end(), [](const Record& r) { return r.stays; });
}

void Plan::reset_states() { std::fill_n(states_[now_].data(), states_[now_].size(), 0.0f); }

void Plan::reset_states(const std::vector<int>& rows) {
  for (const Record& r : records_)
    for (const int row : rows) std::fill_n(states_[now_].data() + r.at + row * r.floats, r.floats, 0.0f);
}

std::vector<float> Plan::get_state(const Op& op, int tensor) const {
  std::vector<float> values((size_t)rows_ * op.state_width());
  for (int row = 0; row < rows_; ++row)
    op.get_state(states_[now_].data(), row, tensor, values.data() + (long)row * op.state_width());
  return values;
}

void Plan::set_state(const Op& op, int tensor, const float* values) {
  for (int row = 0; row < rows_; ++row)
    op.set_state(states_[now_].data(), row, tensor, values + (long)row * op.state_width());
}

/// One batch of whole sequences, forward and backward, in the memory of one run: a first pass keeps
/// only the states between runs; a second goes from the last run to the first, computes each once
/// more and goes back through it. Gradients of weights add up, those of states are handed on.
void Plan::recompute(Team::Member& me, Updater* updater, bool lookups, Rooms out) {
  const long last = windows(shards_[0].batch) - 1;
  const auto go = [&](Run& run, long number) {
    window(run, number, 0);
    run.states = between_.data() + number * state_floats_;
    run.next_states = between_.data() + (number + 1) * state_floats_;
    run.joined = number < last;
    run.penalized = number == last;
    load(run);
  };
  // The first pass needs the states and, if targets must be counted, the masks above them.
  const bool counted = counts_targets();
  const size_t needed = counted ? first_loss_ : last_with_states_;
  const auto pass = [&](Run& run) {
    forward(run, 0, needed);
    for (size_t i = 0; i < losses_.size(); ++i) {
      Op& loss = *ops_[first_loss_ + i];
      if (!losses_[i].counts || (loss.late && !run.at_end())) continue;
      loss.share(run, Way::up);
      run.losses[i].counted += run.losses[i].counting;
    }
  };
  me.phase([&](int part) {
    Run& run = shards_[part];
    for (const Record& r : records_) {
      const long at = r.at + run.first_row * r.floats, floats = run.rows * r.floats;
      if (r.stays) std::copy_n(states_[now_].data() + at, floats, between_.data() + at);
      else std::fill_n(between_.data() + at, floats, 0.0f);
    }
    for (long i = 0; !lookups && i <= last - (counted ? 0 : 1); ++i) {
      go(run, i);
      pass(run);
    }
  });
  for (long i = 0; lookups && i <= last; ++i) {
    me.phase([&](int part) { go(shards_[part], i); });
    visit(me, updater);
    me.phase([&](int part) { pass(shards_[part]); });
  }
  me.phase([&](int part) {
    Run& run = shards_[part];
    for (int i = 0; i < losses(); ++i) {
      LossPart& loss = run.losses[i];
      loss.divisor = (double)run.batch_rows * steps_of(compared(i), run.batch);
      if (!counts_targets(i)) continue;
      loss.divisor = 1e-7;
      for (const Run& r : shards_) loss.divisor += r.losses[i].counted;
    }
    run.penalty = 0;  // that of the first pass comes again
    for (long i = last; i >= 0; --i) {
      go(run, i);
      forward(run, 0, ops_.size());
      write(run, out);
      backward(run);
    }
    for (const Record& r : records_) {
      const long at = r.at + run.first_row * r.floats;
      if (r.stays)
        std::copy_n(between_.data() + (last + 1) * state_floats_ + at, run.rows * r.floats,
                    states_[now_].data() + at);
    }
  });
}

}  // namespace elman
