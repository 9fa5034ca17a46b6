// The searches for scales alone in vectors; part of block_lanes.h.

INLINE lanes extremes(const lanes *x, int length) {
  lanes result = 0;
  for (int i = 0; i < length; i++) result = magnitude(x[i]) > magnitude(result) ? x[i] : result;
  return result;
}

INLINE void fit_symmetric_lanes(int length, int offset, const lanes *x, const lanes *w, lanes *scales, integer_lanes *best_codes) {
  lanes largest = extremes(x, length), wx[WB_GROUP_LENGTH];
  integer_lanes is_live = magnitude(largest) >= WB_SMALLEST_MAGNITUDE;
  for (int i = 0; i < length; i++) wx[i] = w[i] * x[i];
  lanes scale = 0, best = 0, best_inverse = 0;
  for (int candidate = 0; candidate <= 18; candidate++) {
    int step = candidate == 0 ? 0 : candidate <= 9 ? candidate - 10 : candidate - 9;
    lanes inverse = is_live ? -((float)offset + 0.1f * (float)step) / largest : 0;
    lanes sum_wxc = 0, sum_wcc = 0;
    for (int i = 0; i < length; i++) {
      // At most `offset` + 1: the inverse is of the largest element.
      lanes code = rounded(inverse * x[i], -offset, offset - 1);
      sum_wxc += wx[i] * code;
      sum_wcc += w[i] * code * code;
    }
    lanes fitted = sum_wxc / sum_wcc;
    if (candidate == 0) {
      scale = sum_wcc != 0 ? fitted : 0;
      best = scale * sum_wxc;
      best_inverse = inverse;
      continue;
    }
    integer_lanes is_better = (sum_wcc > 0) & (sum_wxc * sum_wxc > best * sum_wcc);
    scale = is_better ? fitted : scale;
    best = is_better ? scale * sum_wxc : best;
    best_inverse = is_better ? inverse : best_inverse;
  }
  *scales = is_live ? scale : 0;
  for (int i = 0; i < length; i++) {
    best_codes[i] = is_live ? clamped(nearest(best_inverse * x[i]), -offset, offset - 1) + offset : 0;
  }
}

INLINE void fit_symmetric_tile(int length, int offset, const float *x, const float *weights, size_t group_count, float *scales,
                               uint8_t *codes) {
  for (size_t group = 0; group < group_count; group += WIDTH) {
    size_t count = group_count - group, first = group * (size_t)length;
    lanes elements[WB_GROUP_LENGTH], w[WB_GROUP_LENGTH], scale;
    integer_lanes best_codes[WB_GROUP_LENGTH];
    load_groups(x + first, length, count, elements);
    if (weights) {
      load_groups(weights + first, length, count, w);
    } else {
      weigh_groups(WB_BY_SQUARE, elements, length, w);
    }
    fit_symmetric_lanes(length, offset, elements, w, &scale, best_codes);
    store_values(scale, count, scales + group);
    store_codes(best_codes, length, count, codes + first);
  }
}

TARGET static void fit_symmetric(const wb_symmetric_search *search, const float *x, const float *weights, size_t group_count,
                                 float *scales, uint8_t *codes) {
  if (search->length == 32) {
    fit_symmetric_tile(32, search->offset, x, weights, group_count, scales, codes);
  } else {
    fit_symmetric_tile(16, search->offset, x, weights, group_count, scales, codes);
  }
}

