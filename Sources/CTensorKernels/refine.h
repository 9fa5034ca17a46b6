// What the files that make better blocks share; not part of the module.
#ifndef WB_REFINE_H
#define WB_REFINE_H

#include "block_kernels.h"
#include "scale_search.h"

#pragma STDC FP_CONTRACT OFF

/// Puts a block in the stead of another if what it stands for is nearer to the weights.
WB_INLINE void wb_keep_better(wb_block_type type, const float *x, const float *importance, const void *made, void *block) {
  float values[WB_LARGE_BLOCK];
  size_t length = wb_block_length(type);
  wb_dequantize(type, block, 1, values);
  double before = wb_distance(x, values, importance, length);
  wb_dequantize(type, made, 1, values);
  if (wb_distance(x, values, importance, length) < before) memcpy(block, made, wb_block_byte_count(type));
}

#endif
