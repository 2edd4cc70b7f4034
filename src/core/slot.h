// A slot: a named place in the arena of each shard of rows.
#pragma once

#include <string>

namespace elman {

inline long rounded(long width) { return (width + 15) / 16 * 16; }

/// Floats from row to row. A multiple of 16; from 256 on an odd one, because rows a power of two
/// apart would fall into the same few sets of the cache.
inline long row_floats(long width) {
  const long row = rounded(width);
  return row >= 256 && row / 16 % 2 == 0 ? row + 16 : row;
}

/// Vectors of so many lanes that hold so many units.
inline int blocks_of(int units, int lanes) { return (units + lanes - 1) / lanes; }

/// [steps][rows][row], of which `width` floats count. Tokens are int32 in the same place.
struct Slot {
  std::string name;
  int steps = 1;
  int width = 0;
  long row = 0;
  long value = -1, gradient = -1;  // offsets in the arena; -1: none
  int ring = 0;                    // > 0: the last step of a sequence, kept in a ring of so many,
  int ring_steps = 0;              // and how many steps that sequence has
  bool sequence = true;            // has a time axis: a run may fill fewer than `steps` of it
  bool tokens = false;
  int mask = -1;                   // the slot [steps][rows] that says which steps count
  /// Values that repeat may be there once: int32 in the arena, first how many rows of values there
  /// are and the number of the first of them, from the 16th on which number belongs to each step
  /// and row. -1: there is one for each.
  long places = -1;
  long different = 0;              // rows of values there could ever be
  bool shared = false;             // whether the ops that read it want it so
  /// Numbers up to which those ops keep what a row comes to, as long as no weight changes: such a row
  /// need not be there again. 0: they keep nothing.
  long kept = 0;
  bool read = false;               // whether an op reads it, and writes its gradient
  bool handed = false;             // whether there is a gradient of it on the way back
};

/// What a name shows when peeked at: vector `part` of each record [blocks][steps*rows][parts][lanes].
struct View {
  std::string name;
  long value = 0;
  int steps = 1, width = 0;
  int lanes = 0, parts = 1, part = 0;
  bool by_step = false;  // records lie [steps][blocks][rows] instead
};

}  // namespace elman
