// Files in memory: inputs reach the parsers as they do elsewhere, as an open file.

#define _GNU_SOURCE
#include "CFuzzing.h"

#include <sys/mman.h>
#include <unistd.h>

int wb_fuzz_file(int number, const void *bytes, size_t count) {
  static int descriptors[2] = {-1, -1};
  int *descriptor = &descriptors[number & 1];
  if (*descriptor < 0) *descriptor = memfd_create("fuzz-input", MFD_CLOEXEC);
  if (*descriptor < 0 || ftruncate(*descriptor, (off_t)count) != 0) return -1;
  size_t done = 0;
  while (done < count) {
    ssize_t put = pwrite(*descriptor, (const char *)bytes + done, count - done, (off_t)done);
    if (put <= 0) return -1;
    done += (size_t)put;
  }
  return *descriptor;
}

uint32_t wb_fuzz_crc32(const void *bytes, size_t count) {
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < count; i++) {
    crc ^= ((const uint8_t *)bytes)[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}
