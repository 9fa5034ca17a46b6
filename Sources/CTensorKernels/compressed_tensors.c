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
#include "packed_rows.h"

#pragma STDC FP_CONTRACT OFF

enum {
  /// Codes that are made at once.
  CODES_AT_ONCE = 256,
  /// What a stored exponent is more by.
  EXPONENT_BIAS = 127
};

static size_t group_length(wb_ct_format format, size_t row_length) { return format.group ? format.group : row_length; }

static size_t group_count(wb_ct_format format, size_t row_length) {
  size_t group = group_length(format, row_length);
  return (row_length + group - 1) / group;
}

static size_t scale_byte_count(wb_ct_format format) {
  return format.mode == WB_CT_INTEGERS || format.mode == WB_CT_E4M3 ? wb_float_byte_count(format.dtype) : 1;
}

static size_t code_byte_count(wb_ct_format format, size_t row_length) {
  size_t words = (row_length * format.bits + format.word_bits - 1) / format.word_bits;
  return words * format.word_bits / 8;
}

size_t wb_ct_row_byte_count(wb_ct_format format, size_t row_length) {
  return code_byte_count(format, row_length) + group_count(format, row_length) * scale_byte_count(format);
}

// MARK: Scales

/// What the library takes for a scale of 0: the distance from 1 to the next number.
static float least_scale(wb_float_type dtype) { return dtype == WB_F32 ? 0x1p-23f : dtype == WB_F16 ? 0x1p-10f : 0x1p-7f; }

/// The exponent of the power of two that is nearest to what is largest, less that of the largest code.
static int exponent_for(float largest, int of_largest_code) {
  // From a significand of 1.75 on the next one.
  int exponent = (int)((wb_bits_of_float(largest) + 0x200000) >> 23) - 127 - of_largest_code;
  return exponent > -EXPONENT_BIAS ? exponent : -EXPONENT_BIAS;
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
    *out = (uint8_t)(exponent + EXPONENT_BIAS);
    return wb_power_of_two(exponent);
  }
  }
}

/// What is stored stands for.
static float get_scale(wb_ct_format format, const uint8_t *in) {
  switch (format.mode) {
  case WB_CT_INTEGERS:
  case WB_CT_E4M3: return wb_load_float(format.dtype, in);
  case WB_CT_NVFP4: return wb_e4m3_value(*in) / format.tensor_scale;
  default: return wb_power_of_two(*in - EXPONENT_BIAS);
  }
}

// MARK: Codes

/// To the nearest, ties to even; those below 0 as two's complement, or more by half of what the bits hold.
static void encode_integers(const float *values, size_t count, float scale, unsigned bits, bool is_offset, uint8_t *codes) {
  float limit = (float)(1u << (bits - 1));
  int32_t offset = is_offset ? (int32_t)limit : 0;
  for (size_t i = 0; i < count; i++) {
    float code = values[i] / scale;
    code = code > -limit ? code : -limit;
    code = code < limit - 1 ? code : limit - 1;
    // The sum has the integer in its lowest bits.
    codes[i] = (uint8_t)((int32_t)wb_bits_of_float(code + 12582912.0f) + offset);
  }
}

static void encode_e4m3(const float *values, size_t count, float scale, uint8_t *codes) {
  for (size_t i = 0; i < count; i++) codes[i] = wb_e4m3(values[i] / scale);
}

/// To the nearest E2M1, ties to even.
static void encode_e2m1(const float *values, size_t count, float scale, uint8_t *codes) {
  for (size_t i = 0; i < count; i++) {
    float value = values[i] / scale, size = fabsf(value);
    unsigned code = (size > 0.25f) + (size >= 0.75f) + (size > 1.25f) + (size >= 1.75f) + (size > 2.5f) + (size >= 3.5f) + (size > 5);
    codes[i] = (uint8_t)(code | (wb_bits_of_float(value) >> 28 & 8));
  }
}

static void encode(wb_ct_format format, const float *values, size_t count, float scale, uint8_t *out) {
  uint8_t codes[CODES_AT_ONCE];
  for (size_t first = 0; first < count; first += CODES_AT_ONCE) {
    size_t length = count - first < CODES_AT_ONCE ? count - first : CODES_AT_ONCE;
    switch (format.mode) {
    case WB_CT_INTEGERS: encode_integers(values + first, length, scale, format.bits, format.word_bits == 32, codes); break;
    case WB_CT_E4M3:
    case WB_CT_MXFP8: encode_e4m3(values + first, length, scale, codes); break;
    default: encode_e2m1(values + first, length, scale, codes); break;
    }
    wb_pack_codes(codes, length, format.bits, out + first * format.bits / 8);
  }
}

static void decode(wb_ct_format format, const uint8_t *in, size_t count, float scale, float *values) {
  uint8_t codes[CODES_AT_ONCE];
  int offset = format.word_bits == 32 ? 1 << (format.bits - 1) : 0;
  for (size_t first = 0; first < count; first += CODES_AT_ONCE) {
    size_t length = count - first < CODES_AT_ONCE ? count - first : CODES_AT_ONCE;
    float *out = values + first;
    wb_unpack_codes(in + first * format.bits / 8, length, format.bits, codes);
    switch (format.mode) {
    case WB_CT_INTEGERS:
      for (size_t i = 0; i < length; i++) out[i] = (float)(offset ? (int)codes[i] - offset : (int8_t)codes[i]) * scale;
      break;
    case WB_CT_E4M3:
    case WB_CT_MXFP8:
      for (size_t i = 0; i < length; i++) out[i] = wb_e4m3_value(codes[i]) * scale;
      break;
    default:
      for (size_t i = 0; i < length; i++) out[i] = WB_E2M1[codes[i]] * scale;
      break;
    }
  }
}

// MARK: Rows

/// Rows that share scales.
static void quantize_rows(wb_ct_format format, const float *rows, size_t row_count, size_t length, uint8_t *packed, size_t stride) {
  size_t group = group_length(format, length), code_bytes = code_byte_count(format, length), scale_bytes = scale_byte_count(format);
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
      encode(format, rows + row * length + start, count, scale, out + start * format.bits / 8);
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
  size_t group = group_length(format, row_length), code_bytes = code_byte_count(format, row_length), scale_bytes = scale_byte_count(format);
  for (size_t row = 0; row < row_count; row++) {
    const uint8_t *in = (const uint8_t *)packed + row * stride;
    for (size_t start = 0, place = code_bytes; start < row_length; start += group, place += scale_bytes) {
      size_t count = row_length - start < group ? row_length - start : group;
      decode(format, in + start * format.bits / 8, count, get_scale(format, in + place), rows + row * row_length + start);
    }
  }
}
