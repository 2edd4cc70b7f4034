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

struct Data {
  Batch batch;
  long samples = 0;
};

/// Python's arrays as a batch. Shapes are checked here once more: a wrong one must never reach a
/// kernel, whoever calls.
Data data(const Plan& plan, nb::handle x, const std::optional<In<float>>& y,
          const std::optional<In<float>>& weight, const std::optional<In<int64_t>>& order,
          const Steps& steps = std::nullopt) {
  Data d;
  const Slot& in = plan.at(plan.input_slot());
  // A plan that carries states goes through sequences of any length.
  const auto right_length = [&](size_t steps) {
    return plan.carries() ? steps > 0 : (int)steps == in.steps;
  };
  long length;
  if (in.tokens) {
    const auto tokens = nb::cast<In<int32_t>>(x);
    if (tokens.ndim() != 2 || !right_length(tokens.shape(1)))
      throw std::invalid_argument("the plan expected tokens [samples, steps]");
    d.samples = (long)tokens.shape(0);
    length = (long)tokens.shape(1);
    d.batch.tokens = tokens.data();
  } else {
    const auto values = nb::cast<In<float>>(x);
    if (values.ndim() != 3 || !right_length(values.shape(1)) || (int)values.shape(2) != in.width)
      throw std::invalid_argument("the plan expected floats [samples, steps, features]");
    d.samples = (long)values.shape(0);
    length = (long)values.shape(1);
    d.batch.x = values.data();
  }
  d.batch.length = d.batch.to = length;
  if (y) {
    const long width = plan.target_floats(length);
    if (y->ndim() != 2 || (long)y->shape(0) != d.samples || (long)y->shape(1) != width)
      throw std::invalid_argument("the plan expected targets [samples, " + std::to_string(width) +
                                  "]");
    d.batch.y = y->data();
    d.batch.y_width = (long)y->shape(1);
  }
  if (weight) {
    const long steps = plan.mask_floats(d.batch);
    if (weight->ndim() != 2 || (long)weight->shape(0) != d.samples ||
        ((long)weight->shape(1) != 1 && (long)weight->shape(1) != steps))
      throw std::invalid_argument("the plan expected weights [samples, 1 or steps]");
    d.batch.weight = weight->data();
    d.batch.weight_width = (long)weight->shape(1);
  }
  if (order) {
    for (size_t i = 0; i < order->size(); ++i)
      if (order->data()[i] < 0 || order->data()[i] >= d.samples)
        throw std::invalid_argument("the order names a sample that is not there");
    d.batch.order = order->data();
  }
  if (steps) std::tie(d.batch.from, d.batch.to) = *steps;
  return d;
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
                 w.values.data() + p.offset, shape.size(), shape.data(), self);
           }, "index"_a, "One tensor, read-only: a view into the block.")
      .def("set", [](Weights& w, int i, In<float> value) {
             const Param& p = w.params.at(i);
             bool same = value.ndim() == p.shape.size();
             for (size_t a = 0; same && a < p.shape.size(); ++a)
               same = (long)value.shape(a) == p.shape[a];
             if (!same) throw std::invalid_argument("weights '" + p.name + "' have another shape");
             const std::lock_guard lock(w.in_use);
             w.settle();
             std::copy_n(value.data(), p.size, w.values.data() + p.offset);
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
      .def("input", &Plan::input, "name"_a, "width"_a, "tokens"_a)
      .def("add", [](Plan& p, const std::string& word, std::string name, std::vector<int> inputs,
                     std::vector<int> params, std::map<std::string, Option> options) {
             return p.add(word, spec(std::move(name), std::move(inputs), std::move(params),
                                     std::move(options)));
           }, "word"_a, "name"_a, "inputs"_a, "params"_a, "options"_a)
      .def("bypass", &Plan::bypass, "slot"_a)
      .def("seal", &Plan::seal, "output"_a, "target_width"_a = 0)
      .def("shape", [](const Plan& p, int s) {
             return std::pair<int, int>(p.at(s).steps, p.at(s).width);
           }, "slot"_a, "(steps, width)")
      .def("has_mask", [](const Plan& p, int s) { return p.at(s).mask >= 0; }, "slot"_a)
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
      .def("train", [](Plan& p, nb::handle x, In<float> y, std::optional<In<float>> weight,
                       In<int64_t> order, int batch, uint32_t seed, Optimizer& optimizer,
                       In<float> rates, std::optional<nb::ndarray<float, nb::c_contig>> out,
                       std::optional<nb::ndarray<float, nb::c_contig>> mask,
                       nb::ndarray<double, nb::c_contig> losses, Steps steps) {
             const Data d = data(p, x, y, weight, order, steps);
             const long n = (long)order.size();
             p.check_run(d.batch, n, batch, (long)losses.size(), out ? (long)out->size() : -1,
                         mask ? (long)mask->size() : -1);
             if ((long)rates.size() != (long)losses.size())
               throw std::invalid_argument("the plan expected one rate per batch");
             const Plan::Outputs outputs{out ? out->data() : nullptr, mask ? mask->data() : nullptr};
             nb::gil_scoped_release release;
             p.run(d.batch, 0, n, batch, true, seed, (uint32_t)optimizer.iterations, &optimizer,
                   rates.data(), outputs, losses.data());
           }, "x"_a, "y"_a, "weight"_a.none(), "order"_a, "batch"_a, "seed"_a, "optimizer"_a,
           "rates"_a, "out"_a.none(), "mask"_a.none(), "losses"_a, "steps"_a.none() = nb::none(),
           "Steps [first, last) of a batch, if the plan carries states: one update per run.")
      .def("evaluate", [](Plan& p, nb::handle x, In<float> y, std::optional<In<float>> weight,
                          int batch, std::optional<nb::ndarray<float, nb::c_contig>> out,
                          std::optional<nb::ndarray<float, nb::c_contig>> mask,
                          nb::ndarray<double, nb::c_contig> losses,
                          std::optional<In<int64_t>> order, Steps steps,
                          std::optional<nb::ndarray<double, nb::c_contig>> counts) {
             const Data d = data(p, x, y, weight, order, steps);
             const long n = order ? (long)order->size() : d.samples;
             p.check_run(d.batch, n, batch, (long)losses.size(), out ? (long)out->size() : -1,
                         mask ? (long)mask->size() : -1);
             if (counts && counts->size() != losses.size())
               throw std::invalid_argument("the plan expected one count per loss");
             const Plan::Outputs outputs{out ? out->data() : nullptr, mask ? mask->data() : nullptr};
             nb::gil_scoped_release release;
             p.run(d.batch, 0, n, batch, false, 0, 0, nullptr, nullptr, outputs, losses.data(),
                   counts ? counts->data() : nullptr);
           }, "x"_a, "y"_a, "weight"_a.none(), "batch"_a, "out"_a.none(), "mask"_a.none(),
           "losses"_a, "order"_a.none() = nb::none(), "steps"_a.none() = nb::none(),
           "counts"_a.none() = nb::none(),
           "With `counts`, losses are sums, and these say of how many targets.")
      .def("predict", [](Plan& p, nb::handle x, nb::ndarray<float, nb::c_contig> out,
                         std::optional<In<int64_t>> order, Steps steps) {
             const Data d = data(p, x, std::nullopt, std::nullopt, order, steps);
             const long n = order ? (long)order->size() : d.samples;
             p.check_run(d.batch, n, p.rows(), -1, (long)out.size(), -1);
             const Plan::Outputs outputs{out.data(), nullptr};
             nb::gil_scoped_release release;
             p.predict(d.batch, n, outputs);
           }, "x"_a, "out"_a, "order"_a.none() = nb::none(), "steps"_a.none() = nb::none())
      .def("call", [](Plan& p, nb::handle x, nb::ndarray<float, nb::c_contig> out, uint32_t seed) {
             const Data d = data(p, x, std::nullopt, std::nullopt, std::nullopt);
             if (d.samples == 0) return;
             p.check_run(d.batch, d.samples, (int)d.samples, -1, (long)out.size(), -1);
             const Plan::Outputs outputs{out.data(), nullptr};
             nb::gil_scoped_release release;
             p.run(d.batch, 0, d.samples, (int)d.samples, p.training(), seed, 0, nullptr, nullptr,
                   outputs, nullptr);
           }, "x"_a, "out"_a, "seed"_a, "One batch forward; a training plan draws its dropout.")
      .def("gradients", [](Plan& p, nb::handle x, In<float> y, std::optional<In<float>> weight,
                           uint32_t seed, uint32_t step, bool training) {
             const Data d = data(p, x, y, weight, std::nullopt);
             p.check_run(d.batch, d.samples, (int)d.samples, 1, -1, -1);
             std::vector<float> flat(p.weights().total);
             double loss;
             {
               nb::gil_scoped_release release;
               loss = p.gradients(d.batch, (int)d.samples, seed, step, flat.data(), training);
             }
             nb::list out;
             for (const Param& q : p.weights().params) {
               std::vector<float> g(flat.begin() + q.offset, flat.begin() + q.offset + q.size);
               out.append(array(std::move(g), {q.shape.begin(), q.shape.end()}));
             }
             return nb::make_tuple(loss, out);
           }, "x"_a, "y"_a, "weight"_a.none(), "seed"_a = 0, "step"_a = 0,
           "training"_a = true,
           "Loss and gradients of one batch, nothing changed; dropout is off without `training`.")
      .def_prop_ro("carries", &Plan::carries)
      .def_rw("recomputes", &Plan::recomputes,
              "Whether an update sees whole sequences, gone through in runs computed twice.")
      .def_prop_ro("counts_targets", &Plan::counts_targets,
                   "Whether only some of the targets may count in the loss.")
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
      .def("peek", [](const Plan& p, const std::string& name) {
             int rows, steps, width;
             std::vector<float> values = p.peek(name, rows, steps, width);
             return array(std::move(values), {(size_t)rows, (size_t)steps, (size_t)width});
           }, "name"_a, "A value of the last batch that ran: [rows, steps, width].");

  bind_stream(m);
}

}  // namespace elman
