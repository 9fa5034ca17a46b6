// `fit_affine` in vectors: scales with minima; part of block_lanes.h.

typedef struct {
  lanes sum_wc, sum_wcc, sum_wcx;
} affine_sums;

/// Computes codes and what a fit to them needs. Where products can be beyond `ROUNDED_RANGE`, `exact` gives what the bits give.
INLINE affine_sums sum_codes(bool exact, const lanes *x, const lanes *w, int length, int largest, lanes inverse, lanes minimum,
                             lanes *codes) {
  affine_sums sums = {0, 0, 0};
  for (int i = 0; i < length; i++) {
    lanes product = inverse * (x[i] - minimum);
    lanes code = exact ? __builtin_convertvector(clamped(nearest(product), 0, largest), lanes) : rounded(product, 0, largest);
    lanes wc = w[i] * code;
    codes[i] = code;
    sums.sum_wc += wc;
    sums.sum_wcc += wc * code;
    sums.sum_wcx += wc * x[i];
  }
  return sums;
}

INLINE lanes affine_errors(bool absolute, const lanes *x, const lanes *w, int length, lanes scale, lanes minimum,
                           const lanes *codes) {
  lanes sum = 0;
  for (int i = 0; i < length; i++) {
    lanes difference = scale * codes[i] + minimum - x[i];
    sum += w[i] * (absolute ? magnitude(difference) : difference * difference);
  }
  return sum;
}

INLINE void fit_affine_lanes(wb_affine_search search, const lanes *x, const lanes *w, lanes *scales, lanes *minima,
                             integer_lanes *best_codes) {
  int length = search.length, largest = search.largest;
  lanes least = x[0], maximum = x[0], sum_w = w[0], sum_wx = w[0] * x[0];
  for (int i = 1; i < length; i++) {
    least = x[i] < least ? x[i] : least;
    maximum = x[i] > maximum ? x[i] : maximum;
    sum_w += w[i];
    sum_wx += w[i] * x[i];
  }
  lanes minimum = least > 0 ? (lanes)0 : least;
  // Groups of one value take part with codes 0, which no fit is made of, and have none of the results.
  integer_lanes is_live = maximum != minimum;
  lanes scale = 0, least_error = 0, best_inverse = 0, best_minimum = minimum;
  lanes codes[WB_GROUP_LENGTH];
  // Step -1 is the fit that is compared with.
  for (int step = -1; step <= search.step_count; step++) {
    float numerator = step < 0 ? (float)largest : search.first + search.step * (float)step + (float)largest;
    lanes inverse = is_live ? numerator / (maximum - minimum) : 0;
    // Products lie between those of both ends.
    lanes low = magnitude(inverse * (least - minimum)), high = magnitude(inverse * (maximum - minimum));
    bool exact = any(!((low < ROUNDED_RANGE) & (high < ROUNDED_RANGE)));
    affine_sums sums = exact ? sum_codes(true, x, w, length, largest, inverse, minimum, codes)
                             : sum_codes(false, x, w, length, largest, inverse, minimum, codes);
    if (step < 0) {
      scale = is_live ? 1 / inverse : 0;
      least_error = affine_errors(search.absolute_errors, x, w, length, scale, minimum, codes);
      best_inverse = inverse;
      continue;
    }
    lanes determinant = sum_w * sums.sum_wcc - sums.sum_wc * sums.sum_wc;
    integer_lanes is_fit = determinant > 0;
    if (!any(is_fit)) continue;
    lanes fitted_scale = (sum_w * sums.sum_wcx - sum_wx * sums.sum_wc) / determinant;
    lanes fitted_minimum = (sums.sum_wcc * sum_wx - sums.sum_wc * sums.sum_wcx) / determinant;
    integer_lanes is_positive = fitted_minimum > 0;
    fitted_minimum = is_positive ? (lanes)0 : fitted_minimum;
    fitted_scale = is_positive ? sums.sum_wcx / sums.sum_wcc : fitted_scale;
    lanes errors = affine_errors(search.absolute_errors, x, w, length, fitted_scale, fitted_minimum, codes);
    integer_lanes is_better = is_fit & (errors < least_error) & is_live;
    best_inverse = is_better ? inverse : best_inverse;
    best_minimum = is_better ? minimum : best_minimum;
    least_error = is_better ? errors : least_error;
    scale = is_better ? fitted_scale : scale;
    minimum = is_better ? fitted_minimum : minimum;
  }
  *scales = scale;
  *minima = -minimum;
  // The best codes again: it takes less than to keep them whenever one lane finds better ones.
  for (int i = 0; i < length; i++) {
    best_codes[i] = is_live ? clamped(nearest(best_inverse * (x[i] - best_minimum)), 0, largest) : 0;
  }
}

INLINE void fit_affine_tile(wb_affine_search search, const float *x, const float *weights, size_t group_count, float *scales,
                            float *minima, uint8_t *codes) {
  for (size_t group = 0; group < group_count; group += WIDTH) {
    size_t count = group_count - group, first = group * (size_t)search.length;
    lanes elements[WB_GROUP_LENGTH], w[WB_GROUP_LENGTH], scale, minimum;
    integer_lanes best_codes[WB_GROUP_LENGTH];
    load_groups(x + first, search.length, count, elements);
    if (weights) {
      load_groups(weights + first, search.length, count, w);
    } else {
      weigh_groups(search.weighting, elements, search.length, w);
    }
    fit_affine_lanes(search, elements, w, &scale, &minimum, best_codes);
    store_values(scale, count, scales + group);
    store_values(minimum, count, minima + group);
    store_codes(best_codes, search.length, count, codes + first);
  }
}

TARGET static void fit_affine(const wb_affine_search *search, const float *x, const float *weights, size_t group_count, float *scales,
                              float *minima, uint8_t *codes) {
  // Lengths that the compiler knows.
  wb_affine_search known = *search;
  if (search->length == 32) {
    known.length = 32;
    fit_affine_tile(known, x, weights, group_count, scales, minima, codes);
  } else {
    known.length = 16;
    fit_affine_tile(known, x, weights, group_count, scales, minima, codes);
  }
}
