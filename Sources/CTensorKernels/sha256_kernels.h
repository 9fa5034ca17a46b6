// What the files of SHA-256 share; not part of the module.
#ifndef WB_SHA256_KERNELS_H
#define WB_SHA256_KERNELS_H

#include "CTensorKernels.h"

enum { WB_SHA256_BLOCK = 64 };

/// The constants K of FIPS 180-4, 4.2.2; aligned, so that instructions can add them from memory.
extern const _Alignas(16) uint32_t wb_sha256_constants[64];

/// Takes `block_count` blocks into one state, or into each of two.
typedef struct {
  void (*one)(uint32_t state[8], const uint8_t *blocks, size_t block_count);
  void (*two)(uint32_t first[8], const uint8_t *first_blocks, uint32_t second[8], const uint8_t *second_blocks,
              size_t block_count);
} wb_sha256_kernels;

#if defined(__x86_64__)
extern const wb_sha256_kernels wb_sha256_kernels_sha;
#endif

#endif
