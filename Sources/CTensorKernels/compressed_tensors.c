// Matrices as compressed-tensors stores them: its own scales, and for each weight the nearest code.
//
// A row is written as the rows of its parts, one after the other:
// 1. codes, a stream of bits with the lowest first; what is left of the last word is 0
// 2. a scale for each group, in the weights' dtype, as E4M3 (nvfp4) or as the exponent of a power of two, plus 127 (mxfp4, mxfp8);
//    rows that share scales all have them
//
// https://github.com/vllm-project/compressed-tensors, quantization/utils/helpers.py and mxfp_utils.py. A weight is divided by its scale in
// binary32; the library rounds quotients to the weights' dtype before it looks for the code, and then takes a neighbour now and then. Scales are
// the library's own, but those of nvfp4 where weights have 16 bits, for the same reason.
#include "ct_rows.h"

#pragma STDC FP_CONTRACT OFF

size_t wb_ct_row_byte_count(wb_ct_format format, size_t row_length) {
  return wb_ct_code_byte_count(format, row_length) + wb_ct_group_count(format, row_length) * wb_ct_scale_byte_count(format);
}

// MARK: Scales

/// What the library takes for a scale of 0: the distance from 1 to the next number.
static float least_scale(wb_float_type dtype) { return dtype == WB_F32 ? 0x1p-23f : dtype == WB_F16 ? 0x1p-10f : 0x1p-7f; }

/// The exponent of the power of two that is nearest to what is largest, less that of the largest code.
static int exponent_for(float largest, int of_largest_code) {
  // From a significand of 1.75 on the next one.
  int exponent = (int)((wb_bits_of_float(largest) + 0x200000) >> 23) - 127 - of_largest_code;
  return exponent > -WB_CT_EXPONENT_BIAS ? exponent : -WB_CT_EXPONENT_BIAS;
}

/// Writes the scale for values of which the largest is known, and returns what they are divided by.
static float put_scale(wb_ct_format format, float largest, uint8_t *out) {
  float scale;
  switch (format.mode) {
  case WB_CT_INTEGERS:
  case WB_CT_E4M3:
    scale = wb_round_to(format.dtype, largest / (format.mode == WB_CT_E4M3 ? 448.0f : (float)((1u << format.bits) - 1) / 2));
    if (scale == 0) scale = least_scale(format.dtype);
    wb_store_float(format.dtype, scale, out);
    return scale;
  case WB_CT_NVFP4:
    // Rounded once; the library first rounds to the dtype.
    *out = wb_e4m3(format.tensor_scale * (largest / 6));
    // 0.125, as of a scale of 0.
    if (*out == 0) *out = 0x20;
    return wb_e4m3_value(*out) / format.tensor_scale;
  default: {
    int exponent = exponent_for(largest, format.mode == WB_CT_MXFP4 ? 2 : 8);
    *out = (uint8_t)(exponent + WB_CT_EXPONENT_BIAS);
    return wb_power_of_two(exponent);
  }
  }
}

// MARK: Rows

/// Rows that share scales.
static void quantize_rows(wb_ct_format format, const float *rows, size_t row_count, size_t length, uint8_t *packed, size_t stride) {
  size_t group = wb_ct_group_length(format, length), code_bytes = wb_ct_code_byte_count(format, length), scale_bytes = wb_ct_scale_byte_count(format);
  for (size_t row = 0; row < row_count; row++) {
    size_t used = length * format.bits / 8;
    memset(packed + row * stride + used, 0, code_bytes - used);
  }
  for (size_t start = 0, place = code_bytes; start < length; start += group, place += scale_bytes) {
    size_t count = length - start < group ? length - start : group;
    float largest = 0;
    for (size_t row = 0; row < row_count; row++) largest = wb_largest_magnitude(rows + row * length + start, count, largest);
    float scale = put_scale(format, largest, packed + place);
    for (size_t row = 0; row < row_count; row++) {
      uint8_t *out = packed + row * stride;
      if (row > 0) memcpy(out + place, packed + place, scale_bytes);
      wb_ct_encode(format, rows + row * length + start, count, scale, out + start * format.bits / 8);
    }
  }
}

void wb_ct_quantize(wb_ct_format format, const float *rows, size_t row_count, size_t row_length, void *packed, size_t stride) {
  size_t shared = format.rows;
  for (size_t row = 0; row < row_count; row += shared) {
    size_t count = row_count - row < shared ? row_count - row : shared;
    quantize_rows(format, rows + row * row_length, count, row_length, (uint8_t *)packed + row * stride, stride);
  }
}

void wb_ct_dequantize(wb_ct_format format, const void *packed, size_t stride, size_t row_count, size_t row_length, float *rows) {
  size_t group = wb_ct_group_length(format, row_length), code_bytes = wb_ct_code_byte_count(format, row_length), scale_bytes = wb_ct_scale_byte_count(format);
  for (size_t row = 0; row < row_count; row++) {
    const uint8_t *in = (const uint8_t *)packed + row * stride;
    for (size_t start = 0, place = code_bytes; start < row_length; start += group, place += scale_bytes) {
      size_t count = row_length - start < group ? row_length - start : group;
      wb_ct_decode(format, in + start * format.bits / 8, count, wb_ct_scale(format, in + place), rows + row * row_length + start);
    }
  }
}
