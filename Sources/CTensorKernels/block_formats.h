// The blocks that GGUF files are made of, byte by byte, and the arithmetic that every quantization of them shares; not part of the
// module.
//
// Facts are those of ggml's ggml-common.h (layouts, tables) and ggml-quants.c (arithmetic). "Codes" are the small integers that stand
// for weights; a "group" is a run of 16 or 32 weights with a scale of its own; a "block" is the format's unit: one group, or 256
// weights in 8 or 16 groups whose scales are themselves quantized. A block needs no alignment.
#ifndef WB_BLOCK_FORMATS_H
#define WB_BLOCK_FORMATS_H

#include <math.h>
#include <string.h>

#include "CTensorKernels.h"

#pragma STDC FP_CONTRACT OFF

enum { WB_GROUP_LENGTH = 32, WB_LARGE_BLOCK = 256 };

#define WB_PACKED __attribute__((packed))

// weight = scale * (code - 8): code i in the low half of byte i, code i + 16 in the high half.
typedef struct WB_PACKED {
  uint16_t scale;
  uint8_t codes[16];
} wb_block_q4_0;

// weight = scale * code + minimum.
typedef struct WB_PACKED {
  uint16_t scale, minimum;
  uint8_t codes[16];
} wb_block_q4_1;

// weight = scale * (code - 16); the fifth bit of code i is bit i of the four bytes.
typedef struct WB_PACKED {
  uint16_t scale;
  uint32_t fifth_bits;
  uint8_t codes[16];
} wb_block_q5_0;

typedef struct WB_PACKED {
  uint16_t scale, minimum;
  uint32_t fifth_bits;
  uint8_t codes[16];
} wb_block_q5_1;

typedef struct WB_PACKED {
  uint16_t scale;
  int8_t codes[32];
} wb_block_q8_0;

// weight = scale * table[code].
typedef struct WB_PACKED {
  uint16_t scale;
  uint8_t codes[16];
} wb_block_iq4_nl;

// The scale is 2^(exponent - 127); the table holds twice the values.
typedef struct WB_PACKED {
  uint8_t exponent;
  uint8_t codes[16];
} wb_block_mxfp4;

// Four groups of 16: code i of a group in the low half of its byte i, code i + 8 in the high half.
typedef struct WB_PACKED {
  uint8_t scales[4];
  uint8_t codes[32];
} wb_block_nvfp4;

// 16 groups of 16, weight = scale * (s & 15) * code - minimum * (s >> 4). Each 32 bytes of codes hold 128 weights: bits 2q and 2q + 1
// of byte i are weight 32 q + i.
typedef struct WB_PACKED {
  uint8_t scales[16];
  uint8_t codes[64];
  uint16_t scale, minimum;
} wb_block_q2_k;

// 16 groups of 16, weight = scale * (s - 32) * (code - 4), s with 6 bits. The codes' third bits: bit q of byte i is weight 32 q + i.
typedef struct WB_PACKED {
  uint8_t third_bits[32];
  uint8_t codes[64];
  uint8_t scales[12];
  uint16_t scale;
} wb_block_q3_k;

// 8 groups of 32, weight = scale * s * code - minimum * m, s and m with 6 bits. Each 32 bytes of codes hold two groups, in halves.
typedef struct WB_PACKED {
  uint16_t scale, minimum;
  uint8_t scales[12];
  uint8_t codes[128];
} wb_block_q4_k;

// As Q4_K with five bits: bit g of byte i is the fifth bit of weight i of group g.
typedef struct WB_PACKED {
  uint16_t scale, minimum;
  uint8_t scales[12];
  uint8_t fifth_bits[32];
  uint8_t codes[128];
} wb_block_q5_k;

// 16 groups of 16, weight = scale * s * (code - 32). In each half of 128 weights, the low four bits of weights i and i + 64 are in byte
// i of 64, and the high two bits of weight 32 q + i are bits 2q and 2q + 1 of byte i of 32.
typedef struct WB_PACKED {
  uint8_t low_bits[128];
  uint8_t high_bits[64];
  int8_t scales[16];
  uint16_t scale;
} wb_block_q6_k;

// 8 groups of 32, weight = scale * (s - 32) * table[code]; s has four bits in `low_scales` and two in `high_scales`.
typedef struct WB_PACKED {
  uint16_t scale;
  uint16_t high_scales;
  uint8_t low_scales[4];
  uint8_t codes[128];
} wb_block_iq4_xs;

/// What the codes of IQ4_NL and IQ4_XS stand for.
static const int8_t wb_nonlinear_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// Twice what the codes of MXFP4 and NVFP4, floats with one bit of mantissa, stand for.
static const int8_t wb_fp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// MARK: Numbers

