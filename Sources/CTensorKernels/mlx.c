// Matrices as MLX quantizes them: the codes, scales and biases of mx.quantize on its CPU backend, bit for bit.
//
// A row is written as the rows of its parts, one after the other:
// 1. codes, a stream of bits with the lowest first
// 2. a scale for each group, in the weights' dtype (affine), as E4M3 (nvfp4) or as the exponent of a power of two, plus 127 (mxfp4, mxfp8)
// 3. affine: a bias for each group, in the weights' dtype
//
// https://github.com/ml-explore/mlx, mlx/backend/cpu/quantized.cpp. Every operation is rounded on its own, as there.
#include "packed_rows.h"

#pragma STDC FP_CONTRACT OFF

enum {
  MAXIMUM_GROUP = 128,
  /// Groups whose scales are cast at once.
  GROUPS_AT_ONCE = 64
};

WB_INLINE size_t scale_byte_count(wb_mlx_format format) { return format.mode == WB_MLX_AFFINE ? wb_float_byte_count(format.dtype) : 1; }

WB_INLINE size_t code_byte_count(wb_mlx_format format, size_t row_length) { return row_length * format.bits / 8; }

size_t wb_mlx_row_byte_count(wb_mlx_format format, size_t row_length) {
  size_t parts = format.mode == WB_MLX_AFFINE ? 2 : 1;
  return code_byte_count(format, row_length) + row_length / format.group * scale_byte_count(format) * parts;
}

// MARK: Floats

/// Rounds values to a dtype, once; they stay floats.
WB_INLINE void round_to(wb_float_type dtype, float *values, size_t count) {
  if (dtype == WB_F32) return;
  if (dtype == WB_BF16) {
    for (size_t i = 0; i < count; i++) values[i] = wb_round_to_bf16(values[i]);
    return;
  }
  uint16_t narrow[MAXIMUM_GROUP];
  wb_cast_report report = {0};
  wb_cast(WB_F32, dtype, values, narrow, count, &report);
  wb_cast(dtype, WB_F32, narrow, values, count, &report);
}

/// The power of two at or above a scale; below the normal ones, where MLX's stored byte wraps around, the smallest of them.
WB_INLINE int exponent_above(float scale) {
  uint32_t bits = wb_bits_of_float(scale);
  int exponent = (int)(bits >> 23) - 127 + ((bits & 0x7FFFFF) != 0);
  return exponent > -126 ? exponent : -126;
}

// MARK: Groups

/// An integer with the order of the value, whose maxima are vectorised: those of negative values count backwards. Its own inverse.
WB_INLINE int32_t ordered(int32_t bits) { return bits ^ (int32_t)((uint32_t)(bits >> 31) >> 1); }

WB_INLINE void affine_group(const float *values, size_t count, unsigned bits, uint8_t *codes, float *scale_out, float *bias_out) {
  int32_t least = INT32_MAX, largest = INT32_MIN;
  for (size_t i = 0; i < count; i++) {
    int32_t value = ordered((int32_t)wb_bits_of_float(values[i]));
    least = value < least ? value : least;
    largest = value > largest ? value : largest;
  }
  float bins = (float)((1u << bits) - 1);
  float lowest = wb_float_of_bits((uint32_t)ordered(least)), highest = wb_float_of_bits((uint32_t)ordered(largest));
  bool is_low = fabsf(lowest) > fabsf(highest);
  float scale = (highest - lowest) / bins;
  scale = scale < 1e-7f ? 1e-7f : scale;
  scale = is_low ? scale : -scale;
  float edge = is_low ? lowest : highest, bias = 0;
  // The edge gets a code of its own exactly.
  float first = rintf(edge / scale);
  if (first != 0) {
    scale = edge / first;
    bias = edge;
  }
  for (size_t i = 0; i < count; i++) {
    float code = (values[i] - bias) / scale;
    // To nearest even, for what is far below 2^22; what is no number becomes 0.
    code = code > 0 ? code : 0;
    code = code < bins ? code : bins;
    code = code + 12582912.0f - 12582912.0f;
    codes[i] = (uint8_t)code;
  }
  *scale_out = scale;
  *bias_out = bias;
}

/// Returns the stored scale.
WB_INLINE uint8_t float_group(wb_mlx_format format, const float *values, uint8_t *codes) {
  float scale = wb_largest_magnitude(values, format.group, 0), scaled[MAXIMUM_GROUP];
  scale /= format.mode == WB_MLX_MXFP8 ? 448.0f : 6.0f;
  scale = wb_round_to(format.dtype, scale);
  uint8_t stored;
  float divisor;
  if (format.mode == WB_MLX_NVFP4) {
    stored = wb_e4m3(scale);
    divisor = wb_e4m3_value(stored);
  } else {
    int exponent = scale == 0 ? 0 : exponent_above(scale);
    stored = (uint8_t)(exponent + 127);
    divisor = wb_power_of_two(exponent);
  }
  for (size_t i = 0; i < format.group; i++) scaled[i] = divisor == 0 ? 0 : values[i] / divisor;
  round_to(format.dtype, scaled, format.group);
  for (size_t i = 0; i < format.group; i++) codes[i] = format.mode == WB_MLX_MXFP8 ? wb_e4m3(scaled[i]) : wb_e2m1(scaled[i]);
  return stored;
}

