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

#endif
