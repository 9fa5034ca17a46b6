// What the products mean, addition by addition: the specification that the vector variants are compared with, bit for bit.
#include "cast_kernels.h"
#include "product_kernels.h"

#pragma STDC FP_CONTRACT OFF

static size_t element_size(wb_float_type type) { return type == WB_F64 ? 8 : type == WB_F32 ? 4 : 2; }

/// Converts `count` elements, at most a tile of the cast, to binary32.
static void widen(wb_float_type type, const char *src, float *dst, size_t count) {
  wb_cast_at(WB_PORTABLE, type, WB_F32, src, dst, count, NULL);
}

static void matvec(wb_float_type type, const void *weights, size_t rows, size_t columns, size_t stride, const float *x, float *y) {
  float wide[WB_TILE];
  for (size_t r = 0; r < rows; r++) {
    const char *row = (const char *)weights + r * stride;
    float lanes[WB_LANES] = {0};
    // A tile is a multiple of the lanes.
    for (size_t first = 0; first < columns; first += WB_TILE) {
      size_t count = columns - first < WB_TILE ? columns - first : WB_TILE;
      widen(type, row + first * element_size(type), wide, count);
      for (size_t c = 0; c < count; c++) lanes[c % WB_LANES] += wide[c] * x[first + c];
    }
    y[r] = wb_total(lanes);
  }
}

static void vecmat(wb_float_type type, const void *weights, size_t rows, size_t columns, size_t stride, const float *x, float *y) {
  enum { STRIP = 128 };
  float wide[WB_GROUP][STRIP];
  for (size_t first = 0; first < columns; first += STRIP) {
    size_t count = columns - first < STRIP ? columns - first : STRIP;
    const char *strip = (const char *)weights + first * element_size(type);
    float *sums = y + first;
    for (size_t c = 0; c < count; c++) sums[c] = 0;
    size_t r = 0;
    for (; r + WB_GROUP <= rows; r += WB_GROUP) {
      for (size_t i = 0; i < WB_GROUP; i++) widen(type, strip + (r + i) * stride, wide[i], count);
      for (size_t c = 0; c < count; c++) {
        float p[WB_GROUP];
        for (int i = 0; i < WB_GROUP; i++) p[i] = x[r + (size_t)i] * wide[i][c];
        sums[c] += ((p[0] + p[1]) + (p[2] + p[3])) + ((p[4] + p[5]) + (p[6] + p[7]));
      }
    }
    for (; r < rows; r++) {
      widen(type, strip + r * stride, wide[0], count);
      for (size_t c = 0; c < count; c++) sums[c] += x[r] * wide[0][c];
    }
    for (size_t c = 0; c < count; c++) sums[c] = sums[c] == sums[c] ? sums[c] : __builtin_nanf("");
  }
}

const wb_product_kernels wb_product_kernels_portable = {matvec, vecmat};
