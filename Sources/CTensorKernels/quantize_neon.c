// Quantization for arm64.
#if defined(__aarch64__)
#define TARGET
#define WIDTH 4
#include "block_lanes.h"

const wb_block_kernels wb_block_kernels_neon = WB_BLOCK_KERNELS;

#endif
