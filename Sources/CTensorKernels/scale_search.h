// How better scales are searched for than those that a format's own tool takes; not part of the module.
//
// For a scale, and an offset where there is one, every weight gets its nearest code. With these codes fixed, the weighted sum of squared errors is a
// quadratic form of scale and offset, whose minimum says what a pair would come to if it moved there (a step of Lloyd's algorithm). Candidates are
// compared by that; the best one moves on, rounded as it is stored, for as long as it improves.
//
// Elements are added in eight lanes, lanes in binary64 after every chunk: the same sums with vectors of any width.
#ifndef WB_SCALE_SEARCH_H
#define WB_SCALE_SEARCH_H

#include <math.h>

#include "packed_rows.h"

#pragma STDC FP_CONTRACT OFF

/// Weights that share a scale: some columns of rows that are `stride` values apart.
typedef struct {
  const float *values;
  size_t rows, columns, stride;
  /// How much an error in each column counts; null if all count the same.
  const float *importance;
} wb_patch;

/// What codes stand for before they are multiplied with a scale.
typedef enum { WB_WHOLE_NUMBERS, WB_FLOATS_OF_4_BITS, WB_FLOATS_OF_8_BITS, WB_TABLE_OF_16 } wb_code_kind;

/// Codes: their kind, and the least and the largest value of one.
typedef struct {
  wb_code_kind kind;
  float least, largest;
} wb_code_range;

/// weight ≈ scale · code + offset, and the weighted sum of squared errors.
typedef struct {
  float scale, offset;
  double error;
} wb_fit;

enum { WB_SUM_LANES = 8, WB_SUM_CHUNK = 128 };

typedef float wb_floats __attribute__((ext_vector_type(8)));
typedef int32_t wb_integers __attribute__((ext_vector_type(8)));
typedef double wb_doubles __attribute__((ext_vector_type(8)));

/// Weighted sums over a patch of errors d, codes' values v, and 1.
typedef struct {
  double dd, dv, vv, d, v, one;
} wb_fit_sums;

