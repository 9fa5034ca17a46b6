// Quantization for x86-64 processors with AVX-512 F, BW, VL and DQ: two blocks of 8 groups side by side.
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define WIDTH 16
#include "block_lanes.h"

const wb_block_kernels wb_block_kernels_avx512 = WB_BLOCK_KERNELS;

#endif
