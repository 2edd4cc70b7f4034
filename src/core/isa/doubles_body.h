// The table of what walks through sequences of doubles. Included by each isa/*_doubles.cpp, and only
// there: the kernels are the same, over a V of half as many lanes.
#define ELMAN_DOUBLE
#include "layers/cells.h"
#include "layers/recurrent.h"

#include "isa/table.h"

namespace elman {

extern const SequenceKernels<double> ELMAN_TABLE;
const SequenceKernels<double> ELMAN_TABLE = {
    L,
    product<double>,
    pack,
    pack_transposed,
    outer,
    sum_rows,
    {
#define ELMAN_CELL(name) cell_kernels<name, double, Relu>(),
        ELMAN_CELLS(ELMAN_CELL)
#undef ELMAN_CELL
    },
};

}  // namespace elman
