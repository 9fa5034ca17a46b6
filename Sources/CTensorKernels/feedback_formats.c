// Scales and codes of the formats that error feedback knows.
#include "feedback_formats.h"

#include "block_formats.h"
#include "ct_rows.h"
#include "moment_tiles.h"
#include "quantize_k.h"

#pragma STDC FP_CONTRACT OFF

/// Bytes of a group in formats whose rows have their scales elsewhere; larger groups aren't taken.
enum { LARGEST_SPAN_BYTES = 1024 };

static wb_grid grid_of_blocks(wb_block_type type) {
  switch (type) {
  case WB_Q4_0: return (wb_grid){32, 32, -8, 7};
  case WB_Q4_1: return (wb_grid){32, 32, 0, 15};
  case WB_Q5_0: return (wb_grid){32, 32, -16, 15};
  case WB_Q5_1: return (wb_grid){32, 32, 0, 31};
  case WB_Q8_0: return (wb_grid){32, 32, -127, 127};
  case WB_Q2_K: return (wb_grid){256, 16, 0, 3};
  case WB_Q3_K: return (wb_grid){256, 16, -4, 3};
  case WB_Q4_K: return (wb_grid){256, 32, 0, 15};
  case WB_Q5_K: return (wb_grid){256, 32, 0, 31};
  case WB_Q6_K: return (wb_grid){256, 16, -32, 31};
  default: return (wb_grid){0, 0, 0, 0};
  }
}

wb_grid wb_grid_of(wb_feedback_format format, size_t row_length) {
  wb_grid none = {0, 0, 0, 0};
  switch (format.container) {
  case WB_FEEDBACK_BLOCKS: {
    wb_grid grid = grid_of_blocks(format.type);
    return grid.span && row_length % grid.span == 0 ? grid : none;
  }
  case WB_FEEDBACK_MLX: {
    wb_mlx_format mlx = format.mlx;
    if (mlx.mode != WB_MLX_AFFINE || mlx.bits < 2 || mlx.group % WB_EIGHT != 0 || row_length % mlx.group != 0) return none;
    return (wb_grid){mlx.group, mlx.group, 0, (1 << mlx.bits) - 1};
  }
  default: {
    wb_ct_format ct = format.ct;
    size_t group = wb_ct_group_length(ct, row_length);
    if (ct.mode != WB_CT_INTEGERS || ct.rows != 1 || (ct.bits != 4 && ct.bits != 8)) return none;
    if (group < row_length && (group % WB_EIGHT != 0 || group * ct.bits / 8 + 2 * sizeof(float) > LARGEST_SPAN_BYTES)) return none;
    return (wb_grid){group, group, -(1 << (ct.bits - 1)), (1 << (ct.bits - 1)) - 1};
  }
  }
}

bool wb_feedback_takes(wb_feedback_format format, size_t row_length) { return wb_grid_of(format, row_length).span > 0; }

size_t wb_feedback_row_byte_count(wb_feedback_format format, size_t row_length) {
  switch (format.container) {
  case WB_FEEDBACK_BLOCKS: return row_length / wb_block_length(format.type) * wb_block_byte_count(format.type);
  case WB_FEEDBACK_MLX: return wb_mlx_row_byte_count(format.mlx, row_length);
  default: return wb_ct_row_byte_count(format.ct, row_length);
  }
}

void wb_row_values(wb_feedback_format format, const uint8_t *row, size_t row_length, float *values) {
  switch (format.container) {
  case WB_FEEDBACK_BLOCKS: wb_dequantize(format.type, row, row_length / wb_block_length(format.type), values); break;
  case WB_FEEDBACK_MLX: wb_mlx_dequantize(format.mlx, row, 0, 1, row_length, values); break;
  default: wb_ct_dequantize(format.ct, row, 0, 1, row_length, values); break;
  }
}

// MARK: Scales

/// What decoders of blocks compute: scale · code + offset.
static void scales_of_block(wb_block_type type, const void *place, float *scales, float *offsets) {
  for (int i = 0; i < 16; i++) offsets[i] = 0;
  uint8_t own[8], minima[8];
  switch (type) {
  case WB_Q4_1:
  case WB_Q5_1: {
    // Both begin with scale and minimum.
    const wb_block_q4_1 *block = place;
    scales[0] = wb_of_half(block->scale);
    offsets[0] = wb_of_half(block->minimum);
    break;
  }
  case WB_Q2_K: {
    const wb_block_q2_k *block = place;
    for (int i = 0; i < 16; i++) {
      scales[i] = wb_of_half(block->scale) * (float)(block->scales[i] & 15);
      offsets[i] = -(wb_of_half(block->minimum) * (float)(block->scales[i] >> 4));
    }
    break;
  }
  case WB_Q3_K: {
    const wb_block_q3_k *block = place;
    for (int i = 0; i < 16; i++) scales[i] = wb_of_half(block->scale) * (float)(wb_unpack_q3_scale(block->scales, i) - 32);
    break;
  }
  case WB_Q4_K:
  case WB_Q5_K: {
    // Both begin with the same.
    const wb_block_q4_k *block = place;
    wb_unpack_scales(block->scales, own, minima);
    for (int i = 0; i < 8; i++) {
      scales[i] = wb_of_half(block->scale) * (float)own[i];
      offsets[i] = -(wb_of_half(block->minimum) * (float)minima[i]);
    }
    break;
  }
  case WB_Q6_K: {
    const wb_block_q6_k *block = place;
    for (int i = 0; i < 16; i++) scales[i] = wb_of_half(block->scale) * (float)block->scales[i];
    break;
  }
  default: {
    // Blocks with one scale begin with it.
    const wb_block_q4_0 *block = place;
    scales[0] = wb_of_half(block->scale);
  }
  }
}