WB_INLINE double wb_total(const wb_doubles *lanes) {
  double lane[8];
  memcpy(lane, lanes, sizeof lane);
  return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

/// The least value of the table of IQ4_NL, the middles between its values, and how far these are apart.
static const float WB_TABLE_LEAST = -127;
static const float WB_TABLE_MIDDLES[15] = {-115.5f, -93.5f, -74, -57, -42, -28.5f, -16, -4.5f, 7, 19, 31.5f, 45.5f, 61, 79, 101};
static const float WB_TABLE_STEPS[15] = {23, 21, 18, 16, 14, 13, 12, 11, 12, 12, 13, 15, 16, 20, 24};

/// Replaces eight numbers by the nearest values of codes.
WB_INLINE void wb_round_to_codes(wb_code_range range, wb_floats *numbers) {
  wb_floats t = *numbers, size = __builtin_elementwise_abs(t);
  wb_integers sign = (wb_integers)t & INT32_MIN, bits;
  switch (range.kind) {
  case WB_WHOLE_NUMBERS:
    t = t > range.least ? t : range.least;
    t = t < range.largest ? t : range.largest;
    *numbers = t + 0x1.8p23f - 0x1.8p23f;
    return;
  case WB_TABLE_OF_16:
    *numbers = WB_TABLE_LEAST;
    for (int i = 0; i < 15; i++) {
      wb_floats step = t < WB_TABLE_MIDDLES[i] ? (wb_floats)0 : (wb_floats)WB_TABLE_STEPS[i];
      *numbers += step;
    }
    return;
  case WB_FLOATS_OF_4_BITS:
    size = size < range.largest ? size : range.largest;
    wb_floats halves = size + 0x1.8p22f - 0x1.8p22f, ones = size + 0x1.8p23f - 0x1.8p23f, twos = size + 0x1.8p24f - 0x1.8p24f;
    size = size < 2.0f ? halves : size < 4.0f ? ones : twos;
    break;
  case WB_FLOATS_OF_8_BITS:
    size = size < range.largest ? size : range.largest;
    bits = (wb_integers)size;
    bits = (bits + 0x7FFFF + (bits >> 20 & 1)) & ~0xFFFFF;
    size = size < 0x1p-6f ? size + 0x1p14f - 0x1p14f : (wb_floats)bits;
    break;
  }
  *numbers = (wb_floats)((wb_integers)size | sign);
}

/// The sums for a scale, and an offset where `shifts`; the columns of a patch with offsets fill lanes.
WB_INLINE void wb_sum_fit(wb_code_range range, bool shifts, const wb_patch *patch, float scale, float offset, wb_fit_sums *sums) {
  float inverse = 1 / scale;
  wb_doubles all[6] = {};
  for (size_t row = 0; row < patch->rows; row++) {
    const float *values = patch->values + row * patch->stride;
    for (size_t first = 0; first < patch->columns; first += WB_SUM_CHUNK) {
      size_t end = patch->columns - first < WB_SUM_CHUNK ? patch->columns : first + WB_SUM_CHUNK;
      wb_floats dd = 0, dv = 0, vv = 0, d = 0, v = 0, one = 0;
      for (size_t column = first; column < end; column += WB_SUM_LANES) {
        wb_floats x = 0, w = 1;
        // Zeros past the end have the code 0, and no error.
        size_t count = end - column < WB_SUM_LANES ? end - column : WB_SUM_LANES;
        if (count == WB_SUM_LANES) memcpy(&x, values + column, sizeof x);
        else memcpy(&x, values + column, count * sizeof(float));
        if (patch->importance) {
          if (count == WB_SUM_LANES) memcpy(&w, patch->importance + column, sizeof w);
          else memcpy(&w, patch->importance + column, count * sizeof(float));
        }
        wb_floats code = shifts ? (x - offset) * inverse : x * inverse;
        wb_round_to_codes(range, &code);
        wb_floats product = code * scale, error = shifts ? x - (product + offset) : x - product;
        wb_floats weighted_error = w * error, weighted_code = w * code;
        dd += weighted_error * error;
        dv += weighted_error * code;
        vv += weighted_code * code;
        if (!shifts) continue;
        d += weighted_error;
        v += weighted_code;
        one += w;
      }
      all[0] += __builtin_convertvector(dd, wb_doubles);
      all[1] += __builtin_convertvector(dv, wb_doubles);
      all[2] += __builtin_convertvector(vv, wb_doubles);
      if (!shifts) continue;
      all[3] += __builtin_convertvector(d, wb_doubles);
      all[4] += __builtin_convertvector(v, wb_doubles);
      all[5] += __builtin_convertvector(one, wb_doubles);
    }
  }
  *sums = (wb_fit_sums){wb_total(&all[0]), wb_total(&all[1]), wb_total(&all[2]), wb_total(&all[3]), wb_total(&all[4]), wb_total(&all[5])};
}

/// The weighted sum of squared differences of some values from others.
WB_INLINE double wb_distance(const float *values, const float *others, const float *importance, size_t count) {
  wb_doubles sum = 0;
  for (size_t i = 0; i < count; i += WB_SUM_LANES) {
    wb_floats x = 0, y = 0, w = 1;
    size_t here = (count - i < WB_SUM_LANES ? count - i : WB_SUM_LANES) * sizeof(float);
    memcpy(&x, values + i, here);
    memcpy(&y, others + i, here);
    if (importance) memcpy(&w, importance + i, here);
    wb_doubles difference = __builtin_convertvector(x - y, wb_doubles);
    sum += __builtin_convertvector(w, wb_doubles) * difference * difference;
  }
  return wb_total(&sum);
}

/// Whether a number does as a scale: neither so small nor so large that codes or sums overflow.
WB_INLINE bool wb_is_scale(float scale) { return fabsf(scale) > 1e-30f && fabsf(scale) < 1e15f; }

// MARK: A scale alone

/// Where candidates end: at a hundredth of what the largest weight needs, or where errors have grown to so many times the least.
#define WB_LEAST_SHARE 0.01
#define WB_HOPELESS 2.5

/// Takes in what a scale comes to once it has moved to where its codes want it.
WB_INLINE double wb_try_scale(wb_code_range range, const wb_patch *patch, float scale, wb_fit *best) {
  if (!wb_is_scale(scale)) return INFINITY;
  wb_fit_sums sums;
  wb_sum_fit(range, false, patch, scale, 0, &sums);
  double step = sums.vv > 0 ? sums.dv / sums.vv : 0, error = sums.dd - sums.dv * step;
  if (error < best->error) *best = (wb_fit){(float)(scale + step), 0, error};
  return error;
}

/// Searches for a scale that is stored in a float dtype. `largest` is the largest magnitude in the patch; `signs` is 2 where scales may be below 0.
WB_INLINE wb_fit wb_search_scale(wb_code_range range, const wb_patch *patch, float largest, int signs, wb_float_type stored) {
  wb_fit found = {0, 0, INFINITY}, best = {0, 0, INFINITY};
  float most = range.largest > -range.least ? range.largest : -range.least;
  for (int sign = 1; sign >= 3 - 2 * signs; sign -= 2) {
    float whole = (float)sign * largest / most;
    if (range.kind == WB_FLOATS_OF_8_BITS) {
      // Codes are as dense as before at twice the scale; in between they lie elsewhere.
      float scale = whole / 2;
      for (int step = 0; step <= 32; step++, scale *= 0x1.0b5586p0f) wb_try_scale(range, patch, scale, &found);
      continue;
    }
    // The largest weight gets the largest code, or nearly so; then it is cut off more and more.
    for (int step = -9; step <= 9; step++) wb_try_scale(range, patch, whole * most / (most + 0.1f * (float)step), &found);
    for (double share = 0.97; share > WB_LEAST_SHARE; share *= 0.97) {
      if (wb_try_scale(range, patch, (float)(whole * share), &found) > WB_HOPELESS * found.error) break;
    }
  }
  float scale = found.scale;
  for (int round = 0; round < 4; round++) {
    scale = wb_round_to(stored, scale);
    if (!wb_is_scale(scale)) break;
    wb_fit_sums sums;
    wb_sum_fit(range, false, patch, scale, 0, &sums);
    if (!(sums.dd < best.error)) break;
    best = (wb_fit){scale, 0, sums.dd};
    if (!(sums.vv > 0)) break;
    scale = (float)(scale + sums.dv / sums.vv);
  }
  return best;
}

// MARK: A scale and an offset

/// Moves scale and offset to where the codes that they give want them; returns what that comes to.
WB_INLINE double wb_move(const wb_fit_sums *sums, bool is_below_zero, float *scale, float *offset) {
  double determinant = sums->one * sums->vv - sums->v * sums->v;
  if (!(determinant > 0)) return sums->dd;
  double scale_step = (sums->one * sums->dv - sums->v * sums->d) / determinant;
  double offset_step = (sums->vv * sums->d - sums->v * sums->dv) / determinant;
  double moved = *offset + offset_step;
  if (is_below_zero && moved > 0) {
    // With the offset at 0, so that errors are larger by it.
    double shift = *offset, dv = sums->dv + shift * sums->v, dd = sums->dd + 2 * shift * sums->d + shift * shift * sums->one;
    if (!(sums->vv > 0)) return sums->dd;
    *offset = 0;
    *scale = (float)(*scale + dv / sums->vv);
    return dd - dv * dv / sums->vv;
  }
  *scale = (float)(*scale + scale_step);
  *offset = (float)moved;
  return sums->dd - (sums->d * offset_step + sums->dv * scale_step);
}

/// Shares of the range that are cut off at either end, for codes of up to so many steps.
static const struct {
  float steps, shares[5];
} WB_CUTS[] = {{3, {0, 0.08f, 0.16f, 0.24f, 0.34f}},
               {7, {0, 0.05f, 0.1f, 0.17f, 0.27f}},
               {15, {0, 0.03f, 0.07f, 0.13f, 0.22f}},
               {31, {0, 0.02f, 0.04f, 0.08f, 0.15f}},
               {255, {0, 0.005f, 0.01f, 0.02f, 0.04f}}};

/// The number that a float dtype has next to one of its own, above it in magnitude or below; F32 has none that matters.
WB_INLINE float wb_neighbour(wb_float_type dtype, float value, int direction) {
  if (dtype == WB_F32 || value == 0) return value;
  uint16_t bits;
  wb_store_float(dtype, value, (uint8_t *)&bits);
  bits = (uint16_t)(bits + direction);
  return wb_load_float(dtype, (const uint8_t *)&bits);
}

/// Takes in a pair as it is stored, and returns its sums.
WB_INLINE bool wb_try_pair(wb_code_range range, const wb_patch *patch, float scale, float offset, wb_fit_sums *sums, wb_fit *best) {
  if (!wb_is_scale(scale) || !isfinite(offset)) return false;
  wb_sum_fit(range, true, patch, scale, offset, sums);
  if (!(sums->dd < best->error)) return false;
  *best = (wb_fit){scale, offset, sums->dd};
  return true;
}

/// Searches for a scale and an offset that are stored in a float dtype, given the patch's least and largest weight. Where `is_below_zero` scales are positive
/// and offsets are not.
WB_INLINE wb_fit wb_search_pair(wb_code_range range, const wb_patch *patch, float least, float largest, bool is_below_zero,
                                wb_float_type stored) {
  wb_fit found = {0, 0, INFINITY}, best = {0, 0, INFINITY};
  wb_fit_sums sums;
  if (is_below_zero && least > 0) least = 0;
  float whole = largest - least;
  if (!(whole > 0)) return best;
  int cuts = 0;
  while (WB_CUTS[cuts].steps < range.largest) cuts++;
  for (int low = 0; low < 5; low++) {
    for (int high = 0; high < 5; high++) {
      float offset = least + WB_CUTS[cuts].shares[low] * whole;
      float scale = (largest - WB_CUTS[cuts].shares[high] * whole - offset) / range.largest;
      if (!wb_is_scale(scale)) continue;
      wb_sum_fit(range, true, patch, scale, offset, &sums);
      double error = wb_move(&sums, is_below_zero, &scale, &offset);
      if (error < found.error) found = (wb_fit){scale, offset, error};
    }
  }
  float scale = found.scale, offset = found.offset;
  for (int round = 0; round < 5; round++) {
    scale = wb_round_to(stored, scale);
    offset = wb_round_to(stored, offset);
    if (!(is_below_zero && scale < 0) && !wb_try_pair(range, patch, scale, offset, &sums, &best)) break;
    wb_move(&sums, is_below_zero, &scale, &offset);
  }
  if (stored == WB_F32 || best.scale == 0) return best;
  // Rounding the offset shifts all codes, and rounding the scale the last ones: neighbours may do better together.
  wb_fit middle = best;
  for (int one = -1; one <= 1; one++) {
    for (int other = -1; other <= 1; other++) {
      wb_try_pair(range, patch, wb_neighbour(stored, middle.scale, one), wb_neighbour(stored, middle.offset, other), &sums, &best);
    }
  }
  return best;
}

#endif
