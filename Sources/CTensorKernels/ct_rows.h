// Where codes and scales lie in rows of compressed-tensors' formats, and what they stand for; not part of the module.
#ifndef WB_CT_ROWS_H
#define WB_CT_ROWS_H

#include "packed_rows.h"

#pragma STDC FP_CONTRACT OFF

enum {
  /// Codes that are made at once.
  WB_CT_CODES_AT_ONCE = 256,
  /// What a stored exponent is more by.
  WB_CT_EXPONENT_BIAS = 127
};

WB_INLINE size_t wb_ct_group_length(wb_ct_format format, size_t row_length) { return format.group ? format.group : row_length; }

WB_INLINE size_t wb_ct_group_count(wb_ct_format format, size_t row_length) {
  size_t group = wb_ct_group_length(format, row_length);
  return (row_length + group - 1) / group;
}

WB_INLINE size_t wb_ct_scale_byte_count(wb_ct_format format) {
  return format.mode == WB_CT_INTEGERS || format.mode == WB_CT_E4M3 ? wb_float_byte_count(format.dtype) : 1;
}

WB_INLINE size_t wb_ct_code_byte_count(wb_ct_format format, size_t row_length) {
  size_t words = (row_length * format.bits + format.word_bits - 1) / format.word_bits;
  return words * format.word_bits / 8;
}

/// What is stored stands for.
WB_INLINE float wb_ct_scale(wb_ct_format format, const uint8_t *in) {
  switch (format.mode) {
  case WB_CT_INTEGERS:
  case WB_CT_E4M3: return wb_load_float(format.dtype, in);
  case WB_CT_NVFP4: return wb_e4m3_value(*in) / format.tensor_scale;
  default: return wb_power_of_two(*in - WB_CT_EXPONENT_BIAS);
  }
}

/// To the nearest, ties to even; those below 0 as two's complement, or more by half of what the bits hold.
WB_INLINE void wb_ct_encode_integers(const float *values, size_t count, float scale, unsigned bits, bool is_offset, uint8_t *codes) {
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

WB_INLINE void wb_ct_encode_e4m3(const float *values, size_t count, float scale, uint8_t *codes) {
  for (size_t i = 0; i < count; i++) codes[i] = wb_e4m3(values[i] / scale);
}

/// To the nearest E2M1, ties to even.
WB_INLINE void wb_ct_encode_e2m1(const float *values, size_t count, float scale, uint8_t *codes) {
  for (size_t i = 0; i < count; i++) {
    float value = values[i] / scale, size = fabsf(value);
    unsigned code = (size > 0.25f) + (size >= 0.75f) + (size > 1.25f) + (size >= 1.75f) + (size > 2.5f) + (size >= 3.5f) + (size > 5);
    codes[i] = (uint8_t)(code | (wb_bits_of_float(value) >> 28 & 8));
  }
}

WB_INLINE void wb_ct_encode(wb_ct_format format, const float *values, size_t count, float scale, uint8_t *out) {
  uint8_t codes[WB_CT_CODES_AT_ONCE];
  for (size_t first = 0; first < count; first += WB_CT_CODES_AT_ONCE) {
    size_t length = count - first < WB_CT_CODES_AT_ONCE ? count - first : WB_CT_CODES_AT_ONCE;
    switch (format.mode) {
    case WB_CT_INTEGERS: wb_ct_encode_integers(values + first, length, scale, format.bits, format.word_bits == 32, codes); break;
    case WB_CT_E4M3:
    case WB_CT_MXFP8: wb_ct_encode_e4m3(values + first, length, scale, codes); break;
    default: wb_ct_encode_e2m1(values + first, length, scale, codes); break;
    }
    wb_pack_codes(codes, length, format.bits, out + first * format.bits / 8);
  }
}

WB_INLINE void wb_ct_decode(wb_ct_format format, const uint8_t *in, size_t count, float scale, float *values) {
  uint8_t codes[WB_CT_CODES_AT_ONCE];
  int offset = format.word_bits == 32 ? 1 << (format.bits - 1) : 0;
  for (size_t first = 0; first < count; first += WB_CT_CODES_AT_ONCE) {
    size_t length = count - first < WB_CT_CODES_AT_ONCE ? count - first : WB_CT_CODES_AT_ONCE;
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

#endif
