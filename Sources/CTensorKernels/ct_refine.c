// Better scales and codes than compressed-tensors', in its own formats.
#include "ct_rows.h"
#include "scale_search.h"

#pragma STDC FP_CONTRACT OFF

/// How far what codes stand for is from the weights: of codes that are there, or, without any, of the nearest ones for the scale.
WB_INLINE double patch_error(wb_ct_format format, const wb_patch *patch, float scale, const uint8_t *codes, size_t stride) {
  double sum = 0;
  for (size_t row = 0; row < patch->rows; row++) {
    const float *values = patch->values + row * patch->stride;
    for (size_t first = 0; first < patch->columns; first += WB_CT_CODES_AT_ONCE) {
      size_t count = patch->columns - first < WB_CT_CODES_AT_ONCE ? patch->columns - first : WB_CT_CODES_AT_ONCE;
      uint8_t nearest[WB_CT_CODES_AT_ONCE];
      float made[WB_CT_CODES_AT_ONCE];
      if (!codes) wb_ct_encode(format, values + first, count, scale, nearest);
      wb_ct_decode(format, codes ? codes + row * stride + first * format.bits / 8 : nearest, count, scale, made);
      sum += wb_distance(values + first, made, patch->importance ? patch->importance + first : NULL, count);
    }
  }
  return sum;
}

/// Finds the best stored byte of a scale near that which is there; that byte where there is no other.
WB_INLINE uint8_t search_byte(wb_ct_format format, wb_code_range range, const wb_patch *patch, uint8_t stored) {
  // Scales of E4M3 are eight to an octave.
  int below = format.mode == WB_CT_NVFP4 ? 16 : 3, above = format.mode == WB_CT_NVFP4 ? 6 : 2, most = format.mode == WB_CT_NVFP4 ? 0x7E : 254;
  uint8_t best = stored;
  double least = INFINITY;
  for (int byte = stored - below; byte <= stored + above; byte++) {
    uint8_t candidate = (uint8_t)byte;
    if (byte < 1 || byte > most || !wb_is_scale(wb_ct_scale(format, &candidate))) continue;
    wb_fit_sums sums;
    wb_sum_fit(range, false, patch, wb_ct_scale(format, &candidate), 0, &sums);
    if (!(sums.dd < least)) continue;
    least = sums.dd;
    best = candidate;
  }
  return best;
}

/// Refines what shares a scale, which lies at `scale_place` of each row and belongs to the codes at `code_place`.
WB_INLINE void refine_patch(wb_ct_format format, const wb_patch *patch, uint8_t *packed, size_t stride, size_t code_place, size_t scale_place) {
  size_t scale_bytes = wb_ct_scale_byte_count(format);
  float limit = (float)(1u << (format.bits - 1)), largest = 0, scale;
  wb_code_range range = format.mode == WB_CT_INTEGERS                              ? (wb_code_range){WB_WHOLE_NUMBERS, -limit, limit - 1}
                        : format.mode == WB_CT_E4M3 || format.mode == WB_CT_MXFP8 ? (wb_code_range){WB_FLOATS_OF_8_BITS, -448, 448}
                                                                                   : (wb_code_range){WB_FLOATS_OF_4_BITS, -6, 6};
  for (size_t row = 0; row < patch->rows; row++) {
    largest = wb_largest_magnitude(patch->values + row * patch->stride, patch->columns, largest);
  }
  if (!(largest > 0)) return;
  uint8_t stored[4];
  if (scale_bytes == 1) {
    stored[0] = search_byte(format, range, patch, packed[scale_place]);
    scale = wb_ct_scale(format, stored);
  } else {
    scale = wb_search_scale(range, patch, largest, 1, format.dtype).scale;
    if (scale == 0) return;
    wb_store_float(format.dtype, scale, stored);
  }
  double before = patch_error(format, patch, wb_ct_scale(format, packed + scale_place), packed + code_place, stride);
  if (!(patch_error(format, patch, scale, NULL, 0) < before)) return;
  for (size_t row = 0; row < patch->rows; row++) {
    uint8_t *out = packed + row * stride;
    memcpy(out + scale_place, stored, scale_bytes);
    wb_ct_encode(format, patch->values + row * patch->stride, patch->columns, scale, out + code_place);
  }
}

WB_INLINE void refine_rows(wb_ct_format format, const float *rows, size_t row_count, size_t length, const float *importance, uint8_t *packed,
                           size_t stride) {
  size_t group = wb_ct_group_length(format, length), scale_bytes = wb_ct_scale_byte_count(format);
  for (size_t first = 0; first < row_count; first += format.rows) {
    size_t shared = row_count - first < format.rows ? row_count - first : format.rows;
    size_t place = wb_ct_code_byte_count(format, length);
    for (size_t start = 0; start < length; start += group, place += scale_bytes) {
      size_t count = length - start < group ? length - start : group;
      wb_patch patch = {rows + first * length + start, shared, count, length, importance ? importance + start : NULL};
      refine_patch(format, &patch, packed + first * stride, stride, start * format.bits / 8, place);
    }
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void refine_rows_avx2(wb_ct_format format, const float *rows, size_t row_count, size_t length,
                                                             const float *importance, uint8_t *packed, size_t stride) {
  refine_rows(format, rows, row_count, length, importance, packed, stride);
}
#endif

void wb_ct_refine(wb_level level, wb_ct_format format, const float *rows, size_t row_count, size_t row_length, const float *importance,
                  void *packed, size_t stride) {
#if defined(__x86_64__)
  if (level >= WB_AVX2) return refine_rows_avx2(format, rows, row_count, row_length, importance, packed, stride);
#endif
  (void)level;
  refine_rows(format, rows, row_count, row_length, importance, packed, stride);
}