TARGET static void fit_by_descent(const float *x, size_t group_count, float *scales, uint8_t *codes) {
  enum { LENGTH = 16, OFFSET = 4, PASSES = 5 };
  for (size_t group = 0; group < group_count; group += WIDTH, x += WIDTH * LENGTH) {
    size_t count = group_count - group;
    lanes elements[LENGTH], signed_codes[LENGTH], sum_wxc = 0, sum_wcc = 0;
    load_groups(x, LENGTH, count, elements);
    lanes largest = extremes(elements, LENGTH);
    integer_lanes is_live = magnitude(largest) >= WB_SMALLEST_MAGNITUDE;
    lanes inverse = is_live ? -(float)OFFSET / largest : 0;
    for (int i = 0; i < LENGTH; i++) {
      lanes value = elements[i], w = value * value;
      signed_codes[i] = rounded(inverse * value, -OFFSET, OFFSET - 1);
      sum_wxc += w * value * signed_codes[i];
      sum_wcc += w * signed_codes[i] * signed_codes[i];
    }
    integer_lanes changed = -1;
    // A group that didn't change in a pass won't in the next one, whatever the others do.
    for (int pass = 0; pass < PASSES && any(changed); pass++) {
      changed = 0;
      for (int i = 0; i < LENGTH; i++) {
        lanes value = elements[i], w = value * value, code = signed_codes[i];
        lanes wxc = sum_wxc - w * value * code, wcc = sum_wcc - w * code * code;
        integer_lanes moves = wxc > 0;
        lanes moved = __builtin_convertvector(clamped(nearest(value * wcc / wxc), -OFFSET, OFFSET - 1), lanes);
        moves &= (moved != code) & is_live;
        wxc += w * value * moved;
        wcc += w * moved * moved;
        moves &= (wcc > 0) & (wxc * wxc * sum_wcc > sum_wxc * sum_wxc * wcc);
        signed_codes[i] = moves ? moved : code;
        sum_wxc = moves ? wxc : sum_wxc;
        sum_wcc = moves ? wcc : sum_wcc;
        changed |= moves;
      }
    }
    integer_lanes best_codes[LENGTH];
    for (int i = 0; i < LENGTH; i++) {
      best_codes[i] = is_live ? __builtin_convertvector(signed_codes[i], integer_lanes) + OFFSET : 0;
    }
    store_values((is_live & (sum_wcc > 0)) ? sum_wxc / sum_wcc : 0, count, scales + group);
    store_codes(best_codes, LENGTH, count, codes + group * LENGTH);
  }
}

// MARK: The nonlinear table

/// The value of the table that is nearest to each lane.
INLINE lanes nonlinear_values(lanes x) {
  lanes value = (float)wb_nonlinear_values[0];
  UNROLLED for (int i = 1; i < 16; i++) {
    float middle = (float)(wb_nonlinear_values[i - 1] + wb_nonlinear_values[i]) * 0.5f;
    value = x < middle ? value : (lanes)(float)wb_nonlinear_values[i];
  }
  return value;
}

TARGET static void fit_nonlinear(const float *x, const float *weights, size_t group_count, float *scales) {
  enum { LENGTH = WB_GROUP_LENGTH, REACH = 7 };
  for (size_t group = 0; group < group_count; group += WIDTH) {
    size_t count = group_count - group;
    lanes elements[LENGTH], w[LENGTH];
    load_groups(x + group * LENGTH, LENGTH, count, elements);
    if (weights) {
      load_groups(weights + group * LENGTH, LENGTH, count, w);
    } else {
      weigh_groups(WB_BY_SQUARE, elements, LENGTH, w);
    }
    lanes largest = extremes(elements, LENGTH), scale = 0, best = 0;
    integer_lanes is_live = magnitude(largest) >= WB_SMALLEST_MAGNITUDE;
    float first = (float)wb_nonlinear_values[0];
    for (int candidate = 0; candidate <= 2 * REACH + 1; candidate++) {
      lanes inverse = candidate == 0 ? 1 / (-largest / first) : ((float)(candidate - 1 - REACH) + first) / largest;
      lanes sum_wvx = 0, sum_wvv = 0;
      for (int i = 0; i < LENGTH; i++) {
        lanes value = nonlinear_values(inverse * elements[i]), wv = w[i] * value;
        sum_wvx += wv * elements[i];
        sum_wvv += wv * value;
      }
      integer_lanes is_better = sum_wvv > 0;
      if (candidate > 0) is_better &= sum_wvx * sum_wvx > best * sum_wvv;
      scale = is_better ? sum_wvx / sum_wvv : scale;
      best = is_better ? scale * sum_wvx : best;
    }
    store_values(is_live ? scale : 0, count, scales + group);
  }
}
