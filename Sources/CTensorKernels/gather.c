// Elements at one distance to elements at another.
#include <string.h>

#include "CTensorKernels.h"

// memcpy of a known size is a plain load or store that needs no alignment.
#define GATHER(size)                                                   \
  for (size_t i = 0; i < count; i++)                                   \
    memcpy(to + i * dst_step, from + i * src_step, size);

void wb_gather(const void *src, size_t src_step, void *dst, size_t dst_step, size_t count, size_t element_size) {
  const unsigned char *from = src;
  unsigned char *to = dst;
  switch (element_size) {
  case 1:
    GATHER(1);
    break;
  case 2:
    GATHER(2);
    break;
  case 4:
    GATHER(4);
    break;
  case 8:
    GATHER(8);
    break;
  default:
    __builtin_trap();
  }
}
