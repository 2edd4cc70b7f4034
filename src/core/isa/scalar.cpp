// The portable path: four floats at a time, whatever the compiler makes of them here.
#define ELMAN_LANES 4
#define ELMAN_ISA_NAME "scalar"
#define ELMAN_TABLE kernels_scalar
#include "table_body.h"
