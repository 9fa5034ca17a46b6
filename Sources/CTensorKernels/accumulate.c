// Sums, differences, products and quotients of tensors.
#include <string.h>

#include "CTensorKernels.h"

#include "cast_kernels.h"

// Baseline SSE2 or NEON keeps up with memory here, so there is one variant; the compiler vectorises it.

/// So many results are looked through for NaN at once.
enum { run = 64 };

/// The NaN that stands for a result: the first operand's, else the second's, quiet, else the plain one.
///
/// Which of two it is, and the sign of a new one, processors and the compiler's order of operands say otherwise.
static float defined_nan(float a, float b) {
  if (a != a) return wb_float_of_bits(wb_bits_of_float(a) | 0x00400000u);
  if (b != b) return wb_float_of_bits(wb_bits_of_float(b) | 0x00400000u);
  return wb_float_of_bits(0x7fc00000u);
}

#define COMBINE(accumulator, other, count, operation)                                                        \
  for (size_t start = 0; start < (count); start += run) {                                                    \
    size_t length = (count) - start < run ? (count) - start : run;                                           \
    float *restrict a = (accumulator) + start;                                                               \
    const float *restrict b = (other) + start;                                                               \
    float results[run];                                                                                      \
    int nan_count = 0;                                                                                       \
    for (size_t i = 0; i < length; i++) results[i] = a[i] operation b[i];                                    \
    for (size_t i = 0; i < length; i++) nan_count += results[i] != results[i];                               \
    for (size_t i = 0; nan_count != 0 && i < length; i++) {                                                  \
      if (results[i] != results[i]) results[i] = defined_nan(a[i], b[i]);                                    \
    }                                                                                                        \
    memcpy(a, results, length * sizeof(float));                                                              \
  }

void wb_add_f32(float *restrict accumulator, const float *restrict addend, size_t count) {
  COMBINE(accumulator, addend, count, +)
}

void wb_subtract_f32(float *restrict accumulator, const float *restrict other, size_t count) {
  COMBINE(accumulator, other, count, -)
}

void wb_multiply_f32(float *restrict accumulator, const float *restrict other, size_t count) {
  COMBINE(accumulator, other, count, *)
}

void wb_divide_f32(float *restrict accumulator, const float *restrict other, size_t count) {
  COMBINE(accumulator, other, count, /)
}

/// The distance of neighbouring values of binary32 in the binade of `value`, which isn't 0.
static double spacing(double value) {
  int exponent = (int)(wb_bits_of_double(__builtin_fabs(value)) >> 52) - 1023;
  if (exponent < -126) exponent = -126;
  return wb_double_of_bits((uint64_t)(exponent - 23 + 1023) << 52);
}

void wb_add_reporting_f32(float *accumulator, const float *addend, size_t count, wb_cast_report *report) {
  for (size_t i = 0; i < count; i++) {
    float a = accumulator[i], b = addend[i], sum = a + b;
    accumulator[i] = sum != sum ? defined_nan(a, b) : sum;
    // What was rounded off, exactly (Knuth, The Art of Computer Programming 2, 4.2.2, theorem B).
    float rest = sum - a;
    double error = (double)((a - (sum - rest)) + (b - rest));
    if (error == 0) continue;
    if (__builtin_isfinite(sum)) {
      report->rounded_count += 1;
      double units = __builtin_fabs(error) / spacing((double)sum + error);
      if (units > report->largest_error_ulp) report->largest_error_ulp = units;
    } else if (__builtin_isfinite(a) && __builtin_isfinite(b)) {
      report->rounded_count += 1;
      report->overflow_count += 1;
    }
  }
}
