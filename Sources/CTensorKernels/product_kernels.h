// What the files of the products share; not part of the module.
#ifndef WB_PRODUCT_KERNELS_H
#define WB_PRODUCT_KERNELS_H

#include "CTensorKernels.h"

/// Partial sums of a row of `wb_matvec`, and rows in a group of `wb_vecmat`.
enum { WB_LANES = 32, WB_GROUP = 8 };

/// One variant of both products.
typedef struct {
  void (*matvec)(wb_float_type type, const void *weights, size_t rows, size_t columns, size_t stride, const float *x, float *y);
  void (*vecmat)(wb_float_type type, const void *weights, size_t rows, size_t columns, size_t stride, const float *x, float *y);
} wb_product_kernels;

extern const wb_product_kernels wb_product_kernels_portable;
#if defined(__x86_64__)
extern const wb_product_kernels wb_product_kernels_avx2, wb_product_kernels_avx512;
#elif defined(__aarch64__)
extern const wb_product_kernels wb_product_kernels_neon;
#endif

/// The sum of a row's lanes, and the form of a NaN: the tree has its halves added first, as vectors are split.
static inline float wb_total(const float lanes[WB_LANES]) {
  float sums[WB_LANES / 2];
  for (int i = 0; i < 16; i++) sums[i] = lanes[i] + lanes[i + 16];
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) sums[i] += sums[i + half];
  }
  return sums[0] == sums[0] ? sums[0] : __builtin_nanf("");
}

#endif
