// What the files of the target share; not part of the module.
#ifndef WB_TILE_H
#define WB_TILE_H

#include "wb_blas.h"

/// A tile of C, or all of it, and what it is made of; the fields are `wb_sgemm`'s parameters.
typedef struct {
  bool transpose_a, transpose_b;
  size_t m, n, k;
  float alpha;
  const float *a;
  size_t lda;
  const float *b;
  size_t ldb;
  float beta;
  float *c;
  size_t ldc;
} wb_product;

/// Loads the library at the first call. Returns null, or a sentence that says why there is none.
const char *wb_library_load(void);

/// The number of threads that `wb_blas_load` was last given.
int wb_allowed_threads(void);

/// Computes a product on this thread, with the library if there is one.
void wb_library_sgemm(const wb_product *product);

/// Computes a product on this thread in portable code.
void wb_portable_sgemm(const wb_product *product);

#endif
