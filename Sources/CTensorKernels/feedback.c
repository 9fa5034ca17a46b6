// Rounding that takes into account how the columns of a layer's inputs go together: what a code misses of a weight is made up for in later columns.
//
// Let the moments be H = R Rᵀ with R upper triangular (wb_factor_…), w a row's weights and q what its codes stand for. The error of the layer's output is
// (w - q) H (w - q)ᵀ = ‖(w - q) R‖² = Σ y_j² with y_j = R_jj (t_j - q_j), where t_j = w_j + Σ_{i<j} (w_i - q_i) R_ij / R_jj is the weight with the errors
// before it made up for. So each code is the nearest one to t_j. That is GPTQ (Frantar et al. 2022, arXiv:2210.17323, algorithm 1) in the form of successive
// cancellation (Chen et al. 2025, arXiv:2507.18553): the same codes, without an inverse.
//
// Scales of a span of columns are those that the best search finds, when its first column is reached, for the weights that make up for all errors before if
// they needn't be rounded: w_j - e_j with Σ_{i≤j} e_i R_ij = 0 in the span.
//
// Rows of a tile are lanes: they lie side by side for each column. Sums run over the columns in their order, whatever the level.
#include <math.h>

#include "feedback_formats.h"
#include "moment_tiles.h"

#pragma STDC FP_CONTRACT OFF

enum {
  /// Rows of a tile at most.
  MOST_ROWS = 64,
  /// Columns that have the same scale are as many in no format with more than one scale in a span.
  MOST_GROUPS = 16
};

WB_INLINE size_t lanes_of(size_t row_count) { return (row_count + WB_EIGHT - 1) / WB_EIGHT * WB_EIGHT; }

/// Where in the scratch memory what lies; sizes in bytes, each a multiple of 8.
typedef struct {
  /// Errors of all columns and lanes; what earlier spans give those of a span; a row's values; codes of a span; rows that are made.
  size_t errors, earlier, values, codes, made;
  size_t row_stride;
} wb_room;

static size_t whole(size_t byte_count) { return (byte_count + 7) / 8 * 8; }

static wb_room room_for(wb_feedback_format format, size_t row_length) {
  size_t padded = wb_tiles_across(row_length) * WB_EIGHT, span = wb_grid_of(format, row_length).span;
  wb_room room = {padded * MOST_ROWS * sizeof(double), 0, padded * sizeof(float), whole(span * MOST_ROWS), 0, 0};
  if (span < row_length) room.earlier = wb_tiles_across(span) * WB_EIGHT * MOST_ROWS * sizeof(double);
  room.row_stride = whole(wb_feedback_row_byte_count(format, row_length));
  room.made = room.row_stride * MOST_ROWS;
  return room;
}

size_t wb_feedback_scratch_byte_count(wb_feedback_format format, size_t row_length) {
  wb_room room = room_for(format, row_length);
  return room.errors + room.earlier + room.values + room.codes + room.made;
}

/// What is common to all steps with a tile of rows.
typedef struct {
  const double *factor;
  size_t columns, lanes;
  /// Of each column the errors of all lanes.
  double *errors;
} wb_tile_rows;

/// Adds Σ errors · R over the columns from `first` to `end`, whole tiles, to the sums of a column of tiles, [8][lanes].
WB_INLINE void add_errors(const wb_tile_rows *rows, size_t first, size_t end, size_t column, double *sums) {
  for (size_t lane = 0; lane < rows->lanes; lane += WB_EIGHT) {
    for (int half = 0; half < WB_EIGHT; half += 4) {
      wb_eight own[4];
      for (int j = 0; j < 4; j++) own[j] = *(wb_eight *)(sums + (size_t)(half + j) * rows->lanes + lane);
      for (size_t i = first; i < end; i++) {
        wb_eight errors = *(const wb_eight *)(rows->errors + i * rows->lanes + lane);
        const double *factor = rows->factor + wb_tile_place(i / WB_EIGHT, column) + (size_t)half * WB_EIGHT + i % WB_EIGHT;
        for (int j = 0; j < 4; j++) own[j] += errors * factor[j * WB_EIGHT];
      }
      for (int j = 0; j < 4; j++) *(wb_eight *)(sums + (size_t)(half + j) * rows->lanes + lane) = own[j];
    }
  }
}

/// Adds what the columns before one in its tile give to its sums.
WB_INLINE void add_neighbours(const wb_tile_rows *rows, size_t column, double *sums) {
  const double *factor = rows->factor + wb_tile_place(column / WB_EIGHT, column / WB_EIGHT) + column % WB_EIGHT * WB_EIGHT;
  for (size_t i = column / WB_EIGHT * WB_EIGHT; i < column; i++) {
    const double *errors = rows->errors + i * rows->lanes;
    for (size_t lane = 0; lane < rows->lanes; lane++) sums[lane] += errors[lane] * factor[i % WB_EIGHT];
  }
}

WB_INLINE double diagonal_of(const wb_tile_rows *rows, size_t column) { return rows->factor[wb_tile_element(column, column)]; }

