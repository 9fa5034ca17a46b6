// Better blocks of 256 than ggml's: scales of groups are searched for one by one, then the block's, of which they are multiples; not part of the module.
#ifndef WB_REFINE_K_H
#define WB_REFINE_K_H

#include "quantize_k.h"
#include "refine.h"

#pragma STDC FP_CONTRACT OFF

/// What the types differ in: weight = scale · s · code - minimum · m, where m is 0 for types without minima.
typedef struct {
  int group_count, length;
  /// What codes are: whole numbers, or places in IQ4_NL's table.
  wb_code_kind kind;
  /// Of codes; for types without minima less by half of what the bits hold.
  int least_code, largest_code;
  /// Of s, and of m up from 0.
  int least_scale, largest_scale;
} wb_k_layout;

/// What a block consists of, and its weighted squared error.
typedef struct {
  float scale, minimum;
  int scales[16], minima[16];
  double error;
} wb_k_fit;

WB_INLINE wb_k_layout wb_layout_of(wb_block_type type) {
  switch (type) {
  case WB_Q2_K: return (wb_k_layout){16, 16, WB_WHOLE_NUMBERS, 0, 3, 0, 15};
  case WB_Q3_K: return (wb_k_layout){16, 16, WB_WHOLE_NUMBERS, -4, 3, -32, 31};
  case WB_Q4_K: return (wb_k_layout){8, 32, WB_WHOLE_NUMBERS, 0, 15, 0, 63};
  case WB_IQ4_XS: return (wb_k_layout){8, 32, WB_TABLE_OF_16, -127, 113, -32, 31};
  case WB_Q5_K: return (wb_k_layout){8, 32, WB_WHOLE_NUMBERS, 0, 31, 0, 63};
  default: return (wb_k_layout){16, 16, WB_WHOLE_NUMBERS, -32, 31, -128, 127};
  }
}

/// The sums of a group with a scale and a minimum, also where the scale is 0.
WB_INLINE void wb_sum_group(wb_k_layout layout, const wb_patch *patch, float scale, float minimum, wb_fit_sums *sums) {
  wb_code_range range = {layout.kind, (float)layout.least_code, (float)layout.largest_code};
  if (!wb_is_scale(scale)) {
    range = (wb_code_range){WB_WHOLE_NUMBERS, 0, 0};
    scale = 1;
  }
  wb_sum_fit(range, true, patch, scale, -minimum, sums);
}

WB_INLINE wb_patch wb_group_patch(wb_k_layout layout, const float *x, const float *importance, int group) {
  size_t length = (size_t)layout.length, first = (size_t)group * length;
  return (wb_patch){x + first, 1, length, length, importance ? importance + first : NULL};
}

/// The error of a block with its scales.
WB_INLINE double wb_error_of(wb_k_layout layout, const float *x, const float *importance, const wb_k_fit *fit) {
  double error = 0;
  for (int group = 0; group < layout.group_count; group++) {
    wb_patch patch = wb_group_patch(layout, x, importance, group);
    wb_fit_sums sums;
    wb_sum_group(layout, &patch, fit->scale * (float)fit->scales[group], fit->minimum * (float)fit->minima[group], &sums);
    error += sums.dd;
  }
  return error;
}

/// The nearest code of a number, 0 where the unit is none.
WB_INLINE int wb_code_in(float value, float unit, int least, int largest) {
  return wb_is_scale(unit) ? wb_clamped(wb_nearest(value / unit), least, largest) : wb_clamped(0, least, largest);
}

