// Sums of tensors.
#include "CTensorKernels.h"

// Baseline SSE2 or NEON keeps up with memory here, so there is one variant; the compiler vectorises it.
void wb_add_f32(float *restrict accumulator, const float *restrict addend, size_t count) {
  for (size_t i = 0; i < count; i++) accumulator[i] += addend[i];
}
