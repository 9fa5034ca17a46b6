// What the files of the differences in units in the last place share; not part of the module.
#ifndef WB_ULP_KERNELS_H
#define WB_ULP_KERNELS_H

#include "CTensorKernels.h"

/// Both return how many elements they have done, from the first on; the scalar functions do the rest.
typedef struct {
  size_t (*encode)(const uint8_t *fork, const uint8_t *base, uint8_t *z, size_t count, size_t size, bool is_float);
  size_t (*decode)(const uint8_t *z, const uint8_t *base, uint8_t *fork, size_t count, size_t size, bool is_float);
} wb_ulp_kernels;

#if defined(__x86_64__)
extern const wb_ulp_kernels wb_ulp_kernels_avx2;
#elif defined(__aarch64__)
extern const wb_ulp_kernels wb_ulp_kernels_neon;
#endif

#endif