void wb_choose_scales(wb_level level, wb_feedback_format format, const float *x, const float *importance, size_t first, size_t count,
                      size_t row_length, uint8_t *row, float *scales, float *offsets) {
  _Alignas(8) uint8_t made[LARGEST_SPAN_BYTES];
  switch (format.container) {
  case WB_FEEDBACK_BLOCKS: {
    uint8_t *block = row + first / wb_block_length(format.type) * wb_block_byte_count(format.type);
    wb_quantize_at(level, format.type, x, 1, count, importance, block);
    wb_refine(level, format.type, x, 1, count, importance, block);
    scales_of_block(format.type, block, scales, offsets);
    break;
  }
  case WB_FEEDBACK_MLX: {
    wb_mlx_format mlx = format.mlx;
    size_t codes = count * mlx.bits / 8, bytes = wb_float_byte_count(mlx.dtype), groups = row_length / mlx.group, group = first / mlx.group;
    wb_mlx_quantize(mlx, x, 1, count, made, 0);
    wb_mlx_refine(level, mlx, x, 1, count, importance, made, 0);
    *scales = wb_load_float(mlx.dtype, made + codes);
    *offsets = wb_load_float(mlx.dtype, made + codes + bytes);
    uint8_t *place = row + row_length * mlx.bits / 8;
    memcpy(place + group * bytes, made + codes, bytes);
    memcpy(place + (groups + group) * bytes, made + codes + bytes, bytes);
    break;
  }
  default: {
    wb_ct_format ct = format.ct;
    size_t bytes = wb_float_byte_count(ct.dtype), place = wb_ct_code_byte_count(ct, row_length) + first / wb_ct_group_length(ct, row_length) * bytes;
    if (count == row_length) {
      wb_ct_quantize(ct, x, 1, count, row, 0);
      wb_ct_refine(level, ct, x, 1, count, importance, row, 0);
    } else {
      // The row's other groups stay as they are: their places are those of this one in a row of its own.
      wb_ct_format own = ct;
      own.group = 0;
      wb_ct_quantize(own, x, 1, count, made, 0);
      wb_ct_refine(level, own, x, 1, count, importance, made, 0);
      memcpy(row + place, made + wb_ct_code_byte_count(own, count), bytes);
    }
    *scales = wb_load_float(ct.dtype, row + place);
    *offsets = 0;
  }
  }
}

// MARK: Codes

static void put_codes_of_block(wb_block_type type, const uint8_t *codes, void *place) {
  switch (type) {
  case WB_Q4_0: wb_put_group(type, wb_of_half(((wb_block_q4_0 *)place)->scale), 0, codes, place); break;
  case WB_Q5_0: wb_put_group(type, wb_of_half(((wb_block_q5_0 *)place)->scale), 0, codes, place); break;
  case WB_Q4_1:
  case WB_Q5_1: {
    wb_block_q4_1 *block = place;
    wb_put_group(type, wb_of_half(block->scale), wb_of_half(block->minimum), codes, place);
    break;
  }
  case WB_Q8_0: {
    wb_block_q8_0 *block = place;
    for (int i = 0; i < WB_GROUP_LENGTH; i++) block->codes[i] = (int8_t)(codes[i] - 127);
    break;
  }
  case WB_Q2_K: wb_pack_quarters(codes, ((wb_block_q2_k *)place)->codes); break;
  case WB_Q3_K: {
    wb_block_q3_k *block = place;
    uint8_t scales[16];
    for (int i = 0; i < 16; i++) scales[i] = (uint8_t)wb_unpack_q3_scale(block->scales, i);
    wb_put_q3_k(block->scale, scales, codes, block);
    break;
  }
  case WB_Q4_K: {
    wb_block_q4_k *block = place;
    uint8_t scales[8], minima[8];
    wb_unpack_scales(block->scales, scales, minima);
    wb_put_q4_k(block->scale, block->minimum, scales, minima, codes, block);
    break;
  }
  case WB_Q5_K: {
    wb_block_q5_k *block = place;
    uint8_t scales[8], minima[8];
    wb_unpack_scales(block->scales, scales, minima);
    wb_put_q5_k(block->scale, block->minimum, scales, minima, codes, block);
    break;
  }
  default: {
    wb_block_q6_k *block = place;
    int8_t scales[16];
    memcpy(scales, block->scales, 16);
    wb_put_q6_k(block->scale, scales, codes, block);
  }
  }
}

void wb_put_codes(wb_feedback_format format, const uint8_t *codes, size_t first, size_t count, uint8_t *row) {
  switch (format.container) {
  case WB_FEEDBACK_BLOCKS:
    put_codes_of_block(format.type, codes, row + first / wb_block_length(format.type) * wb_block_byte_count(format.type));
    break;
  case WB_FEEDBACK_MLX: wb_pack_codes(codes, count, format.mlx.bits, row + first * format.mlx.bits / 8); break;
  default: {
    // Less the least code is what words of 32 bits have; bytes have two's complement.
    uint8_t stored[256];
    int shift = format.ct.word_bits == 32 ? 0 : 1 << (format.ct.bits - 1);
    for (size_t start = 0; start < count; start += sizeof stored) {
      size_t length = count - start < sizeof stored ? count - start : sizeof stored;
      for (size_t i = 0; i < length; i++) stored[i] = (uint8_t)(codes[start + i] - shift);
      wb_pack_codes(stored, length, format.ct.bits, row + (first + start) * format.ct.bits / 8);
    }
  }
  }
}
