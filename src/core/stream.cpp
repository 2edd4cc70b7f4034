// A step of a small model takes less time than an ordinary call from Python to C++. So `step` looks
// at what it was given once, by the buffer protocol, and leaves all that is unusual, errors too, to
// the stream's own `_step` in Python.
#include "stream.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/vector.h>

#include <mutex>
#include <stdexcept>
#include <vector>

#include "finite.h"
#include "isa/table.h"
#include "plan.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace elman {
namespace {

// From so much work on, other Python threads run meanwhile: letting go of the GIL costs 50 ns, and
// getting it back up to 5 ms.
constexpr double kLetGo = 1e6;  // FLOPs
// The largest output that is copied from one kept array, faster than making one. NumPy lets other
// threads run while it copies more than this.
constexpr long kKept = 256;

template <class T>
using In = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;

/// What an object shows of its memory, let go of at the end.
class Shown {
 public:
  ~Shown() {
    if (open_) PyBuffer_Release(&b);
  }
  /// False, and no error set, if it shows nothing that lies in one piece.
  bool open(PyObject* object, bool writable) {
    if (PyObject_GetBuffer(object, &b, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0))) {
      PyErr_Clear();
      return false;
    }
    return open_ = true;
  }
  /// The type of its numbers, or 0 for any but the plain ones.
  char type() const { return b.format && !b.format[1] ? b.format[0] : '\0'; }
  bool shaped(int axes, long first, long second) const {
    return b.ndim == axes && (axes < 1 || b.shape[0] == first) && (axes < 2 || b.shape[1] == second);
  }
  /// Appends `n` whole numbers from 0 up to `below`; false if they are not.
  bool whole(long n, long below, std::vector<int>& to) const {
    const auto take = [&](const auto* from) {
      for (long i = 0; i < n; ++i) {
        if (from[i] < 0 || from[i] >= below) return false;
        to.push_back((int)from[i]);
      }
      return true;
    };
    if (type() != 'i' && type() != 'l' && type() != 'q') return false;
    return b.itemsize == 8 ? take((const int64_t*)b.buf) : b.itemsize == 4 && take((const int32_t*)b.buf);
  }
  Py_buffer b;

 private:
  bool open_ = false;
};

class Stream {
 public:
  /// Goes on with another plan: at first, and when another instruction set is chosen.
  void attach(std::shared_ptr<Plan> plan, int vocabulary, double flops, nb::object y) {
    if (!plan->carries()) throw std::invalid_argument("a stream needs a plan that carries states");
    if (plan->inputs().size() != 1 || plan->outputs().size() != 1)
      throw std::invalid_argument("a stream needs a plan of one input and one output");
    if (plan->at(plan->outputs()[0]).sequence == false)
      throw std::invalid_argument("a stream needs an output at every step");
    plan_ = std::move(plan);
    kernels_ = &kernels();
    const Slot& in = plan_->at(plan_->inputs()[0]);
    sessions_ = plan_->rows();
    tokens_ = in.tokens;
    features_ = in.width;
    outputs_ = plan_->at(plan_->outputs()[0]).width;
    vocabulary_ = vocabulary;
    flops_ = flops;
    lone_ = false;
    if (y.is_none() || outputs_ > kKept) return;
    const auto kept = nb::cast<nb::ndarray<float, nb::c_contig, nb::device::cpu>>(y);
    if ((long)kept.size() != outputs_ || sessions_ > 1)
      throw std::invalid_argument("a stream keeps room for the outputs of one session");
    y_ = kept.data();
    copy_ = y.attr("copy");
    lone_ = true;
  }

  Plan& plan() const {
    if (!plan_) throw std::invalid_argument("a stream needs a plan");
    return *plan_;
  }

