// HDF5's byte shuffle (filter 2): the first bytes of all elements, then their second bytes, and so on.
//
// The plain loops are the specification. Elements of 2, 4 and 8 bytes go 16 at a time, in as many vectors as an element has bytes. Number the
// bytes of such a block by vector and lane: first the bits of the element, then those of the byte in it. Interleaving the first half of
// the vectors with the second moves the highest bit of that number to the lowest place. Four such rounds move all four bits of the element behind those
// of the byte, which is the shuffle; as many rounds as the byte has bits move them back.
#include <string.h>

#include "CTensorKernels.h"

enum { LANES = 16 };
typedef uint8_t lanes __attribute__((vector_size(LANES)));

/// One instruction of SSE2 or NEON each.
static inline lanes interleave_low(lanes a, lanes b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

static inline lanes interleave_high(lanes a, lanes b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/// Turns a block of `size` vectors, which lie `src_step` and `dst_step` bytes apart.
__attribute__((always_inline)) static inline void turn(const uint8_t *src, size_t src_step, uint8_t *dst, size_t dst_step, size_t size,
                                                       int rounds) {
  lanes in[8], out[8];
  for (size_t i = 0; i < size; i++) memcpy(&in[i], src + i * src_step, LANES);
  for (int round = 0; round < rounds; round++) {
    for (size_t i = 0; i < size / 2; i++) {
      out[2 * i] = interleave_low(in[i], in[i + size / 2]);
      out[2 * i + 1] = interleave_high(in[i], in[i + size / 2]);
    }
    for (size_t i = 0; i < size; i++) in[i] = out[i];
  }
  for (size_t i = 0; i < size; i++) memcpy(dst + i * dst_step, &in[i], LANES);
}

#define TURN_BLOCKS(size, bits)                                                                              \
  static void shuffle_blocks_##size(const uint8_t *src, uint8_t *dst, size_t count) {                        \
    for (size_t i = 0; i + LANES <= count; i += LANES) turn(src + i * size, LANES, dst + i, count, size, 4); \
  }                                                                                                          \
  static void unshuffle_blocks_##size(const uint8_t *src, uint8_t *dst, size_t count, size_t step) {         \
    for (size_t i = 0; i + LANES <= count; i += LANES) turn(src + i, step, dst + i * size, LANES, size, bits); \
  }

TURN_BLOCKS(2, 1)
TURN_BLOCKS(4, 2)
TURN_BLOCKS(8, 3)

void wb_shuffle(const void *src, void *dst, size_t count, size_t size) {
  const uint8_t *in = src;
  uint8_t *out = dst;
  size_t done = count - count % LANES;
  switch (size) {
  case 1: memcpy(dst, src, count); return;
  case 2: shuffle_blocks_2(in, out, count); break;
  case 4: shuffle_blocks_4(in, out, count); break;
  case 8: shuffle_blocks_8(in, out, count); break;
  default: done = 0;
  }
  for (size_t byte = 0; byte < size; byte++) {
    for (size_t i = done; i < count; i++) out[byte * count + i] = in[i * size + byte];
  }
}

void wb_unshuffle(const void *src, void *dst, size_t count, size_t size) { wb_unshuffle_first(src, dst, count, count, size); }

void wb_unshuffle_first(const void *src, void *dst, size_t count, size_t shuffled_count, size_t size) {
  const uint8_t *in = src;
  uint8_t *out = dst;
  size_t done = count - count % LANES;
  switch (size) {
  case 1: memcpy(dst, src, count); return;
  case 2: unshuffle_blocks_2(in, out, count, shuffled_count); break;
  case 4: unshuffle_blocks_4(in, out, count, shuffled_count); break;
  case 8: unshuffle_blocks_8(in, out, count, shuffled_count); break;
  default: done = 0;
  }
  for (size_t byte = 0; byte < size; byte++) {
    for (size_t i = done; i < count; i++) out[i * size + byte] = in[byte * shuffled_count + i];
  }
}
