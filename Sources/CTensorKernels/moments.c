// Second moments Xᵀ X of what linear layers are applied to, and their triangular factors, in tiles.
//
// Each sum has one order, whatever the level and the number of threads: that of the rows, or of the columns of the factor.
#include "moment_tiles.h"

#include <math.h>

#pragma STDC FP_CONTRACT OFF

enum {
  /// Rows that are summed up at once.
  ROWS_AT_ONCE = 128,
  /// Columns of tiles of a factor that are made together.
  COLUMNS_AT_ONCE = 8
};

size_t wb_moments_count(size_t columns) {
  size_t across = wb_tiles_across(columns);
  return across * (across + 1) / 2 * WB_EIGHT_SQUARED;
}

// MARK: Sums

size_t wb_moments_scratch_count(size_t columns) { return wb_tiles_across(columns) * WB_EIGHT * ROWS_AT_ONCE; }

size_t wb_moments_rows_at_once(void) { return ROWS_AT_ONCE; }

void wb_moments_widen(const float *rows, size_t row_count, size_t columns, size_t first, size_t end, double *wide) {
  for (size_t panel = first; panel < end; panel++) {
    double *out = wide + panel * WB_EIGHT * ROWS_AT_ONCE;
    size_t count = columns - panel * WB_EIGHT < WB_EIGHT ? columns - panel * WB_EIGHT : WB_EIGHT;
    for (size_t row = 0; row < row_count; row++) {
      for (size_t i = 0; i < WB_EIGHT; i++) {
        out[row * WB_EIGHT + i] = i < count ? (double)rows[row * columns + panel * WB_EIGHT + i] : 0;
      }
    }
  }
}

/// Products of two floats are exact in binary64, so that fused sums are the same.
WB_INLINE void add_panel(const double *wide, size_t row_count, size_t column, double *tiles) {
  const double *right = wide + column * WB_EIGHT * ROWS_AT_ONCE;
  for (size_t row = 0; row <= column; row++) {
    const double *left = wide + row * WB_EIGHT * ROWS_AT_ONCE;
    double *tile = tiles + wb_tile_place(row, column);
    for (int half = 0; half < WB_EIGHT; half += 4) {
      wb_eight sums[4];
      memcpy(sums, tile + half * WB_EIGHT, sizeof sums);
      for (size_t i = 0; i < row_count; i++) {
        wb_eight values = *(const wb_eight *)(left + i * WB_EIGHT);
        for (int j = 0; j < 4; j++) sums[j] += values * right[i * WB_EIGHT + (size_t)(half + j)];
      }
      memcpy(tile + half * WB_EIGHT, sums, sizeof sums);
    }
  }
}

bool wb_moments_row(const double *tiles, size_t columns, size_t place, double count, float *row) {
  bool is_finite = true;
  for (size_t i = 0; i < columns; i++) {
    row[i] = (float)(tiles[i < place ? wb_tile_element(i, place) : wb_tile_element(place, i)] / count);
    is_finite = is_finite && isfinite(row[i]);
  }
  return is_finite;
}

// MARK: Factors

int wb_moments_put_row(const float *row, size_t columns, size_t place, double *tiles) {
  for (size_t i = 0; i < columns; i++) {
    if (!isfinite(row[i])) return WB_MOMENTS_NOT_FINITE;
  }
  if (row[place] < 0) return WB_MOMENTS_NEGATIVE;
  for (size_t above = 0; above < place; above++) {
    double other = tiles[wb_tile_element(above, place)];
    double limit = 1e-3 * sqrt(tiles[wb_tile_element(above, above)] * (double)row[place]);
    if (!(fabs(other - (double)row[above]) <= limit + 1e-30)) return WB_MOMENTS_ASYMMETRIC;
  }
  for (size_t column = place; column < columns; column++) tiles[wb_tile_element(place, column)] = (double)row[column];
  return WB_MOMENTS_FINE;
}

double wb_moments_damp(double *tiles, size_t columns, double share) {
  double sum = 0;
  for (size_t i = 0; i < columns; i++) sum += tiles[wb_tile_element(i, i)];
  double added = share * (sum / (double)columns);
  for (size_t i = 0; i < columns; i++) tiles[wb_tile_element(i, i)] += added;
  for (size_t i = columns; i < wb_tiles_across(columns) * WB_EIGHT; i++) {
    for (size_t above = 0; above <= i; above++) tiles[wb_tile_element(above, i)] = above == i;
  }
  return added;
}

/// Takes what columns of tiles from `first` to `end` give from a tile.
WB_INLINE void take(double *tiles, size_t row, size_t column, size_t first, size_t end) {
  double *tile = tiles + wb_tile_place(row, column);
  for (int half = 0; half < WB_EIGHT; half += 4) {
    wb_eight sums[4];
    memcpy(sums, tile + half * WB_EIGHT, sizeof sums);
    for (size_t k = first; k < end; k++) {
      const double *left = tiles + wb_tile_place(row, k), *right = tiles + wb_tile_place(column, k) + half;
      for (int i = 0; i < WB_EIGHT; i++) {
        wb_eight values = *(const wb_eight *)(left + i * WB_EIGHT);
        for (int j = 0; j < 4; j++) sums[j] -= values * right[i * WB_EIGHT + j];
      }
    }
    memcpy(tile + half * WB_EIGHT, sums, sizeof sums);
  }
}

