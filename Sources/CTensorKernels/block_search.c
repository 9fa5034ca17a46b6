// How scales of groups are found, one group at a time: the specification of block_lanes.h.
//
// Every result depends on the order of the sums, on each product being rounded, and on which of equally good candidates wins: these
// are those of ggml's make_qkx2_quants and make_qkx3_quants (fit_affine), make_qx_quants (fit_symmetric) and make_q3_quants
// (fit_by_descent), so that the bytes of files are the same.
#define TARGET
#include "quantize_simple_loops.h"

#pragma STDC FP_CONTRACT OFF

static void weigh(const float *x, const float *importance, float variance, size_t count, float *weights) {
  for (size_t i = 0; i < count; i++) weights[i] = importance[i] * sqrtf(variance + x[i] * x[i]);
}

/// The weights of a group for which none are given.
static void weigh_group(wb_weighting weighting, const float *x, int length, float *weights) {
  float mean = 0;
  if (weighting == WB_BY_MAGNITUDE_AND_MEAN) {
    for (int i = 0; i < length; i++) mean += x[i] * x[i];
    mean = sqrtf(mean / (float)length);
  }
  for (int i = 0; i < length; i++) weights[i] = weighting == WB_BY_SQUARE ? x[i] * x[i] : mean + fabsf(x[i]);
}

static float affine_error(const wb_affine_search *search, const float *x, const float *w, float scale, float minimum,
                          const uint8_t *codes) {
  float sum = 0;
  for (int i = 0; i < search->length; i++) {
    float difference = scale * (float)codes[i] + minimum - x[i];
    sum += w[i] * (search->absolute_errors ? fabsf(difference) : difference * difference);
  }
  return sum;
}

static void affine_codes(const wb_affine_search *search, const float *x, float inverse, float minimum, uint8_t *codes) {
  for (int i = 0; i < search->length; i++) {
    codes[i] = (uint8_t)wb_clamped(wb_nearest(inverse * (x[i] - minimum)), 0, search->largest);
  }
}

/// Fits one group; returns the scale. Here the minimum is the least value, never above 0; the result has its negative.
static float fit_affine_group(const wb_affine_search *search, const float *x, const float *w, float *negative_minimum,
                              uint8_t *codes) {
  int length = search->length;
  float minimum = x[0], maximum = x[0], sum_w = w[0], sum_wx = w[0] * x[0];
  for (int i = 1; i < length; i++) {
    if (x[i] < minimum) minimum = x[i];
    if (x[i] > maximum) maximum = x[i];
    sum_w += w[i];
    sum_wx += w[i] * x[i];
  }
  if (minimum > 0) minimum = 0;
  if (maximum == minimum) {
    memset(codes, 0, (size_t)length);
    *negative_minimum = -minimum;
    return 0;
  }
  float inverse = (float)search->largest / (maximum - minimum), scale = 1 / inverse;
  affine_codes(search, x, inverse, minimum, codes);
  float least_error = affine_error(search, x, w, scale, minimum, codes);

  for (int step = 0; step <= search->step_count; step++) {
    uint8_t candidate[WB_GROUP_LENGTH];
    // The minimum is that of the best fit so far.
    inverse = (search->first + search->step * (float)step + (float)search->largest) / (maximum - minimum);
    affine_codes(search, x, inverse, minimum, candidate);
    float sum_wc = 0, sum_wcc = 0, sum_wcx = 0;
    for (int i = 0; i < length; i++) {
      float wc = w[i] * (float)candidate[i];
      sum_wc += wc;
      sum_wcc += wc * (float)candidate[i];
      sum_wcx += wc * x[i];
    }
    float determinant = sum_w * sum_wcc - sum_wc * sum_wc;
    if (!(determinant > 0)) continue;
    float fitted_scale = (sum_w * sum_wcx - sum_wx * sum_wc) / determinant;
    float fitted_minimum = (sum_wcc * sum_wx - sum_wc * sum_wcx) / determinant;
    if (fitted_minimum > 0) {
      fitted_minimum = 0;
      fitted_scale = sum_wcx / sum_wcc;
    }
    float error = affine_error(search, x, w, fitted_scale, fitted_minimum, candidate);
    if (error < least_error) {
      least_error = error;
      scale = fitted_scale;
      minimum = fitted_minimum;
      memcpy(codes, candidate, (size_t)length);
    }
  }
  *negative_minimum = -minimum;
  return scale;
}