  /// Null without an error: something unusual, to be looked at by `_step`.
  PyObject* step(PyObject* x, PyObject* sessions, PyObject* out) {
    if (!plan_ || kernels_ != &kernels() || plan_->weights().left) return nullptr;
    const int* rows = nullptr;
    long count = sessions_;
    Scratch scratch;  // for this call alone: another thread may begin one before this ends
    if (sessions != Py_None) {
      std::swap(scratch, scratch_);
      if (!choose(sessions, scratch.rows)) return nullptr;
      rows = scratch.rows.data();
      count = (long)scratch.rows.size();
    }
    const bool one = sessions_ == 1 && !rows;

    Source source;
    Batch batch;
    batch.sources = {&source, 1};
    source.length = batch.to = 1;
    Shown given;
    bool plain = false;  // a number, not an array
    float number;
    int32_t token;
    if (one && PyFloat_Check(x)) {
      if (tokens_ || features_ != 1) return nullptr;
      number = (float)PyFloat_AS_DOUBLE(x);
      if (!finite(&number, 1)) return nullptr;
      source.x = &number;
      plain = true;
    } else if (one && tokens_ && PyLong_CheckExact(x)) {
      long value;
      if (!whole(x, vocabulary_, value)) return nullptr;
      token = (int32_t)value;
      source.tokens = &token;
      plain = true;
    } else {
      if (!given.open(x, false)) return nullptr;
      plain = one && given.b.ndim == 0 && features_ == 1;
      if (!plain && !given.shaped(one ? (tokens_ ? 0 : 1) : (tokens_ ? 1 : 2),
                                  one ? features_ : count, features_))
        return nullptr;
      const bool good = tokens_ ? read_tokens(given, count, scratch.tokens, source)
                                : read_floats(given, count * features_, scratch.floats, source);
      if (!good) return nullptr;
    }

    const bool number_out = plain && outputs_ == 1 && out == Py_None;
    Shown written;
    nb::object y;
    float* to = y_;
    float single;
    std::unique_lock<std::mutex> lock(plan_->weights().in_use, std::try_to_lock);
    const bool let_go = !lock.owns_lock() || flops_ * count >= kLetGo;
    if (number_out) {
      to = &single;
    } else if (out != Py_None) {
      if (!written.open(out, true) || written.type() != 'f' ||
          !written.shaped(one ? 1 : 2, one ? outputs_ : count, outputs_))
        return nullptr;
      to = (float*)written.b.buf;
      y = nb::borrow(out);
    } else if (!one || !lone_ || let_go) {
      // Room of its own: another thread may step this stream before a kept array could be copied.
      if (lock.owns_lock()) lock.unlock();  // making an array may run any Python
      y = one ? empty(nb::make_tuple(outputs_)) : empty(nb::make_tuple(count, outputs_));
      if (!written.open(y.ptr(), true) || written.type() != 'f') return nullptr;
      to = (float*)written.b.buf;
      (void)lock.try_lock();
    }
    const Plan::Room room{to, nullptr};
    if (let_go || !lock.owns_lock()) {
      nb::gil_scoped_release release;
      if (!lock.owns_lock()) lock.lock();
      plan_->advance(batch, count, rows, {&room, 1});
      lock.unlock();  // before waiting for the GIL: others wait for this lock while they have it
    } else {
      plan_->advance(batch, count, rows, {&room, 1});
      lock.unlock();
    }
    if (rows) std::swap(scratch, scratch_);
    if (number_out) return PyFloat_FromDouble(single);
    if (y) return y.release().ptr();
    return PyObject_CallNoArgs(copy_.ptr());
  }

