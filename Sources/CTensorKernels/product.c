// Products of a matrix with a vector, as decoding with resident weights needs them: bound by how fast weights come from memory.
#include "product_kernels.h"

static const wb_product_kernels *kernels_at(wb_level level, wb_float_type type) {
  // Checkpoints hardly use binary64.
  if (type == WB_F64) return &wb_product_kernels_portable;
  switch (level) {
#if defined(__x86_64__)
  case WB_AVX2:
    return &wb_product_kernels_avx2;
  case WB_AVX512:
    return &wb_product_kernels_avx512;
#elif defined(__aarch64__)
  case WB_NEON:
    return &wb_product_kernels_neon;
#endif
  default:
    return &wb_product_kernels_portable;
  }
}

void wb_matvec_at(wb_level level, wb_float_type type, const void *weights, size_t rows, size_t columns, size_t row_stride_bytes,
                  const float *x, float *y) {
  kernels_at(level, type)->matvec(type, weights, rows, columns, row_stride_bytes, x, y);
}

void wb_vecmat_at(wb_level level, wb_float_type type, const void *weights, size_t rows, size_t columns, size_t row_stride_bytes,
                  const float *x, float *y) {
  kernels_at(level, type)->vecmat(type, weights, rows, columns, row_stride_bytes, x, y);
}

void wb_matvec(wb_float_type type, const void *weights, size_t rows, size_t columns, size_t row_stride_bytes, const float *x,
               float *y) {
  wb_matvec_at(wb_best_level(), type, weights, rows, columns, row_stride_bytes, x, y);
}

void wb_vecmat(wb_float_type type, const void *weights, size_t rows, size_t columns, size_t row_stride_bytes, const float *x,
               float *y) {
  wb_vecmat_at(wb_best_level(), type, weights, rows, columns, row_stride_bytes, x, y);
}
