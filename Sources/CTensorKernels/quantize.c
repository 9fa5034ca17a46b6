// Blocks of GGUF from rows of weights: the choice of kernels, and rows.
#include "block_kernels.h"

static const wb_block_kernels *kernels_at(wb_level level) {
  (void)level;
  return &wb_block_kernels_portable;
}

bool wb_can_quantize(wb_block_type type) {
  switch (type) {
  case WB_IQ4_XS:
  case WB_MXFP4:
  case WB_NVFP4:
    return false;
  default:
    return wb_block_byte_count(type) > 0;
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
    void (*quantize)(const wb_block_kernels *, wb_block_type, const float *, size_t, const float *, void *) =
      wb_block_length(type) == WB_LARGE_BLOCK ? wb_quantize_k : wb_quantize_groups;
    quantize(kernels, type, rows + row * row_length, row_length, importance, (char *)blocks + row * row_bytes);
  }
}

void wb_quantize(wb_block_type type, const float *rows, size_t row_count, size_t row_length, const float *importance, void *blocks) {
  wb_quantize_at(wb_best_level(), type, rows, row_count, row_length, importance, blocks);
}
