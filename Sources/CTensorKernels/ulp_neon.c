// Differences in units in the last place for arm64.
#if defined(__aarch64__)
#include <stdint.h>

#define TARGET
enum { VECTOR_BYTES = 16 };

#include "ulp_loops.h"

const wb_ulp_kernels wb_ulp_kernels_neon = {encode, decode};

#endif
