// The one table, filled from the kernels above it. Included by each isa/*.cpp, and only there.
#include "kernels/peak.h"
#include "layers/activation.h"
#include "layers/cells.h"
#include "layers/dropout.h"
#include "layers/recurrent.h"
#include "losses.h"
#include "optimizers/update.h"

#include "isa/table.h"

namespace elman {

extern const Kernels ELMAN_TABLE;
const Kernels ELMAN_TABLE = {
    ELMAN_ISA_NAME,
    L,
    product,
    pack,
    pack_transposed,
    outer,
    sum_rows,
    sum_places,
    {
#define ELMAN_CELL(name) cell_kernels<name>(),
        ELMAN_CELLS(ELMAN_CELL)
#undef ELMAN_CELL
    },
    activation_forward,
    activation_backward,
    softmax_forward,
    softmax_backward,
    dropout,
    {mean_squared_error, mean_absolute_error, huber, binary_crossentropy,
     binary_crossentropy_logits, crossentropy<false>, crossentropy_logits<false>,
     crossentropy<true>, crossentropy_logits<true>},
    {update<Sgd>, update<RmsProp>, update<Adam>},
    {update_rows<Sgd>, update_rows<RmsProp>, update_rows<Adam>},
    {catch_up<Sgd>, catch_up<RmsProp>, catch_up<Adam>},
    add,
    multiply_adds,
};

}  // namespace elman
