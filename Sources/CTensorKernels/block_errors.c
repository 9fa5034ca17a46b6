// How far blocks are from the weights that they stand for.
//
// Element i of a chunk goes to lane i mod 8; after each chunk the lanes are added as ((0+1)+(2+3))+((4+5)+(6+7)), and that sum to the
// accumulator: the same sums with vectors of any width.
#include <math.h>
#include <string.h>

#include "block_kernels.h"

#pragma STDC FP_CONTRACT OFF

enum { LANES = 8, CHUNK = 1024 };

typedef float floats __attribute__((vector_size(4 * LANES)));
typedef int32_t integers __attribute__((vector_size(4 * LANES)));
typedef double doubles __attribute__((vector_size(8 * LANES)));

/// What one chunk adds.
typedef struct {
  double squared_error, squared_values, error_product;
  float largest_error;
} chunk_errors;

static inline __attribute__((always_inline)) double total(const doubles *vector) {
  doubles lane = *vector;
  return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

/// `count` is a multiple of LANES, as all blocks are.
static inline __attribute__((always_inline)) void compare_values(const float *exact, const float *rounded, size_t count,
                                                                 chunk_errors *result) {
  doubles squared_error = {}, squared_values = {}, error_product = {};
  floats largest = {};
  for (size_t i = 0; i < count; i += LANES) {
    floats x, y;
    memcpy(&x, exact + i, sizeof x);
    memcpy(&y, rounded + i, sizeof y);
    floats difference = x - y;
    floats magnitude = (floats)((integers)difference & 0x7FFFFFFF);
    integers greater = magnitude > largest;
    largest = (floats)(((integers)magnitude & greater) | ((integers)largest & ~greater));
    doubles error = __builtin_convertvector(difference, doubles), value = __builtin_convertvector(x, doubles);
    squared_error += error * error;
    squared_values += value * value;
    error_product += value * error;
  }
  float most = 0;
  for (int lane = 0; lane < LANES; lane++) most = largest[lane] > most ? largest[lane] : most;
  *result = (chunk_errors){total(&squared_error), total(&squared_values), total(&error_product), most};
}

static void compare_portable(const float *exact, const float *rounded, size_t count, chunk_errors *result) {
  compare_values(exact, rounded, count, result);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void compare_avx2(const float *exact, const float *rounded, size_t count, chunk_errors *result) {
  compare_values(exact, rounded, count, result);
}

__attribute__((target("avx512f,avx512dq"))) static void compare_avx512(const float *exact, const float *rounded, size_t count,
                                                                       chunk_errors *result) {
  compare_values(exact, rounded, count, result);
}
#endif

static void compare_at(wb_level level, const float *exact, const float *rounded, size_t count, chunk_errors *result) {
#if defined(__x86_64__)
  if (level == WB_AVX512) return compare_avx512(exact, rounded, count, result);
  if (level == WB_AVX2) return compare_avx2(exact, rounded, count, result);
#endif
  (void)level;
  compare_portable(exact, rounded, count, result);
}

static bool all_zero(const float *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (values[i] != 0) return false;
  }
  return true;
}

/// Takes in at most CHUNK values.
static void add_chunk(wb_level level, const float *exact, const float *rounded, size_t count, wb_block_errors *accumulator) {
  float padded[2][LANES];
  chunk_errors chunk, rest;
  size_t whole = count / LANES * LANES;
  compare_at(level, exact, rounded, whole, &chunk);
  if (whole < count) {
    memset(padded, 0, sizeof padded);
    memcpy(padded[0], exact + whole, (count - whole) * sizeof(float));
    memcpy(padded[1], rounded + whole, (count - whole) * sizeof(float));
    compare_at(level, padded[0], padded[1], LANES, &rest);
    chunk.squared_error += rest.squared_error;
    chunk.squared_values += rest.squared_values;
    chunk.error_product += rest.error_product;
    chunk.largest_error = rest.largest_error > chunk.largest_error ? rest.largest_error : chunk.largest_error;
  }
  if (chunk.largest_error > accumulator->largest_error) {
    accumulator->largest_error = chunk.largest_error;
    for (size_t i = 0; i < count; i++) {
      if (fabsf(exact[i] - rounded[i]) != chunk.largest_error) continue;
      accumulator->largest_error_place = accumulator->count + i;
      break;
    }
  }
  accumulator->count += count;
  accumulator->squared_error += chunk.squared_error;
  accumulator->squared_values += chunk.squared_values;
  accumulator->error_product += chunk.error_product;
}

/// Counts blocks that are zero; the last may be shorter.
static void count_zero_blocks(const float *exact, const float *rounded, size_t count, size_t length, wb_block_errors *accumulator) {
  for (size_t start = 0; start < count; start += length) {
    size_t here = count - start < length ? count - start : length;
    if (!all_zero(rounded + start, here)) continue;
    accumulator->zero_block_count++;
    accumulator->flushed_block_count += !all_zero(exact + start, here);
  }
}

void wb_block_errors_add_at(wb_level level, wb_block_type type, const float *values, const void *blocks, size_t block_count,
                            wb_block_errors *accumulator) {
  size_t length = wb_block_length(type), byte_count = wb_block_byte_count(type), chunk_blocks = CHUNK / length;
  float rounded[CHUNK];
  for (size_t first = 0; first < block_count; first += chunk_blocks) {
    size_t blocks_here = block_count - first < chunk_blocks ? block_count - first : chunk_blocks, count = blocks_here * length;
    wb_dequantize(type, (const char *)blocks + first * byte_count, blocks_here, rounded);
    count_zero_blocks(values + first * length, rounded, count, length, accumulator);
    add_chunk(level, values + first * length, rounded, count, accumulator);
  }
}

void wb_value_errors_add(const float *values, const float *rounded, size_t count, size_t block_length,
                         wb_block_errors *accumulator) {
  wb_level level = wb_best_level();
  count_zero_blocks(values, rounded, count, block_length, accumulator);
  for (size_t first = 0; first < count; first += CHUNK) {
    add_chunk(level, values + first, rounded + first, count - first < CHUNK ? count - first : CHUNK, accumulator);
  }
}

void wb_block_errors_add(wb_block_type type, const float *values, const void *blocks, size_t block_count,
                         wb_block_errors *accumulator) {
  wb_block_errors_add_at(wb_best_level(), type, values, blocks, block_count, accumulator);
}

void wb_weighted_errors_add(const float *values, const float *rounded, const float *importance, size_t count, double *squared_error,
                            double *squared_values) {
  doubles error = {}, square = {};
  for (size_t i = 0; i < count; i += LANES) {
    size_t here = (count - i < LANES ? count - i : LANES) * sizeof(float);
    floats x = {}, y = {}, w = {};
    memcpy(&x, values + i, here);
    memcpy(&y, rounded + i, here);
    memcpy(&w, importance + i, here);
    doubles value = __builtin_convertvector(x, doubles), weight = __builtin_convertvector(w, doubles);
    doubles difference = __builtin_convertvector(x - y, doubles);
    error += weight * difference * difference;
    square += weight * value * value;
  }
  *squared_error += total(&error);
  *squared_values += total(&square);
}
