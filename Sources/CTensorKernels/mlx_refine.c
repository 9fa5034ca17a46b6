// Better scales, biases and codes than mx.quantize's, in MLX's own formats.
#include "scale_search.h"

#pragma STDC FP_CONTRACT OFF

enum { MAXIMUM_GROUP = 128 };

/// Where the parts of a group lie in a packed row.
typedef struct {
  uint8_t *codes, *scale, *bias;
} group_parts;

WB_INLINE group_parts parts_of(wb_mlx_format format, uint8_t *row, size_t length, size_t group) {
  size_t scale_bytes = format.mode == WB_MLX_AFFINE ? wb_float_byte_count(format.dtype) : 1;
  uint8_t *scales = row + length * format.bits / 8, *biases = scales + length / format.group * scale_bytes;
  return (group_parts){row + group * (format.group * format.bits / 8), scales + group * scale_bytes, biases + group * scale_bytes};
}

WB_INLINE float value_of_scale(wb_mlx_mode mode, uint8_t stored) {
  return mode == WB_MLX_NVFP4 ? wb_e4m3_value(stored) : wb_power_of_two(stored - 127);
}

/// Codes of integers, and how far they are from the weights.
WB_INLINE double encode_affine(wb_mlx_format format, const float *x, const float *importance, float scale, float bias, uint8_t *codes) {
  float values[MAXIMUM_GROUP], most = (float)((1u << format.bits) - 1), inverse = 1 / scale;
  for (size_t i = 0; i < format.group; i++) {
    float code = (x[i] - bias) * inverse;
    code = code > 0 ? code : 0;
    code = code < most ? code : most;
    code = code + 12582912.0f - 12582912.0f;
    codes[i] = (uint8_t)code;
    values[i] = code * scale + bias;
  }
  return wb_distance(x, values, importance, format.group);
}

WB_INLINE void refine_affine(wb_mlx_format format, const float *x, const float *importance, group_parts parts) {
  float scale = wb_load_float(format.dtype, parts.scale), bias = wb_load_float(format.dtype, parts.bias);
  float values[MAXIMUM_GROUP], least = x[0], largest = x[0];
  uint8_t codes[MAXIMUM_GROUP];
  wb_unpack_codes(parts.codes, format.group, format.bits, codes);
  for (size_t i = 0; i < format.group; i++) {
    values[i] = (float)codes[i] * scale + bias;
    least = x[i] < least ? x[i] : least;
    largest = x[i] > largest ? x[i] : largest;
  }
  double before = wb_distance(x, values, importance, format.group);
  wb_patch patch = {x, 1, format.group, format.group, importance};
  wb_code_range range = {WB_WHOLE_NUMBERS, 0, (float)((1u << format.bits) - 1)};
  wb_fit fit = wb_search_pair(range, &patch, least, largest, false, format.dtype);
  // What the tool's own scale and bias do with the nearest codes: it takes them before they are rounded.
  if (wb_is_scale(scale) && isfinite(bias)) {
    wb_fit_sums sums;
    wb_try_pair(range, &patch, scale, bias, &sums, &fit);
  }
  if (fit.scale == 0 || !(encode_affine(format, x, importance, fit.scale, fit.offset, codes) < before)) return;
  wb_store_float(format.dtype, fit.scale, parts.scale);
  wb_store_float(format.dtype, fit.offset, parts.bias);
  wb_pack_codes(codes, format.group, format.bits, parts.codes);
}

WB_INLINE uint8_t float_code(wb_mlx_mode mode, float value) { return mode == WB_MLX_MXFP8 ? wb_e4m3(value) : wb_e2m1(value); }

/// Codes of floats, and how far they are from the weights.
WB_INLINE double encode_floats(wb_mlx_format format, const float *x, const float *importance, float scale, uint8_t *codes) {
  float values[MAXIMUM_GROUP];
  for (size_t i = 0; i < format.group; i++) {
    codes[i] = float_code(format.mode, x[i] / scale);
    values[i] = (format.mode == WB_MLX_MXFP8 ? wb_e4m3_value(codes[i]) : WB_E2M1[codes[i]]) * scale;
  }
  return wb_distance(x, values, importance, format.group);
}

WB_INLINE void refine_floats(wb_mlx_format format, const float *x, const float *importance, group_parts parts) {
  float scale = value_of_scale(format.mode, *parts.scale), values[MAXIMUM_GROUP];
  uint8_t codes[MAXIMUM_GROUP];
  wb_unpack_codes(parts.codes, format.group, format.bits, codes);
  for (size_t i = 0; i < format.group; i++) {
    values[i] = (format.mode == WB_MLX_MXFP8 ? wb_e4m3_value(codes[i]) : WB_E2M1[codes[i]]) * scale;
  }
  double before = wb_distance(x, values, importance, format.group);
  wb_patch patch = {x, 1, format.group, format.group, importance};
  wb_code_range range =
    format.mode == WB_MLX_MXFP8 ? (wb_code_range){WB_FLOATS_OF_8_BITS, -448, 448} : (wb_code_range){WB_FLOATS_OF_4_BITS, -6, 6};
  // Scales of E4M3 are eight to an octave.
  int below = format.mode == WB_MLX_NVFP4 ? 16 : 3, above = format.mode == WB_MLX_NVFP4 ? 6 : 2;
  int most = format.mode == WB_MLX_NVFP4 ? 0x7E : 254;
  int best = -1;
  double least = INFINITY;
  for (int stored = *parts.scale - below; stored <= *parts.scale + above; stored++) {
    if (stored < 1 || stored > most || !wb_is_scale(value_of_scale(format.mode, (uint8_t)stored))) continue;
    wb_fit_sums sums;
    wb_sum_fit(range, false, &patch, value_of_scale(format.mode, (uint8_t)stored), 0, &sums);
    if (!(sums.dd < least)) continue;
    least = sums.dd;
    best = stored;
  }
  if (best < 0) return;
  if (!(encode_floats(format, x, importance, value_of_scale(format.mode, (uint8_t)best), codes) < before)) return;
  *parts.scale = (uint8_t)best;
  wb_pack_codes(codes, format.group, format.bits, parts.codes);
}

WB_INLINE void refine_rows(wb_mlx_format format, const float *rows, size_t row_count, size_t length, const float *importance, uint8_t *packed,
                           size_t stride) {
  for (size_t row = 0; row < row_count; row++, rows += length, packed += stride) {
    for (size_t group = 0; group < length / format.group; group++) {
      size_t first = group * format.group;
      const float *own = importance ? importance + first : NULL;
      group_parts parts = parts_of(format, packed, length, group);
      if (format.mode == WB_MLX_AFFINE) refine_affine(format, rows + first, own, parts);
      else refine_floats(format, rows + first, own, parts);
    }
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void refine_rows_avx2(wb_mlx_format format, const float *rows, size_t row_count, size_t length,
                                                             const float *importance, uint8_t *packed, size_t stride) {
  refine_rows(format, rows, row_count, length, importance, packed, stride);
}
#endif

void wb_mlx_refine(wb_level level, wb_mlx_format format, const float *rows, size_t row_count, size_t row_length, const float *importance,
                   void *packed, size_t stride) {
#if defined(__x86_64__)
  if (level >= WB_AVX2) return refine_rows_avx2(format, rows, row_count, row_length, importance, packed, stride);
#endif
  (void)level;
  refine_rows(format, rows, row_count, row_length, importance, packed, stride);
}
