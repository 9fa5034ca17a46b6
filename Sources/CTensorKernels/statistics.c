// Counts, range and moments of a tensor, the same on every machine.
//
// Floating-point addition is not associative, so the order is part of the definition: element i of a call goes to lane i mod 8;
// after each chunk of 4096 elements the lanes are added as ((0+1)+(2+3))+((4+5)+(6+7)), and that sum to the accumulator. Eight
// lanes are enough for the widest vectors, and narrower ones do the same additions in several instructions.
// Moments are taken about the first finite value, so that a mean far from zero doesn't cancel the variance away.
#include <float.h>
#include <string.h>

#include "CTensorKernels.h"

#pragma STDC FP_CONTRACT OFF

enum { LANES = 8, CHUNK = 4096, BLOCK = 512 };

typedef double doubles __attribute__((vector_size(8 * LANES)));
typedef int64_t integers __attribute__((vector_size(8 * LANES)));

/// The running values of a chunk.
typedef struct {
  doubles sum, sum_of_squares, minimum, maximum;
  integers zero_count;
} chunk_lanes;

/// Adds `count` values, a multiple of LANES, to the lanes. Infinities and NaNs count for nothing.
static inline __attribute__((always_inline)) bool add_values(const double *values, size_t count, double shift, chunk_lanes *chunk) {
  chunk_lanes lanes = *chunk;
  integers all_finite = (integers){} - 1;
  for (size_t i = 0; i < count; i += LANES) {
    doubles value;
    memcpy(&value, values + i, sizeof value);
    // An infinity minus itself is NaN, as is a NaN.
    integers finite = value - value == 0;
    all_finite &= finite;
    doubles number = (doubles)((integers)(value - shift) & finite);
    lanes.sum += number;
    lanes.sum_of_squares += number * number;
    integers below = finite & (value < lanes.minimum), above = finite & (value > lanes.maximum);
    lanes.minimum = (doubles)(((integers)value & below) | ((integers)lanes.minimum & ~below));
    lanes.maximum = (doubles)(((integers)value & above) | ((integers)lanes.maximum & ~above));
    lanes.zero_count -= value == 0;
  }
  *chunk = lanes;
  int64_t all = -1;
  for (int lane = 0; lane < LANES; lane++) all &= all_finite[lane];
  return all != 0;
}

