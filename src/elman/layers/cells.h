// The cells. Adding one: its .h and .py beside this file, and its word here.
#pragma once

#define ELMAN_CELLS(X) X(SimpleRnn) X(Lstm) X(Gru) X(GruResetBefore)

#ifdef ELMAN_LANES  // only kernels see the mathematics
#include "gru.h"
#include "lstm.h"
#include "simple_rnn.h"
#endif
