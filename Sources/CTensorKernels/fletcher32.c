// HDF5's Fletcher-32 (filter 3, H5checksum.c): sums modulo 65535 of 16-bit words that begin with their high byte, and of the sums. An odd
// last byte is the high byte of a word.
#include "CTensorKernels.h"

// So many words are summed before the sums are reduced: the second, of at most 360 terms of 360 words, doesn't overflow then.
enum { RUN = 360 };

static inline uint32_t reduced(uint32_t sum) { return (sum & 0xffff) + (sum >> 16); }

uint32_t wb_fletcher32(const void *data, size_t count) {
  const uint8_t *bytes = data;
  uint32_t first = 0, second = 0;
  for (size_t words = count / 2; words > 0;) {
    size_t run = words < RUN ? words : RUN;
    words -= run;
    for (; run > 0; run--, bytes += 2) {
      first += (uint32_t)bytes[0] << 8 | bytes[1];
      second += first;
    }
    first = reduced(first), second = reduced(second);
  }
  if (count % 2) {
    first += (uint32_t)bytes[0] << 8;
    second += first;
    first = reduced(first), second = reduced(second);
  }
  return reduced(second) << 16 | reduced(first);
}
