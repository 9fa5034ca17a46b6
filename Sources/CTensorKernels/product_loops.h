// The products in vectors of any width; not part of the module. Each vector level includes this file after it has defined
//
//   TARGET                              the attribute that lets functions use its instructions
//   vector, WIDTH, ROWS                 its vector of binary32, how many it holds, and how many rows fit in its registers
//   load_f32, load_f16, load_bf16       WIDTH elements, widened
//   store_f32
//
// The additions are those of product_portable.c. Lanes start from +0 and so can't become -0: the zeros that pad the last columns
// change nothing.
#include <string.h>

#include "product_kernels.h"

#pragma STDC FP_CONTRACT OFF

#define INLINE TARGET static inline __attribute__((always_inline))

/// Bytes that are fetched ahead: processors' own prefetching stops at each page.
enum { PARTS = WB_LANES / WIDTH, AHEAD = 256, LINE = 64 };

/// Asks for the lines that follow `bytes` bytes from `address` on, some way ahead. Addresses beyond the matrix do no harm.
INLINE void prefetch(const void *address, size_t bytes) {
  for (size_t i = 0; i < bytes; i += LINE) __builtin_prefetch((const char *)address + AHEAD + i, 0, 3);
}

INLINE void finish_vecmat(float *y, size_t columns) {
  for (size_t c = 0; c < columns; c++) y[c] = y[c] == y[c] ? y[c] : __builtin_nanf("");
}

