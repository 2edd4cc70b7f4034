#include "constraints.h"

#include <algorithm>
#include <cmath>

namespace elman {
namespace {

constexpr double kEpsilon = 1e-7;  // Keras's

/// Calls f(weight, its norm's number) for every weight of a tensor: weights that differ only along
/// `axes` have one norm. How many norms there are.
template <class F>
long each(const std::vector<long>& shape, const std::vector<int>& axes, float* w, const F& f) {
  std::vector<long> stride(shape.size());  // of the norms, 0 along the axes
  long norms = 1, count = 1;
  for (size_t a = shape.size(); a-- > 0;) {
    count *= shape[a];
    if (std::find(axes.begin(), axes.end(), (int)a) != axes.end()) continue;
    stride[a] = norms;
    norms *= shape[a];
  }
  const long columns = shape.back(), step = stride.back();
  for (long row = 0; row < count / columns; ++row) {
    long norm = 0, rest = row;
    for (size_t a = shape.size() - 1; a-- > 0; rest /= shape[a]) norm += rest % shape[a] * stride[a];
    for (long j = 0; j < columns; ++j) f(w[row * columns + j], norm + j * step);
  }
  return norms;
}

}  // namespace

void Constraint::apply(const std::vector<long>& shape, float* w) const {
  if (axes.empty()) {
    each(shape, {}, w, [](float& v, long) { v = std::max(v, 0.0f); });
    return;
  }
  std::vector<double> norms(each(shape, axes, w, [](float&, long) {}));
  each(shape, axes, w, [&](float v, long i) { norms[i] += (double)v * v; });
  for (double& norm : norms) {
    norm = std::sqrt(norm);
    const double desired = rate * std::clamp(norm, low, high) + (1 - rate) * norm;
    norm = desired / (kEpsilon + norm);
  }
  each(shape, axes, w, [&](float& v, long i) { v *= (float)norms[i]; });
}

}  // namespace elman
