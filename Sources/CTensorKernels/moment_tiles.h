// How the upper triangle of a symmetric matrix, or of a factor, lies in memory; not part of the module.
//
// Tiles of 8 × 8 doubles, those on and above the diagonal, one column of tiles after the other; a tile's columns follow each other. What is beyond the
// matrix in the last tiles is zero, on the diagonal of a factor 1.
#ifndef WB_MOMENT_TILES_H
#define WB_MOMENT_TILES_H

#include <stddef.h>
#include <string.h>

#include "CTensorKernels.h"
#include "packed_rows.h"

#pragma STDC FP_CONTRACT OFF

enum { WB_EIGHT = 8, WB_EIGHT_SQUARED = 64 };

/// Eight numbers, at any address of a double: one vector where there are such, or several.
typedef double wb_eight __attribute__((vector_size(64), aligned(8)));

WB_INLINE size_t wb_tiles_across(size_t columns) { return (columns + WB_EIGHT - 1) / WB_EIGHT; }

/// Where the tile in a row and a column of tiles begins, the row not below the column.
WB_INLINE size_t wb_tile_place(size_t row, size_t column) { return (column * (column + 1) / 2 + row) * WB_EIGHT_SQUARED; }

/// Where an element is, the row not below the column.
WB_INLINE size_t wb_tile_element(size_t row, size_t column) {
  return wb_tile_place(row / WB_EIGHT, column / WB_EIGHT) + column % WB_EIGHT * WB_EIGHT + row % WB_EIGHT;
}

#endif
