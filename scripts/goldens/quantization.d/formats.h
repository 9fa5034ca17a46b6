// The types and ggml's names for them, for the programs here.
#ifndef FORMATS_H
#define FORMATS_H

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CTensorKernels.h"

typedef size_t ggml_quantize(const float *rows, void *blocks, int64_t row_count, int64_t row_length, const float *importance);
typedef void ggml_dequantize(const void *blocks, float *out, int64_t count);

static const struct {
  wb_block_type type;
  const char *name;
} formats[] = {
  {WB_Q8_0, "q8_0"},     {WB_Q4_0, "q4_0"},     {WB_Q4_1, "q4_1"},   {WB_Q5_0, "q5_0"},   {WB_Q5_1, "q5_1"},
  {WB_Q2_K, "q2_K"},     {WB_Q3_K, "q3_K"},     {WB_Q4_K, "q4_K"},   {WB_Q5_K, "q5_K"},   {WB_Q6_K, "q6_K"},
  {WB_IQ4_NL, "iq4_nl"}, {WB_IQ4_XS, "iq4_xs"}, {WB_MXFP4, "mxfp4"}, {WB_NVFP4, "nvfp4"},
};

enum { FORMAT_COUNT = sizeof formats / sizeof formats[0] };

static inline void *opened(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    exit(2);
  }
  return library;
}

static inline void *symbol(void *library, const char *prefix, const char *name) {
  char full[64];
  snprintf(full, sizeof full, "%s%s", prefix, name);
  return dlsym(library, full);
}

#endif
