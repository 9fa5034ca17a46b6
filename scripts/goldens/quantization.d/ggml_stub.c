// The little of ggml that ggml-quants.c calls, so that it can be compiled alone.
#include <stdio.h>
#include <stdlib.h>

#include "ggml.h"

size_t ggml_row_size(enum ggml_type type, int64_t count) {
  static const struct {
    int type, length, bytes;
  } formats[] = {{2, 32, 18},    {3, 32, 20},    {6, 32, 22},    {7, 32, 24},   {8, 32, 34},    {10, 256, 84},  {11, 256, 110},
                 {12, 256, 144}, {13, 256, 176}, {14, 256, 210}, {20, 32, 18},  {23, 256, 136}, {39, 32, 17},   {40, 64, 36}};
  for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
    if (formats[i].type == (int)type) return (size_t)(count / formats[i].length * formats[i].bytes);
  }
  abort();
}

// For the validation of blocks, which nobody asks for here.
size_t ggml_type_size(enum ggml_type type) {
  return ggml_row_size(type, 256);
}

const char *ggml_type_name(enum ggml_type type) {
  (void)type;
  return "";
}

void ggml_abort(const char *file, int line, const char *format, ...) {
  fprintf(stderr, "%s:%d: %s\n", file, line, format);
  abort();
}
