// Blocks of GGUF from rows of weights: the choice of kernels, and rows.
#include "block_kernels.h"

static const wb_block_kernels *kernels_at(wb_level level) {
  switch (level) {
#if defined(__x86_64__)
  case WB_AVX2:
    return &wb_block_kernels_avx2;
  case WB_AVX512:
    return &wb_block_kernels_avx512;
#elif defined(__aarch64__)
  case WB_NEON:
    return &wb_block_kernels_neon;
#endif
  default:
    return &wb_block_kernels_portable;
  }
}

typedef void quantize_row(const wb_block_kernels *kernels, wb_block_type type, const float *row, size_t length,
                          const float *importance, void *blocks);

static quantize_row *quantization_to(wb_block_type type) {
  switch (type) {
  case WB_Q2_K:
  case WB_Q3_K:
  case WB_Q4_K:
  case WB_Q5_K:
  case WB_Q6_K:
    return wb_quantize_k;
  case WB_IQ4_NL:
  case WB_IQ4_XS:
  case WB_MXFP4:
  case WB_NVFP4:
    return wb_quantize_tables;
  default:
    return wb_quantize_groups;
  }
}

void wb_quantize_at(wb_level level, wb_block_type type, const float *rows, size_t row_count, size_t row_length,
                    const float *importance, void *blocks) {
  const wb_block_kernels *kernels = kernels_at(level);
  size_t row_bytes = row_length / wb_block_length(type) * wb_block_byte_count(type);
  // Without importances a block depends on nothing but itself, so that rows are one long one.
  if (!importance) {
    row_length *= row_count;
    row_count = row_count > 0;
  }
  for (size_t row = 0; row < row_count; row++) {
    quantization_to(type)(kernels, type, rows + row * row_length, row_length, importance, (char *)blocks + row * row_bytes);
  }
}

void wb_quantize(wb_block_type type, const float *rows, size_t row_count, size_t row_length, const float *importance, void *blocks) {
  wb_quantize_at(wb_best_level(), type, rows, row_count, row_length, importance, blocks);
}
