// Blocks of 256: the scales that a search found for the groups are quantized themselves, and codes chosen again for what became of
// them; then all is packed.
//
// Formulas are those of ggml's quantize_row_*_K_ref, and of quantize_row_*_K_impl where there are importances.
#include "block_kernels.h"

#pragma STDC FP_CONTRACT OFF

/// How many blocks are searched at once, so that every lane has a group.
enum { TILE = 4, LENGTH = WB_LARGE_BLOCK };

/// What the search found for a block, and how important each of its groups is. Minima are negated, and so mostly positive.
typedef struct {
  const float *x;
  const float *scales, *minima, *importances;
  uint8_t *codes;
} block_fit;

// MARK: Scales of scales

/// The largest of 0 and the values.
static float largest_of(const float *values, int count) {
  float largest = 0;
  for (int i = 0; i < count; i++) {
    if (values[i] > largest) largest = values[i];
  }
  return largest;
}

/// Finds codes in 0 ... `largest` for positive values: best of nine scales first, then one by one. Returns the scale.
///
/// ggml's make_qp_quants. A negative value, which only rounding makes, has a code that wraps around in a byte.
static float fit_positive(const float *x, const float *w, int count, int largest, uint8_t *codes) {
  float maximum = largest_of(x, count);
  if (maximum < WB_SMALLEST_MAGNITUDE) {
    memset(codes, 0, (size_t)count);
    return 0;
  }
  float inverse = (float)largest / maximum, scale = 1 / inverse, least_error = 0;
  for (int i = 0; i < count; i++) {
    float difference = x[i] - scale * (float)(uint8_t)wb_nearest(inverse * x[i]);
    least_error += w[i] * difference * difference;
  }
  for (int step = -4; step <= 4; step++) {
    if (step == 0) continue;
    float candidate = (0.1f * (float)step + (float)largest) / maximum, error = 0;
    scale = 1 / candidate;
    for (int i = 0; i < count; i++) {
      int code = wb_nearest(candidate * x[i]);
      float difference = x[i] - scale * (float)(code < largest ? code : largest);
      error += w[i] * difference * difference;
    }
    if (error < least_error) {
      least_error = error;
      inverse = candidate;
    }
  }
  float sum_wxc = 0, sum_wcc = 0;
  for (int i = 0; i < count; i++) {
    int code = wb_nearest(inverse * x[i]);
    code = code < largest ? code : largest;
    codes[i] = (uint8_t)code;
    sum_wxc += w[i] * x[i] * (float)code;
    sum_wcc += w[i] * (float)code * (float)code;
  }
  for (int pass = 0, changed = 1; pass < 5 && changed; pass++) {
    changed = 0;
    for (int i = 0; i < count; i++) {
      float code = (float)codes[i];
      float wxc = sum_wxc - w[i] * x[i] * code, wcc = sum_wcc - w[i] * code * code;
      if (!(wxc > 0 && wcc > 0)) continue;
      int moved = wb_nearest(x[i] * wcc / wxc);
      moved = moved < largest ? moved : largest;
      if (moved == codes[i]) continue;
      wxc += w[i] * x[i] * (float)moved;
      wcc += w[i] * (float)moved * (float)moved;
      if (wxc * wxc * sum_wcc > sum_wxc * sum_wxc * wcc) {
        codes[i] = (uint8_t)moved;
        sum_wxc = wxc;
        sum_wcc = wcc;
        changed = 1;
      }
    }
  }
  return sum_wcc > 0 ? sum_wxc / sum_wcc : 0;
}

/// Codes of scales or minima without importances: the largest one gets the largest code. Returns the scale.
static float fit_to_largest(const float *x, int count, int largest, uint8_t *codes) {
  float maximum = largest_of(x, count), inverse = maximum > 0 ? (float)largest / maximum : 0;
  for (int i = 0; i < count; i++) codes[i] = (uint8_t)wb_nearest(inverse * x[i]);
  return maximum > 0 ? maximum / (float)largest : 0;
}

static float fit_scales(const float *x, const float *importances, int count, int largest, uint8_t *codes) {
  return importances ? fit_positive(x, importances, count, largest, codes) : fit_to_largest(x, count, largest, codes);
}

/// Chooses the codes again for the scales as they are stored. Groups whose scale became 0 keep those of the search.
static void encode_again(const wb_block_kernels *kernels, const block_fit *fit, int length, int largest, float scale, float minimum,
                         const uint8_t *scales, const uint8_t *minima) {
  for (int group = 0; group < LENGTH / length; group++) {
    float group_scale = scale * (float)scales[group], group_minimum = minimum * (float)minima[group];
    if (group_scale == 0) continue;
    kernels->encode_affine(fit->x + group * length, group_scale, group_minimum, largest, length, fit->codes + group * length);
  }
}

