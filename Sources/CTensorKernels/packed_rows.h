// What formats of codes with scales beside them have in common; not part of the module.
#ifndef WB_PACKED_ROWS_H
#define WB_PACKED_ROWS_H

#include <math.h>
#include <string.h>

#include "cast_kernels.h"

#pragma STDC FP_CONTRACT OFF

/// Becomes part of each variant of the functions that call it.
#define WB_INLINE static inline __attribute__((always_inline))

/// Values of 4-bit floats (E2M1) by their codes.
static const float WB_E2M1[16] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};

// MARK: Codes

/// Writes codes one after the other, the lowest bits first; what is left of the last byte is 0.
WB_INLINE void wb_pack_codes(const uint8_t *codes, size_t count, unsigned bits, uint8_t *out) {
  if (bits == 8) {
    memcpy(out, codes, count);
    return;
  }
  if (bits == 4) {
    for (size_t i = 0; i < count / 2; i++) out[i] = (uint8_t)(codes[2 * i] | codes[2 * i + 1] << 4);
    if (count % 2) out[count / 2] = codes[count - 1];
    return;
  }
  uint64_t pending = 0;
  unsigned pending_bits = 0;
  for (size_t i = 0; i < count; i++) {
    pending |= (uint64_t)codes[i] << pending_bits;
    pending_bits += bits;
    while (pending_bits >= 8) {
      *out++ = (uint8_t)pending;
      pending >>= 8;
      pending_bits -= 8;
    }
  }
  if (pending_bits > 0) *out = (uint8_t)pending;
}

WB_INLINE void wb_unpack_codes(const uint8_t *in, size_t count, unsigned bits, uint8_t *codes) {
  if (bits == 8) {
    memcpy(codes, in, count);
    return;
  }
  if (bits == 4) {
    for (size_t i = 0; i < count / 2; i++) {
      codes[2 * i] = in[i] & 15;
      codes[2 * i + 1] = in[i] >> 4;
    }
    if (count % 2) codes[count - 1] = in[count / 2] & 15;
    return;
  }
  uint32_t pending = 0;
  unsigned pending_bits = 0;
  for (size_t i = 0; i < count; i++) {
    while (pending_bits < bits) {
      pending |= (uint32_t)*in++ << pending_bits;
      pending_bits += 8;
    }
    codes[i] = pending & ((1u << bits) - 1);
    pending >>= bits;
    pending_bits -= bits;
  }
}

// MARK: Floats

/// Integers are ordered as the magnitudes whose bits they are, and their maxima are vectorised.
WB_INLINE float wb_largest_magnitude(const float *values, size_t count, float so_far) {
  int32_t largest = (int32_t)wb_bits_of_float(so_far);
  for (size_t i = 0; i < count; i++) {
    int32_t magnitude = (int32_t)(wb_bits_of_float(values[i]) & 0x7FFFFFFF);
    largest = magnitude > largest ? magnitude : largest;
  }
  return wb_float_of_bits((uint32_t)largest);
}

WB_INLINE size_t wb_float_byte_count(wb_float_type dtype) { return dtype == WB_F32 ? 4 : 2; }

/// The nearest of the 16 values; of two equally near the one closer to zero, and zero without a sign.
WB_INLINE uint8_t wb_e2m1(float value) {
  float size = fabsf(value);
  uint8_t code = (size > 0.25f) + (size > 0.75f) + (size > 1.25f) + (size > 1.75f) + (size > 2.5f) + (size > 3.5f) + (size > 5);
  return code && value < 0 ? code | 8 : code;
}

/// To the nearest E4M3, ties to even, saturating at the largest value; what is no number becomes that, too.
WB_INLINE uint8_t wb_e4m3(float value) {
  // Signed, and without branches, so that loops become vectors.
  int32_t bits = (int32_t)wb_bits_of_float(value), magnitude = bits & 0x7FFFFFFF;
  // 448, the largest, is as large as values get.
  magnitude = magnitude < 0x43E00000 ? magnitude : 0x43E00000;
  int32_t normal = ((magnitude + 0x7FFFF + (magnitude >> 20 & 1)) >> 20) - (120 << 3);
  // Below 2^-6 steps are 2^-9, which are those of binary32 from 2^14 on.
  int32_t small = (int32_t)wb_bits_of_float(wb_float_of_bits((uint32_t)magnitude) + 0x1p14f) - 0x46800000;
  return (uint8_t)((bits >> 24 & 0x80) | (magnitude < 0x3C800000 ? small : normal));
}

/// Of any code but those of the NaNs, which `wb_e4m3` never gives: binary32's fields are the same, with an exponent that is 120 more.
WB_INLINE float wb_e4m3_value(uint8_t code) {
  float size = wb_float_of_bits((uint32_t)(code & 0x7F) << 20) * 0x1p120f;
  return wb_float_of_bits(wb_bits_of_float(size) | (uint32_t)(code & 0x80) << 24);
}

/// 2^exponent, for -127 to 127.
WB_INLINE float wb_power_of_two(int exponent) {
  return exponent > -127 ? wb_float_of_bits((uint32_t)(exponent + 127) << 23) : wb_float_of_bits(1u << 22);
}

/// Rounds a number to bfloat16, once.
WB_INLINE float wb_round_to_bf16(float value) {
  uint32_t bits = wb_bits_of_float(value);
  return wb_float_of_bits((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000);
}

/// Rounds a number to a dtype, once.
WB_INLINE float wb_round_to(wb_float_type dtype, float value) {
  if (dtype == WB_F32) return value;
  if (dtype == WB_BF16) return wb_round_to_bf16(value);
  uint16_t narrow;
  float rounded;
  wb_cast_report report = {0};
  wb_cast(WB_F32, dtype, &value, &narrow, 1, &report);
  wb_cast(dtype, WB_F32, &narrow, &rounded, 1, &report);
  return rounded;
}

/// Writes a value that the dtype has, at any address.
WB_INLINE void wb_store_float(wb_float_type dtype, float value, uint8_t *out) {
  if (dtype == WB_F32) {
    memcpy(out, &value, 4);
    return;
  }
  uint16_t narrow;
  wb_cast_report report = {0};
  wb_cast(WB_F32, dtype, &value, &narrow, 1, &report);
  memcpy(out, &narrow, 2);
}

WB_INLINE float wb_load_float(wb_float_type dtype, const uint8_t *in) {
  float value;
  if (dtype == WB_F32) {
    memcpy(&value, in, 4);
    return value;
  }
  uint16_t narrow;
  wb_cast_report report = {0};
  memcpy(&narrow, in, 2);
  wb_cast(dtype, WB_F32, &narrow, &value, 1, &report);
  return value;
}

#endif
