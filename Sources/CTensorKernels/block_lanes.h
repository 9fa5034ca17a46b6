// The searches of block_search.c in vectors, a group per lane; not part of the module. Each vector level includes this file after it
// has defined
//
//   TARGET   the attribute that lets functions use its instructions
//   WIDTH    how many groups it works on at once
//
// and defines its table of kernels as WB_BLOCK_KERNELS. Within a lane everything happens in the order of block_search.c, so that the
// results are the same bits. What one group does and another doesn't is a selection between lanes.
#include "quantize_simple_loops.h"

#pragma STDC FP_CONTRACT OFF

typedef float lanes __attribute__((ext_vector_type(WIDTH)));
typedef int32_t integer_lanes __attribute__((ext_vector_type(WIDTH)));

#define UNROLLED _Pragma("clang loop unroll(full)")

INLINE bool any(integer_lanes mask) {
  return __builtin_reduce_or(mask) != 0;
}

INLINE lanes magnitude(lanes x) {
  return __builtin_elementwise_abs(x);
}

/// Loads element i of each group into vector i. Lanes from `count` on, which no group is left for, are zero.
INLINE void load_groups(const float *x, int length, size_t count, lanes *groups) {
  float elements[WB_GROUP_LENGTH][WIDTH];
  if (count < WIDTH) memset(elements, 0, sizeof elements);
  if (count > WIDTH) count = WIDTH;
  for (size_t lane = 0; lane < count; lane++) {
    for (int i = 0; i < length; i++) elements[i][lane] = x[lane * (size_t)length + (size_t)i];
  }
  memcpy(groups, elements, (size_t)length * sizeof(lanes));
}

/// Stores vector i as element i of each group.
INLINE void store_codes(const integer_lanes *groups, int length, size_t count, uint8_t *codes) {
  int32_t elements[WB_GROUP_LENGTH][WIDTH];
  memcpy(elements, groups, (size_t)length * sizeof(lanes));
  if (count > WIDTH) count = WIDTH;
  for (size_t lane = 0; lane < count; lane++) {
    for (int i = 0; i < length; i++) codes[lane * (size_t)length + (size_t)i] = (uint8_t)elements[i][lane];
  }
}

INLINE void store_values(lanes values, size_t count, float *out) {
  float elements[WIDTH];
  memcpy(elements, &values, sizeof elements);
  memcpy(out, elements, (count < WIDTH ? count : WIDTH) * sizeof(float));
}

/// `weigh_group` of every lane.
INLINE void weigh_groups(wb_weighting weighting, const lanes *x, int length, lanes *weights) {
  lanes mean = 0;
  if (weighting == WB_BY_MAGNITUDE_AND_MEAN) {
    for (int i = 0; i < length; i++) mean += x[i] * x[i];
    mean = __builtin_elementwise_sqrt(mean / (float)length);
  }
  for (int i = 0; i < length; i++) weights[i] = weighting == WB_BY_SQUARE ? x[i] * x[i] : mean + magnitude(x[i]);
}

TARGET static void weigh(const float *x, const float *importance, float variance, size_t count, float *weights) {
  size_t i = 0;
  for (; i + WIDTH <= count; i += WIDTH) {
    lanes value, weight;
    memcpy(&value, x + i, sizeof value);
    memcpy(&weight, importance + i, sizeof weight);
    weight *= __builtin_elementwise_sqrt(variance + value * value);
    memcpy(weights + i, &weight, sizeof weight);
  }
  for (; i < count; i++) weights[i] = importance[i] * sqrtf(variance + x[i] * x[i]);
}

// MARK: Rounding

/// Adding this number rounds to an integer, which is then in the low bits of the sum; so up to this magnitude of what is rounded.
#define ROUNDER 0x1.8p23f
#define ROUNDED_RANGE 0x1p21f

/// `wb_nearest` of every lane.
INLINE integer_lanes nearest(lanes x) {
  lanes sum = x + ROUNDER;
  integer_lanes bits;
  memcpy(&bits, &sum, sizeof bits);
  return (bits & 0x7FFFFF) - 0x400000;
}

INLINE integer_lanes clamped(integer_lanes code, int low, int high) {
  code = code < high ? code : high;
  return code > low ? code : low;
}

/// The nearest integer between the bounds, for what is below `ROUNDED_RANGE`. It needs no conversions.
INLINE lanes rounded(lanes x, int low, int high) {
  lanes sum = x + ROUNDER, least = ROUNDER + (float)low, largest = ROUNDER + (float)high;
  sum = sum > least ? sum : least;
  sum = sum < largest ? sum : largest;
  return sum - ROUNDER;
}

#include "block_lanes_affine.h"
#include "block_lanes_symmetric.h"

#define WB_BLOCK_KERNELS                                                                                                       \
  {                                                                                                                            \
    quantize_q4_0, quantize_q4_1, quantize_q5_0, quantize_q5_1, quantize_q8_0, weigh, fit_affine, fit_symmetric,               \
      fit_by_descent, fit_nonlinear, encode_affine, encode_symmetric,                                                          \
  }
