// The heap, counted: malloc and its kin are glibc's own with a sum of live bytes beside them, so that an input that asks for too
// much stops the process at once, whether or not the memory is touched. libFuzzer's own limits count its corpus and tables too.
//
// Under AddressSanitizer, whose malloc it is then, nothing is counted.

#define _GNU_SOURCE
#include "CFuzzing.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

double wb_fuzz_processor_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

#if __has_feature(address_sanitizer)

void wb_fuzz_meter_start(size_t limit) { (void)limit; }

size_t wb_fuzz_meter_stop(void) { return 0; }

int wb_fuzz_slowness(void) { return 5; }

#else

int wb_fuzz_slowness(void) { return 1; }

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static atomic_bool is_counting;
static atomic_long live_bytes;
static atomic_long peak_bytes;
static atomic_long limit_bytes;

static void added(size_t count) {
  if (!atomic_load_explicit(&is_counting, memory_order_relaxed)) return;
  long live = atomic_fetch_add(&live_bytes, (long)count) + (long)count;
  if (live <= atomic_load(&peak_bytes)) return;
  atomic_store(&peak_bytes, live);
  if (live <= atomic_load(&limit_bytes)) return;
  atomic_store(&is_counting, false);
  char text[128];
  int length = snprintf(text, sizeof text, "==memory== an input needs %ld bytes of heap, %ld are allowed\n",
                        live, atomic_load(&limit_bytes));
  (void)!write(STDERR_FILENO, text, (size_t)length);
  // Not abort, behind which a backtrace doesn't see.
  __builtin_trap();
}

static void removed(void *block) {
  if (atomic_load_explicit(&is_counting, memory_order_relaxed))
    atomic_fetch_sub(&live_bytes, (long)malloc_usable_size(block));
}

static void *counted(void *block) {
  if (block) added(malloc_usable_size(block));
  return block;
}

void *malloc(size_t size) { return counted(__libc_malloc(size)); }

void *calloc(size_t count, size_t size) { return counted(__libc_calloc(count, size)); }

void *realloc(void *block, size_t size) {
  size_t before = block ? malloc_usable_size(block) : 0;
  void *moved = __libc_realloc(block, size);
  if (moved || size == 0) {
    if (atomic_load_explicit(&is_counting, memory_order_relaxed))
      atomic_fetch_sub(&live_bytes, (long)before);
    counted(moved);
  }
  return moved;
}

void *memalign(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **result, size_t alignment, size_t size) {
  void *block = memalign(alignment, size);
  if (!block) return ENOMEM;
  *result = block;
  return 0;
}

void free(void *block) {
  if (block) removed(block);
  __libc_free(block);
}

void wb_fuzz_meter_start(size_t limit) {
  atomic_store(&live_bytes, 0);
  atomic_store(&peak_bytes, 0);
  atomic_store(&limit_bytes, (long)limit);
  atomic_store(&is_counting, true);
}

size_t wb_fuzz_meter_stop(void) {
  atomic_store(&is_counting, false);
  return (size_t)atomic_load(&peak_bytes);
}

#endif
