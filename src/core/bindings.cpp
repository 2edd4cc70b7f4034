// What Python sees of the core: weights, plans, optimizers, threads and instruction sets.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <utility>

#include "finite.h"
#include "guests.h"
#include "isa/table.h"
#include "kernels/activation_list.h"
#include "optimizers/optimizer.h"
#include "peak.h"
#include "plan.h"
#include "stream.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace elman {
namespace {

template <class T>
using In = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
using Out = nb::ndarray<nb::numpy, float, nb::c_contig>;

/// An array that owns what it shows.
Out array(std::vector<float> values, const std::vector<size_t>& shape) {
  auto* kept = new std::vector<float>(std::move(values));
  nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<float>*>(p); });
  return Out(kept->data(), shape.size(), shape.data(), owner);
}

using Steps = std::optional<std::pair<long, long>>;
using Writable = nb::ndarray<float, nb::c_contig>;

/// What was given for one input, output or loss of a plan: an array, a list with one for each, or
/// None for nothing.
nb::object given(nb::handle all, size_t i, size_t count) {
  if (all.is_none()) return nb::none();
  if (!nb::isinstance<nb::list>(all) && !nb::isinstance<nb::tuple>(all)) {
    if (count != 1) throw std::invalid_argument("the plan expected a list of arrays");
    return nb::borrow(all);
  }
  if (nb::len(all) != count)
    throw std::invalid_argument("the plan expected " + std::to_string(count) + " arrays");
  return all[i];
}

struct Data {
  std::vector<Source> sources;
  std::vector<Target> targets;
  Batch batch;  // views of these
  long samples = 0;
};

/// Samples of unequal length one after the other, where each begins, and as how many steps they count.
Source ragged(const Plan& plan, const Slot& in, const nb::tuple& x, long& samples) {
  if (nb::len(x) != 3 || in.mask < 0)
    throw std::invalid_argument("the plan expected samples of one length");
  Source s;
  const auto offsets = nb::cast<In<int64_t>>(x[1]);
  long steps;
  if (in.tokens) {
    const auto tokens = nb::cast<In<int32_t>>(x[0]);
    steps = tokens.ndim() == 1 ? (long)tokens.shape(0) : -1;
    s.tokens = tokens.data();
  } else {
    const auto values = nb::cast<In<float>>(x[0]);
    steps = values.ndim() == 2 && (int)values.shape(1) == in.width ? (long)values.shape(0) : -1;
    s.x = values.data();
  }
  const long n = (long)offsets.size() - 1;
  bool right = offsets.ndim() == 1 && n >= 0 && offsets.data()[0] == 0 && offsets.data()[n] == steps;
  for (long i = 0; i < n && right; ++i) {
    right = offsets.data()[i] <= offsets.data()[i + 1];
    s.length = std::max(s.length, (long)(offsets.data()[i + 1] - offsets.data()[i]));
  }
  const long most = plan.carries() ? nb::cast<long>(x[2]) : in.steps;
  if (!right || most < 1 || s.length > most || (samples >= 0 && samples != n))
    throw std::invalid_argument("the plan expected steps of all samples, and their offsets");
  s.length = most;
  s.offsets = offsets.data();
  samples = n;
  return s;
}

/// One input's array, or (values, offsets, steps) of samples of unequal length. A plan that carries states
/// goes through sequences of any length.
Source source(const Plan& plan, const Slot& in, nb::handle x, long& samples) {
  Source s;
  if (nb::isinstance<nb::tuple>(x)) return ragged(plan, in, nb::borrow<nb::tuple>(x), samples);
  const auto fits = [&](const auto& array, size_t axes) {
    return array.ndim() == axes &&
           (plan.carries() ? array.shape(1) > 0 : (int)array.shape(1) == in.steps);
  };
  const auto take = [&](const auto& array) {
    if (samples >= 0 && samples != (long)array.shape(0))
      throw std::invalid_argument("the plan expected as many samples of every input");
    samples = (long)array.shape(0);
    s.length = (long)array.shape(1);
    return array.data();
  };
  if (in.tokens) {
    const auto tokens = nb::cast<In<int32_t>>(x);
    if (!fits(tokens, 2)) throw std::invalid_argument("the plan expected tokens [samples, steps]");
    s.tokens = take(tokens);
  } else {
    const auto values = nb::cast<In<float>>(x);
    if (!fits(values, 3) || (int)values.shape(2) != in.width)
      throw std::invalid_argument("the plan expected floats [samples, steps, features]");
    s.x = take(values);
  }
  return s;
}

