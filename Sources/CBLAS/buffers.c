// OpenBLAS's buffers, where the process may not map as much as it likes.
//
// Each product that OpenBLAS computes takes one of its buffers, and it maps another when all are in use. If it can't, it tries again for ever. So
// where there are limits, the buffers are made at once, if there is room, and no more products are computed at a time than there are buffers.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "buffers.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

/// What a buffer takes (128 MB and some pages since OpenBLAS 0.3.10), with something over, and what is left for others.
static const size_t buffer_size = (size_t)136 << 20, left_over = (size_t)64 << 20;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t returned = PTHREAD_COND_INITIALIZER;

/// Buffers that no product has, where there are limits; otherwise they aren't counted.
static int idle = 0;
static bool counted = false;

static bool is_limited(int resource) {
  struct rlimit limit;
  return getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

static bool has_room(size_t size) {
  void *room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) return false;
  munmap(room, size);
  return true;
}

bool wb_buffers_make(int count, void *(*allocate)(int), void (*release)(void *)) {
  while (count > 0 && !has_room((size_t)count * buffer_size + left_over)) count--;
  if (count == 0) return false;
  if (!is_limited(RLIMIT_AS) && !is_limited(RLIMIT_DATA)) return true;
  if (!allocate || !release) return false;
  void *buffers[WB_MOST_THREADS];
  for (int i = 0; i < count; i++) buffers[i] = allocate(0);
  for (int i = 0; i < count; i++) release(buffers[i]);
  idle = count;
  counted = true;
  return true;
}

void wb_buffer_take(void) {
  if (!counted) return;
  pthread_mutex_lock(&mutex);
  while (idle == 0) pthread_cond_wait(&returned, &mutex);
  idle--;
  pthread_mutex_unlock(&mutex);
}

void wb_buffer_return(void) {
  if (!counted) return;
  pthread_mutex_lock(&mutex);
  idle++;
  pthread_cond_signal(&returned);
  pthread_mutex_unlock(&mutex);
}
