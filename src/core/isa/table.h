// The kernels of one instruction set, as a table of function pointers.
#pragma once

#include <string>
#include <vector>

#include "kernels/arguments.h"

namespace elman {

enum class Loss : int {
  mean_squared_error, mean_absolute_error, huber,
  binary_crossentropy, binary_crossentropy_logits,
  categorical_crossentropy, categorical_crossentropy_logits,
  sparse_categorical_crossentropy, sparse_categorical_crossentropy_logits,
  count,
};
enum class Rule : int { sgd, rmsprop, adam, count };
enum class Cell : int {
#define ELMAN_CELL(name) name,
#include "layers/cells.h"
  ELMAN_CELLS(ELMAN_CELL)
#undef ELMAN_CELL
  count,
};

/// What differs where products multiply bf16.
struct Bf16Kernels {
  bool native;  // by an instruction of its own
  void (*product)(const ProductOf<bf16>&);
  void (*pack)(const Columns&, const float*, long, int, bf16*, int, int);
  void (*pack_transposed)(const Columns&, const float*, long, int, bf16*, int, int);
  void (*outer)(const OuterPairs&);
  void (*round_rows)(int, int, const float*, long, bf16*, long);
  CellKernels cells[(int)Cell::count];
};

/// What walks through sequences: of floats or doubles.
template <class Real>
struct SequenceKernels {
  int lanes;
  void (*product)(const ProductOf<Real>&);
  void (*pack)(const Columns&, const Real*, long, int, Real*, int, int);
  void (*pack_transposed)(const Columns&, const Real*, long, int, Real*, int, int);
  void (*outer)(const OuterOf<Real>&);
  void (*sum_rows)(const OuterOf<Real>&);
  CellKernelsOf<Real> cells[(int)Cell::count];
};

struct Kernels : SequenceKernels<float> {
  const char* isa;
  void (*sum_places)(const SumPlaces&);
  void (*activation_forward)(int, long, const float*, float*);
  void (*activation_backward)(int, long, const float*, const float*, float*);
  void (*softmax_forward)(bool, long, int, long, const float*, float*);
  void (*softmax_backward)(bool, long, int, long, const float*, const float*, float*);
  void (*dropout)(const DropoutPass&);
  void (*column_sums)(const ColumnSums&, double*);
  void (*column_squares)(const ColumnSums&, double*);
  void (*column_products)(const ColumnSums&, double*);
  void (*scale_columns)(const ColumnScale&);
  void (*scale_columns_backward)(const ColumnGradient&);
  void (*scale_rows)(const RowScale&);
  void (*scale_rows_backward)(const RowScale&);
  double (*losses[(int)Loss::count])(const LossRows&);
  void (*update[(int)Rule::count])(const Update&, long, const float*);
  void (*update_rows[(int)Rule::count])(const Update&, const TouchedRows&);
  void (*catch_up[(int)Rule::count])(const Update&, long, const Missed&);
  void (*add)(long, float*, const float*);
  long (*multiply_adds)(long, float*);
  const Bf16Kernels* bf16;  // by way of floats; see `bf16_kernels`
};

/// The table in use: the best this processor has, or what ELMAN_ISA or `use_isa` names.
const Kernels& kernels();
/// Its part for sequences of floats or doubles. Cells of doubles have their usual activations and relu.
template <class Real>
const SequenceKernels<Real>& sequence_kernels();
/// Its products of bf16: by the processor's instruction, where there is one.
const Bf16Kernels& bf16_kernels();
/// Whether `bf16_kernels` may use that instruction; for tests.
void use_bf16_instruction(bool yes);
/// Switches the table; throws std::invalid_argument for a name this build or processor lacks.
void use_isa(const std::string& name);
/// The names that run here, best first.
std::vector<std::string> available_isas();

}  // namespace elman