/// Takes in a scale and a minimum of the block, with the nearest scales and minima of groups.
WB_INLINE void wb_try_block(wb_k_layout layout, const float *x, const float *importance, const float *scales, const float *minima, float scale,
                            float minimum, wb_k_fit *best) {
  wb_k_fit fit = {wb_of_half(wb_half_of(scale)), wb_of_half(wb_half_of(minimum)), {0}, {0}, 0};
  if (!isfinite(fit.scale) || !isfinite(fit.minimum)) return;
  for (int group = 0; group < layout.group_count; group++) {
    fit.scales[group] = wb_code_in(scales[group], fit.scale, layout.least_scale, layout.largest_scale);
    fit.minima[group] = wb_code_in(minima[group], fit.minimum, 0, layout.largest_scale);
  }
  fit.error = wb_error_of(layout, x, importance, &fit);
  if (fit.error < best->error) *best = fit;
}

/// Moves the codes of each group's scale and minimum by one as long as that helps, and then the block's to where they want them.
WB_INLINE void wb_descend(wb_k_layout layout, const float *x, const float *importance, bool has_minima, wb_k_fit *best) {
  wb_k_fit fit = *best;
  double ra = 0, rb = 0, aa = 0, ab = 0, bb = 0;
  fit.error = 0;
  for (int group = 0; group < layout.group_count; group++) {
    wb_patch patch = wb_group_patch(layout, x, importance, group);
    int scale = fit.scales[group], minimum = fit.minima[group];
    wb_fit_sums least = {INFINITY, 0, 0, 0, 0, 0};
    for (int one = -1; one <= 1; one++) {
      for (int other = has_minima ? -1 : 0; other <= (has_minima ? 1 : 0); other++) {
        int s = scale + one, m = minimum + other;
        if (s < layout.least_scale || s > layout.largest_scale || m < 0 || m > layout.largest_scale) continue;
        wb_fit_sums sums;
        wb_sum_group(layout, &patch, fit.scale * (float)s, fit.minimum * (float)m, &sums);
        if (!(sums.dd < least.dd)) continue;
        least = sums;
        fit.scales[group] = s;
        fit.minima[group] = m;
      }
    }
    // Errors are those of scale · s · code - minimum · m.
    double s = fit.scales[group], m = fit.minima[group];
    fit.error += least.dd;
    ra += s * least.dv;
    rb -= m * least.d;
    aa += s * s * least.vv;
    ab -= s * m * least.v;
    bb += m * m * least.one;
  }
  if (fit.error < best->error) *best = fit;
  double determinant = aa * bb - ab * ab;
  if (determinant > 0) {
    fit.scale = wb_of_half(wb_half_of((float)(fit.scale + (ra * bb - rb * ab) / determinant)));
    fit.minimum = wb_of_half(wb_half_of((float)(fit.minimum + (aa * rb - ab * ra) / determinant)));
  } else if (aa > 0) {
    fit.scale = wb_of_half(wb_half_of((float)(fit.scale + ra / aa)));
  }
  if (!isfinite(fit.scale) || !isfinite(fit.minimum) || fit.minimum < 0) return;
  fit.error = wb_error_of(layout, x, importance, &fit);
  if (fit.error < best->error) *best = fit;
}

