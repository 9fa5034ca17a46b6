// Quantization for x86-64 processors with AVX2.
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2")))
#define WIDTH 8
#include "block_lanes.h"

const wb_block_kernels wb_block_kernels_avx2 = WB_BLOCK_KERNELS;

#endif