WB_INLINE void store_floats(wb_float_type dtype, const float *values, size_t count, uint8_t *out) {
  wb_cast_report report = {0};
  if (dtype == WB_F32) memcpy(out, values, count * 4);
  else wb_cast(WB_F32, dtype, values, out, count, &report);
}

// MARK: Rows

WB_INLINE void quantize_row(wb_mlx_format format, const float *row, size_t length, uint8_t *out) {
  size_t groups = length / format.group, scale_bytes = scale_byte_count(format), group_bytes = format.group * format.bits / 8;
  uint8_t *scales_out = out + code_byte_count(format, length), *biases_out = scales_out + groups * scale_bytes;
  for (size_t first = 0; first < groups; first += GROUPS_AT_ONCE) {
    size_t count = groups - first < GROUPS_AT_ONCE ? groups - first : GROUPS_AT_ONCE;
    float scales[GROUPS_AT_ONCE], biases[GROUPS_AT_ONCE];
    for (size_t i = 0; i < count; i++) {
      const float *values = row + (first + i) * format.group;
      uint8_t codes[MAXIMUM_GROUP];
      if (format.mode == WB_MLX_AFFINE) affine_group(values, format.group, format.bits, codes, &scales[i], &biases[i]);
      else scales_out[first + i] = float_group(format, values, codes);
      wb_pack_codes(codes, format.group, format.bits, out + (first + i) * group_bytes);
    }
    if (format.mode != WB_MLX_AFFINE) continue;
    store_floats(format.dtype, scales, count, scales_out + first * scale_bytes);
    store_floats(format.dtype, biases, count, biases_out + first * scale_bytes);
  }
}

WB_INLINE void dequantize_row(wb_mlx_format format, const uint8_t *in, size_t length, float *out) {
  size_t groups = length / format.group, scale_bytes = scale_byte_count(format), group_bytes = format.group * format.bits / 8;
  const uint8_t *scales_in = in + code_byte_count(format, length), *biases_in = scales_in + groups * scale_bytes;
  for (size_t group = 0; group < groups; group++) {
    uint8_t codes[MAXIMUM_GROUP];
    float *values = out + group * format.group, scale, bias;
    wb_unpack_codes(in + group * group_bytes, format.group, format.bits, codes);
    switch (format.mode) {
    case WB_MLX_AFFINE:
      scale = wb_load_float(format.dtype, scales_in + group * scale_bytes);
      bias = wb_load_float(format.dtype, biases_in + group * scale_bytes);
      for (size_t i = 0; i < format.group; i++) values[i] = (float)codes[i] * scale + bias;
      break;
    case WB_MLX_MXFP4:
    case WB_MLX_NVFP4:
      scale = format.mode == WB_MLX_NVFP4 ? wb_e4m3_value(scales_in[group])
                                          : wb_power_of_two(scales_in[group] - 127);
      for (size_t i = 0; i < format.group; i++) values[i] = WB_E2M1[codes[i]] * scale;
      break;
    case WB_MLX_MXFP8:
      scale = wb_power_of_two(scales_in[group] - 127);
      for (size_t i = 0; i < format.group; i++) values[i] = wb_e4m3_value(codes[i]) * scale;
      break;
    }
  }
}

WB_INLINE void quantize_rows(wb_mlx_format format, const float *rows, size_t row_count, size_t row_length, uint8_t *packed, size_t stride) {
  for (size_t row = 0; row < row_count; row++) quantize_row(format, rows + row * row_length, row_length, packed + row * stride);
}

WB_INLINE void dequantize_rows(wb_mlx_format format, const uint8_t *packed, size_t stride, size_t row_count, size_t row_length, float *rows) {
  for (size_t row = 0; row < row_count; row++) dequantize_row(format, packed + row * stride, row_length, rows + row * row_length);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void quantize_avx2(wb_mlx_format format, const float *rows, size_t row_count, size_t row_length,
                                                          uint8_t *packed, size_t stride) {
  quantize_rows(format, rows, row_count, row_length, packed, stride);
}

__attribute__((target("avx2"))) static void dequantize_avx2(wb_mlx_format format, const uint8_t *packed, size_t stride, size_t row_count,
                                                            size_t row_length, float *rows) {
  dequantize_rows(format, packed, stride, row_count, row_length, rows);
}
#endif

void wb_mlx_quantize(wb_mlx_format format, const float *rows, size_t row_count, size_t row_length, void *packed, size_t stride) {
#if defined(__x86_64__)
  if (wb_best_level() >= WB_AVX2) return quantize_avx2(format, rows, row_count, row_length, packed, stride);
#endif
  quantize_rows(format, rows, row_count, row_length, packed, stride);
}

void wb_mlx_dequantize(wb_mlx_format format, const void *packed, size_t stride, size_t row_count, size_t row_length, float *rows) {
#if defined(__x86_64__)
  if (wb_best_level() >= WB_AVX2) return dequantize_avx2(format, packed, stride, row_count, row_length, rows);
#endif
  dequantize_rows(format, packed, stride, row_count, row_length, rows);
}