/// One loss's arrays.
Target target(const Plan& plan, int loss, const Batch& batch, long samples, nb::handle y,
              nb::handle weight) {
  Target t;
  const auto values = nb::cast<In<float>>(y);
  const long width = plan.target_floats(loss, batch);
  if (values.ndim() != 2 || (long)values.shape(0) != samples || (long)values.shape(1) != width)
    throw std::invalid_argument("the plan expected targets [samples, " + std::to_string(width) +
                                "]");
  t.y = values.data();
  t.y_width = width;
  if (weight.is_none()) return t;
  const auto weights = nb::cast<In<float>>(weight);
  const long steps = plan.steps_of(plan.compared(loss), batch);
  if (weights.ndim() != 2 || (long)weights.shape(0) != samples ||
      ((long)weights.shape(1) != 1 && (long)weights.shape(1) != steps))
    throw std::invalid_argument("the plan expected weights [samples, 1 or steps]");
  t.weight = weights.data();
  t.weight_width = (long)weights.shape(1);
  return t;
}

/// Python's arrays as a batch. Shapes are checked here once more: a wrong one must never reach a
/// kernel, whoever calls. The arrays must outlive it.
Data data(const Plan& plan, nb::handle x, nb::handle y, nb::handle weight,
          const std::optional<In<int64_t>>& order, const Steps& steps = std::nullopt) {
  Data d;
  long samples = -1;
  const size_t inputs = plan.inputs().size();
  for (size_t i = 0; i < inputs; ++i)
    d.sources.push_back(source(plan, plan.at(plan.inputs()[i]), given(x, i, inputs), samples));
  d.samples = samples;
  d.batch.sources = d.sources;
  d.batch.to = plan.carries() ? d.sources[0].length : plan.steps();
  for (const Source& s : d.sources)
    if (plan.carries() && s.length != d.batch.to)
      throw std::invalid_argument("a plan that carries states expected inputs of one length");
  if (!y.is_none())
    for (int i = 0; i < plan.losses(); ++i)
      d.targets.push_back(target(plan, i, d.batch, d.samples, given(y, i, plan.losses()),
                                 given(weight, i, plan.losses())));
  d.batch.targets = d.targets;
  if (order) {
    for (size_t i = 0; i < order->size(); ++i)
      if (order->data()[i] < 0 || order->data()[i] >= d.samples)
        throw std::invalid_argument("the order names a sample that is not there");
    d.batch.order = order->data();
  }
  if (steps) std::tie(d.batch.from, d.batch.to) = *steps;
  return d;
}

/// Where to write each output of so many samples.
std::vector<Plan::Room> rooms(const Plan& plan, const Batch& batch, long samples, nb::handle out,
                              nb::handle mask) {
  std::vector<Plan::Room> found;
  const size_t outputs = plan.outputs().size();
  for (size_t i = 0; i < outputs; ++i) {
    Plan::Room room;
    long floats[2] = {-1, -1};
    const auto take = [&](nb::handle all, float*& to, long& size) {
      const nb::object one = given(all, i, outputs);
      if (one.is_none()) return;
      const auto array = nb::cast<Writable>(one);
      to = array.data();
      size = (long)array.size();
    };
    take(out, room.y, floats[0]);
    take(mask, room.mask, floats[1]);
    plan.check_room(batch, samples, (int)i, floats[0], floats[1]);
    found.push_back(room);
  }
  return found;
}

Spec spec(std::string name, std::vector<int> inputs, std::vector<int> params,
          std::map<std::string, Option> options) {
  return {std::move(name), std::move(inputs), std::move(params), std::move(options)};
}

}  // namespace

