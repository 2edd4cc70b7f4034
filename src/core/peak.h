// The most floating-point operations a second on this machine, measured.
#pragma once

namespace elman {

/// Floating-point operations a second of all threads together, in multiply-adds of the instruction
/// set in use: the best of the rounds that fit into `seconds`.
double fma_peak(double seconds);

}  // namespace elman
