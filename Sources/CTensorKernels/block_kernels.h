// What the files of the quantization share; not part of the module.
//
// Reading order: block_formats.h (bytes) -> dequantize.c, dequantize_k.c; quantize.c (rows and levels) -> quantize_simple_loops.h,
// quantize_groups.c, quantize_tables.c, quantize_k.c (-> quantize_k_minima.c, quantize_k_symmetric.c) -> block_search.c (the
// searches, as they are meant) -> block_lanes.h (the same, a group per lane).
#ifndef WB_BLOCK_KERNELS_H
#define WB_BLOCK_KERNELS_H

#include "block_formats.h"

/// Below this a group or block counts as all zero.
#define WB_SMALLEST_MAGNITUDE 1e-15f

/// What an error in a weight counts for when nothing is said about its importance.
typedef enum { WB_BY_MAGNITUDE, WB_BY_MAGNITUDE_AND_MEAN, WB_BY_SQUARE } wb_weighting;

/// How the scale and minimum of a group are searched for: weight ≈ scale * code - minimum, code in 0 ... `largest`.
///
/// The candidates are the least-squares fits to the codes that (`first` + `step` * i + `largest`) / (maximum - minimum) gives, for i in
/// 0 ... `step_count`; the best one has the least sum of errors, absolute or squared.
typedef struct {
  int length, largest;
  float first, step;
  int step_count;
  bool absolute_errors;
  wb_weighting weighting;
} wb_affine_search;

/// How the scale alone is searched for: weight ≈ scale * (code - `offset`), code in 0 ... 2 * `offset` - 1.
typedef struct {
  int length, offset;
} wb_symmetric_search;

/// The kernels of a level. `x` has `group_count` groups one after the other, and so have all the results.
typedef struct {
  // Plain quantization of whole blocks.
  void (*q4_0)(const float *x, size_t block_count, wb_block_q4_0 *blocks);
  void (*q4_1)(const float *x, size_t block_count, wb_block_q4_1 *blocks);
  void (*q5_0)(const float *x, size_t block_count, wb_block_q5_0 *blocks);
  void (*q5_1)(const float *x, size_t block_count, wb_block_q5_1 *blocks);
  void (*q8_0)(const float *x, size_t block_count, wb_block_q8_0 *blocks);
  /// weights[i] = importance[i] * √(variance + x[i]²)
  void (*weigh)(const float *x, const float *importance, float variance, size_t count, float *weights);
  // Searches; `weights` may be null.
  void (*fit_affine)(const wb_affine_search *search, const float *x, const float *weights, size_t group_count, float *scales,
                     float *minima, uint8_t *codes);
  void (*fit_symmetric)(const wb_symmetric_search *search, const float *x, const float *weights, size_t group_count, float *scales,
                        uint8_t *codes);
  /// The other search for scales alone, of Q3_K: groups of 16, codes in 0 ... 7.
  void (*fit_by_descent)(const float *x, size_t group_count, float *scales, uint8_t *codes);
  /// The best `group_count` scales for the nonlinear table and groups of 32.
  void (*fit_nonlinear)(const float *x, const float *weights, size_t group_count, float *scales);
  // Codes for a group with its final scale (not 0) and minimum.
  void (*encode_affine)(const float *x, float scale, float minimum, int largest, int length, uint8_t *codes);
  void (*encode_symmetric)(const float *x, float scale, int offset, uint8_t *codes);
} wb_block_kernels;

extern const wb_block_kernels wb_block_kernels_portable;
#if defined(__x86_64__)
extern const wb_block_kernels wb_block_kernels_avx2, wb_block_kernels_avx512;
#elif defined(__aarch64__)
extern const wb_block_kernels wb_block_kernels_neon;
#endif

void wb_quantize_groups(const wb_block_kernels *kernels, wb_block_type type, const float *row, size_t length, const float *importance,
                        void *blocks);
/// Puts codes in halves of bytes: the first half of them in the low ones.
static inline void wb_pack_halves(const uint8_t *codes, int half, uint8_t *packed) {
  for (int i = 0; i < half; i++) packed[i] = (uint8_t)((codes[i] & 15) | codes[i + half] << 4);
}

/// Writes the scales of groups, plus 32.
static inline void wb_put_iq4_scales(const uint8_t scales[8], wb_block_iq4_xs *block) {
  unsigned low = 0, high = 0;
  for (int group = 0; group < 8; group++) {
    low |= (unsigned)(scales[group] & 15) << 4 * group;
    high |= (unsigned)scales[group] >> 4 << 2 * group;
  }
  block->high_scales = (uint16_t)high;
  for (int i = 0; i < 4; i++) block->low_scales[i] = (uint8_t)(low >> 8 * i);
}

/// Writes a block of Q4_0, Q4_1, Q5_0 or Q5_1.
void wb_put_group(wb_block_type type, float scale, float minimum, const uint8_t *codes, void *block);
void wb_quantize_tables(const wb_block_kernels *kernels, wb_block_type type, const float *row, size_t length, const float *importance,
                        void *blocks);
void wb_quantize_k(const wb_block_kernels *kernels, wb_block_type type, const float *row, size_t length, const float *importance,
                   void *blocks);

void wb_dequantize_q2_k(const wb_block_q2_k *block, float *restrict out);
void wb_dequantize_q3_k(const wb_block_q3_k *block, float *restrict out);
void wb_dequantize_q4_k(const wb_block_q4_k *block, float *restrict out);
void wb_dequantize_q5_k(const wb_block_q5_k *block, float *restrict out);
void wb_dequantize_q6_k(const wb_block_q6_k *block, float *restrict out);

#endif
