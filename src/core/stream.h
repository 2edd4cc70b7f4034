// A stream: a plan that carries states, driven from Python one step at a time.
#pragma once

#include <nanobind/nanobind.h>

namespace elman {

void bind_stream(nanobind::module_& m);

}  // namespace elman
