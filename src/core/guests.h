// What guests with memory of their own, such as PyTorch, see of the core: one layer over sequences.
#pragma once

#include <nanobind/nanobind.h>

namespace elman {

void bind_guests(nanobind::module_& m);

}  // namespace elman
