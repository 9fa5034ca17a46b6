// Weights from blocks of GGUF: the formats whose blocks are single groups, and the dispatch over all formats.
//
// Compilers vectorise these loops as they are; each product and sum is rounded as in ggml's dequantize_row functions.
#include "block_kernels.h"

static void dequantize_q4_0(const wb_block_q4_0 *block, float *restrict out) {
  float scale = wb_of_half(block->scale);
  for (int i = 0; i < 16; i++) {
    out[i] = (float)((block->codes[i] & 15) - 8) * scale;
    out[i + 16] = (float)((block->codes[i] >> 4) - 8) * scale;
  }
}

static void dequantize_q4_1(const wb_block_q4_1 *block, float *restrict out) {
  float scale = wb_of_half(block->scale), minimum = wb_of_half(block->minimum);
  for (int i = 0; i < 16; i++) {
    out[i] = (float)(block->codes[i] & 15) * scale + minimum;
    out[i + 16] = (float)(block->codes[i] >> 4) * scale + minimum;
  }
}

/// Joins the halves of bytes with the fifth bits.
static inline void join_five_bits(const uint8_t codes[16], uint32_t fifth_bits, int joined[32]) {
  for (int i = 0; i < 16; i++) {
    joined[i] = (codes[i] & 15) | (int)(fifth_bits >> i & 1) << 4;
    joined[i + 16] = codes[i] >> 4 | (int)(fifth_bits >> (i + 16) & 1) << 4;
  }
}

static void dequantize_q5_0(const wb_block_q5_0 *block, float *restrict out) {
  float scale = wb_of_half(block->scale);
  int codes[32];
  join_five_bits(block->codes, block->fifth_bits, codes);
  for (int i = 0; i < 32; i++) out[i] = (float)(codes[i] - 16) * scale;
}

static void dequantize_q5_1(const wb_block_q5_1 *block, float *restrict out) {
  float scale = wb_of_half(block->scale), minimum = wb_of_half(block->minimum);
  int codes[32];
  join_five_bits(block->codes, block->fifth_bits, codes);
  for (int i = 0; i < 32; i++) out[i] = (float)codes[i] * scale + minimum;
}

static void dequantize_q8_0(const wb_block_q8_0 *block, float *restrict out) {
  float scale = wb_of_half(block->scale);
  for (int i = 0; i < 32; i++) out[i] = (float)block->codes[i] * scale;
}

/// The products of a scale with every value of a table; there are fewer of them than weights.
static inline void scale_table(const int8_t values[16], float scale, float products[16]) {
  for (int i = 0; i < 16; i++) products[i] = (float)values[i] * scale;
}

/// Looks up 2 * `half` weights whose codes are in halves of bytes.
static inline void look_up(const float products[16], const uint8_t *codes, int half, float *restrict out) {
  for (int i = 0; i < half; i++) {
    out[i] = products[codes[i] & 15];
    out[i + half] = products[codes[i] >> 4];
  }
}

static void dequantize_iq4_nl(const wb_block_iq4_nl *block, float *restrict out) {
  float products[16];
  scale_table(wb_nonlinear_values, wb_of_half(block->scale), products);
  look_up(products, block->codes, 16, out);
}

static void dequantize_iq4_xs(const wb_block_iq4_xs *block, float *restrict out) {
  float products[16];
  for (int group = 0; group < 8; group++) {
    int low = block->low_scales[group / 2] >> 4 * (group % 2) & 15, high = block->high_scales >> 2 * group & 3;
    scale_table(wb_nonlinear_values, wb_of_half(block->scale) * (float)((low | high << 4) - 32), products);
    look_up(products, block->codes + 16 * group, 16, out + 32 * group);
  }
}

static void dequantize_mxfp4(const wb_block_mxfp4 *block, float *restrict out) {
  float products[16];
  scale_table(wb_fp4_values, wb_half_of_e8m0(block->exponent), products);
  look_up(products, block->codes, 16, out);
}

static void dequantize_nvfp4(const wb_block_nvfp4 *block, float *restrict out) {
  float products[16];
  for (int group = 0; group < 4; group++) {
    scale_table(wb_fp4_values, wb_half_of_ue4m3(block->scales[group]), products);
    look_up(products, block->codes + 8 * group, 8, out + 16 * group);
  }
}

#define FOR_EACH_FORMAT(USE)                                                                                                  \
  USE(WB_Q4_0, 32, wb_block_q4_0, dequantize_q4_0)                                                                            \
  USE(WB_Q4_1, 32, wb_block_q4_1, dequantize_q4_1)                                                                            \
  USE(WB_Q5_0, 32, wb_block_q5_0, dequantize_q5_0)                                                                            \
  USE(WB_Q5_1, 32, wb_block_q5_1, dequantize_q5_1)                                                                            \
  USE(WB_Q8_0, 32, wb_block_q8_0, dequantize_q8_0)                                                                            \
  USE(WB_Q2_K, 256, wb_block_q2_k, wb_dequantize_q2_k)                                                                        \
  USE(WB_Q3_K, 256, wb_block_q3_k, wb_dequantize_q3_k)                                                                        \
  USE(WB_Q4_K, 256, wb_block_q4_k, wb_dequantize_q4_k)                                                                        \
  USE(WB_Q5_K, 256, wb_block_q5_k, wb_dequantize_q5_k)                                                                        \
  USE(WB_Q6_K, 256, wb_block_q6_k, wb_dequantize_q6_k)                                                                        \
  USE(WB_IQ4_NL, 32, wb_block_iq4_nl, dequantize_iq4_nl)                                                                      \
  USE(WB_IQ4_XS, 256, wb_block_iq4_xs, dequantize_iq4_xs)                                                                     \
  USE(WB_MXFP4, 32, wb_block_mxfp4, dequantize_mxfp4)                                                                         \
  USE(WB_NVFP4, 64, wb_block_nvfp4, dequantize_nvfp4)

size_t wb_block_length(wb_block_type type) {
  switch (type) {
#define LENGTH_OF(TYPE, LENGTH, BLOCK, FUNCTION)                                                                              \
  case TYPE:                                                                                                                  \
    return LENGTH;
    FOR_EACH_FORMAT(LENGTH_OF)
  }
  return 0;
}

size_t wb_block_byte_count(wb_block_type type) {
  switch (type) {
#define BYTE_COUNT_OF(TYPE, LENGTH, BLOCK, FUNCTION)                                                                          \
  case TYPE:                                                                                                                  \
    return sizeof(BLOCK);
    FOR_EACH_FORMAT(BYTE_COUNT_OF)
  }
  return 0;
}

void wb_dequantize(wb_block_type type, const void *blocks, size_t block_count, float *out) {
  switch (type) {
#define DEQUANTIZE(TYPE, LENGTH, BLOCK, FUNCTION)                                                                             \
  case TYPE:                                                                                                                  \
    for (size_t i = 0; i < block_count; i++) FUNCTION((const BLOCK *)blocks + i, out + i * LENGTH);                           \
    break;
    FOR_EACH_FORMAT(DEQUANTIZE)
  }
}
