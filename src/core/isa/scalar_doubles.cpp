#define ELMAN_LANES 2
#define ELMAN_TABLE kernels_scalar_doubles
#include "doubles_body.h"
