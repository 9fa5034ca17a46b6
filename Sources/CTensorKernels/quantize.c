// Blocks of GGUF from rows of weights: the choice of kernels, and rows.
//
// Million Gaussian weights a second of one core (AMD EPYC 9004), with importances after the slash; beside ggml as compiled by the better
// of gcc 12 and clang 21 with -O3 -march=native -ffp-contract=off. Measured by `scripts/goldens/quantization --benchmark`.
//
// |               | ggml      | portable | AVX2       | AVX-512    |
// |---|---|---|---|---|
// | Q8_0          | 2100      | 1470     | 1880       | 4310       |
// | Q4_0          | 1440 / 51 | 880 / 27 | 1930 / 210 | 2360 / 201 |
// | Q4_1          | 1690 / 10 | 1000 / 9 | 1910 / 65  | 2600 / 81  |
// | Q5_0          | 1270 / 50 | 770 / 29 | 1460 / 201 | 1920 / 196 |
// | Q5_1          | 1330 / 10 | 920 / 9  | 1530 / 65  | 2750 / 79  |
// | Q2_K          | 15 / 6    | 14 / 6   | 118 / 47   | 156 / 54   |
// | Q3_K          | 88 / 30   | 89 / 14  | 173 / 84   | 206 / 94   |
// | Q4_K          | 17 / 10   | 16 / 8   | 113 / 59   | 142 / 72   |
// | Q5_K          | 18 / 8    | 17 / 8   | 121 / 51   | 160 / 67   |
// | Q6_K          | 37 / 36   | 19 / 19  | 188 / 173  | 228 / 207  |
// | IQ4_NL        | 4 / 6     | 11 / 17  | 91 / 85    | 100 / 91   |
// | IQ4_XS        | 4 / 4     | 11 / 11  | 72 / 65    | 84 / 75    |
// | MXFP4, NVFP4  | 565, 410  | 544, 580 |            |            |
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
