// One small vector, in the width of one instruction set. Every kernel is written once over it.
//
// Everything lives in an unnamed namespace and nothing comes from std::, so that the linker can
// never merge a function compiled for one instruction set with the same function of another.
#pragma once

#include <stdint.h>

#ifndef ELMAN_LANES
#error "An isa/*.cpp file sets ELMAN_LANES before it includes the kernels"
#endif

#define ELMAN_INLINE inline __attribute__((always_inline))
#define ELMAN_UNROLL _Pragma("GCC unroll 16")

namespace elman {
namespace {

constexpr int L = ELMAN_LANES;  // numbers in one vector

// What the kernels compute with: floats, or doubles where an isa/*.cpp file defines ELMAN_DOUBLE.
#ifdef ELMAN_DOUBLE
typedef double Real;
typedef int64_t Whole;
#else
typedef float Real;
typedef int32_t Whole;
#endif

typedef Real V __attribute__((vector_size(sizeof(Real) * ELMAN_LANES)));
typedef Whole I __attribute__((vector_size(sizeof(Real) * ELMAN_LANES)));
typedef uint32_t U __attribute__((vector_size(4 * ELMAN_LANES)));

ELMAN_INLINE V load(const Real* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
ELMAN_INLINE void store(Real* p, V v) { __builtin_memcpy(p, &v, sizeof v); }
// x - 0 is x for every x, also -0, so that no instruction but the broadcast remains.
ELMAN_INLINE V all(Real x) { return x - V{}; }

/// The first `count` numbers, zeros behind them.
ELMAN_INLINE V load_part(const Real* p, int count) {
  if (count >= L) return load(p);
  V v{};
  for (int i = 0; i < count; ++i) v[i] = p[i];
  return v;
}
ELMAN_INLINE void store_part(Real* p, V v, int count) {
  if (count >= L) return store(p, v);
  for (int i = 0; i < count; ++i) p[i] = v[i];
}

ELMAN_INLINE I bits(V v) { return (I)v; }
ELMAN_INLINE V floats(I i) { return (V)i; }
ELMAN_INLINE V select(I yes, V a, V b) { return yes ? a : b; }

// A NaN in x stays a NaN, as in x86's own instruction when x is its second operand. It is asked for by
// name, because the compiler makes a comparison and a selection of it.
#if defined(__AVX512F__) && ELMAN_LANES == 16
ELMAN_INLINE V at_least(V x, V low) { return __builtin_ia32_maxps512_mask(low, x, V{}, -1, 4); }
ELMAN_INLINE V at_most(V x, V high) { return __builtin_ia32_minps512_mask(high, x, V{}, -1, 4); }
#elif defined(__AVX2__) && ELMAN_LANES == 8 && !defined(ELMAN_DOUBLE)
ELMAN_INLINE V at_least(V x, V low) { return __builtin_ia32_maxps256(low, x); }
ELMAN_INLINE V at_most(V x, V high) { return __builtin_ia32_minps256(high, x); }
#else
ELMAN_INLINE V at_least(V x, V low) { return x < low ? low : x; }
ELMAN_INLINE V at_most(V x, V high) { return x > high ? high : x; }
#endif
// a b + c. The compiler contracts such a sum by itself; of a b + c d it may contract either half, not
// everywhere the same one, and then equal rows would differ in the last bit: there it is asked for.
#if defined(__AVX512F__) && ELMAN_LANES == 16
ELMAN_INLINE V multiply_add(V a, V b, V c) { return __builtin_ia32_vfmaddps512_mask(a, b, c, -1, 4); }
#elif defined(__FMA__) && ELMAN_LANES == 8 && !defined(ELMAN_DOUBLE)
ELMAN_INLINE V multiply_add(V a, V b, V c) { return __builtin_ia32_vfmaddps256(a, b, c); }
#elif defined(__FP_FAST_FMAF)
ELMAN_INLINE V multiply_add(V a, V b, V c) {
  ELMAN_UNROLL
  for (int i = 0; i < L; ++i)
    c[i] = sizeof(Real) == 4 ? __builtin_fmaf(a[i], b[i], c[i]) : __builtin_fma(a[i], b[i], c[i]);
  return c;
}
#else
ELMAN_INLINE V multiply_add(V a, V b, V c) { return a * b + c; }
#endif
constexpr Whole kSign = (Whole)1 << (8 * sizeof(Real) - 1);
ELMAN_INLINE V absolute(V x) { return floats(bits(x) & ~kSign); }
ELMAN_INLINE V copy_sign(V size, V sign) {
  return floats((bits(size) & ~kSign) | (bits(sign) & kSign));
}

ELMAN_INLINE V square_root(V x) {
  V y;
  ELMAN_UNROLL
  for (int i = 0; i < L; ++i) y[i] = sizeof(Real) == 4 ? __builtin_sqrtf(x[i]) : __builtin_sqrt(x[i]);
  return y;
}

ELMAN_INLINE Real sum(V v) {
  Real s = 0;
  for (int i = 0; i < L; ++i) s += v[i];
  return s;
}
ELMAN_INLINE Real largest(V v) {
  Real s = v[0];
  for (int i = 1; i < L; ++i) s = v[i] > s ? v[i] : s;
  return s;
}

/// 0, 1, 2, ... L-1
ELMAN_INLINE I lane_index() {
  I i;
  for (int k = 0; k < L; ++k) i[k] = k;
  return i;
}
/// True in the first `count` lanes.
ELMAN_INLINE I first_lanes(int count) { return lane_index() < count; }

/// The sum of f(u) over the columns of one row, a vector of them at a time.
template <class F>
ELMAN_INLINE Real sum_row(int width, const F& f) {
  V s{};
  for (int u = 0; u < width; u += L) s += select(first_lanes(width - u), f(u), V{});
  return sum(s);
}

}  // namespace
}  // namespace elman
