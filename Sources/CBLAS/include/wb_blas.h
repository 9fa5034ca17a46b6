/// Products of f32 matrices by the system's BLAS: OpenBLAS, loaded when it is first needed, or Accelerate on Apple systems.
///
/// OpenBLAS is not linked: its constructor looks for the processor's core type and starts threads, so both must be set before it is
/// loaded, and commands that multiply nothing shouldn't wait for it. Where there is no OpenBLAS, portable code does the same slowly.
///
/// A product is cut into tiles whose shape depends on the product's shape alone, and each tile is computed by one thread. So results
/// don't depend on the number of threads, whatever the library does with a matrix's edges (OpenBLAS's Haswell kernels give other
/// bits when a matrix is cut elsewhere; its own threads cut by their number). They do depend on the library and its core type.
///
/// Where to read: `sgemm.c` (tiles and threads) -> `library.c` (what computes a tile; `buffers.c`: its memory) -> `portable.c` (if nothing else does).
#ifndef WB_BLAS_H
#define WB_BLAS_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Loads the library, if that hasn't been done, and lets products use up to `threads` threads (1 to 64).
///
/// Returns null, or a sentence that says why there is no library; `wb_sgemm` then works, but at a fifth of the speed. Any thread may call
/// it, again and again: the last number of threads counts. The first call sets OPENBLAS_CORETYPE and OPENBLAS_NUM_THREADS, where
/// the user hasn't, for this process and its children, so it should come before other threads read the environment.
const char *wb_blas_load(int threads);

/// Why there is no library, as `wb_blas_load` says it, or null; the number of threads stays as it is. Loads it if need be.
const char *wb_blas_failure(void);

/// Names the library, its version and core type, for reports: "OpenBLAS 0.3.21 … SkylakeX …". Loads it if need be.
const char *wb_blas_description(void);

/// Computes C = alpha · op(A) · op(B) + beta · C, where op(A) is m × k, op(B) is k × n and C is m × n, all row-major.
///
/// A is stored as m × k, or k × m if `transpose_a`; B as k × n, or n × k if `transpose_b` (weights as [out, in]). `lda`, `ldb` and `ldc`
/// are elements from one stored row to the next. With `beta` 0, C isn't read. C overlaps neither A nor B. Any thread may call it.
void wb_sgemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
              const float *b, size_t ldb, float beta, float *c, size_t ldc);

/// Does the same as `wb_sgemm` in portable code, on this thread: what `wb_sgemm` does without a library.
///
/// k is cut into blocks of 64, each summed in order in f32, and the blocks' sums are added to C in order.
void wb_sgemm_portable(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                       const float *b, size_t ldb, float beta, float *c, size_t ldc);

#ifdef __cplusplus
}
#endif

#endif
