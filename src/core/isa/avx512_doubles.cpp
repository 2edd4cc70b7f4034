#define ELMAN_LANES 8
#define ELMAN_TABLE kernels_avx512_doubles
#include "doubles_body.h"