  /// Many steps, each array checked in Python. x [samples, steps, features] or tokens
  /// [samples, steps], out [samples, steps, outputs].
  void run(nb::handle x, const std::optional<std::vector<int>>& rows,
           nb::ndarray<float, nb::c_contig, nb::device::cpu> out) {
    Plan& p = plan();
    if (kernels_ != &kernels()) throw std::invalid_argument("the stream has another instruction set");
    Source source;
    long count;
    if (tokens_) {
      const auto values = nb::cast<In<int32_t>>(x);
      if (values.ndim() != 2) throw std::invalid_argument("the stream expected tokens [rows, steps]");
      for (size_t i = 0; i < values.size(); ++i)
        if (values.data()[i] < 0 || values.data()[i] >= vocabulary_)
          throw std::invalid_argument("the stream knows no such token");
      source.tokens = values.data();
      count = (long)values.shape(0);
      source.length = (long)values.shape(1);
    } else {
      const auto values = nb::cast<In<float>>(x);
      if (values.ndim() != 3 || (long)values.shape(2) != features_)
        throw std::invalid_argument("the stream expected floats [rows, steps, features]");
      source.x = values.data();
      count = (long)values.shape(0);
      source.length = (long)values.shape(1);
    }
    Batch batch;
    batch.sources = {&source, 1};
    batch.to = source.length;
    if (rows) check_rows(*rows);
    if (count != (rows ? (long)rows->size() : sessions_))
      throw std::invalid_argument("the stream expected a row for each session");
    if (batch.to == 0 || count == 0) return;
    p.check_run(batch, count, sessions_, -1);
    p.check_room(batch, count, 0, (long)out.size(), -1);
    const Plan::Room room{out.data(), nullptr};
    nb::gil_scoped_release release;
    const std::lock_guard lock(p.weights().in_use);
    p.advance(batch, count, rows ? rows->data() : nullptr, {&room, 1});
  }

  void reset(const std::optional<std::vector<int>>& rows) {
    if (rows) check_rows(*rows);
    const std::lock_guard lock(plan().weights().in_use);
    if (rows) plan().reset_states(*rows);
    else plan().reset_states();
  }

 private:
  static nb::object empty(const nb::tuple& shape) {
    static PyObject* const made = nb::object(nb::module_::import_("numpy").attr("empty")).release().ptr();
    static PyObject* const kind = nb::object(nb::module_::import_("numpy").attr("float32")).release().ptr();
    return nb::handle(made)(shape, nb::handle(kind));
  }

  struct Scratch {
    std::vector<int> rows;
    std::vector<float> floats;
    std::vector<int32_t> tokens;
  };

  void check_rows(const std::vector<int>& rows) {
    if (!distinct(rows)) throw std::invalid_argument("the stream expected different sessions of its own");
  }

  /// Whether these are different sessions of this stream.
  bool distinct(const std::vector<int>& rows) {
    seen_.resize(sessions_, 0);
    ++round_;
    for (const int row : rows) {
      if (row < 0 || row >= sessions_ || seen_[row] == round_) return false;
      seen_[row] = round_;
    }
    return true;
  }

  /// Reads the numbers of sessions; false if they are not different ones of this stream.
  bool choose(PyObject* sessions, std::vector<int>& rows) {
    rows.clear();
    if (PyList_CheckExact(sessions) || PyTuple_CheckExact(sessions)) {
      const bool list = PyList_CheckExact(sessions);
      const Py_ssize_t n = list ? PyList_GET_SIZE(sessions) : PyTuple_GET_SIZE(sessions);
      for (Py_ssize_t i = 0; i < n; ++i) {
        PyObject* item = list ? PyList_GET_ITEM(sessions, i) : PyTuple_GET_ITEM(sessions, i);
        long value;
        if (!whole(item, sessions_, value)) return false;
        rows.push_back((int)value);
      }
    } else {
      Shown given;
      if (!given.open(sessions, false) || given.b.ndim != 1 ||
          !given.whole((long)given.b.shape[0], sessions_, rows))
        return false;
    }
    return !rows.empty() && distinct(rows);
  }

  static bool whole(PyObject* x, long below, long& value) {
    if (!PyLong_CheckExact(x)) return false;
    int overflow;
    value = PyLong_AsLongAndOverflow(x, &overflow);
    return !overflow && value >= 0 && value < below;
  }

  static bool read_floats(const Shown& given, long n, std::vector<float>& scratch, Source& source) {
    if (given.type() == 'f') {
      source.x = (const float*)given.b.buf;
    } else if (given.type() == 'd') {
      const double* from = (const double*)given.b.buf;
      scratch.assign(from, from + n);
      source.x = scratch.data();
    } else {
      return false;
    }
    return finite(source.x, n);
  }

