// A guest hands over addresses: it has checked types, shapes and devices, and asking every tensor for a
// description of itself would take longer than a small layer. Nothing else in elman may call this.
#include "guests.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "sequence.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace elman {
namespace {

using Address = uintptr_t;                     // 0: there is none
using Lines = std::tuple<Address, long, long>;  // with the distances of steps and of rows
using Pair = std::pair<Address, Address>;      // h and c

template <class Real>
Timeline<Real> timeline(const Lines& lines) {
  return {reinterpret_cast<Real*>(std::get<0>(lines)), std::get<1>(lines), std::get<2>(lines)};
}

template <class Real>
States<Real> states(const Pair& pair) {
  return {reinterpret_cast<Real*>(pair.first), reinterpret_cast<Real*>(pair.second)};
}

/// kernel, recurrent kernel and, if there are any, both biases; direction by direction.
template <class Real>
std::vector<GuestWeights<Real>> weights(const std::vector<Address>& flat, int directions,
                                        bool biased) {
  const size_t each = biased ? 4 : 2;
  if (flat.size() != each * directions)
    throw std::invalid_argument("a sequence expected another number of weights");
  std::vector<GuestWeights<Real>> found(directions);
  for (int d = 0; d < directions; ++d) {
    const auto at = [&](size_t i) { return i < each ? reinterpret_cast<Real*>(flat[d * each + i]) : nullptr; };
    found[d] = {at(0), at(1), at(2), at(3)};
  }
  return found;
}

template <class Real>
void bind(nb::module_& m, const char* name) {
  using Walk = Sequence<Real>;
  nb::class_<Walk>(m, name)
      .def("__init__",
           [](Walk* self, std::string cell, std::string activation, std::vector<int> order,
              bool biased, int features, int units, int steps, int rows, int directions,
              int threads, std::optional<std::vector<int64_t>> batch_sizes) {
             new (self) Walk({std::move(cell), std::move(activation), std::move(order), biased,
                              features, units, steps, rows, directions, threads,
                              batch_sizes ? std::move(*batch_sizes) : std::vector<int64_t>()});
           }, "cell"_a, "activation"_a, "order"_a, "biased"_a, "features"_a, "units"_a, "steps"_a,
           "rows"_a, "directions"_a, "threads"_a, "batch_sizes"_a.none())
      .def("forward", [](Walk& walk, const std::vector<Address>& w, const Lines& x,
                         const Pair& initial, const Lines& y, const Pair& last, bool keep) {
             const auto tensors = weights<const Real>(w, walk.shape().directions, walk.shape().biased);
             nb::gil_scoped_release release;
             walk.forward(tensors, timeline<const Real>(x), states<const Real>(initial),
                          timeline<Real>(y), states<Real>(last), keep);
           }, "weights"_a, "x"_a, "initial"_a, "y"_a, "last"_a, "keep"_a)
      .def("backward", [](Walk& walk, const std::vector<Address>& w, const Lines& x,
                          const Lines& d_y, const Pair& d_last, const Lines& d_x,
                          const Pair& d_initial, const std::vector<Address>& d_w) {
             const int directions = walk.shape().directions;
             const bool biased = walk.shape().biased;
             const auto tensors = weights<const Real>(w, directions, biased);
             const auto wanted = weights<Real>(d_w, directions, biased);
             nb::gil_scoped_release release;
             walk.backward(tensors, timeline<const Real>(x), timeline<const Real>(d_y),
                           states<const Real>(d_last), timeline<Real>(d_x),
                           states<Real>(d_initial), wanted);
           }, "weights"_a, "x"_a, "d_y"_a, "d_last"_a, "d_x"_a, "d_initial"_a, "d_weights"_a)
      .def_prop_ro("threads", &Walk::threads, "How many take part.");
}

}  // namespace

void bind_guests(nb::module_& m) {
  bind<float>(m, "FloatSequence");
  bind<double>(m, "DoubleSequence");
}

}  // namespace elman
