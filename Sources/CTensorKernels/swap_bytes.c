// Big-endian to little-endian and back.
#include <string.h>

#include "CTensorKernels.h"

// memcpy is a plain load or store that needs no alignment; the compiler vectorises these loops.
#define SWAP_EACH(type, swap)                       \
  for (size_t i = 0; i < element_count; i++) {      \
    type element;                                   \
    memcpy(&element, bytes + i * sizeof element, sizeof element); \
    element = swap(element);                        \
    memcpy(bytes + i * sizeof element, &element, sizeof element); \
  }

void wb_swap_bytes(void *data, size_t element_count, size_t element_size) {
  unsigned char *bytes = data;
  switch (element_size) {
  case 1:
    break;
  case 2:
    SWAP_EACH(uint16_t, __builtin_bswap16);
    break;
  case 4:
    SWAP_EACH(uint32_t, __builtin_bswap32);
    break;
  case 8:
    SWAP_EACH(uint64_t, __builtin_bswap64);
    break;
  default:
    __builtin_trap();
  }
}

void wb_swap_rows(void *data, size_t row_stride, size_t rows, size_t row_byte_count, size_t element_size) {
  if (row_stride == row_byte_count) {
    wb_swap_bytes(data, rows * row_byte_count / element_size, element_size);
    return;
  }
  for (size_t row = 0; row < rows; row++)
    wb_swap_bytes((unsigned char *)data + row * row_stride, row_byte_count / element_size, element_size);
}