static void fit_affine(const wb_affine_search *search, const float *x, const float *weights, size_t group_count, float *scales,
                       float *minima, uint8_t *codes) {
  for (size_t group = 0; group < group_count; group++) {
    size_t first = group * (size_t)search->length;
    float own_weights[WB_GROUP_LENGTH];
    if (!weights) weigh_group(search->weighting, x + first, search->length, own_weights);
    scales[group] =
      fit_affine_group(search, x + first, weights ? weights + first : own_weights, &minima[group], codes + first);
  }
}

// MARK: Scales without minima

/// Returns the element of the largest magnitude, the first of several; 0 if there is none above 0.
static float extreme(const float *x, int length) {
  float result = 0;
  for (int i = 0; i < length; i++) {
    if (fabsf(x[i]) > fabsf(result)) result = x[i];
  }
  return result;
}

static int symmetric_code(float inverse, float x, int offset) {
  return wb_clamped(wb_nearest(inverse * x), -offset, offset - 1);
}

static float fit_symmetric_group(int length, int offset, const float *x, const float *w, uint8_t *codes) {
  float largest = extreme(x, length);
  if (fabsf(largest) < WB_SMALLEST_MAGNITUDE) {
    memset(codes, 0, (size_t)length);
    return 0;
  }
  float scale = 0, best = 0, best_inverse = 0;
  // Candidate 0 is the one that is compared with.
  for (int candidate = 0; candidate <= 18; candidate++) {
    int step = candidate == 0 ? 0 : candidate <= 9 ? candidate - 10 : candidate - 9;
    float inverse = -((float)offset + 0.1f * (float)step) / largest;
    float sum_wxc = 0, sum_wcc = 0;
    for (int i = 0; i < length; i++) {
      float code = (float)symmetric_code(inverse, x[i], offset);
      sum_wxc += w[i] * x[i] * code;
      sum_wcc += w[i] * code * code;
    }
    if (candidate == 0) {
      scale = sum_wcc != 0 ? sum_wxc / sum_wcc : 0;
    } else if (sum_wcc > 0 && sum_wxc * sum_wxc > best * sum_wcc) {
      scale = sum_wxc / sum_wcc;
    } else {
      continue;
    }
    best = scale * sum_wxc;
    best_inverse = inverse;
  }
  for (int i = 0; i < length; i++) codes[i] = (uint8_t)(offset + symmetric_code(best_inverse, x[i], offset));
  return scale;
}

static void fit_symmetric(const wb_symmetric_search *search, const float *x, const float *weights, size_t group_count, float *scales,
                          uint8_t *codes) {
  for (size_t group = 0; group < group_count; group++) {
    size_t first = group * (size_t)search->length;
    float own_weights[WB_GROUP_LENGTH];
    if (!weights) weigh_group(WB_BY_SQUARE, x + first, search->length, own_weights);
    scales[group] = fit_symmetric_group(search->length, search->offset, x + first, weights ? weights + first : own_weights,
                                        codes + first);
  }
}

