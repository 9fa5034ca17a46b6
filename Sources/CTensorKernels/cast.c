// Casts between float types: a walk over tiles that go through binary32 in the first-level cache.
//
// binary32 holds every binary16 and bfloat16 value, so widening to it is exact and the narrowing after it is the only rounding.
// binary64 is read and written by the portable code alone: checkpoints hardly use it, and going from it to 16 bits by way of
// binary32 would round twice.
#include "cast_kernels.h"

/// Returns the vector kernels of a level, or null if it has none.
static const wb_cast_kernels *kernels_at(wb_level level) {
  switch (level) {
#if defined(__x86_64__)
  case WB_AVX2:
    return &wb_cast_kernels_avx2;
  case WB_AVX512:
    return &wb_cast_kernels_avx512;
#elif defined(__aarch64__)
  case WB_NEON:
    return &wb_cast_kernels_neon;
#endif
  default:
    return NULL;
  }
}

/// How many of `count` elements the vector kernels take.
static size_t vector_count(const wb_cast_kernels *kernels, size_t count) {
  return kernels ? count - count % WB_VECTOR_STEP : 0;
}

static void widen(const wb_cast_kernels *kernels, wb_float_type from, const uint16_t *src, float *dst, size_t count) {
  size_t done = vector_count(kernels, count);
  if (from == WB_F16) {
    if (done) kernels->widen_f16(src, dst, done);
    wb_portable_widen_f16(src + done, dst + done, count - done);
  } else {
    if (done) kernels->widen_bf16(src, dst, done);
    wb_portable_widen_bf16(src + done, dst + done, count - done);
  }
}

/// Narrows one tile, whose first element has `index` in the call.
static void narrow(const wb_cast_kernels *kernels, wb_float_type to, const float *src, uint16_t *dst, size_t count,
                   uint64_t index, wb_cast_report *report) {
  size_t done = vector_count(kernels, count);
  if (done) {
    wb_narrow_summary summary = (to == WB_F16 ? kernels->narrow_f16 : kernels->narrow_bf16)(src, dst, done);
    if (summary.all_finite) {
      report->rounded_count += summary.rounded_count;
      if (summary.largest_error_ulp > report->largest_error_ulp) report->largest_error_ulp = summary.largest_error_ulp;
    } else {
      done = 0;
    }
  }
  wb_portable_narrow_f32(to, src + done, dst + done, count - done, index + done, report);
}

/// Writes one tile, given in binary32, in the output type.
static void store(const wb_cast_kernels *kernels, wb_float_type to, const float *tile, void *dst, size_t count, uint64_t index,
                  wb_cast_report *report) {
  if (to == WB_F64) {
    wb_portable_widen_f32(tile, (double *)dst + index, count);
  } else {
    narrow(kernels, to, tile, (uint16_t *)dst + index, count, index, report);
  }
}

void wb_cast_at(wb_level level, wb_float_type from, wb_float_type to, const void *src, void *dst, size_t count,
                wb_cast_report *report) {
  static const size_t sizes[] = {[WB_F64] = 8, [WB_F32] = 4, [WB_F16] = 2, [WB_BF16] = 2};
  wb_cast_report unwanted;
  if (!report) report = &unwanted;
  *report = (wb_cast_report){.first_overflow = UINT64_MAX};
  if (count == 0) return;

  if (from == to) {
    memcpy(dst, src, count * sizes[from]);
    return;
  }
  if (from == WB_F64) {
    wb_portable_narrow_f64(to, src, dst, count, report);
    return;
  }
  const wb_cast_kernels *kernels = kernels_at(level);
  float tile[WB_TILE];
  for (size_t index = 0; index < count; index += WB_TILE) {
    size_t tile_count = count - index < WB_TILE ? count - index : WB_TILE;
    if (from == WB_F32) {
      store(kernels, to, (const float *)src + index, dst, tile_count, index, report);
    } else if (to == WB_F32) {
      widen(kernels, from, (const uint16_t *)src + index, (float *)dst + index, tile_count);
    } else {
      widen(kernels, from, (const uint16_t *)src + index, tile, tile_count);
      store(kernels, to, tile, dst, tile_count, index, report);
    }
  }
}

void wb_cast(wb_float_type from, wb_float_type to, const void *src, void *dst, size_t count, wb_cast_report *report) {
  wb_cast_at(wb_best_level(), from, to, src, dst, count, report);
}
