// Constraints: where weights are put back to after an update. Formulas: constraints.py.
#pragma once

#include <vector>

namespace elman {

/// Norms along `axes` are brought between `low` and `high`, or a share `rate` of the way there.
/// Without axes no weight stays below zero.
struct Constraint {
  int param;
  std::vector<int> axes;
  double low, high, rate;

  void apply(const std::vector<long>& shape, float* w) const;
};

}  // namespace elman