/// Moves one code at a time to where it is best for the scale that the others want, for as long as the fit improves.
static float fit_group_by_descent(const float *x, uint8_t *codes) {
  enum { LENGTH = 16, OFFSET = 4, PASSES = 5 };
  float largest = extreme(x, LENGTH);
  if (fabsf(largest) < WB_SMALLEST_MAGNITUDE) {
    memset(codes, 0, LENGTH);
    return 0;
  }
  float inverse = -(float)OFFSET / largest, sum_wxc = 0, sum_wcc = 0;
  int signed_codes[LENGTH];
  for (int i = 0; i < LENGTH; i++) {
    signed_codes[i] = symmetric_code(inverse, x[i], OFFSET);
    float w = x[i] * x[i], code = (float)signed_codes[i];
    sum_wxc += w * x[i] * code;
    sum_wcc += w * code * code;
  }
  for (int pass = 0, changed = 1; pass < PASSES && changed; pass++) {
    changed = 0;
    for (int i = 0; i < LENGTH; i++) {
      float w = x[i] * x[i], code = (float)signed_codes[i];
      float wxc = sum_wxc - w * x[i] * code, wcc = sum_wcc - w * code * code;
      if (!(wxc > 0)) continue;
      int moved = wb_clamped(wb_nearest(x[i] * wcc / wxc), -OFFSET, OFFSET - 1);
      if (moved == signed_codes[i]) continue;
      wxc += w * x[i] * (float)moved;
      wcc += w * (float)moved * (float)moved;
      if (wcc > 0 && wxc * wxc * sum_wcc > sum_wxc * sum_wxc * wcc) {
        signed_codes[i] = moved;
        sum_wxc = wxc;
        sum_wcc = wcc;
        changed = 1;
      }
    }
  }
  for (int i = 0; i < LENGTH; i++) codes[i] = (uint8_t)(signed_codes[i] + OFFSET);
  return sum_wcc > 0 ? sum_wxc / sum_wcc : 0;
}

static void fit_by_descent(const float *x, size_t group_count, float *scales, uint8_t *codes) {
  for (size_t group = 0; group < group_count; group++) scales[group] = fit_group_by_descent(x + 16 * group, codes + 16 * group);
}

// MARK: The nonlinear table

static float fit_nonlinear_group(const float *x, const float *w) {
  enum { LENGTH = WB_GROUP_LENGTH, REACH = 7 };
  float largest = extreme(x, LENGTH);
  if (fabsf(largest) < WB_SMALLEST_MAGNITUDE) return 0;
  float scale = 0, best = 0;
  // Candidate 0 is the one that is compared with: the largest value gets the first code, -127.
  for (int candidate = 0; candidate <= 2 * REACH + 1; candidate++) {
    float first = (float)wb_nonlinear_values[0];
    float inverse = candidate == 0 ? 1 / (-largest / first) : ((float)(candidate - 1 - REACH) + first) / largest;
    float sum_wvx = 0, sum_wvv = 0;
    for (int i = 0; i < LENGTH; i++) {
      float value = (float)wb_nonlinear_values[wb_nonlinear_code(inverse * x[i])];
      sum_wvx += w[i] * value * x[i];
      sum_wvv += w[i] * value * value;
    }
    if (candidate == 0) {
      scale = sum_wvv > 0 ? sum_wvx / sum_wvv : 0;
      best = scale * sum_wvx;
    } else if (sum_wvv > 0 && sum_wvx * sum_wvx > best * sum_wvv) {
      scale = sum_wvx / sum_wvv;
      best = scale * sum_wvx;
    }
  }
  return scale;
}

static void fit_nonlinear(const float *x, const float *weights, size_t group_count, float *scales) {
  for (size_t group = 0; group < group_count; group++, x += WB_GROUP_LENGTH) {
    float own_weights[WB_GROUP_LENGTH];
    if (!weights) weigh_group(WB_BY_SQUARE, x, WB_GROUP_LENGTH, own_weights);
    scales[group] = fit_nonlinear_group(x, weights ? weights + group * WB_GROUP_LENGTH : own_weights);
  }
}

const wb_block_kernels wb_block_kernels_portable = {
  quantize_q4_0, quantize_q4_1, quantize_q5_0,  quantize_q5_1, quantize_q8_0, weigh,
  fit_affine,    fit_symmetric, fit_by_descent, fit_nonlinear, encode_affine, encode_symmetric,
};
