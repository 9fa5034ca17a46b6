// Blocks of MXFP4 in two forms: ggml's, and codes and scales in tensors of their own, as gpt-oss has them.
#include <string.h>

#include "CTensorKernels.h"
#include "block_formats.h"

enum { BYTES = 16 };

void wb_mxfp4_join(const void *codes, const void *scales, size_t count, void *blocks, size_t stride) {
  const uint8_t *from = codes, *exponents = scales;
  for (size_t i = 0; i < count; i++) {
    wb_block_mxfp4 block = {.exponent = exponents[i]};
    // Weight w is in half w mod 2 of byte w / 2 there; here weight j is in the low half of byte j, weight j + 16 in the high half.
    for (size_t j = 0; j < BYTES; j++) {
      uint8_t low = from[i * BYTES + j / 2] >> (j % 2 * 4) & 15;
      uint8_t high = from[i * BYTES + j / 2 + BYTES / 2] >> (j % 2 * 4) & 15;
      block.codes[j] = low | high << 4;
    }
    memcpy((uint8_t *)blocks + i * stride, &block, sizeof block);
  }
}

void wb_mxfp4_split(const void *blocks, size_t count, void *codes, void *scales) {
  for (size_t i = 0; i < count; i++) {
    wb_block_mxfp4 block;
    memcpy(&block, (const uint8_t *)blocks + i * sizeof block, sizeof block);
    if (scales) ((uint8_t *)scales)[i] = block.exponent;
    if (!codes) continue;
    uint8_t *to = (uint8_t *)codes + i * BYTES;
    for (size_t b = 0; b < BYTES; b++) {
      size_t j = b % (BYTES / 2) * 2, shift = b < BYTES / 2 ? 0 : 4;
      to[b] = (block.codes[j] >> shift & 15) | (block.codes[j + 1] >> shift & 15) << 4;
    }
  }
}
