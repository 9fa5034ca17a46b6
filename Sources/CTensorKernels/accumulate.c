// Sums, differences, products and quotients of tensors.
#include "CTensorKernels.h"

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
