// Weights from the blocks of 256: codes, scales of groups, and their own scale.
#include "block_kernels.h"

void wb_dequantize_q2_k(const wb_block_q2_k *block, float *restrict out) {
  float scale = wb_of_half(block->scale), minimum = wb_of_half(block->minimum);
  for (int group = 0; group < 16; group++) {
    float group_scale = scale * (float)(block->scales[group] & 15), group_minimum = minimum * (float)(block->scales[group] >> 4);
    const uint8_t *codes = block->codes + group / 8 * 32 + group % 2 * 16;
    int shift = group % 8 / 2 * 2;
    for (int i = 0; i < 16; i++) out[16 * group + i] = group_scale * (float)(codes[i] >> shift & 3) - group_minimum;
  }
}

void wb_dequantize_q3_k(const wb_block_q3_k *block, float *restrict out) {
  float scale = wb_of_half(block->scale);
  for (int group = 0; group < 16; group++) {
    float group_scale = scale * (float)(wb_unpack_q3_scale(block->scales, group) - 32);
    const uint8_t *codes = block->codes + group / 8 * 32 + group % 2 * 16;
    const uint8_t *third_bits = block->third_bits + group % 2 * 16;
    int shift = group % 8 / 2 * 2;
    for (int i = 0; i < 16; i++) {
      int code = (codes[i] >> shift & 3) | (third_bits[i] >> group / 2 & 1) << 2;
      out[16 * group + i] = group_scale * (float)(code - 4);
    }
  }
}

void wb_dequantize_q4_k(const wb_block_q4_k *block, float *restrict out) {
  float scale = wb_of_half(block->scale), minimum = wb_of_half(block->minimum);
  uint8_t scales[8], minima[8];
  wb_unpack_scales(block->scales, scales, minima);
  for (int group = 0; group < 8; group++) {
    float group_scale = scale * (float)scales[group], group_minimum = minimum * (float)minima[group];
    const uint8_t *codes = block->codes + group / 2 * 32;
    int shift = group % 2 * 4;
    for (int i = 0; i < 32; i++) out[32 * group + i] = group_scale * (float)(codes[i] >> shift & 15) - group_minimum;
  }
}

void wb_dequantize_q5_k(const wb_block_q5_k *block, float *restrict out) {
  float scale = wb_of_half(block->scale), minimum = wb_of_half(block->minimum);
  uint8_t scales[8], minima[8];
  wb_unpack_scales(block->scales, scales, minima);
  for (int group = 0; group < 8; group++) {
    float group_scale = scale * (float)scales[group], group_minimum = minimum * (float)minima[group];
    const uint8_t *codes = block->codes + group / 2 * 32;
    int shift = group % 2 * 4;
    for (int i = 0; i < 32; i++) {
      int code = (codes[i] >> shift & 15) | (block->fifth_bits[i] >> group & 1) << 4;
      out[32 * group + i] = group_scale * (float)code - group_minimum;
    }
  }
}

void wb_dequantize_q6_k(const wb_block_q6_k *block, float *restrict out) {
  float scale = wb_of_half(block->scale);
  for (int group = 0; group < 16; group++) {
    float group_scale = scale * (float)block->scales[group];
    int quarter = group % 8 / 2, first = group % 2 * 16;
    const uint8_t *low_bits = block->low_bits + group / 8 * 64 + quarter % 2 * 32 + first;
    const uint8_t *high_bits = block->high_bits + group / 8 * 32 + first;
    for (int i = 0; i < 16; i++) {
      int code = (low_bits[i] >> quarter / 2 * 4 & 15) | (high_bits[i] >> 2 * quarter & 3) << 4;
      out[16 * group + i] = group_scale * (float)(code - 32);
    }
  }
}
