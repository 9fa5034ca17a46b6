// Matrix transposition in blocks.
//
// A block is as wide as a cache line, and it is turned in a buffer on the stack, so that both matrices are touched by whole
// lines. Turning it in place would keep one line per column of the block open, and with row strides that are powers of two these
// lines all want the same few places in the cache.
#include <string.h>

#include "CTensorKernels.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { LINE = 64 };

// MARK: Turning a block of LINE x LINE / size^2 elements

static void turn_1(const uint8_t *src, size_t stride, uint8_t *block) {
  for (size_t row = 0; row < LINE; row++) {
    for (size_t column = 0; column < LINE; column++) block[column * LINE + row] = src[row * stride + column];
  }
}

static void turn_8(const uint8_t *src, size_t stride, uint8_t *block) {
  for (size_t row = 0; row < LINE / 8; row++) {
    for (size_t column = 0; column < LINE / 8; column++) {
      memcpy(block + column * LINE + row * 8, src + row * stride + column * 8, 8);
    }
  }
}

#if defined(__SSE2__)

/// Turns 8 x 8 elements: three rounds of interleaving, each of which moves one bit of the row number into the column number.
static inline void turn_2_tile(const uint8_t *src, size_t stride, uint8_t *dst) {
  __m128i in[8], out[8];
  for (size_t row = 0; row < 8; row++) in[row] = _mm_loadu_si128((const __m128i *)(src + row * stride));
  for (int round = 0; round < 3; round++) {
    for (int pair = 0; pair < 4; pair++) {
      out[2 * pair] = _mm_unpacklo_epi16(in[pair], in[pair + 4]);
      out[2 * pair + 1] = _mm_unpackhi_epi16(in[pair], in[pair + 4]);
    }
    for (int row = 0; row < 8; row++) in[row] = out[row];
  }
  for (size_t row = 0; row < 8; row++) _mm_storeu_si128((__m128i *)(dst + row * LINE), in[row]);
}

static void turn_2(const uint8_t *src, size_t stride, uint8_t *block) {
  for (size_t row = 0; row < LINE / 2; row += 8) {
    for (size_t column = 0; column < LINE / 2; column += 8) {
      turn_2_tile(src + row * stride + column * 2, stride, block + column * LINE + row * 2);
    }
  }
}

/// Turns 4 x 4 elements, in two rounds of interleaving.
static inline void turn_4_tile(const uint8_t *src, size_t stride, uint8_t *dst) {
  __m128i in[4], out[4];
  for (size_t row = 0; row < 4; row++) in[row] = _mm_loadu_si128((const __m128i *)(src + row * stride));
  for (int round = 0; round < 2; round++) {
    for (int pair = 0; pair < 2; pair++) {
      out[2 * pair] = _mm_unpacklo_epi32(in[pair], in[pair + 2]);
      out[2 * pair + 1] = _mm_unpackhi_epi32(in[pair], in[pair + 2]);
    }
    for (int row = 0; row < 4; row++) in[row] = out[row];
  }
  for (size_t row = 0; row < 4; row++) _mm_storeu_si128((__m128i *)(dst + row * LINE), in[row]);
}

static void turn_4(const uint8_t *src, size_t stride, uint8_t *block) {
  for (size_t row = 0; row < LINE / 4; row += 4) {
    for (size_t column = 0; column < LINE / 4; column += 4) {
      turn_4_tile(src + row * stride + column * 4, stride, block + column * LINE + row * 4);
    }
  }
}

#else

static void turn_2(const uint8_t *src, size_t stride, uint8_t *block) {
  for (size_t row = 0; row < LINE / 2; row++) {
    for (size_t column = 0; column < LINE / 2; column++) {
      memcpy(block + column * LINE + row * 2, src + row * stride + column * 2, 2);
    }
  }
}

static void turn_4(const uint8_t *src, size_t stride, uint8_t *block) {
  for (size_t row = 0; row < LINE / 4; row++) {
    for (size_t column = 0; column < LINE / 4; column++) {
      memcpy(block + column * LINE + row * 4, src + row * stride + column * 4, 4);
    }
  }
}

#endif

// MARK: The matrix

/// Transposes the part of the matrix from (row, column) to its end or (last_row, last_column) one element at a time.
static inline __attribute__((always_inline)) void transpose_rest(
  const uint8_t *src, size_t src_stride, uint8_t *dst, size_t dst_stride, size_t first_row, size_t rows, size_t first_column,
  size_t columns, size_t size) {
  for (size_t row = first_row; row < rows; row++) {
    for (size_t column = first_column; column < columns; column++) {
      memcpy(dst + column * dst_stride + row * size, src + row * src_stride + column * size, size);
    }
  }
}

/// `size` is a constant where this is inlined, so that each memcpy of an element is one instruction.
static inline __attribute__((always_inline)) void transpose_blocks(
  const uint8_t *src, size_t src_stride, uint8_t *dst, size_t dst_stride, size_t rows, size_t columns, size_t size,
  void (*turn)(const uint8_t *, size_t, uint8_t *)) {
  size_t side = LINE / size;
  size_t whole_rows = rows - rows % side, whole_columns = columns - columns % side;
  for (size_t column = 0; column < whole_columns; column += side) {
    for (size_t row = 0; row < whole_rows; row += side) {
      _Alignas(LINE) uint8_t block[LINE * LINE];
      turn(src + row * src_stride + column * size, src_stride, block);
      for (size_t i = 0; i < side; i++) memcpy(dst + (column + i) * dst_stride + row * size, block + i * LINE, LINE);
    }
  }
  transpose_rest(src, src_stride, dst, dst_stride, 0, whole_rows, whole_columns, columns, size);
  transpose_rest(src, src_stride, dst, dst_stride, whole_rows, rows, 0, columns, size);
}

void wb_transpose(const void *src, size_t src_row_stride, void *dst, size_t dst_row_stride, size_t rows, size_t columns,
                  size_t element_size) {
  switch (element_size) {
  case 1: transpose_blocks(src, src_row_stride, dst, dst_row_stride, rows, columns, 1, turn_1); return;
  case 2: transpose_blocks(src, src_row_stride, dst, dst_row_stride, rows, columns, 2, turn_2); return;
  case 4: transpose_blocks(src, src_row_stride, dst, dst_row_stride, rows, columns, 4, turn_4); return;
  case 8: transpose_blocks(src, src_row_stride, dst, dst_row_stride, rows, columns, 8, turn_8); return;
  default: __builtin_trap();
  }
}
