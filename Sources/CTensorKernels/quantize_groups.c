// Blocks of one group with evenly spaced codes. With importances the scales are searched for, by the formulas of ggml's
// quantize_row_q4_0_impl and the like: the variance that weights are made of is the mean square of the whole row.
#include "block_kernels.h"

#pragma STDC FP_CONTRACT OFF

/// How many groups are searched at once.
enum { TILE = 32, LENGTH = WB_GROUP_LENGTH };

/// What the search found for a tile.
typedef struct {
  float scales[TILE], minima[TILE];
  uint8_t codes[TILE * LENGTH];
} tile_fit;

static float sum_of_squares(const float *x, size_t count) {
  float sum = 0;
  for (size_t i = 0; i < count; i++) sum += x[i] * x[i];
  return sum;
}

static uint32_t fifth_bits_of(const uint8_t *codes) {
  uint32_t bits = 0;
  for (int i = 0; i < 32; i++) bits |= (uint32_t)(codes[i] >> 4 & 1) << i;
  return bits;
}

void wb_put_group(wb_block_type type, float scale_value, float minimum, const uint8_t *codes, void *place) {
  uint16_t scale = wb_half_of(scale_value);
  switch (type) {
  case WB_Q4_0: {
    wb_block_q4_0 *block = place;
    block->scale = scale;
    wb_pack_halves(codes, 16, block->codes);
    break;
  }
  case WB_Q4_1: {
    wb_block_q4_1 *block = place;
    block->scale = scale;
    block->minimum = wb_half_of(minimum);
    wb_pack_halves(codes, 16, block->codes);
    break;
  }
  case WB_Q5_0: {
    wb_block_q5_0 *block = place;
    block->scale = scale;
    block->fifth_bits = fifth_bits_of(codes);
    wb_pack_halves(codes, 16, block->codes);
    break;
  }
  default: {
    wb_block_q5_1 *block = place;
    block->scale = scale;
    block->minimum = wb_half_of(minimum);
    block->fifth_bits = fifth_bits_of(codes);
    wb_pack_halves(codes, 16, block->codes);
    break;
  }
  }
}

/// A row of Q4_0, Q4_1, Q5_0 or Q5_1 with importances.
static void quantize_weighted(const wb_block_kernels *kernels, wb_block_type type, const float *row, size_t length,
                              const float *importance, void *blocks) {
  bool has_minimum = type == WB_Q4_1 || type == WB_Q5_1;
  int largest = type == WB_Q4_0 || type == WB_Q4_1 ? 15 : 31;
  wb_affine_search affine = {LENGTH, largest, -0.9f, 0.05f, 36, false, WB_BY_SQUARE};
  wb_symmetric_search symmetric = {LENGTH, (largest + 1) / 2};
  float variance = sum_of_squares(row, length) / (float)length;
  for (size_t first = 0; first < length / LENGTH; first += TILE) {
    size_t count = length / LENGTH - first < TILE ? length / LENGTH - first : TILE;
    const float *x = row + first * LENGTH;
    float weights[TILE * LENGTH];
    tile_fit fit;
    kernels->weigh(x, importance + first * LENGTH, variance, count * LENGTH, weights);
    if (has_minimum) {
      kernels->fit_affine(&affine, x, weights, count, fit.scales, fit.minima, fit.codes);
    } else {
      kernels->fit_symmetric(&symmetric, x, weights, count, fit.scales, fit.codes);
    }
    for (size_t group = 0; group < count; group++) {
      wb_put_group(type, fit.scales[group], has_minimum ? -fit.minima[group] : 0, fit.codes + group * LENGTH,
                   (char *)blocks + (first + group) * wb_block_byte_count(type));
    }
  }
}

void wb_quantize_groups(const wb_block_kernels *kernels, wb_block_type type, const float *row, size_t length, const float *importance,
                        void *blocks) {
  size_t count = length / LENGTH;
  if (type == WB_Q8_0) {
    // Eight bits are enough for everything.
    kernels->q8_0(row, count, blocks);
  } else if (importance) {
    quantize_weighted(kernels, type, row, length, importance, blocks);
  } else if (type == WB_Q4_0) {
    kernels->q4_0(row, count, blocks);
  } else if (type == WB_Q4_1) {
    kernels->q4_1(row, count, blocks);
  } else if (type == WB_Q5_0) {
    kernels->q5_0(row, count, blocks);
  } else {
    kernels->q5_1(row, count, blocks);
  }
}
