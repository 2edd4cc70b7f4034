// The one table, filled from the kernels above it. Included by each isa/*.cpp, and only there.
// With ELMAN_AVX512_BF16 it holds the products of bf16 alone, which replace those of avx512.
#include "kernels/bf16_product.h"
#include "kernels/peak.h"
#include "kernels/places.h"
#include "layers/activation.h"
#include "layers/batch_normalization.h"
#include "layers/cells.h"
#include "layers/dropout.h"
#include "layers/layer_normalization.h"
#include "layers/recurrent.h"
#include "losses.h"
#include "optimizers/update.h"

#include "isa/table.h"

namespace elman {

#ifdef ELMAN_AVX512_BF16
extern const Bf16Kernels ELMAN_TABLE;
const Bf16Kernels ELMAN_TABLE =
#else
static const Bf16Kernels bf16_by_floats =
#endif
    {
#ifdef ELMAN_AVX512_BF16
        true,
#else
        false,
#endif
        product<bf16>,
        pack_bf16,
        pack_transposed_bf16,
        outer_bf16,
        round_rows,
        {
#define ELMAN_CELL(name) cell_kernels<name, bf16, AnyActivation>(),
            ELMAN_CELLS(ELMAN_CELL)
#undef ELMAN_CELL
        },
};

#ifndef ELMAN_AVX512_BF16
extern const Kernels ELMAN_TABLE;
const Kernels ELMAN_TABLE = {
    {
        L,
        product<float>,
        pack,
        pack_transposed,
        outer,
        sum_rows,
        {
#define ELMAN_CELL(name) cell_kernels<name, float, AnyActivation>(),
            ELMAN_CELLS(ELMAN_CELL)
#undef ELMAN_CELL
        },
    },
    ELMAN_ISA_NAME,
    sum_places,
    activation_forward,
    activation_backward,
    softmax_forward,
    softmax_backward,
    dropout,
    column_sums,
    column_squares,
    column_products,
    scale_columns,
    scale_columns_backward,
    scale_rows,
    scale_rows_backward,
    {mean_squared_error, mean_absolute_error, huber, binary_crossentropy,
     binary_crossentropy_logits, crossentropy<false>, crossentropy_logits<false>,
     crossentropy<true>, crossentropy_logits<true>},
    {update<Sgd>, update<RmsProp>, update<Adam>},
    {update_rows<Sgd>, update_rows<RmsProp>, update_rows<Adam>},
    {catch_up<Sgd>, catch_up<RmsProp>, catch_up<Adam>},
    add,
    multiply_adds,
    &bf16_by_floats,
};
#endif

}  // namespace elman
