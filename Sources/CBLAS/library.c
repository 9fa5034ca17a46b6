// What computes a tile: Accelerate, OpenBLAS, or portable code.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tile.h"

#if defined(__APPLE__)
#define ACCELERATE_NEW_LAPACK
#include <Accelerate/Accelerate.h>

const char *wb_library_load(void) { return NULL; }

const char *wb_blas_description(void) { return "Accelerate"; }

void wb_library_sgemm(const wb_product *p) {
  BLASSetThreading(BLAS_THREADING_SINGLE_THREADED);
  cblas_sgemm(CblasRowMajor, p->transpose_a ? CblasTrans : CblasNoTrans, p->transpose_b ? CblasTrans : CblasNoTrans, (int)p->m,
              (int)p->n, (int)p->k, p->alpha, p->a, (int)p->lda, p->b, (int)p->ldb, p->beta, p->c, (int)p->ldc);
}

#else
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "buffers.h"

/// CBLAS's constants (netlib's cblas.h).
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };

#define PACKAGE "Debian and Ubuntu have it as libopenblas0-pthread, Fedora as openblas"

typedef void cblas_sgemm_function(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a,
                                  int lda, const float *b, int ldb, float beta, float *c, int ldc);
typedef void set_threads_function(int count);
typedef char *text_function(void);
typedef void *allocate_function(int purpose);
typedef void release_function(void *buffer);

static cblas_sgemm_function *library_sgemm;
static char failure[512], description[512] = "portable code";
static pthread_once_t once = PTHREAD_ONCE_INIT;

/// The kernels that all processors of today have, by OpenBLAS's names; null to leave it the choice.
///
/// The same ones everywhere, so that results don't depend on the machine: those for AVX-512 add up in another order, and small products in one that
/// depends on their number of rows. Releases of 2022 know no processor that is newer than they are, and take SSE3's kernels for it: a fourth of the speed.
static const char *core_type(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "HASWELL";
#endif
  return NULL;
}

static void load(void) {
  if (core_type()) setenv("OPENBLAS_CORETYPE", core_type(), 0);
  // The threads are ours; OpenBLAS's own would only be started.
  setenv("OPENBLAS_NUM_THREADS", "1", 0);
  void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = dlerror();
    snprintf(failure, sizeof failure, "OpenBLAS can't be loaded (%s); install it: " PACKAGE, reason ? reason : "unknown");
    return;
  }
  cblas_sgemm_function *sgemm = (cblas_sgemm_function *)dlsym(library, "cblas_sgemm");
  set_threads_function *set_threads = (set_threads_function *)dlsym(library, "openblas_set_num_threads");
  text_function *configuration = (text_function *)dlsym(library, "openblas_get_config");
  if (!sgemm || !set_threads || !configuration) {
    snprintf(failure, sizeof failure, "libopenblas.so.0 lacks functions of OpenBLAS; install it: " PACKAGE);
    dlclose(library);
    return;
  }
  set_threads(1);
  allocate_function *allocate = (allocate_function *)dlsym(library, "blas_memory_alloc");
  release_function *release = (release_function *)dlsym(library, "blas_memory_free");
  if (!wb_buffers_make(wb_allowed_threads(), allocate, release)) {
    snprintf(failure, sizeof failure,
             "OpenBLAS finds no room for a buffer of 128 MB within the process's limits of memory; raise `ulimit -v` and `ulimit -d`");
    return;
  }
  snprintf(description, sizeof description, "%s", configuration());
  library_sgemm = sgemm;
}

const char *wb_library_load(void) {
  pthread_once(&once, load);
  return library_sgemm ? NULL : failure;
}

const char *wb_blas_description(void) {
  wb_library_load();
  return description;
}

void wb_library_sgemm(const wb_product *p) {
  wb_library_load();
  bool fits = p->k <= INT_MAX && p->lda <= INT_MAX && p->ldb <= INT_MAX && p->ldc <= INT_MAX;
  // With k = 0 nothing but beta is left, which libraries treat differently.
  if (!library_sgemm || !fits || p->k == 0) {
    wb_portable_sgemm(p);
    return;
  }
  wb_buffer_take();
  library_sgemm(ROW_MAJOR, p->transpose_a ? TRANSPOSE : NO_TRANSPOSE, p->transpose_b ? TRANSPOSE : NO_TRANSPOSE, (int)p->m,
                (int)p->n, (int)p->k, p->alpha, p->a, (int)p->lda, p->b, (int)p->ldb, p->beta, p->c, (int)p->ldc);
  wb_buffer_return();
}

#endif
