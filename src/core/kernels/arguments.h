// What a kernel is told: plain structs, shared by the kernels and by the code that calls them.
// Letters: T steps, B rows, F features, H units, K the summed length, L lanes of the vector.
#pragma once

#include <stdint.h>

namespace elman {

/// The upper half of a float, rounded to nearest even. Products of the policy "mixed_bfloat16"
/// multiply these, two neighbours along K at a time, and add floats.
using bf16 = uint16_t;

/// What sums of products of T are: floats, of doubles doubles.
template <class T>
struct SumsOf {
  using Real = float;
};
template <>
struct SumsOf<double> {
  using Real = double;
};

/// C[i, n L] = start + sum_k A[i, k] B[k, n L], for `groups` groups of n vectors side by side.
/// T is float, double, or bf16: then k is even, and B is packed [groups][a_blocks * k / 2][n][L][2].
template <class T>
struct ProductOf {
  using Real = typename SumsOf<T>::Real;
  int rows;
  const T* a;       // [rows][K]; K may lie in `a_blocks` pieces of `k`, `a_block` apart
  long a_row;
  int k;
  int a_blocks;
  long a_block;
  const T* b;       // packed [groups][a_blocks * k][n][L]
  Real* c;          // [groups][rows][n L]
  long c_row, c_group;
  int vectors;      // of the whole C; n = per_group, less in the last group
  int per_group;
  const Real* start;   // null: zeros; else one vector row for all rows (start_row 0) or C-like
  long start_row, start_group;
  const float* live;   // [rows] 0 where a row of A is zero all along, or null
  // For a part of B's rows, and for sums that count only in part:
  int b_rows;          // rows of B for each piece of K, of which k are in use; 0: k
  int b_first;         // the first of those
  const Real* scale;   // C-like: C = start + scale * A B, or null
};
using Product = ProductOf<float>;

/// Which columns of a weight matrix [K, gates * units] the vectors of a packed matrix stand for.
struct Columns {
  int units;
  int count;        // gates in use; vector v of a group is gate gates[v]
  int8_t gates[4];
  int per_group;    // 0: a group is one block of L units and all its gates
                    // else: a group is `per_group` neighbouring blocks of one matrix without gates
};

/// G[k, columns] += sum_i A[i, k] D[i, n L]
template <class Real>
struct OuterOf {
  long rows;
  const Real* a;   // [rows][k]
  long a_row;
  int k;
  const Real* d;   // [groups][rows][n L]
  long d_row, d_group;
  Columns columns;
  Real* g;         // [k][g_row], the layout of the weights
  long g_row;
  const float* live;  // [rows] 0 where D is zero, or null
  long d_vector;      // from vector to vector of a group where they are no neighbours, or 0
  const Real* scale;  // [scale_rows][scale_row] what A is multiplied by, over and over, or null
  long scale_rows, scale_row;
  Real* scaled;       // [kOuterRows][scale_row] room for that
};
using Outer = OuterOf<float>;
/// Rows of A and D that stay in the near caches.
constexpr long kOuterRows = 256;

/// One gate of a product that has an A for each: C[i, block] += sum_k A[i, k] B[block, k].
template <class Real>
struct GateProductOf {
  int rows;
  const Real* a;  // [rows][k]
  long a_row;
  int k, blocks;
  const Real* b;  // packed [blocks][k][gates][L], of which one gate
  long b_row, b_block;
  Real* c;        // [blocks][rows][L], so far apart:
  long c_row, c_block;
  const float* live;  // [rows] 0 where C does not matter, or null
};

/// The same for several A at once and in pairs of rows, so that D is read and rounded only once:
/// G[k, columns] += sum_i A[i - lag, k] D[i, columns], the sum over the rows that A has.
struct OuterPart {
  const float* a;  // [rows][a_row], room for whole vectors
  long a_row;
  int k;
  long lag;
  Columns columns;
  int first;       // of the vectors in a record of D
  float* g;        // [k][g_row]
  long g_row;
};
/// G[columns] += sum_i D[i, columns], of floats
struct SumPart {
  Columns columns;
  int first;
  float* g;
};
struct OuterPairs {
  long rows;
  const float* d;  // [groups][rows][n L]
  long d_row, d_group;
  int vectors;     // of the whole D; n = per_group, less in the last group
  int per_group;
  int parts, sums;
  OuterPart part[3];
  SumPart sum[2];
  bf16* scratch;   // kPairRows * (per_group * L + scratch_row of every part) of them
  long scratch_row[3];  // not below k, a multiple of L
};
/// Rows of A and D at a time: as many as stay in the near caches.
constexpr long kPairRows = 256;

/// Sums of rows that stand for the same row: to[block][places[i]] = sum over i of d[block][i].
struct SumPlaces {
  long rows;
  int blocks, vectors;
  const float* d;          // [blocks] d_block apart, [rows][vectors][L] d_row apart
  long d_row, d_block;
  const int32_t* places;   // [rows]; numbered in the order in which they first come up
  float* to;               // [blocks][different rows][vectors][L]
  long to_block;
};

/// One pass of a recurrent cell over the steps [first, last) of one shard of rows.
/// Steps are counted in the order of processing; t is the position in time.
template <class Real>
struct RecurrentPassOf {
  int steps, first, last;
  int rows, units;
  int first_block, last_block;  // of the units that this call is for, forward only
  bool reverse, training;
  int activation, recurrent_activation;
  Real* z;             // [blocks][z_steps * rows][vectors][L]  gates; backward leaves d_z there
  int z_steps;         // steps that z holds: all of them, or one segment
  Real* own;           // [own_steps][blocks][rows][own][L]     the cell's own state
  int own_steps;       // all of them, or a ring of two
  Real* h;             // [h_steps][rows][h_row]                outputs
  int h_steps;
  long h_row;
  Real* reset;         // [h_steps][rows][h_row]                r * h_prev, if the cell needs it
  // With recurrent_dropout each gate has its own zeros in h_prev, the same at all steps:
  const Real* keep;    // [gates][rows][h_row] 0 or 1 / (1 - rate), or null
  Real* dropped;       // [gates of the first product][rows][h_row]  keep * h_prev
  const float* mask;   // [T][rows] 1 or 0, or null
  const Real* bias;    // packed [blocks][vectors][L]
  // The input's projection where rows of it repeat, or null where it is in z already.
  const Real* projected;    // [blocks][different rows][input vectors][L]
  long projected_block;
  const int32_t* places;    // [T][rows] which row
  const Real* u[2];    // packed recurrent weights, one per stage
  const Real* ut[2];   // the same transposed, for backward
  const Real* h0;      // [rows][h0_row] the state before the first step (h0_row 0: one row for all)
  long h0_row;
  const Real* own0;    // [blocks][own0_block] + [row * own0_row]
  long own0_row, own0_block;
  const Real* d_out;   // [d_out_steps][rows][h_row]  gradient of the output: each step, or the last
  int d_out_steps;
  Real* d_h;           // [rows][h_row]        gradient carried back in time
  Real* d_own;         // [blocks][rows][own_carry][L]
  Real* d_reset;       // [rows][h_row]
  // What reaches the states of every step, from above and from the step after; null: nobody asked.
  Real* d_h_all;       // [T][rows][h_row]
  Real* d_own_all;     // [T][blocks][rows][own_carry][L]  from the step after only