/// Makes a tile on the diagonal its own factor; false if there is none.
WB_INLINE bool factor_tile(double *tile) {
  for (int column = WB_EIGHT - 1; column >= 0; column--) {
    double square = tile[column * WB_EIGHT + column];
    for (int k = column + 1; k < WB_EIGHT; k++) square -= tile[k * WB_EIGHT + column] * tile[k * WB_EIGHT + column];
    if (!(square > 0) || !isfinite(square)) return false;
    double root = sqrt(square);
    tile[column * WB_EIGHT + column] = root;
    for (int row = 0; row < column; row++) {
      double sum = tile[column * WB_EIGHT + row];
      for (int k = column + 1; k < WB_EIGHT; k++) sum -= tile[k * WB_EIGHT + row] * tile[k * WB_EIGHT + column];
      tile[column * WB_EIGHT + row] = sum / root;
    }
    for (int row = column + 1; row < WB_EIGHT; row++) tile[column * WB_EIGHT + row] = 0;
  }
  return true;
}

/// X of X Rᵀ = C in the stead of C, for the factor R on the diagonal.
WB_INLINE void solve_tile(double *tile, const double *factor) {
  for (int column = WB_EIGHT - 1; column >= 0; column--) {
    wb_eight sum = *(wb_eight *)(tile + column * WB_EIGHT);
    for (int k = column + 1; k < WB_EIGHT; k++) sum -= *(wb_eight *)(tile + k * WB_EIGHT) * factor[k * WB_EIGHT + column];
    *(wb_eight *)(tile + column * WB_EIGHT) = sum / factor[column * WB_EIGHT + column];
  }
}

/// The first of the columns of tiles that are made together with those before `end`.
WB_INLINE size_t start_of(size_t end) { return end > COLUMNS_AT_ONCE ? end - COLUMNS_AT_ONCE : 0; }

WB_INLINE bool factor_corner(double *tiles, size_t across, size_t end) {
  size_t start = start_of(end);
  for (size_t column = end; column-- > start;) {
    for (size_t row = start; row <= column; row++) take(tiles, row, column, end, across);
  }
  for (size_t column = end; column-- > start;) {
    for (size_t row = start; row <= column; row++) take(tiles, row, column, column + 1, end);
    double *diagonal = tiles + wb_tile_place(column, column);
    if (!factor_tile(diagonal)) return false;
    for (size_t row = start; row < column; row++) solve_tile(tiles + wb_tile_place(row, column), diagonal);
  }
  return true;
}

WB_INLINE void factor_row(double *tiles, size_t across, size_t end, size_t row) {
  size_t start = start_of(end);
  for (size_t column = end; column-- > start;) take(tiles, row, column, end, across);
  for (size_t column = end; column-- > start;) {
    take(tiles, row, column, column + 1, end);
    solve_tile(tiles + wb_tile_place(row, column), tiles + wb_tile_place(column, column));
  }
}

// MARK: Levels

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")))
AVX2 static void add_panel_avx2(const double *wide, size_t row_count, size_t column, double *tiles) { add_panel(wide, row_count, column, tiles); }
AVX512 static void add_panel_avx512(const double *wide, size_t row_count, size_t column, double *tiles) {
  add_panel(wide, row_count, column, tiles);
}
AVX2 static bool factor_corner_avx2(double *tiles, size_t across, size_t end) { return factor_corner(tiles, across, end); }
AVX512 static bool factor_corner_avx512(double *tiles, size_t across, size_t end) { return factor_corner(tiles, across, end); }
AVX2 static void factor_row_avx2(double *tiles, size_t across, size_t end, size_t row) { factor_row(tiles, across, end, row); }
AVX512 static void factor_row_avx512(double *tiles, size_t across, size_t end, size_t row) { factor_row(tiles, across, end, row); }
#endif

void wb_moments_add(wb_level level, const double *wide, size_t row_count, size_t column, double *tiles) {
#if defined(__x86_64__)
  if (level >= WB_AVX512) return add_panel_avx512(wide, row_count, column, tiles);
  if (level >= WB_AVX2) return add_panel_avx2(wide, row_count, column, tiles);
#endif
  (void)level;
  add_panel(wide, row_count, column, tiles);
}

bool wb_factor_corner(wb_level level, double *tiles, size_t across, size_t end) {
#if defined(__x86_64__)
  if (level >= WB_AVX512) return factor_corner_avx512(tiles, across, end);
  if (level >= WB_AVX2) return factor_corner_avx2(tiles, across, end);
#endif
  (void)level;
  return factor_corner(tiles, across, end);
}

void wb_factor_row(wb_level level, double *tiles, size_t across, size_t end, size_t row) {
#if defined(__x86_64__)
  if (level >= WB_AVX512) return factor_row_avx512(tiles, across, end, row);
  if (level >= WB_AVX2) return factor_row_avx2(tiles, across, end, row);
#endif
  (void)level;
  factor_row(tiles, across, end, row);
}

size_t wb_factor_start(size_t end) { return start_of(end); }

void wb_factor_squares(const double *tiles, size_t columns, float *squares) {
  for (size_t i = 0; i < columns; i++) {
    double root = tiles[wb_tile_element(i, i)];
    squares[i] = (float)(root * root);
  }
}
