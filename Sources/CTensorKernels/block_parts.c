// Blocks of 32 weights in two forms: ggml's, and codes, scales and minima in tensors of their own, as MLX, compressed-tensors and
// gpt-oss have them.
#include <string.h>

#include "CTensorKernels.h"
#include "block_formats.h"

enum { COUNT = WB_GROUP_LENGTH, HALF = COUNT / 2 };

// A block taken apart: codes of 0 to 2^bits - 1, one a byte.
typedef struct {
  uint8_t codes[COUNT];
  uint16_t scale, minimum;
} Parts;

static inline void halves_split(const uint8_t *bytes, uint8_t *codes) {
  for (size_t i = 0; i < HALF; i++) {
    codes[i] = bytes[i] & 15;
    codes[i + HALF] = bytes[i] >> 4;
  }
}

static inline void halves_join(const uint8_t *codes, uint8_t *bytes) {
  for (size_t i = 0; i < HALF; i++) bytes[i] = (codes[i] & 15) | codes[i + HALF] << 4;
}

static inline void fifth_split(const uint8_t *bytes, uint8_t *codes) {
  for (size_t i = 0; i < COUNT; i++) codes[i] |= (bytes[i / 8] >> i % 8 & 1) << 4;
}

static inline void fifth_join(const uint8_t *codes, uint8_t *bytes) {
  memset(bytes, 0, COUNT / 8);
  for (size_t i = 0; i < COUNT; i++) bytes[i / 8] |= (codes[i] >> 4 & 1) << i % 8;
}

// Byte by byte, so that the order of a word's bytes doesn't matter: a block has its scale, its minimum, its fifth bits, its codes.
static inline void block_split(wb_block_type type, const uint8_t *block, Parts *parts) {
  if (type == WB_MXFP4) {
    parts->scale = block[0];
    halves_split(block + 1, parts->codes);
    return;
  }
  memcpy(&parts->scale, block, 2);
  memcpy(&parts->minimum, block + 2, 2);
  switch (type) {
    case WB_Q4_0: halves_split(block + 2, parts->codes); break;
    case WB_Q4_1: halves_split(block + 4, parts->codes); break;
    case WB_Q5_0:
      halves_split(block + 6, parts->codes);
      fifth_split(block + 2, parts->codes);
      break;
    case WB_Q5_1:
      halves_split(block + 8, parts->codes);
      fifth_split(block + 4, parts->codes);
      break;
    default:
      // Signed bytes: half the range stands for 0.
      for (size_t i = 0; i < COUNT; i++) parts->codes[i] = block[2 + i] ^ 0x80;
  }
}

static inline void block_join(wb_block_type type, const Parts *parts, uint8_t *block) {
  if (type == WB_MXFP4) {
    block[0] = (uint8_t)parts->scale;
    halves_join(parts->codes, block + 1);
    return;
  }
  memcpy(block, &parts->scale, 2);
  switch (type) {
    case WB_Q4_0: halves_join(parts->codes, block + 2); break;
    case WB_Q4_1:
      memcpy(block + 2, &parts->minimum, 2);
      halves_join(parts->codes, block + 4);
      break;
    case WB_Q5_0:
      fifth_join(parts->codes, block + 2);
      halves_join(parts->codes, block + 6);
      break;
    case WB_Q5_1:
      memcpy(block + 2, &parts->minimum, 2);
      fifth_join(parts->codes, block + 4);
      halves_join(parts->codes, block + 8);
      break;
    default:
      for (size_t i = 0; i < COUNT; i++) block[2 + i] = parts->codes[i] ^ 0x80;
  }
}

static inline unsigned code_bits(wb_block_type type) {
  switch (type) {
    case WB_Q8_0: return 8;
    case WB_Q5_0:
    case WB_Q5_1: return 5;
    default: return 4;
  }
}

// Codes as a stream of bits, the lowest first.
static inline void stream_join(const uint8_t *codes, unsigned bits, uint8_t *bytes) {
  uint32_t word = 0;
  unsigned filled = 0;
  for (size_t i = 0; i < COUNT; i++) {
    word |= (uint32_t)codes[i] << filled;
    for (filled += bits; filled >= 8; filled -= 8, word >>= 8) *bytes++ = (uint8_t)word;
  }
}

static inline void stream_split(const uint8_t *bytes, unsigned bits, uint8_t *codes) {
  uint32_t word = 0;
  unsigned filled = 0;
  for (size_t i = 0; i < COUNT; i++) {
    for (; filled < bits; filled += 8) word |= (uint32_t)*bytes++ << filled;
    codes[i] = word & ((1u << bits) - 1);
    word >>= bits;
    filled -= bits;
  }
}

void wb_blocks_join(wb_block_type type, const void *codes, const void *scales, const void *minima, size_t count, void *blocks,
                    size_t stride) {
  unsigned bits = code_bits(type);
  size_t width = bits * COUNT / 8;
  for (size_t i = 0; i < count; i++) {
    Parts parts = {.minimum = 0};
    stream_split((const uint8_t *)codes + i * width, bits, parts.codes);
    if (type == WB_MXFP4) parts.scale = ((const uint8_t *)scales)[i];
    else memcpy(&parts.scale, (const uint8_t *)scales + i * 2, 2);
    if (minima) memcpy(&parts.minimum, (const uint8_t *)minima + i * 2, 2);
    block_join(type, &parts, (uint8_t *)blocks + i * stride);
  }
}

void wb_blocks_split(wb_block_type type, const void *blocks, size_t count, void *codes, void *scales, void *minima) {
  unsigned bits = code_bits(type);
  size_t width = bits * COUNT / 8, size = wb_block_byte_count(type);
  for (size_t i = 0; i < count; i++) {
    Parts parts;
    block_split(type, (const uint8_t *)blocks + i * size, &parts);
    if (codes) stream_join(parts.codes, bits, (uint8_t *)codes + i * width);
    if (scales && type == WB_MXFP4) ((uint8_t *)scales)[i] = (uint8_t)parts.scale;
    else if (scales) memcpy((uint8_t *)scales + i * 2, &parts.scale, 2);
    if (minima) memcpy((uint8_t *)minima + i * 2, &parts.minimum, 2);
  }
}
