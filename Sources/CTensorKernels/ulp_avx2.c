// Differences in units in the last place for x86-64 processors with AVX2.
#if defined(__x86_64__)
#include <stdint.h>

#define TARGET __attribute__((target("avx2")))
enum { VECTOR_BYTES = 32 };

#include "ulp_loops.h"

const wb_ulp_kernels wb_ulp_kernels_avx2 = {encode, decode};

#endif
