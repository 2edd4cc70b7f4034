// An optimizer's state over a model's flat weights, and its step.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "isa/table.h"
#include "plan.h"

namespace elman {

class Optimizer : public Updater {
 public:
  Optimizer(std::shared_ptr<Weights> weights, const std::string& rule,
            const std::map<std::string, double>& options, int moments);
  Optimizer(const Optimizer&) = delete;
  void step(const std::vector<Run>& shards, int thread, Team& team, float rate) override;

  std::shared_ptr<Weights> weights;
  std::vector<Floats> moments;
  long iterations = 0;  // steps taken

 private:
  struct Piece {  // one trainable tensor
    long offset, size;
    bool table;
  };
  /// Calls f(piece number, offset, count) for the part of all tensors that is this thread's.
  template <class F>
  void each(int thread, int threads, const F& f) const;
  float scale_of(size_t piece) const;

  Rule rule_;
  Update base_{};
  double clipnorm_, global_clipnorm_;
  std::vector<Piece> pieces_;
  long total_ = 0;
  std::vector<double> norms_;  // [threads][pieces]
  std::vector<float> scales_;
};

}  // namespace elman