/// Σ y² - damping · Σ e² of each lane, for the errors that are there.
WB_INLINE void sum_outputs(const wb_tile_rows *rows, double damping, double *sums, double *outputs) {
  double squares[MOST_ROWS] = {0};
  for (size_t lane = 0; lane < rows->lanes; lane++) outputs[lane] = 0;
  for (size_t tile = 0; tile < wb_tiles_across(rows->columns); tile++) {
    memset(sums, 0, WB_EIGHT * rows->lanes * sizeof *sums);
    add_errors(rows, 0, tile * WB_EIGHT, tile, sums);
    for (size_t column = tile * WB_EIGHT; column < rows->columns && column < (tile + 1) * WB_EIGHT; column++) {
      double *own = sums + column % WB_EIGHT * rows->lanes;
      const double *errors = rows->errors + column * rows->lanes;
      add_neighbours(rows, column, own);
      double diagonal = diagonal_of(rows, column);
      for (size_t lane = 0; lane < rows->lanes; lane++) {
        double output = own[lane] + errors[lane] * diagonal;
        outputs[lane] += output * output;
        squares[lane] += errors[lane] * errors[lane];
      }
    }
  }
  for (size_t lane = 0; lane < rows->lanes; lane++) {
    outputs[lane] -= damping * squares[lane];
    outputs[lane] = outputs[lane] > 0 ? outputs[lane] : 0;
  }
}

/// Codes of a column: the nearest ones, and what they miss.
WB_INLINE void round_column(const float *weights, size_t stride, size_t row_count, size_t lanes, const double *sums, double diagonal,
                            const float *scales, const float *offsets, wb_grid grid, uint8_t *codes, size_t code_stride, double *errors) {
  for (size_t lane = 0; lane < row_count; lane++) {
    double weight = (double)weights[lane * stride], target = weight + sums[lane] / diagonal;
    float scale = scales[lane * MOST_GROUPS], offset = offsets[lane * MOST_GROUPS];
    double code = scale != 0 ? (target - (double)offset) / (double)scale : 0;
    code = code > grid.least ? code : grid.least;
    code = code < grid.largest ? code : grid.largest;
    // To the nearest, ties to even.
    int nearest = (int)(code + 0x1.8p52 - 0x1.8p52);
    codes[lane * code_stride] = (uint8_t)(nearest - grid.least);
    float value = (float)nearest * scale + offset;
    errors[lane] = weight - (double)value;
  }
  for (size_t lane = row_count; lane < lanes; lane++) errors[lane] = 0;
}

/// Makes rows of a tile.
WB_INLINE void make_rows(wb_level level, wb_feedback_format format, wb_grid grid, const wb_tile_rows *rows, const float *weights,
                         size_t row_count, const float *importance, uint8_t *made, size_t stride, double *earlier, float *corrected, uint8_t *codes) {
  size_t columns = rows->columns, lanes = rows->lanes;
  double sums[WB_EIGHT * MOST_ROWS];
  float scales[MOST_ROWS * MOST_GROUPS], offsets[MOST_ROWS * MOST_GROUPS];
  for (size_t first = 0; first < columns; first += grid.span) {
    size_t count = columns - first < grid.span ? columns - first : grid.span, tiles = wb_tiles_across(count), start = first / WB_EIGHT;
    if (first > 0) {
      memset(earlier, 0, tiles * WB_EIGHT * lanes * sizeof *earlier);
      for (size_t tile = 0; tile < tiles; tile++) {
        double *given = earlier + tile * WB_EIGHT * lanes;
        add_errors(rows, 0, first, start + tile, given);
        memcpy(sums, given, WB_EIGHT * lanes * sizeof *sums);
        add_errors(rows, first, (start + tile) * WB_EIGHT, start + tile, sums);
        for (size_t column = (start + tile) * WB_EIGHT; column < first + count && column < (start + tile + 1) * WB_EIGHT; column++) {
          double *own = sums + column % WB_EIGHT * lanes, *errors = rows->errors + column * lanes;
          add_neighbours(rows, column, own);
          double diagonal = diagonal_of(rows, column);
          for (size_t lane = 0; lane < lanes; lane++) errors[lane] = -own[lane] / diagonal;
        }
      }
    }
    for (size_t row = 0; row < row_count; row++) {
      for (size_t i = 0; i < count; i++) {
        double error = first > 0 ? rows->errors[(first + i) * lanes + row] : 0;
        corrected[i] = (float)((double)weights[row * columns + first + i] - error);
      }
      wb_choose_scales(level, format, corrected, importance ? importance + first : NULL, first, count, columns, made + row * stride,
                       scales + row * MOST_GROUPS, offsets + row * MOST_GROUPS);
    }
    for (size_t tile = 0; tile < tiles; tile++) {
      if (first > 0) memcpy(sums, earlier + tile * WB_EIGHT * lanes, WB_EIGHT * lanes * sizeof *sums);
      else memset(sums, 0, WB_EIGHT * lanes * sizeof *sums);
      add_errors(rows, first, (start + tile) * WB_EIGHT, start + tile, sums);
      for (size_t column = (start + tile) * WB_EIGHT; column < first + count && column < (start + tile + 1) * WB_EIGHT; column++) {
        double *own = sums + column % WB_EIGHT * lanes;
        size_t group = (column - first) / grid.group;
        add_neighbours(rows, column, own);
        round_column(weights + column, columns, row_count, lanes, own, diagonal_of(rows, column), scales + group, offsets + group, grid,
                     codes + column - first, grid.span, rows->errors + column * lanes);
      }
    }
    for (size_t row = 0; row < row_count; row++) wb_put_codes(format, codes + row * grid.span, first, count, made + row * stride);
  }
}

