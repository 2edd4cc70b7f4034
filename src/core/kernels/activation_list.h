// The activations, once: their numbers here, their formulas in activations.h and activations.py.
#pragma once

#define ELMAN_ACTIVATIONS(X)                                                                    \
  X(linear) X(tanh) X(sigmoid) X(relu) X(relu6) X(leaky_relu) X(elu) X(celu) X(selu)            \
  X(softplus) X(softsign) X(silu) X(gelu) X(exponential) X(hard_sigmoid) X(hard_silu)           \
  X(hard_tanh) X(mish) X(log_sigmoid) X(tanh_shrink) X(soft_shrink) X(hard_shrink)              \
  X(squareplus) X(sparse_plus) X(sparse_sigmoid)

namespace elman {
enum class Activation : int {
#define ELMAN_NAME(name) name,
  ELMAN_ACTIVATIONS(ELMAN_NAME)
#undef ELMAN_NAME
};
}  // namespace elman
