// Blocks whose codes are places in a table of values: IQ4_NL and IQ4_XS, MXFP4 and NVFP4.
//
// Formulas are those of ggml's quantize_row_iq4_nl_impl, quantize_row_mxfp4_ref and quantize_row_nvfp4_ref. A code is found there by
// comparing distances from values; here by comparing with the middles between them, which is the same where distances near a middle are
// exact.
#include "block_kernels.h"

#pragma STDC FP_CONTRACT OFF

enum { TILE = 32, LENGTH = WB_GROUP_LENGTH };

// MARK: The nonlinear table

/// Finds the scales of `count` groups. The variance that their weights are made of is twice the mean square of `shared` groups.
static void fit_scales(const wb_block_kernels *kernels, const float *x, const float *importance, size_t count, size_t shared,
                       float *scales) {
  float weights[TILE * LENGTH];
  size_t step = shared * LENGTH;
  for (size_t first = 0; importance && first < count * LENGTH; first += step) {
    float variance = 0;
    for (size_t i = first; i < first + step; i++) variance += x[i] * x[i];
    kernels->weigh(x + first, importance + first, variance * (2.f / (float)step), step, weights + first);
  }
  kernels->fit_nonlinear(x, importance ? weights : NULL, count, scales);
}

static void encode_nonlinear(const float *x, float scale, uint8_t *packed) {
  uint8_t codes[LENGTH];
  float inverse = scale != 0 ? 1 / scale : 0;
  for (int i = 0; i < LENGTH; i++) codes[i] = (uint8_t)wb_nonlinear_code(inverse * x[i]);
  wb_pack_halves(codes, LENGTH / 2, packed);
}

static void quantize_iq4_nl(const wb_block_kernels *kernels, const float *row, size_t length, const float *importance,
                            wb_block_iq4_nl *blocks) {
  for (size_t first = 0; first < length / LENGTH; first += TILE) {
    size_t count = length / LENGTH - first < TILE ? length / LENGTH - first : TILE;
    const float *x = row + first * LENGTH;
    float scales[TILE];
    fit_scales(kernels, x, importance ? importance + first * LENGTH : NULL, count, 1, scales);
    for (size_t group = 0; group < count; group++) {
      blocks[first + group].scale = wb_half_of(scales[group]);
      encode_nonlinear(x + group * LENGTH, scales[group], blocks[first + group].codes);
    }
  }
}

static void finish_iq4_xs(const float *x, const float *scales, wb_block_iq4_xs *block) {
  float extreme = 0;
  for (int group = 0; group < 8; group++) {
    if (fabsf(scales[group]) > fabsf(extreme)) extreme = scales[group];
  }
  float scale = -extreme / 32, inverse = scale != 0 ? 1 / scale : 0;
  uint8_t codes[8];
  for (int group = 0; group < 8; group++) {
    int code = wb_clamped(wb_nearest(inverse * scales[group]), -32, 31);
    // Other than in Q4_K, codes are chosen for the scale before it is rounded to 16 bits.
    encode_nonlinear(x + group * LENGTH, scale * (float)code, block->codes + group * LENGTH / 2);
    codes[group] = (uint8_t)(code + 32);
  }
  block->scale = wb_half_of(scale);
  wb_put_iq4_scales(codes, block);
}

static void quantize_iq4_xs(const wb_block_kernels *kernels, const float *row, size_t length, const float *importance,
                            wb_block_iq4_xs *blocks) {
  for (size_t first = 0; first < length / LENGTH; first += TILE) {
    size_t count = length / LENGTH - first < TILE ? length / LENGTH - first : TILE;
    const float *x = row + first * LENGTH;
    float scales[TILE];
    fit_scales(kernels, x, importance ? importance + first * LENGTH : NULL, count, 8, scales);
    for (size_t group = 0; group < count; group += 8) {
      finish_iq4_xs(x + group * LENGTH, scales + group, &blocks[(first + group) / 8]);
    }
  }
}

// MARK: Floats of four bits

static float largest_magnitude(const float *x, int count) {
  float largest = 0;
  for (int i = 0; i < count; i++) {
    if (fabsf(x[i]) > largest) largest = fabsf(x[i]);
  }
  return largest;
}