/// Σ y² - damping · Σ e² of each lane for weights less values; values are those of packed rows, or 0 without them.
WB_INLINE void measure(const wb_tile_rows *rows, wb_feedback_format format, double damping, const float *weights, size_t row_count,
                       const uint8_t *packed, size_t stride, float *values, double *outputs) {
  double sums[WB_EIGHT * MOST_ROWS];
  for (size_t row = 0; row < row_count; row++) {
    if (packed) wb_row_values(format, packed + row * stride, rows->columns, values);
    for (size_t i = 0; i < rows->columns; i++) {
      double weight = (double)weights[row * rows->columns + i];
      rows->errors[i * rows->lanes + row] = packed ? weight - (double)values[i] : weight;
    }
  }
  sum_outputs(rows, damping, sums, outputs);
}

WB_INLINE void improve_rows(wb_level level, wb_feedback_format format, const wb_moment_factor *factor, const float *weights, size_t row_count,
                            const float *importance, uint8_t *packed, size_t stride, uint8_t *scratch, wb_feedback_sums *total) {
  size_t columns = factor->columns;
  wb_grid grid = wb_grid_of(format, columns);
  wb_room room = room_for(format, columns);
  double *errors = (double *)scratch, *earlier = (double *)(scratch + room.errors);
  float *values = (float *)(scratch + room.errors + room.earlier);
  uint8_t *codes = (uint8_t *)values + room.values, *made = codes + room.codes;
  wb_tile_rows rows = {factor->tiles, columns, lanes_of(row_count), errors};
  double zero[MOST_ROWS], before[MOST_ROWS], after[MOST_ROWS];
  // Lanes without rows, and columns beyond the matrix, have neither weights nor errors.
  memset(errors, 0, room.errors);
  measure(&rows, format, factor->damping, weights, row_count, NULL, 0, values, zero);
  measure(&rows, format, factor->damping, weights, row_count, packed, stride, values, before);
  for (size_t row = 0; row < row_count; row++) memcpy(made + row * room.row_stride, packed + row * stride, wb_feedback_row_byte_count(format, columns));
  make_rows(level, format, grid, &rows, weights, row_count, importance, made, room.row_stride, earlier, values, codes);
  measure(&rows, format, factor->damping, weights, row_count, made, room.row_stride, values, after);
  for (size_t row = 0; row < row_count; row++) {
    bool is_better = after[row] < before[row];
    if (is_better) memcpy(packed + row * stride, made + row * room.row_stride, wb_feedback_row_byte_count(format, columns));
    total->row_count++;
    total->improved_row_count += is_better;
    total->squared_values += zero[row];
    total->squared_error_before += before[row];
    total->squared_error += is_better ? after[row] : before[row];
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void improve_rows_avx2(wb_feedback_format format, const wb_moment_factor *factor, const float *weights,
                                                              size_t row_count, const float *importance, uint8_t *packed, size_t stride,
                                                              uint8_t *scratch, wb_feedback_sums *total) {
  improve_rows(WB_AVX2, format, factor, weights, row_count, importance, packed, stride, scratch, total);
}
__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx2"))) static void improve_rows_avx512(
  wb_feedback_format format, const wb_moment_factor *factor, const float *weights, size_t row_count, const float *importance, uint8_t *packed,
  size_t stride, uint8_t *scratch, wb_feedback_sums *total) {
  improve_rows(WB_AVX512, format, factor, weights, row_count, importance, packed, stride, scratch, total);
}
#endif

void wb_feedback(wb_level level, wb_feedback_format format, const wb_moment_factor *factor, const float *rows, size_t row_count,
                 const float *importance, void *packed, size_t stride, void *scratch, wb_feedback_sums *sums) {
  for (size_t first = 0; first < row_count; first += MOST_ROWS) {
    size_t count = row_count - first < MOST_ROWS ? row_count - first : MOST_ROWS;
    const float *weights = rows + first * factor->columns;
    uint8_t *own = (uint8_t *)packed + first * stride;
#if defined(__x86_64__)
    if (level >= WB_AVX512) {
      improve_rows_avx512(format, factor, weights, count, importance, own, stride, scratch, sums);
      continue;
    }
    if (level >= WB_AVX2) {
      improve_rows_avx2(format, factor, weights, count, importance, own, stride, scratch, sums);
      continue;
    }
#endif
    improve_rows(level, format, factor, weights, count, importance, own, stride, scratch, sums);
  }
}
