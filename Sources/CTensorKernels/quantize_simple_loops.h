// The formats that take one look at a group, as loops that a compiler vectorises; not part of the module. Each level includes this file
// after it has defined TARGET, the attribute that lets functions use its instructions.
//
// Maxima are of integers, whose order is that of the magnitudes they are the bits of, since maxima of floats aren't vectorised.
#include "block_kernels.h"

#pragma STDC FP_CONTRACT OFF

#define INLINE TARGET static inline __attribute__((always_inline))

INLINE float largest_magnitude(const float *x) {
  int32_t largest = 0;
  for (int i = 0; i < 32; i++) {
    int32_t magnitude = (int32_t)(wb_bits_of(x[i]) & 0x7FFFFFFF);
    largest = magnitude > largest ? magnitude : largest;
  }
  return wb_of_bits((uint32_t)largest);
}

INLINE bool contains(const float *x, uint32_t bits) {
  bool found = false;
  for (int i = 0; i < 32; i++) found |= wb_bits_of(x[i]) == bits;
  return found;
}

/// Returns the first element of a magnitude; 0 if there is none.
INLINE float first_of(const float *x, float magnitude) {
  bool is_positive = contains(x, wb_bits_of(magnitude)), is_negative = contains(x, wb_bits_of(-magnitude));
  if (is_positive != is_negative) return is_positive ? magnitude : -magnitude;
  for (int i = 0; i < 32; i++) {
    if (fabsf(x[i]) == magnitude) return x[i];
  }
  return 0;
}

/// Returns the element of the largest magnitude, the first of several; 0 if all are ±0.
INLINE float first_extreme(const float *x) {
  float largest = largest_magnitude(x);
  return largest != 0 ? first_of(x, largest) : 0;
}

/// An integer with the order of the value: those of negative values count backwards. Its own inverse.
INLINE int32_t ordered(uint32_t bits) {
  return (int32_t)(bits ^ (uint32_t)((int32_t)bits >> 31) >> 1);
}

/// Finds both ends of a group; of two zeros it is the first whose sign the minimum has.
INLINE void find_range(const float *x, float *minimum, float *maximum) {
  int32_t least = INT32_MAX, largest = INT32_MIN;
  for (int i = 0; i < 32; i++) {
    int32_t value = ordered(wb_bits_of(x[i]));
    least = value < least ? value : least;
    largest = value > largest ? value : largest;
  }
  *minimum = wb_of_bits((uint32_t)ordered((uint32_t)least));
  *maximum = wb_of_bits((uint32_t)ordered((uint32_t)largest));
  if (*minimum == 0) *minimum = first_of(x, 0);
}

/// The inverse with which codes are chosen: that of the scale before it is rounded to 16 bits.
INLINE float inverse_of(float scale) {
  return scale != 0 ? 1 / scale : 0;
}

/// Puts the low four bits of codes in halves of bytes.
INLINE void pack_halves(const int codes[32], uint8_t packed[16]) {
  for (int i = 0; i < 16; i++) packed[i] = (uint8_t)((codes[i] & 15) | (unsigned)codes[i + 16] << 4);
}

INLINE uint32_t fifth_bits_of(const int codes[32]) {
  uint32_t bits = 0;
  for (int i = 0; i < 32; i++) bits |= (uint32_t)(codes[i] >> 4 & 1) << i;
  return bits;
}

/// Codes around the middle of 2 * `middle`.
INLINE void encode_around(const float *x, float inverse, int middle, int codes[32]) {
  for (int i = 0; i < 32; i++) {
    int code = (int8_t)wb_truncated(x[i] * inverse + ((float)middle + 0.5f));
    codes[i] = code < 2 * middle - 1 ? code : 2 * middle - 1;
  }
}

TARGET static void quantize_q4_0(const float *x, size_t block_count, wb_block_q4_0 *blocks) {
  for (size_t block = 0; block < block_count; block++, x += 32) {
    int codes[32];
    float scale = first_extreme(x) / -8;
    encode_around(x, inverse_of(scale), 8, codes);
    blocks[block].scale = wb_half_of(scale);
    pack_halves(codes, blocks[block].codes);
  }
}

TARGET static void quantize_q5_0(const float *x, size_t block_count, wb_block_q5_0 *blocks) {
  for (size_t block = 0; block < block_count; block++, x += 32) {
    int codes[32];
    float scale = first_extreme(x) / -16;
    encode_around(x, inverse_of(scale), 16, codes);
    blocks[block].scale = wb_half_of(scale);
    pack_halves(codes, blocks[block].codes);
    blocks[block].fifth_bits = fifth_bits_of(codes);
  }
}

TARGET static void quantize_q4_1(const float *x, size_t block_count, wb_block_q4_1 *blocks) {
  for (size_t block = 0; block < block_count; block++, x += 32) {
    int codes[32];
    float minimum, maximum;
    find_range(x, &minimum, &maximum);
    float scale = (maximum - minimum) / 15, inverse = inverse_of(scale);
    for (int i = 0; i < 32; i++) {
      int code = (int8_t)wb_truncated((x[i] - minimum) * inverse + 0.5f);
      codes[i] = code < 15 ? code : 15;
    }
    blocks[block].scale = wb_half_of(scale);
    blocks[block].minimum = wb_half_of(minimum);
    pack_halves(codes, blocks[block].codes);
  }
}

TARGET static void quantize_q5_1(const float *x, size_t block_count, wb_block_q5_1 *blocks) {
  for (size_t block = 0; block < block_count; block++, x += 32) {
    int codes[32];
    float minimum, maximum;
    find_range(x, &minimum, &maximum);
    float scale = (maximum - minimum) / 31, inverse = inverse_of(scale);
    for (int i = 0; i < 32; i++) codes[i] = wb_truncated((x[i] - minimum) * inverse + 0.5f);
    blocks[block].scale = wb_half_of(scale);
    blocks[block].minimum = wb_half_of(minimum);
    pack_halves(codes, blocks[block].codes);
    blocks[block].fifth_bits = fifth_bits_of(codes);
  }
}

TARGET static void quantize_q8_0(const float *x, size_t block_count, wb_block_q8_0 *blocks) {
  for (size_t block = 0; block < block_count; block++, x += 32) {
    float scale = largest_magnitude(x) / 127, inverse = inverse_of(scale);
    blocks[block].scale = wb_half_of(scale);
    for (int i = 0; i < 32; i++) {
      // Rounded with ties away from zero: 0.5 itself would be too much for the number below it.
      float product = x[i] * inverse;
      blocks[block].codes[i] = (int8_t)wb_truncated(product + copysignf(0x1.FFFFFEp-2f, product));
    }
  }
}

TARGET static void encode_affine(const float *restrict x, float scale, float minimum, int largest, int length,
                                 uint8_t *restrict codes) {
  for (int i = 0; i < length; i++) codes[i] = (uint8_t)wb_clamped(wb_nearest((x[i] + minimum) / scale), 0, largest);
}

/// For a group of 16.
TARGET static void encode_symmetric(const float *restrict x, float scale, int offset, uint8_t *restrict codes) {
  for (int i = 0; i < 16; i++) codes[i] = (uint8_t)(wb_clamped(wb_nearest(x[i] / scale), -offset, offset - 1) + offset);
}