static inline uint32_t wb_bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float wb_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// The binary16 nearest to a value, to even; a NaN becomes 0x7E00 with its sign.
static inline uint16_t wb_half_of(float value) {
  uint32_t sign = wb_bits_of(value) >> 16 & 0x8000, magnitude = wb_bits_of(value) & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return (uint16_t)(sign | 0x7E00);
  if (magnitude >= 0x47800000) return (uint16_t)(sign | 0x7C00);
  // Below 2^-14: in the sum with 0.5 the last bit is worth 2^-24, as in a subnormal binary16.
  if (magnitude < 0x38800000) return (uint16_t)(sign | (wb_bits_of(wb_of_bits(magnitude) + 0.5f) - 0x3F000000));
  return (uint16_t)(sign | (magnitude - 0x38000000 + 0xFFF + (magnitude >> 13 & 1)) >> 13);
}

static inline float wb_of_half(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, magnitude = half & 0x7FFF;
  if (magnitude > 0x7C00) return wb_of_bits(sign | 0x7FC00000 | magnitude << 13);
  if (magnitude == 0x7C00) return wb_of_bits(sign | 0x7F800000);
  if (magnitude < 0x400) return wb_of_bits(sign | wb_bits_of((float)magnitude * 0x1p-24f));
  return wb_of_bits(sign | ((magnitude << 13) + 0x38000000));
}

/// Half of the float with 8 bits of exponent and nothing else, as the table of FP4 holds doubled values.
static inline float wb_half_of_e8m0(uint8_t exponent) {
  return wb_of_bits(exponent < 2 ? 0x200000u << exponent : (uint32_t)(exponent - 1) << 23);
}

/// Half of the float with 4 bits of exponent and 3 of mantissa, without sign; the code of NaN counts as 0.
static inline float wb_half_of_ue4m3(uint8_t code) {
  if (code == 0x7F) return 0;
  int exponent = code >> 3 & 15, mantissa = code & 7;
  if (exponent == 0) return (float)mantissa * 0x1p-10f;
  return (float)(8 + mantissa) * wb_of_bits((uint32_t)(exponent - 7 - 4 + 127) << 23);
}

/// The nearest integer, ties to even. Beyond 2^22 and for NaN it is what the bits give, as in ggml.
static inline int wb_nearest(float value) {
  return (int)(wb_bits_of(value + 0x1.8p23f) & 0x7FFFFF) - 0x400000;
}

/// The integer towards zero; `INT32_MIN` for what doesn't fit, as x86 processors have it.
static inline int wb_truncated(float value) {
  return fabsf(value) < 0x1p31f ? (int)value : INT32_MIN;
}

static inline int wb_clamped(int value, int low, int high) {
  return value < low ? low : value > high ? high : value;
}

/// The code of the nonlinear table whose value is nearest to x; of two, the larger. NaN gets the largest code.
static inline int wb_nonlinear_code(float x) {
  int code = 0;
  for (int i = 1; i < 16; i++) {
    // ggml compares the distances from two values; near the middle they are exact, so that this is the same.
    float middle = (float)(wb_nonlinear_values[i - 1] + wb_nonlinear_values[i]) * 0.5f;
    code += !(x < middle);
  }
  return code;
}

// MARK: The scales of Q4_K and Q5_K

/// Eight scales and minima of 6 bits in 12 bytes: the low bits of the last four pairs lie in bytes 8 to 11, their high bits on top of
/// the first eight bytes, which hold the first four pairs.
static inline void wb_pack_scales(const uint8_t scales[8], const uint8_t minima[8], uint8_t packed[12]) {
  for (int i = 0; i < 4; i++) {
    packed[i] = (uint8_t)(scales[i] | scales[i + 4] >> 4 << 6);
    packed[i + 4] = (uint8_t)(minima[i] | minima[i + 4] >> 4 << 6);
    packed[i + 8] = (uint8_t)((scales[i + 4] & 15) | (minima[i + 4] & 15) << 4);
  }
}

static inline void wb_unpack_scales(const uint8_t packed[12], uint8_t scales[8], uint8_t minima[8]) {
  for (int i = 0; i < 4; i++) {
    scales[i] = packed[i] & 63;
    minima[i] = packed[i + 4] & 63;
    scales[i + 4] = (uint8_t)((packed[i + 8] & 15) | packed[i] >> 6 << 4);
    minima[i + 4] = (uint8_t)(packed[i + 8] >> 4 | packed[i + 4] >> 6 << 4);
  }
}

/// The scale of group `i` of Q3_K, plus 32: four low bits in the first eight bytes, two high bits in the others.
static inline int wb_unpack_q3_scale(const uint8_t packed[12], int i) {
  int low = i < 8 ? packed[i] & 15 : packed[i - 8] >> 4;
  return low | (packed[8 + i % 4] >> 2 * (i / 4) & 3) << 4;
}

#endif
