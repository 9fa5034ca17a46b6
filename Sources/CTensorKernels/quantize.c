// Blocks of GGUF from rows of weights: the choice of kernels, and rows.
//
// Million Gaussian weights a second of one core (AMD EPYC of family 25, model 17; the machine was busy), with importances after the
// slash; beside ggml as compiled by the better of gcc 12 and clang 21 with -O3 -march=native -ffp-contract=off. Medians of
// `scripts/goldens/quantization --benchmark`.
//
// |        | ggml      | portable  | AVX2       | AVX-512    |
// |--------|-----------|-----------|------------|------------|
// | Q8_0   | 2090      | 1380      | 2250       | 4300       |
// | Q4_0   | 1440 / 51 | 1220 / 26 | 2350 / 209 | 2910 / 197 |
// | Q4_1   | 1690 / 10 | 1030 / 9  | 1990 / 65  | 2600 / 79  |
// | Q5_0   | 1180 / 50 | 1000 / 28 | 1870 / 201 | 2100 / 195 |
// | Q5_1   | 1340 / 10 | 940 / 9   | 1690 / 64  | 2510 / 79  |
// | Q2_K   | 19 / 8    | 16 / 7    | 119 / 48   | 157 / 61   |
// | Q3_K   | 105 / 30  | 91 / 18   | 184 / 117  | 206 / 126  |
// | Q4_K   | 17 / 10   | 16 / 9    | 112 / 59   | 142 / 72   |
// | Q5_K   | 21 / 10   | 20 / 9    | 139 / 58   | 171 / 71   |
// | Q6_K   | 42 / 39   | 27 / 27   | 215 / 203  | 249 / 233  |
// | IQ4_NL | 6 / 6     | 18 / 17   | 92 / 85    | 100 / 91   |
// | IQ4_XS | 6 / 6     | 18 / 17   | 90 / 81    | 98 / 86    |
// | MXFP4  | 563       | 574       |            |            |
// | NVFP4  | 425       | 580       |            |            |
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
