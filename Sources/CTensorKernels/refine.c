// Better blocks than those that ggml's quantization gives, of the same types: scales are searched for.
#include "refine.h"

#include "refine_k.h"

#pragma STDC FP_CONTRACT OFF

/// Writes codes for a scale and an offset.
WB_INLINE void encode_group(const float *x, float scale, float offset, int least, int largest, uint8_t *codes) {
  float inverse = 1 / scale;
  for (int i = 0; i < WB_GROUP_LENGTH; i++) {
    codes[i] = (uint8_t)(wb_clamped(wb_nearest((x[i] - offset) * inverse), least, largest) - least);
  }
}

/// Tries a block of one group with evenly spaced codes.
WB_INLINE void refine_group(wb_block_type type, const float *x, const float *importance, void *block) {
  wb_patch patch = {x, 1, WB_GROUP_LENGTH, WB_GROUP_LENGTH, importance};
  float least = x[0], largest = x[0];
  for (int i = 1; i < WB_GROUP_LENGTH; i++) {
    least = x[i] < least ? x[i] : least;
    largest = x[i] > largest ? x[i] : largest;
  }
  uint8_t codes[WB_GROUP_LENGTH];
  char made[sizeof(wb_block_q8_0)];
  if (type == WB_Q4_1 || type == WB_Q5_1) {
    int high = type == WB_Q4_1 ? 15 : 31;
    wb_code_range range = {WB_WHOLE_NUMBERS, 0, (float)high};
    wb_fit fit = wb_search_pair(range, &patch, least, largest, false, WB_F16);
    if (fit.scale == 0) return;
    encode_group(x, fit.scale, fit.offset, 0, high, codes);
    wb_put_group(type, fit.scale, fit.offset, codes, made);
  } else {
    int low = type == WB_Q4_0 ? -8 : type == WB_Q5_0 ? -16 : -127, high = type == WB_Q8_0 ? 127 : -low - 1;
    wb_code_range range = {WB_WHOLE_NUMBERS, (float)low, (float)high};
    float most = largest > -least ? largest : -least;
    wb_fit fit = wb_search_scale(range, &patch, most, type == WB_Q8_0 ? 1 : 2, WB_F16);
    if (fit.scale == 0) return;
    encode_group(x, fit.scale, 0, low, high, codes);
    if (type == WB_Q8_0) {
      wb_block_q8_0 *whole = (wb_block_q8_0 *)made;
      whole->scale = wb_half_of(fit.scale);
      for (int i = 0; i < WB_GROUP_LENGTH; i++) whole->codes[i] = (int8_t)(codes[i] - 127);
    } else {
      wb_put_group(type, fit.scale, 0, codes, made);
    }
  }
  wb_keep_better(type, x, importance, made, block);
}

/// Tries a block of places in a table.
WB_INLINE void refine_iq4_nl(const float *x, const float *importance, wb_block_iq4_nl *block) {
  wb_patch patch = {x, 1, WB_GROUP_LENGTH, WB_GROUP_LENGTH, importance};
  wb_code_range range = {WB_TABLE_OF_16, -127, 113};
  wb_fit fit = wb_search_scale(range, &patch, wb_largest_magnitude(x, WB_GROUP_LENGTH, 0), 2, WB_F16);
  if (fit.scale == 0) return;
  uint8_t codes[WB_GROUP_LENGTH];
  for (int i = 0; i < WB_GROUP_LENGTH; i++) codes[i] = (uint8_t)wb_nonlinear_code(x[i] * (1 / fit.scale));
  wb_block_iq4_nl made = {wb_half_of(fit.scale), {0}};
  wb_pack_halves(codes, 16, made.codes);
  wb_keep_better(WB_IQ4_NL, x, importance, &made, block);
}

