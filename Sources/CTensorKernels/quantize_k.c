// Blocks of 256, some at a time: weights are weighed, scales of groups searched for, and blocks made of what was found.
//
// Formulas are those of ggml's quantize_row_*_K_ref, and of quantize_row_*_K_impl where there are importances.
#include "quantize_k.h"

#pragma STDC FP_CONTRACT OFF

/// How many blocks are searched at once, so that every lane has a group.
enum { TILE = 4, LENGTH = WB_LARGE_BLOCK };

/// Weighs the weights of a block, whose variance is `factor` times its mean square; `importances` are the sums of its groups.
static void weigh_block(const wb_block_kernels *kernels, const float *x, const float *importance, float factor, int length,
                        float *weights, float *importances) {
  float sum = 0;
  for (int i = 0; i < LENGTH; i++) sum += x[i] * x[i];
  kernels->weigh(x, importance, factor * sum / LENGTH, LENGTH, weights);
  for (int group = 0; group < LENGTH / length; group++) {
    float total = 0;
    for (int i = 0; i < length; i++) total += weights[group * length + i];
    importances[group] = total;
  }
}

/// The searches of the formats with minima; all those with importances differ in length and codes only.
static wb_affine_search affine_search(wb_block_type type, bool weighted) {
  int length = type == WB_Q2_K ? 16 : 32, largest = type == WB_Q2_K ? 3 : type == WB_Q4_K ? 15 : 31;
  if (weighted) return (wb_affine_search){length, largest, -0.9f, 0.05f, 36, false, WB_BY_MAGNITUDE};
  switch (type) {
  case WB_Q2_K:
    return (wb_affine_search){length, largest, -0.5f, 0.1f, 15, true, WB_BY_MAGNITUDE};
  case WB_Q4_K:
    return (wb_affine_search){length, largest, -1.f, 0.1f, 20, false, WB_BY_MAGNITUDE_AND_MEAN};
  default:
    return (wb_affine_search){length, largest, -0.5f, 0.1f, 15, false, WB_BY_MAGNITUDE_AND_MEAN};
  }
}

void wb_quantize_k(const wb_block_kernels *kernels, wb_block_type type, const float *row, size_t length, const float *importance,
                   void *blocks) {
  int group_length = type == WB_Q4_K || type == WB_Q5_K ? 32 : 16, group_count = LENGTH / group_length;
  wb_affine_search affine = affine_search(type, importance);
  wb_symmetric_search symmetric = {16, type == WB_Q3_K ? 4 : 32};
  for (size_t first = 0; first < length / LENGTH; first += TILE) {
    size_t count = length / LENGTH - first < TILE ? length / LENGTH - first : TILE, groups = count * (size_t)group_count;
    const float *x = row + first * LENGTH;
    float weights[TILE * LENGTH], importances[TILE * 16], scales[TILE * 16], minima[TILE * 16];
    uint8_t codes[TILE * LENGTH];
    // Q6_K takes importances as they are.
    bool weighs = importance && type != WB_Q6_K;
    for (size_t i = 0; weighs && i < count; i++) {
      weigh_block(kernels, x + i * LENGTH, importance + (first + i) * LENGTH, type == WB_Q2_K ? 1 : 2, group_length,
                  weights + i * LENGTH, importances + i * (size_t)group_count);
    }
    const float *used_weights = weighs ? weights : importance ? importance + first * LENGTH : NULL;

    if (type == WB_Q3_K && !importance) {
      kernels->fit_by_descent(x, groups, scales, codes);
    } else if (type == WB_Q3_K || type == WB_Q6_K) {
      kernels->fit_symmetric(&symmetric, x, used_weights, groups, scales, codes);
    } else {
      kernels->fit_affine(&affine, x, used_weights, groups, scales, minima, codes);
    }

    for (size_t i = 0; i < count; i++) {
      size_t group = i * (size_t)group_count, block = first + i;
      wb_block_fit fit = {x + i * LENGTH, scales + group, minima + group, weighs ? importances + group : NULL, codes + i * LENGTH};
      switch (type) {
      case WB_Q2_K:
        wb_finish_q2_k(kernels, &fit, (wb_block_q2_k *)blocks + block);
        break;
      case WB_Q3_K:
        wb_finish_q3_k(kernels, &fit, (wb_block_q3_k *)blocks + block);
        break;
      case WB_Q4_K:
        wb_finish_q4_k(kernels, &fit, (wb_block_q4_k *)blocks + block);
        break;
      case WB_Q5_K:
        wb_finish_q5_k(kernels, &fit, (wb_block_q5_k *)blocks + block);
        break;
      default:
        wb_finish_q6_k(kernels, &fit, (wb_block_q6_k *)blocks + block);
        break;
      }
    }
  }
}
