#define ELMAN_LANES 8
#define ELMAN_ISA_NAME "avx2"
#define ELMAN_TABLE kernels_avx2
#include "table_body.h"
