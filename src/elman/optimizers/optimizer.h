// An optimizer's state over a model's flat weights, and its step.
//
// Tables are updated row by row: a row without a gradient is left behind, and brought up to date
// exactly when it is next looked up or read (`catch_up`, `settle`).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "constraints.h"
#include "isa/table.h"
#include "missed.h"
#include "plan.h"

namespace elman {

class Optimizer : public Updater, public Weights::Lazy {
 public:
  Optimizer(std::shared_ptr<Weights> weights, const std::string& rule,
            const std::map<std::string, double>& options, int moments);
  ~Optimizer() override;
  Optimizer(const Optimizer&) = delete;

  void prepare(int parts) override;
  void gather(const std::vector<Run>& shards, int part) override;
  void change(const std::vector<Run>& shards, int part, float rate) override;
  void finish(float rate) override;
  bool needs_all() const override { return clips_norms(); }
  bool constrains() const override { return !constraints.empty(); }
  void constrain(int part, int parts) override;
  bool moves_untouched() const override { return moves_untouched_ && !tables_.empty(); }
  void catch_up(int param, const std::vector<int32_t>& rows, int part) override;
  /// Brings the weights of every row of every table up to date.
  void settle() override;
  /// One array kept for one tensor, up to date; whoever asks may change it.
  float* moment(int number, int param);
  Weights::Lazy* lazy() override { return tables_.empty() ? nullptr : this; }
  void set_iterations(long steps);
  /// Brings every row of every table up to date, moments too.
  void catch_up_all();

  std::shared_ptr<Weights> weights;
  std::vector<Floats> moments;
  std::vector<Constraint> constraints;  // of trainable tensors, which are no tables
  long iterations = 0;  // steps taken

 private:
  struct Piece {  // one trainable tensor
    int param;
    long offset, size;
    bool table;
  };
  struct Table {
    int param;
    // [rows] steps that the row's values include, or kUntouched; empty if there is nothing to miss
    Integers done;
  };
  /// Calls f(piece number, offset, count) for one part of all dense tensors.
  template <class F>
  void each_dense(int part, int parts, const F& f) const;
  /// Calls f(piece number, gradient) for the tables.
  template <class F>
  void each_table(const std::vector<Run>& shards, const F& f) const;
  bool clips_norms() const { return clipnorm_ != 0 || global_clipnorm_ != 0; }
  /// What norm clipping multiplies the gradients of each piece with.
  std::vector<float> scales() const;
  float bias() const;
  Update at(long offset) const;
  void catch_up(Table& table, int32_t row, int part);

  Rule rule_;
  Update base_{};
  double clipnorm_, global_clipnorm_;
  bool moves_untouched_;
  std::vector<Piece> pieces_;
  std::vector<Table> tables_;
  long dense_total_ = 0;
  double constant_change_ = 0;  // of a step without a gradient, where the rule has no rate for it
  MissedSteps missed_;
  std::vector<double> squares_;  // [parts][pieces] of the gradients
};

}  // namespace elman