  // For products of bf16 only: the weights once more, and rounded copies of what meets them.
  const bf16* u16[2];
  const bf16* ut16[2];
  bf16* h16;           // [2][rows][row16]  the output of this step and of the one before
  bf16* reset16;       // [rows][row16]
  bf16* d_z16;         // [blocks][rows][vectors][L]  d_z of this step
  long row16;          // even, not below blocks * L
  const bf16* wt16;    // with d_x: the transposed weights of the input, [features of x]
  Real* d_x;           // [T][rows][d_x_row]  gradient of the input, or null
  long d_x_row;
  int features;
};
using RecurrentPass = RecurrentPassOf<float>;

/// How a cell lays out what it keeps; read from the cell itself.
struct Window {
  int first, count;  // of the kept vectors
  int8_t gates[4];   // the gate of the weights behind each
};
struct CellShape {
  const char* name;
  int gates;                // G: column groups in the weights
  int vectors;              // kept in z per unit and step
  int own, own_carry;       // own state kept per unit and step; gradients of it carried back
  int stages;               // recurrent products per step
  Window input, recurrent[2];
  const char* vector_names[4];
  const char* own_names[2];
};

/// A cell's entry in the table of an instruction set.
template <class Real>
struct CellKernelsOf {
  CellShape shape;
  int activation, recurrent_activation;  // the pair that has a path of its own
  void (*forward)(const RecurrentPassOf<Real>&);
  void (*backward)(const RecurrentPassOf<Real>&);
  void (*forward_any)(const RecurrentPassOf<Real>&);
  void (*backward_any)(const RecurrentPassOf<Real>&);
};
using CellKernels = CellKernelsOf<float>;

/// One optimizer step over weights.
struct Update {
  float* value;
  float* moment[3];
  float rate, decay;        // learning rate; weight decay, applied first
  float scale, clip;        // of the gradient; clip 0 is none
  float a, b, epsilon;      // the rule's own numbers, named in optimizers/update.h
  float a_rest, b_rest;     // 1 - a and 1 - b, rounded once, as Keras has them
  float bias;               // Adam's correction of the rate for its first steps
  int moments;              // how many are in use
  bool nesterov, centered, amsgrad;
};

/// What some neighbouring steps without a gradient amount to: optimizers/missed.h.
constexpr int kMissedTerms = 8;
struct MissedRun {
  float left[3];            // what is left of each moment when they begin
  float centre;             // of the expansion
  float sum[kMissedTerms];  // its coefficients; signs, rates and later decay are in them
};
/// All steps that a row missed.
struct Missed {
  const MissedRun* run;
  long runs;
  float whole, decay;  // what is left of w is whole - decay of it; whole is 1, or 0 if little is left
  float fade[3];       // what is left of each moment
};

/// Rows of a table that have a gradient in this step.
struct TouchedRow {
  int32_t row;
  float* gradient;  // [width], padded to whole vectors
};
struct TouchedRows {
  const TouchedRow* row;
  long count, width;
  long step;        // how many there were before this one
  int32_t* done;    // [rows of the table] steps that each row includes, or kUntouched; null: nothing
                    // can be missed
  const float* fade;  // [fades] what is left of the moments after so many steps without a gradient;
  long fades;         // of more as of the last of these
};
/// Of a row that never had a gradient, and so has no moments that could move it.
constexpr int32_t kUntouched = -1;

/// What a dropout does to a number: random zeros, the rest scaled by 1 / (1 - rate); or a normal
/// number that is added, or multiplies as a factor of mean 1.
enum class Noise : int { zeros, added, factor };
/// Noise in [steps][rows][width] values.
struct DropoutPass {
  int steps;
  long first_step;       // of these within the sequence: the mask does not depend on how it is cut
  int rows, width;
  long row;              // floats from row to row
  int first_row;         // of this shard within the batch: the mask does not depend on threads
  const int32_t* rank;   // or null: each row's place among the shard's rows as they were given
  bool same_each_step;
  Noise noise;
  float rate;            // of zeros; or the standard deviation
  uint32_t seed, step;
  const float* in;
  float* out;
};

/// Numbers for each column of [rows][width]. Arrays of `width` have room for whole vectors.
struct ColumnSums {
  long rows;
  int width;
  long row;            // floats from row to row
  const float* x;      // [rows][row]
  const float* d;      // [rows][row] or null
  const float* mask;   // [rows] 0 where a row does not count, or null
  const float* mean;   // [width]
};
struct ColumnScale {
  long rows;
  int width;
  long row;
  const float* x;      // [rows][row]
  const float* mean;   // [width] taken from x first
  const float* scale;  // [width]
  const float* shift;  // [width]
  float* y;            // [rows][row]
};
struct ColumnGradient {
  long rows;
  int width;
  long row;
  const float* x;      // [rows][row]
  const float* d_y;    // [rows][row]
  const float* mask;   // [rows] 0 where a row was not in the statistics, or null
  const float* mean;   // [width]
  const float* a;      // [width] of d_y
  const float* b;      // [width]
  const float* c;      // [width] of x - mean
  float* d_x;          // [rows][row]
};

/// One normalization of every row by itself.
struct RowScale {
  long rows;
  int width;
  long row;
  bool centered;       // whether the mean is taken away, or only the variance is made 1
  float epsilon;
  const float* x;      // [rows][row]
  const float* gamma;  // [width] or null: ones
  const float* beta;   // [width] or null: zeros
  float* y;            // [rows][row]
  const float* d_y;    // [rows][row]
  float* d_x;          // [rows][row] or null
  float* d_gamma;      // [width] added to, or null
  float* d_beta;       // [width] added to, or null
};

/// Loss of rows of one output and, unless d is null, its gradient.
struct LossRows {
  long rows;
  int width;
  const float* p;        // [rows][p_row] prediction, or logits
  long p_row;
  const float* y;        // [rows][y_row] target
  long y_row;
  const float* weight;   // [rows] or null
  float scale;           // of the gradient: 1 / (rows of the batch)
  float* d;              // [rows][p_row]
  float option;          // huber delta, label smoothing
  float ignore;          // a class that does not count, or NaN
};

}  // namespace elman