/// Finds the nearest value by comparing distances, in which everything but the weight itself may be lost to rounding.
static void encode_distant_fp4(const float *x, int count, float unit, uint8_t *codes) {
  for (int i = 0; i < count; i++) {
    int nearest = 0;
    float least = fabsf(x[i]);
    for (int code = 1; code < 16; code++) {
      float distance = fabsf((float)wb_fp4_values[code] * unit - x[i]);
      if (distance < least) {
        least = distance;
        nearest = code;
      }
    }
    codes[i] = (uint8_t)nearest;
  }
}

/// Codes of the values nearest to weights, of two the one nearer to 0, which has no sign; `unit` is what the table is multiplied with.
static void encode_fp4(const float *restrict x, int count, float largest, float unit, uint8_t *restrict codes) {
  if (!(largest < 64 * unit)) {
    encode_distant_fp4(x, count, unit, codes);
    return;
  }
  float middles[7];
  for (int i = 0; i < 7; i++) middles[i] = (float)(wb_fp4_values[i] + wb_fp4_values[i + 1]) * 0.5f * unit;
  for (int i = 0; i < count; i++) {
    int code = 0;
    for (int k = 0; k < 7; k++) code += fabsf(x[i]) > middles[k];
    codes[i] = (uint8_t)(x[i] < 0 && code != 0 ? code | 8 : code);
  }
}

static void quantize_mxfp4(const float *x, size_t block_count, wb_block_mxfp4 *blocks) {
  for (size_t block = 0; block < block_count; block++, x += 32) {
    uint8_t codes[32];
    float largest = largest_magnitude(x, 32);
    // ggml takes a logarithm in binary32, which is rounded: up to a power of two for a few numbers below it. The exponent of numbers
    // under 2^-125 wraps around.
    float exponent = largest > 0 ? floorf((float)log2((double)largest)) - 2 + 127 : 0;
    blocks[block].exponent = (uint8_t)wb_truncated(exponent);
    encode_fp4(x, 32, largest, wb_half_of_e8m0(blocks[block].exponent), codes);
    wb_pack_halves(codes, 16, blocks[block].codes);
  }
}

/// Rounds a magnitude to four bits of exponent and three of mantissa, ties up, and at most to 448; returns the code.
static uint8_t ue4m3_of(float value) {
  if (!(value > 0)) return 0;
  if (value >= 448) return 0x7E;
  // Multiples of 2^-9.
  if (value < 0x1p-6f) {
    int code = (int)(value * 512 + 0.5f);
    return (uint8_t)(code < 7 ? code : 7);
  }
  uint32_t code = (((wb_bits_of(value) >> 19) + 1) >> 1) - ((127 - 7) << 3);
  return (uint8_t)(code < 15 << 3 ? code : 0x7E);
}

static void quantize_nvfp4(const float *x, size_t block_count, wb_block_nvfp4 *blocks) {
  for (size_t block = 0; block < block_count; block++) {
    for (int group = 0; group < 4; group++, x += 16) {
      uint8_t codes[16];
      float largest = largest_magnitude(x, 16);
      // 6 is the largest value of four bits.
      blocks[block].scales[group] = ue4m3_of(largest / 6);
      encode_fp4(x, 16, largest, wb_half_of_ue4m3(blocks[block].scales[group]), codes);
      wb_pack_halves(codes, 8, blocks[block].codes + 8 * group);
    }
  }
}

void wb_quantize_tables(const wb_block_kernels *kernels, wb_block_type type, const float *row, size_t length, const float *importance,
                        void *blocks) {
  switch (type) {
  case WB_IQ4_NL:
    quantize_iq4_nl(kernels, row, length, importance, blocks);
    break;
  case WB_IQ4_XS:
    quantize_iq4_xs(kernels, row, length, importance, blocks);
    break;
  case WB_MXFP4:
    quantize_mxfp4(row, length / 32, blocks);
    break;
  default:
    quantize_nvfp4(row, length / 64, blocks);
    break;
  }
}