/// Puts two bits of four codes in each byte.
static void pack_quarters(const uint8_t *restrict codes, uint8_t *restrict packed) {
  for (int half = 0; half < 2; half++) {
    const uint8_t *c = codes + 128 * half;
    for (int i = 0; i < 32; i++) {
      packed[32 * half + i] =
        (uint8_t)((c[i] & 3) | (c[i + 32] & 3) << 2 | (c[i + 64] & 3) << 4 | (c[i + 96] & 3) << 6);
    }
  }
}

// MARK: Formats with minima

static void finish_q2_k(const wb_block_kernels *kernels, const block_fit *fit, wb_block_q2_k *block) {
  uint8_t scales[16], minima[16];
  block->scale = wb_half_of(fit_scales(fit->scales, fit->importances, 16, 15, scales));
  block->minimum = wb_half_of(fit_scales(fit->minima, fit->importances, 16, 15, minima));
  for (int i = 0; i < 16; i++) {
    block->scales[i] = (uint8_t)(scales[i] | minima[i] << 4);
    scales[i] = block->scales[i] & 15;
    minima[i] = block->scales[i] >> 4;
  }
  encode_again(kernels, fit, 16, 3, wb_of_half(block->scale), wb_of_half(block->minimum), scales, minima);
  pack_quarters(fit->codes, block->codes);
}

/// What Q4_K and Q5_K have in common: scales, and codes that are not packed yet.
static void finish_scales(const wb_block_kernels *kernels, const block_fit *fit, int largest, bool limits_scales, uint16_t *scale,
                          uint16_t *minimum, uint8_t packed[12]) {
  uint8_t scales[8], minima[8];
  *scale = wb_half_of(fit_scales(fit->scales, fit->importances, 8, 63, scales));
  *minimum = wb_half_of(fit_scales(fit->minima, fit->importances, 8, 63, minima));
  for (int i = 0; limits_scales && i < 8; i++) {
    scales[i] = scales[i] < 63 ? scales[i] : 63;
    minima[i] = minima[i] < 63 ? minima[i] : 63;
  }
  wb_pack_scales(scales, minima, packed);
  wb_unpack_scales(packed, scales, minima);
  encode_again(kernels, fit, 32, largest, wb_of_half(*scale), wb_of_half(*minimum), scales, minima);
}

static void finish_q4_k(const wb_block_kernels *kernels, const block_fit *fit, wb_block_q4_k *block) {
  uint16_t scale, minimum;
  finish_scales(kernels, fit, 15, !fit->importances, &scale, &minimum, block->scales);
  block->scale = scale;
  block->minimum = minimum;
  for (int pair = 0; pair < 4; pair++) {
    const uint8_t *codes = fit->codes + 64 * pair;
    for (int i = 0; i < 32; i++) block->codes[32 * pair + i] = (uint8_t)(codes[i] | codes[i + 32] << 4);
  }
}

static void finish_q5_k(const wb_block_kernels *kernels, const block_fit *fit, wb_block_q5_k *block) {
  uint16_t scale, minimum;
  finish_scales(kernels, fit, 31, true, &scale, &minimum, block->scales);
  block->scale = scale;
  block->minimum = minimum;
  memset(block->fifth_bits, 0, sizeof block->fifth_bits);
  for (int pair = 0; pair < 4; pair++) {
    const uint8_t *codes = fit->codes + 64 * pair;
    for (int i = 0; i < 32; i++) {
      block->codes[32 * pair + i] = (uint8_t)((codes[i] & 15) | codes[i + 32] << 4);
      block->fifth_bits[i] |= (uint8_t)(codes[i] >> 4 << 2 * pair | codes[i + 32] >> 4 << (2 * pair + 1));
    }
  }
}

// MARK: Formats without minima

/// Returns the value of the largest magnitude, the first of several.
static float extreme_of(const float *values) {
  float result = 0;
  for (int i = 0; i < 16; i++) {
    if (fabsf(values[i]) > fabsf(result)) result = values[i];
  }
  return result;
}

static void finish_q3_k(const wb_block_kernels *kernels, const block_fit *fit, wb_block_q3_k *block) {
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
  for (int i = 0; i < LENGTH; i++) block->third_bits[i % 32] |= (uint8_t)(fit->codes[i] >> 2 << i / 32);
  pack_quarters(fit->codes, block->codes);
}

