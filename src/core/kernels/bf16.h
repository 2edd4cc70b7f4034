// Numbers of half a float's bits: rounding to them, and sums of products of two neighbours.
//
// An instruction set that has such products defines ELMAN_AVX512_BF16. All others do with two
// multiplications of floats: the same numbers, without the speed.
#pragma once

#include "arguments.h"
#include "vec.h"

namespace elman {
namespace {

typedef uint16_t B __attribute__((vector_size(2 * ELMAN_LANES)));  // L of bf16
typedef float F __attribute__((vector_size(4 * ELMAN_LANES)));     // V, unless that is of doubles

/// K is walked in pairs.
ELMAN_INLINE int even(int k) { return (k + 1) / 2 * 2; }

/// L pairs, one in each lane.
ELMAN_INLINE U load_pairs(const bf16* p) {
  U v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
ELMAN_INLINE void store_pairs(bf16* p, U v) { __builtin_memcpy(p, &v, sizeof v); }
ELMAN_INLINE void store(bf16* p, B v) { __builtin_memcpy(p, &v, sizeof v); }
/// One pair in every lane.
ELMAN_INLINE U all_pairs(const bf16* p) {
  uint32_t pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  return pair - U{};
}

#ifdef ELMAN_AVX512_BF16  // the isa file has included the intrinsics

ELMAN_INLINE V dot2(V sum, U a, U b) {
  return (V)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}
ELMAN_INLINE B rounded(V v) { return (B)_mm512_cvtneps_pbh((__m512)v); }
ELMAN_INLINE U side_by_side(V first, V second) {
  return (U)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
}
ELMAN_INLINE U in_turn(V first, V second) {
  const U places = 0x00100000u + 0x00010001u * (U)lane_index();  // 0 16 1 17 2 18 ...
  return (U)_mm512_permutexvar_epi16((__m512i)places, (__m512i)side_by_side(first, second));
}

#else

ELMAN_INLINE V widened(U bits) { return __builtin_convertvector((F)bits, V); }
/// sum + a b over both halves of each lane, the upper ones first, as the instruction has it.
ELMAN_INLINE V dot2(V sum, U a, U b) {
  sum += widened(a & 0xffff0000u) * widened(b & 0xffff0000u);
  return sum + widened(a << 16) * widened(b << 16);
}
/// The upper half of each lane is rounded to nearest even, the lower means nothing. A NaN stays
/// one: rounding would carry some of them over to zero.
ELMAN_INLINE U rounded_bits(V v) {
  const F f = __builtin_convertvector(v, F);
  const U u = (U)f;
  return f == f ? u + 0x7fffu + ((u >> 16) & 1u) : u | 0x00400000u;
}
ELMAN_INLINE B rounded(V v) { return __builtin_convertvector(rounded_bits(v) >> 16, B); }
/// L of `first`, then L of `second`.
ELMAN_INLINE U side_by_side(V first, V second) {
  const B both[2] = {rounded(first), rounded(second)};
  U v;
  __builtin_memcpy(&v, both, sizeof v);
  return v;
}
/// Lane by lane, one of `first` and one of `second`.
ELMAN_INLINE U in_turn(V first, V second) {
  return (rounded_bits(first) >> 16) | (rounded_bits(second) & 0xffff0000u);
}

#endif

/// Rounds [rows][k] numbers, whose rows have room for whole vectors, to [rows][to_row], with zeros
/// behind them up to the next multiple of L.
void round_rows(int rows, int k, const Real* from, long from_row, bf16* to, long to_row) {
  const int whole = k / L * L;
  const I rest = first_lanes(k - whole);
  for (int row = 0; row < rows; ++row, from += from_row, to += to_row) {
    for (int i = 0; i < whole; i += L) store(to + i, rounded(load(from + i)));
    if (whole < k) store(to + whole, rounded(select(rest, load(from + whole), V{})));
  }
}

}  // namespace
}  // namespace elman
