#define ELMAN_LANES 16
#define ELMAN_ISA_NAME "avx512"
#define ELMAN_TABLE kernels_avx512
#include "table_body.h"