// The same additions in the same order in wider instructions.
static bool add_values_portable(const double *values, size_t count, double shift, chunk_lanes *chunk) {
  return add_values(values, count, shift, chunk);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static bool add_values_avx2(const double *values, size_t count, double shift, chunk_lanes *chunk) {
  return add_values(values, count, shift, chunk);
}

__attribute__((target("avx512f,avx512dq"))) static bool add_values_avx512(const double *values, size_t count, double shift, chunk_lanes *chunk) {
  return add_values(values, count, shift, chunk);
}
#endif

/// Adds the values with the variant for `level`, and returns whether all of them are finite.
static bool add_values_at(wb_level level, const double *values, size_t count, double shift, chunk_lanes *chunk) {
#if defined(__x86_64__)
  if (level == WB_AVX512) return add_values_avx512(values, count, shift, chunk);
  if (level == WB_AVX2) return add_values_avx2(values, count, shift, chunk);
#endif
  (void)level;
  return add_values_portable(values, count, shift, chunk);
}

/// Counts the infinities and NaNs, which are rare.
static void count_specials(const double *values, size_t count, wb_statistics *accumulator) {
  for (size_t i = 0; i < count; i++) {
    accumulator->positive_infinity_count += values[i] > DBL_MAX;
    accumulator->negative_infinity_count += values[i] < -DBL_MAX;
    accumulator->nan_count += values[i] != values[i];
  }
}

#define CONVERT_EACH(type)                                                   \
  for (size_t i = 0; i < count; i++) values[i] = (double)((const type *)src)[first + i];

/// Returns whether there is a finite value, and stores the first.
static bool first_finite(const double *values, size_t count, double *first) {
  for (size_t i = 0; i < count; i++) {
    if (values[i] - values[i] == 0) {
      *first = values[i];
      return true;
    }
  }
  return false;
}

/// Converts elements `first` to `first + count` of `src` to double.
static void decode(wb_stat_type type, const float *small_floats, const void *src, size_t first, size_t count, double *values) {
  switch (type) {
  case WB_STAT_F64: CONVERT_EACH(double); return;
  case WB_STAT_F32: CONVERT_EACH(float); return;
  case WB_STAT_F16:
  case WB_STAT_BF16: {
    float wide[BLOCK];
    wb_cast(type == WB_STAT_F16 ? WB_F16 : WB_BF16, WB_F32, (const uint16_t *)src + first, wide, count, NULL);
    for (size_t i = 0; i < count; i++) values[i] = (double)wide[i];
    return;
  }
  case WB_STAT_I8: CONVERT_EACH(int8_t); return;
  case WB_STAT_I16: CONVERT_EACH(int16_t); return;
  case WB_STAT_I32: CONVERT_EACH(int32_t); return;
  case WB_STAT_I64: CONVERT_EACH(int64_t); return;
  case WB_STAT_U8: CONVERT_EACH(uint8_t); return;
  case WB_STAT_U16: CONVERT_EACH(uint16_t); return;
  case WB_STAT_U32: CONVERT_EACH(uint32_t); return;
  case WB_STAT_U64: CONVERT_EACH(uint64_t); return;
  case WB_STAT_BOOL:
    for (size_t i = 0; i < count; i++) values[i] = ((const uint8_t *)src)[first + i] != 0;
    return;
  case WB_STAT_F8_E4M3:
  case WB_STAT_F8_E5M2:
  case WB_STAT_F8_E4M3FNUZ:
  case WB_STAT_F8_E5M2FNUZ:
  case WB_STAT_F8_E8M0:
    for (size_t i = 0; i < count; i++) values[i] = (double)small_floats[((const uint8_t *)src)[first + i]];
    return;
  }
}

/// By pointer, since how a function receives so wide a vector depends on the processor level it is compiled for.
static double total(const doubles *vector) {
  doubles lane = *vector;
  return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

static void end_chunk(const chunk_lanes *chunk, wb_statistics *accumulator) {
  accumulator->sum += total(&chunk->sum);
  accumulator->sum_of_squares += total(&chunk->sum_of_squares);
  for (int lane = 0; lane < LANES; lane++) {
    if (chunk->minimum[lane] < accumulator->minimum) accumulator->minimum = chunk->minimum[lane];
    if (chunk->maximum[lane] > accumulator->maximum) accumulator->maximum = chunk->maximum[lane];
    accumulator->zero_count += (uint64_t)chunk->zero_count[lane];
  }
}

void wb_statistics_begin(wb_statistics *statistics) {
  *statistics = (wb_statistics){.minimum = __builtin_inf(), .maximum = -__builtin_inf()};
}

void wb_statistics_add(wb_stat_type type, const void *src, size_t count, wb_statistics *accumulator) {
  float small_floats[256];
  if (type >= WB_STAT_F8_E4M3) {
    for (int code = 0; code < 256; code++) small_floats[code] = wb_small_float(type, (uint8_t)code);
  }
  wb_level level = wb_best_level();
  double values[BLOCK];
  for (size_t chunk_start = 0; chunk_start < count; chunk_start += CHUNK) {
    size_t chunk_end = count - chunk_start < CHUNK ? count : chunk_start + CHUNK;
    chunk_lanes chunk = {.minimum = (doubles){} + __builtin_inf(), .maximum = (doubles){} - __builtin_inf()};
    for (size_t first = chunk_start; first < chunk_end; first += BLOCK) {
      size_t block_count = chunk_end - first < BLOCK ? chunk_end - first : BLOCK;
      decode(type, small_floats, src, first, block_count, values);
      // The lanes beyond the end get NaNs, which count for nothing; adding a zero there would be a zero too many.
      size_t padded_count = block_count;
      for (; padded_count % LANES != 0; padded_count++) values[padded_count] = __builtin_nan("");
      if (!accumulator->has_shift) accumulator->has_shift = first_finite(values, block_count, &accumulator->shift);
      if (!add_values_at(level, values, padded_count, accumulator->shift, &chunk)) count_specials(values, block_count, accumulator);
    }
    end_chunk(&chunk, accumulator);
  }
  accumulator->count += count;
  accumulator->finite_count = accumulator->count - accumulator->nan_count - accumulator->positive_infinity_count
    - accumulator->negative_infinity_count;
}