/// Finds the best scale for floats of four bits near the one that is there, and writes codes for it; returns it.
WB_INLINE uint8_t refine_fp4(wb_block_type type, const float *x, const float *importance, int length, uint8_t stored, uint8_t *packed) {
  wb_patch patch = {x, 1, (size_t)length, (size_t)length, importance};
  wb_code_range range = {WB_FLOATS_OF_4_BITS, -6, 6};
  // Scales of E4M3 are eight to an octave.
  int below = type == WB_NVFP4 ? 16 : 3, above = type == WB_NVFP4 ? 6 : 2, most = type == WB_NVFP4 ? 0x7E : 254, best = -1;
  double least = INFINITY;
  for (int code = stored - below; code <= stored + above; code++) {
    if (code < 1 || code > most) continue;
    float scale = 2 * (type == WB_NVFP4 ? wb_half_of_ue4m3((uint8_t)code) : wb_half_of_e8m0((uint8_t)code));
    if (!wb_is_scale(scale)) continue;
    wb_fit_sums sums;
    wb_sum_fit(range, false, &patch, scale, 0, &sums);
    if (!(sums.dd < least)) continue;
    least = sums.dd;
    best = code;
  }
  if (best < 0) return stored;
  float scale = 2 * (type == WB_NVFP4 ? wb_half_of_ue4m3((uint8_t)best) : wb_half_of_e8m0((uint8_t)best));
  uint8_t codes[WB_GROUP_LENGTH];
  for (int i = 0; i < length; i++) codes[i] = wb_e2m1(x[i] / scale);
  wb_pack_halves(codes, length / 2, packed);
  return (uint8_t)best;
}

/// Tries each group of a block of floats of four bits on its own: others keep theirs.
WB_INLINE void refine_floats(wb_block_type type, const float *x, const float *importance, void *block) {
  int length = type == WB_NVFP4 ? 16 : 32;
  for (int group = 0; group < (type == WB_NVFP4 ? 4 : 1); group++) {
    const float *own = importance ? importance + group * length : NULL;
    char made[sizeof(wb_block_nvfp4)];
    memcpy(made, block, wb_block_byte_count(type));
    uint8_t *scale = type == WB_NVFP4 ? &((wb_block_nvfp4 *)made)->scales[group] : &((wb_block_mxfp4 *)made)->exponent;
    uint8_t *codes = type == WB_NVFP4 ? ((wb_block_nvfp4 *)made)->codes + 8 * group : ((wb_block_mxfp4 *)made)->codes;
    *scale = refine_fp4(type, x + group * length, own, length, *scale, codes);
    wb_keep_better(type, x, importance, made, block);
  }
}

WB_INLINE void refine_row(wb_block_type type, const float *row, size_t length, const float *importance, char *blocks) {
  size_t block_length = wb_block_length(type), byte_count = wb_block_byte_count(type);
  for (size_t first = 0; first < length; first += block_length, blocks += byte_count) {
    const float *x = row + first, *own = importance ? importance + first : NULL;
    switch (type) {
    case WB_Q4_0: refine_group(WB_Q4_0, x, own, blocks); break;
    case WB_Q4_1: refine_group(WB_Q4_1, x, own, blocks); break;
    case WB_Q5_0: refine_group(WB_Q5_0, x, own, blocks); break;
    case WB_Q5_1: refine_group(WB_Q5_1, x, own, blocks); break;
    case WB_Q8_0: refine_group(WB_Q8_0, x, own, blocks); break;
    case WB_Q2_K: wb_refine_k_block(WB_Q2_K, x, own, blocks); break;
    case WB_Q3_K: wb_refine_k_block(WB_Q3_K, x, own, blocks); break;
    case WB_Q4_K: wb_refine_k_block(WB_Q4_K, x, own, blocks); break;
    case WB_Q5_K: wb_refine_k_block(WB_Q5_K, x, own, blocks); break;
    case WB_Q6_K: wb_refine_k_block(WB_Q6_K, x, own, blocks); break;
    case WB_IQ4_XS: wb_refine_k_block(WB_IQ4_XS, x, own, blocks); break;
    case WB_IQ4_NL: refine_iq4_nl(x, own, (wb_block_iq4_nl *)blocks); break;
    case WB_MXFP4: refine_floats(WB_MXFP4, x, own, blocks); break;
    case WB_NVFP4: refine_floats(WB_NVFP4, x, own, blocks); break;
    }
  }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void refine_row_avx2(wb_block_type type, const float *row, size_t length, const float *importance,
                                                            char *blocks) {
  refine_row(type, row, length, importance, blocks);
}
#endif

void wb_refine(wb_level level, wb_block_type type, const float *rows, size_t row_count, size_t row_length, const float *importance,
               void *blocks) {
  size_t row_bytes = row_length / wb_block_length(type) * wb_block_byte_count(type);
  for (size_t row = 0; row < row_count; row++) {
    const float *values = rows + row * row_length;
    char *own = (char *)blocks + row * row_bytes;
#if defined(__x86_64__)
    if (level >= WB_AVX2) {
      refine_row_avx2(type, values, row_length, importance, own);
      continue;
    }
#endif
    (void)level;
    refine_row(type, values, row_length, importance, own);
  }
}