#define DEFINE_PRODUCTS(NAME, ELEMENT)                                                                                             \
  /* Adds the products of 32 columns of some rows to their lanes. */                                                               \
  INLINE void add_columns_##NAME(const ELEMENT *const *w, int rows, const float *x, vector sums[ROWS][PARTS]) {                    \
    _Pragma("unroll") for (int part = 0; part < PARTS; part++) {                                                                   \
      vector factor = load_f32(x + part * WIDTH);                                                                                  \
      _Pragma("unroll") for (int r = 0; r < rows; r++) sums[r][part] += load_##NAME(w[r] + part * WIDTH) * factor;                 \
    }                                                                                                                              \
  }                                                                                                                                \
                                                                                                                                   \
  INLINE void matvec_rows_##NAME(const char *weights, int rows, size_t columns, size_t stride, const float *x, float *y) {         \
    vector sums[ROWS][PARTS];                                                                                                      \
    const ELEMENT *w[ROWS];                                                                                                        \
    _Pragma("unroll") for (int r = 0; r < rows; r++) {                                                                             \
      w[r] = (const ELEMENT *)(weights + (size_t)r * stride);                                                                      \
      _Pragma("unroll") for (int part = 0; part < PARTS; part++) sums[r][part] = (vector){0};                                      \
    }                                                                                                                              \
    size_t whole = columns - columns % WB_LANES;                                                                                   \
    for (size_t c = 0; c < whole; c += WB_LANES) {                                                                                 \
      _Pragma("unroll") for (int r = 0; r < rows; r++) prefetch(w[r], WB_LANES * sizeof(ELEMENT));                                 \
      add_columns_##NAME(w, rows, x + c, sums);                                                                                    \
      _Pragma("unroll") for (int r = 0; r < rows; r++) w[r] += WB_LANES;                                                           \
    }                                                                                                                              \
    if (columns != whole) {                                                                                                        \
      float last_x[WB_LANES] = {0};                                                                                                \
      ELEMENT last_w[ROWS][WB_LANES] = {{0}};                                                                                      \
      memcpy(last_x, x + whole, (columns - whole) * sizeof(float));                                                                \
      for (int r = 0; r < rows; r++) {                                                                                             \
        memcpy(last_w[r], w[r], (columns - whole) * sizeof(ELEMENT));                                                              \
        w[r] = last_w[r];                                                                                                          \
      }                                                                                                                            \
      add_columns_##NAME(w, rows, last_x, sums);                                                                                   \
    }                                                                                                                              \
    for (int r = 0; r < rows; r++) {                                                                                               \
      float lanes[WB_LANES];                                                                                                       \
      _Pragma("unroll") for (int part = 0; part < PARTS; part++) store_f32(lanes + part * WIDTH, sums[r][part]);                   \
      y[r] = wb_total(lanes);                                                                                                      \
    }                                                                                                                              \
  }                                                                                                                                \
                                                                                                                                   \
  TARGET static void matvec_##NAME(const char *weights, size_t rows, size_t columns, size_t stride, const float *x, float *y) {    \
    size_t r = 0;                                                                                                                  \
    for (; r + ROWS <= rows; r += ROWS) matvec_rows_##NAME(weights + r * stride, ROWS, columns, stride, x, y + r);                 \
    for (; r < rows; r++) matvec_rows_##NAME(weights + r * stride, 1, columns, stride, x, y + r);                                  \
  }                                                                                                                                \
                                                                                                                                   \
  /* Adds WIDTH columns of a group of rows to their sums. */                                                                       \
  INLINE void add_group_##NAME(const ELEMENT *const w[WB_GROUP], size_t column, const vector factors[WB_GROUP], float *y) {        \
    vector p[WB_GROUP];                                                                                                            \
    _Pragma("unroll") for (int i = 0; i < WB_GROUP; i++) p[i] = factors[i] * load_##NAME(w[i] + column);                           \
    store_f32(y, load_f32(y) + (((p[0] + p[1]) + (p[2] + p[3])) + ((p[4] + p[5]) + (p[6] + p[7]))));                               \
  }                                                                                                                                \
                                                                                                                                   \
  INLINE void vecmat_group_##NAME(const char *weights, size_t columns, size_t stride, const float *x, float *y) {                  \
    const ELEMENT *w[WB_GROUP];                                                                                                    \
    vector factors[WB_GROUP];                                                                                                      \
    _Pragma("unroll") for (int i = 0; i < WB_GROUP; i++) {                                                                         \
      w[i] = (const ELEMENT *)(weights + (size_t)i * stride);                                                                      \
      factors[i] = (vector){0} + x[i];                                                                                             \
    }                                                                                                                              \
    enum { STEP = LINE / sizeof(ELEMENT) };                                                                                        \
    size_t c = 0;                                                                                                                  \
    for (; c + STEP <= columns; c += STEP) {                                                                                       \
      _Pragma("unroll") for (int i = 0; i < WB_GROUP; i++) prefetch(w[i] + c, LINE);                                               \
      _Pragma("unroll") for (size_t j = 0; j < STEP; j += WIDTH) add_group_##NAME(w, c + j, factors, y + c + j);                   \
    }                                                                                                                              \
    for (; c + WIDTH <= columns; c += WIDTH) add_group_##NAME(w, c, factors, y + c);                                               \
    if (c < columns) {                                                                                                             \
      float last_y[WIDTH] = {0};                                                                                                   \
      ELEMENT last_w[WB_GROUP][WIDTH] = {{0}};                                                                                     \
      memcpy(last_y, y + c, (columns - c) * sizeof(float));                                                                        \
      for (int i = 0; i < WB_GROUP; i++) {                                                                                         \
        memcpy(last_w[i], w[i] + c, (columns - c) * sizeof(ELEMENT));                                                              \
        w[i] = last_w[i];                                                                                                          \
      }                                                                                                                            \
      add_group_##NAME(w, 0, factors, last_y);                                                                                     \
      memcpy(y + c, last_y, (columns - c) * sizeof(float));                                                                        \
    }                                                                                                                              \
  }                                                                                                                                \
                                                                                                                                   \
  INLINE void vecmat_row_##NAME(const ELEMENT *w, size_t columns, float factor, float *y) {                                        \
    size_t c = 0;                                                                                                                  \
    for (; c + WIDTH <= columns; c += WIDTH) store_f32(y + c, load_f32(y + c) + ((vector){0} + factor) * load_##NAME(w + c));      \
    if (c < columns) {                                                                                                             \
      ELEMENT last_w[WIDTH] = {0};                                                                                                 \
      float products[WIDTH];                                                                                                       \
      memcpy(last_w, w + c, (columns - c) * sizeof(ELEMENT));                                                                      \
      store_f32(products, ((vector){0} + factor) * load_##NAME(last_w));                                                           \
      for (size_t j = 0; c + j < columns; j++) y[c + j] += products[j];                                                            \
    }                                                                                                                              \
  }                                                                                                                                \
                                                                                                                                   \
  TARGET static void vecmat_##NAME(const char *weights, size_t rows, size_t columns, size_t stride, const float *x, float *y) {    \
    memset(y, 0, columns * sizeof(float));                                                                                         \
    size_t r = 0;                                                                                                                  \
    for (; r + WB_GROUP <= rows; r += WB_GROUP) vecmat_group_##NAME(weights + r * stride, columns, stride, x + r, y);              \
    for (; r < rows; r++) vecmat_row_##NAME((const ELEMENT *)(weights + r * stride), columns, x[r], y);                            \
    finish_vecmat(y, columns);                                                                                                     \
  }

DEFINE_PRODUCTS(f32, float)
DEFINE_PRODUCTS(f16, uint16_t)
DEFINE_PRODUCTS(bf16, uint16_t)

static void matvec(wb_float_type type, const void *weights, size_t rows, size_t columns, size_t stride, const float *x, float *y) {
  (type == WB_F32 ? matvec_f32 : type == WB_F16 ? matvec_f16 : matvec_bf16)(weights, rows, columns, stride, x, y);
}

static void vecmat(wb_float_type type, const void *weights, size_t rows, size_t columns, size_t stride, const float *x, float *y) {
  (type == WB_F32 ? vecmat_f32 : type == WB_F16 ? vecmat_f16 : vecmat_bf16)(weights, rows, columns, stride, x, y);
}
