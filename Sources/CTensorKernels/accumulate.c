// Sums, differences, products and quotients of tensors.
#include "CTensorKernels.h"

#include "cast_kernels.h"

// Baseline SSE2 or NEON keeps up with memory here, so there is one variant; the compiler vectorises it.
void wb_add_f32(float *restrict accumulator, const float *restrict addend, size_t count) {
  for (size_t i = 0; i < count; i++) accumulator[i] += addend[i];
}

void wb_subtract_f32(float *restrict accumulator, const float *restrict other, size_t count) {
  for (size_t i = 0; i < count; i++) accumulator[i] -= other[i];
}

void wb_multiply_f32(float *restrict accumulator, const float *restrict other, size_t count) {
  for (size_t i = 0; i < count; i++) accumulator[i] *= other[i];
}

void wb_divide_f32(float *restrict accumulator, const float *restrict other, size_t count) {
  for (size_t i = 0; i < count; i++) accumulator[i] /= other[i];
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
    accumulator[i] = sum;
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
