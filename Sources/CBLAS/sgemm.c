// Cuts a product into tiles and computes them on some threads.
#include <pthread.h>
#include <stdatomic.h>

#include "buffers.h"
#include "tile.h"

/// The shape of a tile of C. With k in the thousands, packing A again for every 256 columns costs less than can be measured.
enum { TILE_ROWS = 512, TILE_COLUMNS = 256 };

/// Multiplications that are worth another thread: some hundred microseconds, where starting one takes about thirty.
static const double work_per_thread = 8e6;

static atomic_int allowed_threads = 1;

/// A product and the index of its next tile that nobody has taken.
typedef struct {
  wb_product whole;
  size_t tile_count, tiles_per_row;
  atomic_size_t next;
} job;

static size_t ceiling(size_t count, size_t size) { return (count + size - 1) / size; }

static void compute_tile(const wb_product *whole, size_t row, size_t column) {
  wb_product tile = *whole;
  tile.m = whole->m - row < TILE_ROWS ? whole->m - row : TILE_ROWS;
  tile.n = whole->n - column < TILE_COLUMNS ? whole->n - column : TILE_COLUMNS;
  tile.a += whole->transpose_a ? row : row * whole->lda;
  tile.b += whole->transpose_b ? column * whole->ldb : column;
  tile.c += row * whole->ldc + column;
  wb_library_sgemm(&tile);
}

static void *compute_tiles(void *argument) {
  job *job = argument;
  for (;;) {
    size_t index = atomic_fetch_add(&job->next, 1);
    if (index >= job->tile_count) return NULL;
    compute_tile(&job->whole, index / job->tiles_per_row * TILE_ROWS, index % job->tiles_per_row * TILE_COLUMNS);
  }
}

/// How many threads a job is worth.
static size_t thread_count(const job *job) {
  double work = (double)job->whole.m * (double)job->whole.n * (double)job->whole.k / work_per_thread;
  size_t threads = (size_t)atomic_load(&allowed_threads);
  if (threads > job->tile_count) threads = job->tile_count;
  if ((double)threads > work) threads = (size_t)work;
  return threads;
}

void wb_sgemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
              const float *b, size_t ldb, float beta, float *c, size_t ldc) {
  if (m == 0 || n == 0) return;
  job job = {.whole = {transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc}};
  job.tiles_per_row = ceiling(n, TILE_COLUMNS);
  job.tile_count = ceiling(m, TILE_ROWS) * job.tiles_per_row;

  // Threads are started for each product: that is cheap beside the work, leaves no state behind and survives a fork.
  pthread_t helpers[WB_MOST_THREADS];
  size_t threads = thread_count(&job), started = 0;
  while (started + 1 < threads && pthread_create(&helpers[started], NULL, compute_tiles, &job) == 0) started++;
  compute_tiles(&job);
  for (size_t i = 0; i < started; i++) pthread_join(helpers[i], NULL);
}

const char *wb_blas_load(int threads) {
  atomic_store(&allowed_threads, threads < 1 ? 1 : threads > WB_MOST_THREADS ? WB_MOST_THREADS : threads);
  return wb_library_load();
}

int wb_allowed_threads(void) { return atomic_load(&allowed_threads); }

const char *wb_blas_failure(void) { return wb_library_load(); }
