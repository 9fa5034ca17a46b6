// Blocks of 256 with minima: Q2_K, Q4_K and Q5_K. Scales and minima of groups become codes themselves.
#include "quantize_k.h"

#pragma STDC FP_CONTRACT OFF

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
static void encode_again(const wb_block_kernels *kernels, const wb_block_fit *fit, int length, int largest, float scale, float minimum,
                         const uint8_t *scales, const uint8_t *minima) {
  for (int group = 0; group < WB_LARGE_BLOCK / length; group++) {
    float group_scale = scale * (float)scales[group], group_minimum = minimum * (float)minima[group];
    if (group_scale == 0) continue;
    kernels->encode_affine(fit->x + group * length, group_scale, group_minimum, largest, length, fit->codes + group * length);
  }
}

// MARK: Formats with minima

void wb_finish_q2_k(const wb_block_kernels *kernels, const wb_block_fit *fit, wb_block_q2_k *block) {
  uint8_t scales[16], minima[16];
  uint16_t scale = wb_half_of(fit_scales(fit->scales, fit->importances, 16, 15, scales));
  uint16_t minimum = wb_half_of(fit_scales(fit->minima, fit->importances, 16, 15, minima));
  for (int i = 0; i < 16; i++) {
    uint8_t packed = (uint8_t)(scales[i] | minima[i] << 4);
    scales[i] = packed & 15;
    minima[i] = packed >> 4;
  }
  encode_again(kernels, fit, 16, 3, wb_of_half(scale), wb_of_half(minimum), scales, minima);
  wb_put_q2_k(scale, minimum, scales, minima, fit->codes, block);
}

/// What Q4_K and Q5_K have in common: scales, and codes that are not packed yet.
static void finish_scales(const wb_block_kernels *kernels, const wb_block_fit *fit, int largest, bool limits_scales, uint16_t *scale,
                          uint16_t *minimum, uint8_t scales[8], uint8_t minima[8]) {
  uint8_t packed[12];
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

void wb_finish_q4_k(const wb_block_kernels *kernels, const wb_block_fit *fit, wb_block_q4_k *block) {
  uint16_t scale, minimum;
  uint8_t scales[8], minima[8];
  finish_scales(kernels, fit, 15, !fit->importances, &scale, &minimum, scales, minima);
  wb_put_q4_k(scale, minimum, scales, minima, fit->codes, block);
}

void wb_finish_q5_k(const wb_block_kernels *kernels, const wb_block_fit *fit, wb_block_q5_k *block) {
  uint16_t scale, minimum;
  uint8_t scales[8], minima[8];
  finish_scales(kernels, fit, 31, true, &scale, &minimum, scales, minima);
  wb_put_q5_k(scale, minimum, scales, minima, fit->codes, block);
}
