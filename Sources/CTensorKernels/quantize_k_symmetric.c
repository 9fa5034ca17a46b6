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
  uint16_t stored = wb_half_of(scale);
  for (int group = 0; group < 16; group++) {
    float group_scale = wb_of_half(stored) * (float)(scales[group] - 32);
    if (group_scale == 0) continue;
    kernels->encode_symmetric(fit->x + 16 * group, group_scale, 4, fit->codes + 16 * group);
  }
  wb_put_q3_k(stored, scales, fit->codes, block);
}

void wb_finish_q6_k(const wb_block_kernels *kernels, const wb_block_fit *fit, wb_block_q6_k *block) {
  float extreme = extreme_of(fit->scales);
  if (fabsf(extreme) < WB_SMALLEST_MAGNITUDE) {
    memset(block, 0, sizeof *block);
    return;
  }
  float inverse = -128.f / extreme;
  uint16_t stored = wb_half_of(1 / inverse);
  int8_t scales[16];
  for (int group = 0; group < 16; group++) {
    int scale = wb_nearest(inverse * fit->scales[group]);
    scales[group] = (int8_t)(scale < 127 ? scale : 127);
    float group_scale = wb_of_half(stored) * (float)scales[group];
    if (group_scale == 0) continue;
    kernels->encode_symmetric(fit->x + 16 * group, group_scale, 32, fit->codes + 16 * group);
  }
  wb_put_q6_k(stored, scales, fit->codes, block);
}