NB_MODULE(_core, m) {
  // What a program still holds when it ends, in a global or in another library's cache, is no leak.
  nb::set_leak_warnings(false);
  m.doc() = "elman's native engine: weights, plans and optimizers";

  m.def("isa", [] { return std::string(kernels().isa); }, "The instruction set in use.");
  m.def("lanes", [] { return kernels().lanes; }, "Floats in one vector of it.");
  m.def("use_isa", &use_isa, "name"_a);
  m.def("use_bf16_instruction", &use_bf16_instruction, "yes"_a,
        "For the tests: whether new plans may multiply bf16 by the processor's own instruction.");
  m.def("has_bf16_instruction", [] { return bf16_kernels().native; },
        "Whether new plans do.");
  m.def("available_isas", &available_isas, "Those that run here, best first.");
  m.def("threads", &thread_count);
  m.def("set_threads", &set_thread_count, "count"_a);
  m.def("fma_peak", [](double seconds) {
    nb::gil_scoped_release release;
    return fma_peak(seconds);
  }, "seconds"_a = 0.1, "Floating-point operations a second in multiply-adds, on all threads.");
  m.def("finite", [](const In<float>& values) { return finite(values.data(), values.size()); },
        "values"_a.noconvert(), "Whether float32 numbers have no NaN or infinity.");
  m.def("activations", [] {
    std::vector<std::string> names;
#define ELMAN_NAME(name) names.push_back(#name);
    ELMAN_ACTIVATIONS(ELMAN_NAME)
#undef ELMAN_NAME
    return names;
  });
  m.def("activate", [](const std::string& name, In<float> x, bool slope) {
    // For the tests: one activation over an array whose length is a multiple of 16.
    const int kind = activation_number(name);
    const long n = (long)x.size();
    if (n % 16) throw std::invalid_argument("activate expected a multiple of 16 numbers");
    std::vector<float> y(n), ones(n, 1.0f);
    if (slope) kernels().activation_backward(kind, n, x.data(), ones.data(), y.data());
    else kernels().activation_forward(kind, n, x.data(), y.data());
    return array(std::move(y), {(size_t)n});
  }, "name"_a, "x"_a, "slope"_a = false);

  nb::class_<Weights>(m, "Weights")
      .def("__init__",
           [](Weights* self,
              const std::vector<std::tuple<std::string, std::vector<long>, bool, bool>>& list) {
             std::vector<Param> params;
             for (const auto& [name, shape, trainable, table] : list) {
               for (long extent : shape)
                 if (extent < 1) throw std::invalid_argument("weights '" + name + "' are empty");
               params.push_back({name, shape, trainable, table});
             }
             new (self) Weights(std::move(params));
           }, "params"_a, "[(name, shape, trainable, table), ...]")
      .def("view", [](nb::handle self, int i) {
             Weights& w = nb::cast<Weights&>(self);
             const std::lock_guard lock(w.in_use);
             w.settle();
             const Param& p = w.params.at(i);
             std::vector<size_t> shape(p.shape.begin(), p.shape.end());
             return nb::ndarray<nb::numpy, const float, nb::c_contig>(
                 w.at(i), shape.size(), shape.data(), self);
           }, "index"_a, "One tensor, read-only: a view into the block.")
      .def("set", [](Weights& w, int i, In<float> value) {
             const Param& p = w.params.at(i);
             bool same = value.ndim() == p.shape.size();
             for (size_t a = 0; same && a < p.shape.size(); ++a)
               same = (long)value.shape(a) == p.shape[a];
             if (!same) throw std::invalid_argument("weights '" + p.name + "' have another shape");
             const std::lock_guard lock(w.in_use);
             w.settle();
             std::copy_n(value.data(), p.size, w.at(i));
             ++w.version;
           }, "index"_a, "value"_a)
      .def("set_trainable", [](Weights& w, int i, bool yes) { w.params.at(i).trainable = yes; })
      .def_rw("left", &Weights::left, "Whether a layer has its weights elsewhere by now.")
      .def_prop_ro("version", [](const Weights& w) { return w.version; })
      .def_prop_ro("bytes", [](const Weights& w) { return w.total * 4; });

  nb::class_<Optimizer>(m, "Optimizer")
      .def(nb::init<std::shared_ptr<Weights>, const std::string&,
                    const std::map<std::string, double>&, int>(),
           "weights"_a, "rule"_a, "options"_a, "moments"_a)
      .def_prop_rw("iterations", [](const Optimizer& o) { return o.iterations; },
                   [](Optimizer& o, long steps) {
                     const std::lock_guard lock(o.weights->in_use);
                     o.set_iterations(steps);
                   })
      .def("catch_up", [](Optimizer& o) {
             const std::lock_guard lock(o.weights->in_use);
             o.catch_up_all();
           }, nb::call_guard<nb::gil_scoped_release>(),
           "Bring every row of every table up to date, and what the optimizer keeps beside it.")
      .def("constrain", [](Optimizer& o, int i, std::vector<int> axes, double low, double high,
                           double rate) {
             const Param& p = o.weights->params.at(i);
             for (const int axis : axes)
               if (axis < 0 || axis >= (int)p.shape.size())
                 throw std::invalid_argument("'" + p.name + "' has no such axis");
             if (p.table || low > high) throw std::invalid_argument("no constraint of '" + p.name + "'");
             o.constraints.push_back({i, std::move(axes), low, high, rate});
           }, "index"_a, "axes"_a, "low"_a, "high"_a, "rate"_a,
           "After each step, bring norms of a tensor between two bounds; without axes: no weight below 0.")
      .def("moment", [](nb::handle self, int m, int i) {
             Optimizer& o = nb::cast<Optimizer&>(self);
             const std::lock_guard lock(o.weights->in_use);
             const Param& p = o.weights->params.at(i);
             std::vector<size_t> shape(p.shape.begin(), p.shape.end());
             return nb::ndarray<nb::numpy, float, nb::c_contig>(
                 o.moment(m, i), shape.size(), shape.data(), self);
           }, "moment"_a, "index"_a, "One array that the optimizer keeps for one tensor.");

  nb::class_<Plan>(m, "Plan")
      .def(nb::init<std::shared_ptr<Weights>, int, int, bool, bool, int, bool>(), "weights"_a,
           "steps"_a, "rows"_a, "training"_a, "keep"_a, "threads"_a, "carry"_a = false)
      .def("input", &Plan::input, "name"_a, "steps"_a, "width"_a, "tokens"_a, "ragged"_a = false,
           "Tokens, or floats of so many features; of no steps: without a time axis; ragged: of "
           "unequal lengths up to that.")
      .def("add", [](Plan& p, const std::string& word, std::string name, std::vector<int> inputs,
                     std::vector<int> params, std::map<std::string, Option> options) {
             p.add(word, spec(std::move(name), std::move(inputs), std::move(params),
                              std::move(options)));
             std::vector<int> slots;
             p.ops().back()->each_output([&](int slot) { slots.push_back(slot); });
             return slots;
           }, "word"_a, "name"_a, "inputs"_a, "params"_a, "options"_a, "The slots it fills.")
      .def("add_output", &Plan::add_output, "slot"_a)
      .def("bypass", &Plan::bypass, "slot"_a)
      .def("seal", &Plan::seal)
      .def("shape", [](const Plan& p, int s) {
             return std::pair<int, int>(p.at(s).steps, p.at(s).width);
           }, "slot"_a, "(steps, width)")
      .def("has_mask", [](const Plan& p, int s) { return p.at(s).mask >= 0; }, "slot"_a)
      .def("mask_name", [](const Plan& p, int s) {
             return p.at(s).mask < 0 ? std::string() : p.at(p.at(s).mask).name;
           }, "slot"_a, "What its mask is called, or \"\" where it has none.")
      .def_prop_ro("threads", &Plan::threads)
      .def_prop_ro("bytes", &Plan::bytes)
      .def_prop_ro("names", &Plan::names)
      .def("describe", [](const Plan& p) {
             nb::list rows;
             for (const auto& op : p.ops()) {
               const Cost c = op->cost();
               nb::dict d;
               d["op"] = op->kind;
               d["name"] = op->name;
               const auto shape = [&](int s) { return nb::make_tuple(p.at(s).steps, p.at(s).width); };
               d["input"] = op->inputs.empty() ? nb::object(nb::none()) : nb::object(shape(op->inputs[0]));
               d["output"] = op->output < 0 ? nb::object(nb::none()) : nb::object(shape(op->output));
               d["flops"] = c.flops;
               d["bytes"] = op->bytes;
               d["path"] = c.path;
               rows.append(d);
             }
             return rows;
           }, "One dict per op: shapes per row, FLOPs per row forward, bytes, kernel path.")
      .def("train", [](Plan& p, nb::handle x, nb::handle y, nb::handle weight,
                       In<int64_t> order, int batch, uint32_t seed, Optimizer& optimizer,
                       In<float> rates, nb::handle out, nb::handle mask,
                       nb::ndarray<double, nb::c_contig> losses, Steps steps) {
             const Data d = data(p, x, y, weight, order, steps);
             const long n = (long)order.size();
             p.check_run(d.batch, n, batch, (long)losses.size());
             if (p.losses() * (long)rates.size() != (long)losses.size())
               throw std::invalid_argument("the plan expected one rate per batch");
             const auto to = rooms(p, d.batch, n, out, mask);
             nb::gil_scoped_release release;
             return p.run(d.batch, n, batch, true, seed, (uint32_t)optimizer.iterations, &optimizer,
                          rates.data(), to, losses.data());
           }, "x"_a, "y"_a, "weight"_a.none(), "order"_a, "batch"_a, "seed"_a, "optimizer"_a,
           "rates"_a, "out"_a.none(), "mask"_a.none(), "losses"_a, "steps"_a.none() = nb::none(),
           "Arrays, or lists with one for each input, loss or output; `losses` [batches, losses]. "
           "Steps [first, last) of a batch, if the plan carries states: one update per run. How many "
           "were made: one whose losses or gradients are not finite changes nothing and ends all.")
      .def("evaluate", [](Plan& p, nb::handle x, nb::handle y, nb::handle weight, int batch,
                          nb::handle out, nb::handle mask,
                          nb::ndarray<double, nb::c_contig> losses,
                          std::optional<In<int64_t>> order, Steps steps,
                          std::optional<nb::ndarray<double, nb::c_contig>> counts) {
             const Data d = data(p, x, y, weight, order, steps);
             const long n = order ? (long)order->size() : d.samples;
             p.check_run(d.batch, n, batch, (long)losses.size());
             if (counts && counts->size() != losses.size())
               throw std::invalid_argument("the plan expected one count per loss");
             const auto to = rooms(p, d.batch, n, out, mask);
             nb::gil_scoped_release release;
             p.run(d.batch, n, batch, false, 0, 0, nullptr, nullptr, to, losses.data(),
                   counts ? counts->data() : nullptr);
           }, "x"_a, "y"_a, "weight"_a.none(), "batch"_a, "out"_a.none(), "mask"_a.none(),
           "losses"_a, "order"_a.none() = nb::none(), "steps"_a.none() = nb::none(),
           "counts"_a.none() = nb::none(),
           "With `counts`, losses are sums, and these say of how many targets.")
      .def("predict", [](Plan& p, nb::handle x, nb::handle out,
                         std::optional<In<int64_t>> order, Steps steps) {
             const Data d = data(p, x, nb::none(), nb::none(), order, steps);
             const long n = order ? (long)order->size() : d.samples;
             p.check_run(d.batch, n, p.rows(), -1);
             const auto to = rooms(p, d.batch, n, out, nb::none());
             nb::gil_scoped_release release;
             p.predict(d.batch, n, to);
           }, "x"_a, "out"_a, "order"_a.none() = nb::none(), "steps"_a.none() = nb::none())
      .def("call", [](Plan& p, nb::handle x, nb::handle out, uint32_t seed) {
             const Data d = data(p, x, nb::none(), nb::none(), std::nullopt);
             if (d.samples == 0) return;
             p.check_run(d.batch, d.samples, (int)d.samples, -1);
             const auto to = rooms(p, d.batch, d.samples, out, nb::none());
             nb::gil_scoped_release release;
             p.run(d.batch, d.samples, (int)d.samples, p.training(), seed, 0, nullptr, nullptr, to,
                   nullptr);
           }, "x"_a, "out"_a, "seed"_a, "One batch forward; a training plan draws its dropout.")
      .def("gradients", [](Plan& p, nb::handle x, nb::handle y, nb::handle weight, uint32_t seed,
                           uint32_t step, bool training) {
             const Data d = data(p, x, y, weight, std::nullopt);
             p.check_run(d.batch, d.samples, (int)d.samples, p.losses());
             std::vector<float> flat(p.weights().total);
             std::vector<double> losses(p.losses());
             {
               nb::gil_scoped_release release;
               p.gradients(d.batch, (int)d.samples, seed, step, flat.data(), losses.data(),
                           training);
             }
             nb::list out;
             for (const Param& q : p.weights().params) {
               std::vector<float> g(flat.begin() + q.offset, flat.begin() + q.offset + q.size);
               out.append(array(std::move(g), {q.shape.begin(), q.shape.end()}));
             }
             nb::object value = nb::cast(losses);
             return nb::make_tuple(losses.size() == 1 ? nb::object(value[0]) : value, out);
           }, "x"_a, "y"_a, "weight"_a.none(), "seed"_a = 0, "step"_a = 0,
           "training"_a = true,
           "Loss (or a list of several) and gradients of one batch, nothing changed; dropout is off "
           "without `training`.")
      .def_prop_ro("carries", &Plan::carries)
      .def_rw("recomputes", &Plan::recomputes,
              "Whether an update sees whole sequences, gone through in runs computed twice.")
      .def_prop_ro("counts_targets", [](const Plan& p) { return p.counts_targets(); },
                   "Whether only some of the targets may count in a loss.")
      .def_prop_ro("states", [](const Plan& p) {
             std::map<std::string, std::vector<std::string>> names;
             for (const auto& op : p.ops())
               if (!op->state_names().empty()) names[op->name] = op->state_names();
             return names;
           }, "The state tensors that each op carries from run to run.")
      .def("reset_states", [](Plan& p, const std::optional<std::vector<int>>& rows) {
             for (const int row : rows.value_or(std::vector<int>{}))
               if (row < 0 || row >= p.rows())
                 throw std::invalid_argument("the plan has no row " + std::to_string(row));
             const std::lock_guard lock(p.weights().in_use);
             if (rows) p.reset_states(*rows);
             else p.reset_states();
           }, "rows"_a.none() = nb::none(), "Zeros for all rows, or for some.")
      .def("get_states", [](Plan& p) {
             const std::lock_guard lock(p.weights().in_use);
             std::map<std::string, std::vector<Out>> found;
             for (const auto& op : p.ops())
               for (size_t i = 0; i < op->state_names().size(); ++i)
                 found[op->name].push_back(array(p.get_state(*op, (int)i),
                                                 {(size_t)p.rows(), (size_t)op->state_width()}));
             return found;
           }, "{op: [tensor [rows, units], ...]} in the order of `states`.")
      .def("set_states", [](Plan& p, const std::map<std::string, std::vector<In<float>>>& states) {
             const auto each = [&](const auto& f) {
               size_t known = 0;
               for (const auto& op : p.ops()) {
                 const auto given = states.find(op->name);
                 if (given == states.end()) continue;
                 if (given->second.size() != op->state_names().size())
                   throw std::invalid_argument("the plan expected all states of '" + op->name + "'");
                 for (size_t i = 0; i < given->second.size(); ++i) f(*op, (int)i, given->second[i]);
                 ++known;
               }
               if (known != states.size())
                 throw std::invalid_argument("the plan has no such states");
             };
             each([&](const Op& op, int, const In<float>& values) {
               if (values.ndim() != 2 || (int)values.shape(0) != p.rows() ||
                   (int)values.shape(1) != op.state_width())
                 throw std::invalid_argument("the plan expected states of '" + op.name +
                                             "' as [rows, units]");
             });
             const std::lock_guard lock(p.weights().in_use);
             each([&](const Op& op, int i, const In<float>& values) {
               p.set_state(op, i, values.data());
             });
           }, "states"_a, "What `get_states` returned, of all ops or some; the others stay.")
      .def_prop_ro("penalties", &Plan::penalties,
                   "What penalties added to each of the last runs; empty if there are none.")
      .def_prop_ro("finite_gradients", &Plan::finite_gradients,
                   "Of each tensor, whether the gradient of the last run is finite.")
      .def("peek", [](const Plan& p, const std::string& name) {
             int rows, steps, width;
             std::vector<float> values = p.peek(name, rows, steps, width);
             return array(std::move(values), {(size_t)rows, (size_t)steps, (size_t)width});
           }, "name"_a, "A value of the last batch that ran: [rows, steps, width].");

  bind_stream(m);
  bind_guests(m);
}

}  // namespace elman
