// What a cast means, element by element: the specification that the vector variants are compared with, bit for bit.
#include "cast_kernels.h"

#pragma STDC FP_CONTRACT OFF

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/// The parameters of IEEE 754-2019, table 3.5: t, emin and emax.
typedef struct {
  int mantissa_bits, smallest_exponent, largest_exponent;
} float_format;

static const float_format f32_format = {23, -126, 127};
static const float_format f16_format = {10, -14, 15};
static const float_format bf16_format = {7, -126, 127};

// MARK: Widening, which is exact

void wb_portable_widen_f16(const uint16_t *src, float *dst, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint32_t sign = (uint32_t)(src[i] & 0x8000) << 16;
    uint32_t magnitude = src[i] & 0x7FFF;
    uint32_t normal = (magnitude << 13) + ((127 - 15) << 23);
    uint32_t subnormal = wb_bits_of_float((float)magnitude * 0x1p-24f);
    uint32_t infinity_or_nan = 0x7F800000 | magnitude << 13 | (magnitude > 0x7C00 ? 0x400000 : 0);
    uint32_t wide = magnitude >= 0x7C00 ? infinity_or_nan : magnitude >= 0x0400 ? normal : subnormal;
    dst[i] = wb_float_of_bits(sign | wide);
  }
}

void wb_portable_widen_bf16(const uint16_t *src, float *dst, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint32_t quiet = (src[i] & 0x7FFF) > 0x7F80 ? 0x400000 : 0;
    dst[i] = wb_float_of_bits((uint32_t)src[i] << 16 | quiet);
  }
}

/// NaNs are spelled out, since C leaves their payload to the processor.
ALWAYS_INLINE double widened(float value) {
  uint64_t bits = wb_bits_of_float(value);
  uint64_t nan = (bits & 0x80000000) << 32 | 0x7FF8000000000000 | (bits & 0x7FFFFF) << (52 - 23);
  return value != value ? wb_double_of_bits(nan) : (double)value;
}

void wb_portable_widen_f32(const float *src, double *dst, size_t count) {
  for (size_t i = 0; i < count; i++) dst[i] = widened(src[i]);
}

// MARK: Narrowing

/// Rounds `value` to the format, returns its code there, and adds what happened to the report.
ALWAYS_INLINE uint32_t narrowed(double value, float_format format, uint64_t index, wb_cast_report *report) {
  int exponent_bits = format.largest_exponent == 15 ? 5 : 8;
  int sign_shift = exponent_bits + format.mantissa_bits;
  uint32_t infinity = ((UINT32_C(1) << exponent_bits) - 1) << format.mantissa_bits;
  uint64_t bits = wb_bits_of_double(value);
  uint32_t sign = (uint32_t)(bits >> 63) << sign_shift;

  if (value != value) {
    uint32_t quiet = UINT32_C(1) << (format.mantissa_bits - 1);
    uint32_t payload = (uint32_t)((bits & 0xFFFFFFFFFFFFF) >> (52 - format.mantissa_bits));
    return sign | infinity | quiet | payload;
  }

  // Values from 2^(emax + 1) on are all alike, and their code comes out as infinity without a special case.
  double magnitude = __builtin_fabs(value);
  double limit = wb_double_of_bits((uint64_t)(format.largest_exponent + 1 + 1023) << 52);
  if (magnitude > limit) magnitude = limit;

  // The spacing of the format is 2^(exponent - t) in a binade, and that of the lowest binade below it (gradual underflow).
  int exponent = (int)(wb_bits_of_double(magnitude) >> 52) - 1023;
  if (exponent < format.smallest_exponent) exponent = format.smallest_exponent;
  double inverse_spacing = wb_double_of_bits((uint64_t)(format.mantissa_bits - exponent + 1023) << 52);

  // Exact: a multiplication by a power of two that loses no bits, since the product is at least 2^-1074 * 2^17.
  double units = magnitude * inverse_spacing;
  // The only rounding: doubles from 2^52 to 2^53 are the integers, so this gives the nearest one, ties to even.
  double whole = (units + 0x1p52) - 0x1p52;
  // Counting units from the bottom of the lowest binade is the code itself; a carry out of the mantissa is right as it is.
  uint32_t code = (uint32_t)(int32_t)whole + ((uint32_t)(exponent - format.smallest_exponent) << format.mantissa_bits);

  if (code < infinity) {
    // Exact too: both are multiples of the last bit of `units` and at most 1/2 apart.
    double error = __builtin_fabs(units - whole);
    report->rounded_count += error != 0;
    if (error > report->largest_error_ulp) report->largest_error_ulp = error;
  } else if (__builtin_fabs(value) != (double)__builtin_inff()) {
    report->rounded_count += 1;
    if (report->overflow_count == 0) {
      report->first_overflow = index;
      report->first_overflow_value = value;
    }
    report->overflow_count += 1;
  }
  return sign | code;
}

void wb_portable_narrow_f32(wb_float_type to, const float *src, uint16_t *dst, size_t count, uint64_t first_index,
                            wb_cast_report *report) {
  if (to == WB_F16) {
    for (size_t i = 0; i < count; i++) dst[i] = (uint16_t)narrowed(widened(src[i]), f16_format, first_index + i, report);
  } else {
    for (size_t i = 0; i < count; i++) dst[i] = (uint16_t)narrowed(widened(src[i]), bf16_format, first_index + i, report);
  }
}

void wb_portable_narrow_f64(wb_float_type to, const double *src, void *dst, size_t count, wb_cast_report *report) {
  if (to == WB_F32) {
    float *out = dst;
    for (size_t i = 0; i < count; i++) out[i] = wb_float_of_bits(narrowed(src[i], f32_format, i, report));
  } else if (to == WB_F16) {
    uint16_t *out = dst;
    for (size_t i = 0; i < count; i++) out[i] = (uint16_t)narrowed(src[i], f16_format, i, report);
  } else {
    uint16_t *out = dst;
    for (size_t i = 0; i < count; i++) out[i] = (uint16_t)narrowed(src[i], bf16_format, i, report);
  }
}
