#define ELMAN_LANES 4
#define ELMAN_TABLE kernels_avx2_doubles
#include "doubles_body.h"