/// Finds scales for a block.
WB_INLINE wb_k_fit wb_fit_block(wb_k_layout layout, const float *x, const float *importance) {
  bool has_minima = layout.least_code == 0;
  wb_code_range range = {layout.kind, (float)layout.least_code, (float)layout.largest_code};
  float scales[16] = {0}, minima[16] = {0}, extreme = 0, most = 0;
  for (int group = 0; group < layout.group_count; group++) {
    wb_patch patch = wb_group_patch(layout, x, importance, group);
    float least = patch.values[0], largest = patch.values[0];
    for (size_t i = 1; i < patch.columns; i++) {
      least = patch.values[i] < least ? patch.values[i] : least;
      largest = patch.values[i] > largest ? patch.values[i] : largest;
    }
    wb_fit fit = has_minima ? wb_search_pair(range, &patch, least, largest, true, WB_F32)
                            : wb_search_scale(range, &patch, largest > -least ? largest : -least, 2, WB_F32);
    scales[group] = fit.scale;
    // What is the same throughout is a minimum.
    minima[group] = has_minima ? (fit.scale == 0 && least < 0 ? -least : -fit.offset) : 0;
    if (fabsf(scales[group]) > fabsf(extreme)) extreme = scales[group];
    if (minima[group] > most) most = minima[group];
  }
  wb_k_fit best = {0, 0, {0}, {0}, INFINITY};
  // The largest gets the largest code, or is cut off a little.
  static const float shares[] = {1.03f, 1, 0.97f, 0.94f, 0.9f};
  for (int one = 0; one < 5; one++) {
    float scale = extreme * shares[one] / (float)(has_minima ? layout.largest_scale : layout.least_scale);
    if (!has_minima) {
      wb_try_block(layout, x, importance, scales, minima, scale, 0, &best);
      continue;
    }
    for (int other = 0; other < 3; other++) {
      wb_try_block(layout, x, importance, scales, minima, scale, most * shares[other] / (float)layout.largest_scale, &best);
    }
  }
  if (!(best.error < INFINITY)) return best;
  for (int round = 0; round < 3; round++) {
    double before = best.error;
    wb_descend(layout, x, importance, has_minima, &best);
    if (!(best.error < before)) break;
  }
  return best;
}

/// Tries a block of 256.
WB_INLINE void wb_refine_k_block(wb_block_type type, const float *x, const float *importance, void *block) {
  wb_k_layout layout = wb_layout_of(type);
  wb_k_fit fit = wb_fit_block(layout, x, importance);
  if (!(fit.error < INFINITY)) return;
  uint8_t codes[WB_LARGE_BLOCK], scales[16], minima[16];
  int8_t signed_scales[16];
  for (int group = 0; group < layout.group_count; group++) {
    float scale = fit.scale * (float)fit.scales[group], minimum = fit.minimum * (float)fit.minima[group];
    for (int i = 0; i < layout.length; i++) {
      int place = group * layout.length + i;
      if (layout.kind == WB_TABLE_OF_16) {
        codes[place] = (uint8_t)(wb_is_scale(scale) ? wb_nonlinear_code(x[place] * (1 / scale)) : 0);
        continue;
      }
      int code = wb_is_scale(scale) ? wb_clamped(wb_nearest((x[place] + minimum) * (1 / scale)), layout.least_code, layout.largest_code) : 0;
      codes[place] = (uint8_t)(code - layout.least_code);
    }
    scales[group] = (uint8_t)(fit.scales[group] - (type == WB_Q3_K || type == WB_IQ4_XS ? layout.least_scale : 0));
    minima[group] = (uint8_t)fit.minima[group];
    signed_scales[group] = (int8_t)fit.scales[group];
  }
  uint16_t scale = wb_half_of(fit.scale), minimum = wb_half_of(fit.minimum);
  char made[sizeof(wb_block_q6_k)];
  switch (type) {
  case WB_Q2_K: wb_put_q2_k(scale, minimum, scales, minima, codes, (wb_block_q2_k *)made); break;
  case WB_Q3_K: wb_put_q3_k(scale, scales, codes, (wb_block_q3_k *)made); break;
  case WB_Q4_K: wb_put_q4_k(scale, minimum, scales, minima, codes, (wb_block_q4_k *)made); break;
  case WB_Q5_K: wb_put_q5_k(scale, minimum, scales, minima, codes, (wb_block_q5_k *)made); break;
  case WB_IQ4_XS:
    ((wb_block_iq4_xs *)made)->scale = scale;
    wb_put_iq4_scales(scales, (wb_block_iq4_xs *)made);
    for (int group = 0; group < 8; group++) wb_pack_halves(codes + 32 * group, 16, ((wb_block_iq4_xs *)made)->codes + 16 * group);
    break;
  default: wb_put_q6_k(scale, signed_scales, codes, (wb_block_q6_k *)made); break;
  }
  wb_keep_better(type, x, importance, made, block);
}

#endif