static void finish_q6_k(const wb_block_kernels *kernels, const block_fit *fit, wb_block_q6_k *block) {
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

// MARK: Rows

/// Weighs the weights of a block, whose variance is `factor` times its mean square; `importances` are the sums of its groups.
static void weigh_block(const wb_block_kernels *kernels, const float *x, const float *importance, float factor, int length,
                        float *weights, float *importances) {
  float sum = 0;
  for (int i = 0; i < LENGTH; i++) sum += x[i] * x[i];
  kernels->weigh(x, importance, factor * sum / LENGTH, LENGTH, weights);
  for (int group = 0; group < LENGTH / length; group++) {
    float total = 0;
    for (int i = 0; i < length; i++) total += weights[group * length + i];
    importances[group] = total;
  }
}

/// The searches of the formats with minima; all those with importances differ in length and codes only.
static wb_affine_search affine_search(wb_block_type type, bool weighted) {
  int length = type == WB_Q2_K ? 16 : 32, largest = type == WB_Q2_K ? 3 : type == WB_Q4_K ? 15 : 31;
  if (weighted) return (wb_affine_search){length, largest, -0.9f, 0.05f, 36, false, WB_BY_MAGNITUDE};
  switch (type) {
  case WB_Q2_K:
    return (wb_affine_search){length, largest, -0.5f, 0.1f, 15, true, WB_BY_MAGNITUDE};
  case WB_Q4_K:
    return (wb_affine_search){length, largest, -1.f, 0.1f, 20, false, WB_BY_MAGNITUDE_AND_MEAN};
  default:
    return (wb_affine_search){length, largest, -0.5f, 0.1f, 15, false, WB_BY_MAGNITUDE_AND_MEAN};
  }
}

void wb_quantize_k(const wb_block_kernels *kernels, wb_block_type type, const float *row, size_t length, const float *importance,
                   void *blocks) {
  int group_length = type == WB_Q4_K || type == WB_Q5_K ? 32 : 16, group_count = LENGTH / group_length;
  wb_affine_search affine = affine_search(type, importance);
  wb_symmetric_search symmetric = {16, type == WB_Q3_K ? 4 : 32};
  for (size_t first = 0; first < length / LENGTH; first += TILE) {
    size_t count = length / LENGTH - first < TILE ? length / LENGTH - first : TILE, groups = count * (size_t)group_count;
    const float *x = row + first * LENGTH;
    float weights[TILE * LENGTH], importances[TILE * 16], scales[TILE * 16], minima[TILE * 16];
    uint8_t codes[TILE * LENGTH];
    // Q6_K takes importances as they are.
    bool weighs = importance && type != WB_Q6_K;
    for (size_t i = 0; weighs && i < count; i++) {
      weigh_block(kernels, x + i * LENGTH, importance + (first + i) * LENGTH, type == WB_Q2_K ? 1 : 2, group_length,
                  weights + i * LENGTH, importances + i * (size_t)group_count);
    }
    const float *used_weights = weighs ? weights : importance ? importance + first * LENGTH : NULL;

    if (type == WB_Q3_K && !importance) {
      kernels->fit_by_descent(x, groups, scales, codes);
    } else if (type == WB_Q3_K || type == WB_Q6_K) {
      kernels->fit_symmetric(&symmetric, x, used_weights, groups, scales, codes);
    } else {
      kernels->fit_affine(&affine, x, used_weights, groups, scales, minima, codes);
    }

    for (size_t i = 0; i < count; i++) {
      size_t group = i * (size_t)group_count, block = first + i;
      block_fit fit = {x + i * LENGTH, scales + group, minima + group, weighs ? importances + group : NULL, codes + i * LENGTH};
      switch (type) {
      case WB_Q2_K:
        finish_q2_k(kernels, &fit, (wb_block_q2_k *)blocks + block);
        break;
      case WB_Q3_K:
        finish_q3_k(kernels, &fit, (wb_block_q3_k *)blocks + block);
        break;
      case WB_Q4_K:
        finish_q4_k(kernels, &fit, (wb_block_q4_k *)blocks + block);
        break;
      case WB_Q5_K:
        finish_q5_k(kernels, &fit, (wb_block_q5_k *)blocks + block);
        break;
      default:
        finish_q6_k(kernels, &fit, (wb_block_q6_k *)blocks + block);
        break;
      }
    }
  }
}