  bool read_tokens(const Shown& given, long n, std::vector<int32_t>& scratch, Source& source) const {
    scratch.clear();
    if (!given.whole(n, vocabulary_, scratch)) return false;
    source.tokens = scratch.data();
    return true;
  }

  std::shared_ptr<Plan> plan_;
  const Kernels* kernels_ = nullptr;
  long sessions_ = 0, features_ = 0, outputs_ = 0, vocabulary_ = 0;
  bool tokens_ = false;
  double flops_ = 0;
  float* y_ = nullptr;  // one session's outputs, in an array kept to be copied
  nb::object copy_;     // that array's method
  bool lone_ = false;
  Scratch scratch_;
  std::vector<uint64_t> seen_;
  uint64_t round_ = 0;
};

constexpr const char* kStepDoc = R"(step($self, x, sessions=None, out=None)
--

One step of one session or of many; the states go on to the next.

Args:
    x: one session: the features [features], float32 or float64; a plain number where the model
        has one feature; a token where it begins with an Embedding. `sessions=n`: one row for
        each session that steps, [n, features], or tokens [n].
    sessions: numbers of the sessions that step, each once; all of them where None. The others
        stay where they are.
    out: a float32 array in the shape of the result, to be written instead of a new one.

Returns:
    what `predict` gives for all steps so far: float32 [outputs], or [n, outputs]; a float for a
    plain number where the model has one output; or `out`.

Raises:
    ShapeError, DataError, OptionError: x, sessions or out do not fit. No session has moved.
)";

/// Raw, not by nanobind: that saves a third of the time from Python and back.
PyObject* step(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  static const char* const known[] = {"x", "sessions", "out"};
  PyObject* given[3] = {nullptr, nullptr, nullptr};
  if (count > 3) {
    PyErr_Format(PyExc_TypeError, "step expected x, sessions and out, got %zd arguments", count);
    return nullptr;
  }
  for (Py_ssize_t i = 0; i < count; ++i) given[i] = args[i];
  for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); ++i) {
    PyObject* name = PyTuple_GET_ITEM(names, i);
    int k = 0;
    while (k < 3 && PyUnicode_CompareWithASCIIString(name, known[k])) ++k;
    if (k == 3 || given[k]) {
      PyErr_Format(PyExc_TypeError, "step expected x, sessions and out, got %s '%U'",
                   k == 3 ? "an argument" : "twice", name);
      return nullptr;
    }
    given[k] = args[count + i];
  }
  if (!given[0]) {
    PyErr_SetString(PyExc_TypeError, "step expected x, the features of a step, got none");
    return nullptr;
  }
  for (PyObject*& g : given)
    if (!g) g = Py_None;
  try {
    if (nb::inst_ready(self)) {
      PyObject* y = nb::inst_ptr<Stream>(self)->step(given[0], given[1], given[2]);
      if (y || PyErr_Occurred()) return y;
    }
  } catch (nb::python_error& error) {
    error.restore();
    return nullptr;
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
    return nullptr;
  }
  return PyObject_CallMethod(self, "_step", "OOO", given[0], given[1], given[2]);
}

PyMethodDef step_method = {"step", (PyCFunction)(void (*)())step, METH_FASTCALL | METH_KEYWORDS,
                           kStepDoc};

}  // namespace

void bind_stream(nb::module_& m) {
  nb::class_<Stream> stream(m, "Stream");
  stream.def(nb::init<>())
      .def("_attach", &Stream::attach, "plan"_a, "vocabulary"_a, "flops"_a, "y"_a.none())
      .def("_run", &Stream::run, "x"_a, "sessions"_a.none(), "out"_a)
      .def("_reset", &Stream::reset, "sessions"_a.none());
  nb::setattr(stream, "step",
              nb::steal(PyDescr_NewMethod((PyTypeObject*)stream.ptr(), &step_method)));
}

}  // namespace elman
