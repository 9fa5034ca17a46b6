// What the files of the cast share; not part of the module.
#ifndef WB_CAST_KERNELS_H
#define WB_CAST_KERNELS_H

#include <string.h>

#include "CTensorKernels.h"

/// A vector kernel is called with a multiple of this many elements, at most WB_TILE; the portable code does the rest.
enum { WB_VECTOR_STEP = 16, WB_TILE = 2048 };

/// The bits of 65520, half-way from the largest binary16 to 2^16: from there on, binary32 values become infinite.
enum { WB_F16_OVERFLOW = 0x477FF000 };

/// What a vector kernel says about one narrowed tile.
typedef struct {
  uint32_t rounded_count;
  double largest_error_ulp;
  /// Whether every RESULT is finite. If not, the tile is done again by the portable code, which knows overflows and NaNs, so
  /// that vector code need only get finite results and their errors right.
  bool all_finite;
} wb_narrow_summary;

/// The four casts that have vector code; the others are made of these or are portable only.
typedef struct {
  void (*widen_f16)(const uint16_t *src, float *dst, size_t count);
  void (*widen_bf16)(const uint16_t *src, float *dst, size_t count);
  wb_narrow_summary (*narrow_f16)(const float *src, uint16_t *dst, size_t count);
  wb_narrow_summary (*narrow_bf16)(const float *src, uint16_t *dst, size_t count);
} wb_cast_kernels;

#if defined(__x86_64__)
extern const wb_cast_kernels wb_cast_kernels_avx2, wb_cast_kernels_avx512;
#elif defined(__aarch64__)
extern const wb_cast_kernels wb_cast_kernels_neon;
#endif

// The specification (cast_portable.c). `first_index` is the index that the report gives to the first element of `src`.
void wb_portable_widen_f16(const uint16_t *src, float *dst, size_t count);
void wb_portable_widen_bf16(const uint16_t *src, float *dst, size_t count);
void wb_portable_widen_f32(const float *src, double *dst, size_t count);
void wb_portable_narrow_f32(wb_float_type to, const float *src, uint16_t *dst, size_t count, uint64_t first_index,
                            wb_cast_report *report);
void wb_portable_narrow_f64(wb_float_type to, const double *src, void *dst, size_t count, wb_cast_report *report);

static inline uint32_t wb_bits_of_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float wb_float_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint64_t wb_bits_of_double(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline double wb_double_of_bits(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

#endif
