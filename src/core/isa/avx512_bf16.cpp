// Products of bf16 by an instruction of their own. All else is avx512's.
#include <immintrin.h>

#define ELMAN_LANES 16
#define ELMAN_AVX512_BF16
#define ELMAN_TABLE kernels_avx512_bf16
#include "table_body.h"
