// Blocks of 256 without minima: Q3_K and Q6_K.
#include "quantize_k.h"

#pragma STDC FP_CONTRACT OFF

/// Returns the value of the largest magnitude, the first of several.
static float extreme_of(const float *values) {
  float result = 0;
  for (int i = 0; i < 16; i++) {
    if (fabsf(values[i]) > fabsf(result)) result = values[i];
  }
  return result;
}

void wb_finish_q3_k(const wb_block_kernels *kernels, const wb_block_fit *fit, wb_block_q3_k *block) {
  // Scales, plus 32.
  uint8_t scales[16];
  float scale = 0;
  if (fit->importances) {
    static const wb_symmetric_search search = {16, 32};
    wb_block_kernels_portable.fit_symmetric(&search, fit->scales, fit->importances, 1, &scale, scales);
  } else {
    float extreme = extreme_of(fit->scales), inverse = -32.f / extreme;
    for (int i = 0; i < 16; i++) {
      scales[i] = extreme != 0 ? (uint8_t)(wb_clamped((int8_t)wb_nearest(inverse * fit->scales[i]), -32, 31) + 32) : 0;
    }
    scale = extreme != 0 ? 1 / inverse : 0;
  }
  block->scale = wb_half_of(scale);
  for (int i = 0; i < 4; i++) {
    block->scales[i] = (uint8_t)((scales[i] & 15) | (scales[i + 8] & 15) << 4);
    block->scales[i + 4] = (uint8_t)((scales[i + 4] & 15) | (scales[i + 12] & 15) << 4);
    block->scales[i + 8] =
      (uint8_t)(scales[i] >> 4 | scales[i + 4] >> 4 << 2 | scales[i + 8] >> 4 << 4 | scales[i + 12] >> 4 << 6);
  }
  for (int group = 0; group < 16; group++) {
    float group_scale = wb_of_half(block->scale) * (float)(scales[group] - 32);
    if (group_scale == 0) continue;
    kernels->encode_symmetric(fit->x + 16 * group, group_scale, 4, fit->codes + 16 * group);
  }
  memset(block->third_bits, 0, sizeof block->third_bits);
  for (int i = 0; i < WB_LARGE_BLOCK; i++) block->third_bits[i % 32] |= (uint8_t)(fit->codes[i] >> 2 << i / 32);
  wb_pack_quarters(fit->codes, block->codes);
}

void wb_finish_q6_k(const wb_block_kernels *kernels, const wb_block_fit *fit, wb_block_q6_k *block) {
  float extreme = extreme_of(fit->scales);
  if (fabsf(extreme) < WB_SMALLEST_MAGNITUDE) {
    memset(block, 0, sizeof *block);
    return;
  }
  float inverse = -128.f / extreme;
  block->scale = wb_half_of(1 / inverse);
  for (int group = 0; group < 16; group++) {
    int scale = wb_nearest(inverse * fit->scales[group]);
    block->scales[group] = (int8_t)(scale < 127 ? scale : 127);
    float group_scale = wb_of_half(block->scale) * (float)block->scales[group];
    if (group_scale == 0) continue;
    kernels->encode_symmetric(fit->x + 16 * group, group_scale, 32, fit->codes + 16 * group);
  }
  for (int half = 0; half < 2; half++) {
    const uint8_t *codes = fit->codes + 128 * half;
    for (int i = 0; i < 64; i++) block->low_bits[64 * half + i] = (uint8_t)((codes[i] & 15) | codes[i + 64] << 4);
    for (int i = 0; i < 32; i++) {
      block->high_bits[32 * half + i] =
        (uint8_t)(codes[i] >> 4 | codes[i + 32] >> 4 << 2 | codes[i + 64] >> 4 << 4 | codes[i + 96] >> 4 << 6);
    }
  }
}
