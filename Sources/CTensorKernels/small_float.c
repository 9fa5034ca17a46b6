// The 8-bit floats.
//
// E4M3 and E5M2: Micikevicius et al., "FP8 Formats for Deep Learning", 2022, table 1 (arXiv:2209.05433). FNUZ variants: Noune et
// al., "8-bit Numerical Formats for Deep Neural Networks", 2022 (arXiv:2206.02915). E8M0: OCP Microscaling Formats 1.0, 5.4.1.
#include "CTensorKernels.h"

/// What the highest exponent codes and 0x80 stand for.
typedef enum {
  /// The highest exponent is that of infinity and the NaNs.
  IEEE_SPECIALS,
  /// Only 0x7F and 0xFF are NaNs, and there is no infinity.
  ONE_NAN_PER_SIGN,
  /// Only 0x80, which would be the negative zero, is a NaN, and there is no infinity.
  NAN_FOR_NEGATIVE_ZERO
} special_codes;

/// Returns significand * 2^exponent, which the caller knows to be a float, maybe subnormal.
static float scaled(uint32_t significand, int exponent) {
  double power = 1;
  for (; exponent > 0; exponent--) power *= 2;
  for (; exponent < 0; exponent++) power /= 2;
  return (float)(significand * power);
}

static float decoded(uint8_t code, int mantissa_bits, int bias, special_codes specials) {
  uint32_t magnitude = code & 0x7F;
  uint32_t mantissa = magnitude & ((1u << mantissa_bits) - 1);
  int exponent = (int)(magnitude >> mantissa_bits);
  int highest_exponent = 0x7F >> mantissa_bits;
  float sign = code & 0x80 ? -1.0f : 1.0f;

  if (specials == ONE_NAN_PER_SIGN && magnitude == 0x7F) return __builtin_nanf("");
  if (specials == NAN_FOR_NEGATIVE_ZERO && code == 0x80) return __builtin_nanf("");
  if (specials == IEEE_SPECIALS && exponent == highest_exponent) return mantissa ? __builtin_nanf("") : sign * __builtin_inff();
  if (exponent == 0) return sign * scaled(mantissa, 1 - bias - mantissa_bits);
  return sign * scaled(mantissa | 1u << mantissa_bits, exponent - bias - mantissa_bits);
}

float wb_small_float(wb_stat_type type, uint8_t code) {
  switch (type) {
  case WB_STAT_F8_E4M3:
    return decoded(code, 3, 7, ONE_NAN_PER_SIGN);
  case WB_STAT_F8_E5M2:
    return decoded(code, 2, 15, IEEE_SPECIALS);
  case WB_STAT_F8_E4M3FNUZ:
    return decoded(code, 3, 8, NAN_FOR_NEGATIVE_ZERO);
  case WB_STAT_F8_E5M2FNUZ:
    return decoded(code, 2, 16, NAN_FOR_NEGATIVE_ZERO);
  case WB_STAT_F8_E8M0:
    return code == 0xFF ? __builtin_nanf("") : scaled(1, code - 127);
  default:
    return __builtin_nanf("");
  }
}
