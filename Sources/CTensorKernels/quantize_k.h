// What the files of the quantization to blocks of 256 share; not part of the module.
#ifndef WB_QUANTIZE_K_H
#define WB_QUANTIZE_K_H

#include "block_kernels.h"

#pragma STDC FP_CONTRACT OFF

/// What the search found for a block, and how important each of its groups is. Minima are negated, and so mostly positive.
typedef struct {
  const float *x;
  const float *scales, *minima, *importances;
  uint8_t *codes;
} wb_block_fit;

// Each of these quantizes the scales that were found, chooses the codes again, and packs all.
void wb_finish_q2_k(const wb_block_kernels *kernels, const wb_block_fit *fit, wb_block_q2_k *block);
void wb_finish_q3_k(const wb_block_kernels *kernels, const wb_block_fit *fit, wb_block_q3_k *block);
void wb_finish_q4_k(const wb_block_kernels *kernels, const wb_block_fit *fit, wb_block_q4_k *block);
void wb_finish_q5_k(const wb_block_kernels *kernels, const wb_block_fit *fit, wb_block_q5_k *block);
void wb_finish_q6_k(const wb_block_kernels *kernels, const wb_block_fit *fit, wb_block_q6_k *block);

/// Puts two bits of four codes in each byte.
static inline void wb_pack_quarters(const uint8_t *restrict codes, uint8_t *restrict packed) {
  for (int half = 0; half < 2; half++) {
    const uint8_t *c = codes + 128 * half;
    for (int i = 0; i < 32; i++) {
      packed[32 * half + i] =
        (uint8_t)((c[i] & 3) | (c[i + 32] & 3) << 2 | (c[i + 64] & 3) << 4 | (c[i + 96] & 3) << 6);
    }
  }
}

// MARK: Blocks from their parts

// Scales and minima of the block as binary16; of groups as the formats' codes.

static inline void wb_put_q2_k(uint16_t scale, uint16_t minimum, const uint8_t scales[16], const uint8_t minima[16], const uint8_t *codes,
                               wb_block_q2_k *block) {
  block->scale = scale;
  block->minimum = minimum;
  for (int i = 0; i < 16; i++) block->scales[i] = (uint8_t)(scales[i] | minima[i] << 4);
  wb_pack_quarters(codes, block->codes);
}

static inline void wb_put_q4_k(uint16_t scale, uint16_t minimum, const uint8_t scales[8], const uint8_t minima[8], const uint8_t *all,
                               wb_block_q4_k *block) {
  block->scale = scale;
  block->minimum = minimum;
  wb_pack_scales(scales, minima, block->scales);
  for (int pair = 0; pair < 4; pair++) {
    const uint8_t *codes = all + 64 * pair;
    for (int i = 0; i < 32; i++) block->codes[32 * pair + i] = (uint8_t)(codes[i] | codes[i + 32] << 4);
  }
}

static inline void wb_put_q5_k(uint16_t scale, uint16_t minimum, const uint8_t scales[8], const uint8_t minima[8], const uint8_t *all,
                               wb_block_q5_k *block) {
  block->scale = scale;
  block->minimum = minimum;
  wb_pack_scales(scales, minima, block->scales);
  memset(block->fifth_bits, 0, sizeof block->fifth_bits);
  for (int pair = 0; pair < 4; pair++) {
    const uint8_t *codes = all + 64 * pair;
    for (int i = 0; i < 32; i++) {
      block->codes[32 * pair + i] = (uint8_t)((codes[i] & 15) | codes[i + 32] << 4);
      block->fifth_bits[i] |= (uint8_t)(codes[i] >> 4 << 2 * pair | codes[i + 32] >> 4 << (2 * pair + 1));
    }
  }
}

/// Scales of groups plus 32.
static inline void wb_put_q3_k(uint16_t scale, const uint8_t scales[16], const uint8_t *codes, wb_block_q3_k *block) {
  block->scale = scale;
  for (int i = 0; i < 4; i++) {
    block->scales[i] = (uint8_t)((scales[i] & 15) | (scales[i + 8] & 15) << 4);
    block->scales[i + 4] = (uint8_t)((scales[i + 4] & 15) | (scales[i + 12] & 15) << 4);
    block->scales[i + 8] =
      (uint8_t)(scales[i] >> 4 | scales[i + 4] >> 4 << 2 | scales[i + 8] >> 4 << 4 | scales[i + 12] >> 4 << 6);
  }
  memset(block->third_bits, 0, sizeof block->third_bits);
  for (int i = 0; i < WB_LARGE_BLOCK; i++) block->third_bits[i % 32] |= (uint8_t)(codes[i] >> 2 << i / 32);
  wb_pack_quarters(codes, block->codes);
}

static inline void wb_put_q6_k(uint16_t scale, const int8_t scales[16], const uint8_t *all, wb_block_q6_k *block) {
  block->scale = scale;
  memcpy(block->scales, scales, 16);
  for (int half = 0; half < 2; half++) {
    const uint8_t *codes = all + 128 * half;
    for (int i = 0; i < 64; i++) block->low_bits[64 * half + i] = (uint8_t)((codes[i] & 15) | codes[i + 64] << 4);
    for (int i = 0; i < 32; i++) {
      block->high_bits[32 * half + i] =
        (uint8_t)(codes[i] >> 4 | codes[i + 32] >> 4 << 2 | codes[i + 64] >> 4 << 4 | codes[i + 96] >> 4 << 6);
    }
  }
}

#endif
