// Ranges of files in memory that outlive the file's end: what is cut off while it is looked at reads as zeros, and is told afterwards.
//
// The system sends SIGBUS to a thread that touches a mapped page which the file hasn't got any more, or which can't be read. The handler
// puts pages of zeros there, marks the range as broken and has the thread go on; all other signals of that number go to whoever had them.
#define _GNU_SOURCE
#include "CPlatform.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

/// A range that is mapped; free where `end` is 0. The thread that mapped it writes to it, and handlers on any thread read.
typedef struct {
  _Atomic(uintptr_t) first, end;
  atomic_bool taken, broken;
} range;

enum { RANGES = 256 };
static range ranges[RANGES];
static struct sigaction earlier;
static uintptr_t page_size;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool installed;

static void on_bus_error(int number, siginfo_t *information, void *context) {
  (void)context;
  uintptr_t address = (uintptr_t)information->si_addr;
  // What kill() sends has no address.
  for (int i = 0; i < RANGES && information->si_code > 0; i++) {
    uintptr_t end = atomic_load(&ranges[i].end);
    if (address < atomic_load(&ranges[i].first) || address >= end) continue;
    uintptr_t page = address - address % page_size;
    int error = errno;
    void *zeros = mmap((void *)page, end - page, PROT_READ, MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1, 0);
    errno = error;
    if (zeros == MAP_FAILED) break;
    atomic_store(&ranges[i].broken, true);
    return;
  }
  // Not ours: the instruction is run again, and meets the earlier handler; a signal that was sent is sent again.
  sigaction(number, &earlier, NULL);
  if (information->si_code <= 0) raise(number);
}

static void install(void) {
  page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
  struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  installed = sigaction(SIGBUS, &action, &earlier) == 0;
}

int wb_map_range(int descriptor, int64_t offset, int64_t byteCount, wb_mapped_range *mapped) {
  pthread_once(&once, install);
  if (!installed) return ENOTSUP;
  int slot = 0;
  while (slot < RANGES && atomic_exchange(&ranges[slot].taken, true)) slot++;
  if (slot == RANGES) return ENOBUFS;
  int64_t lead = offset % (int64_t)page_size;
  size_t size = (size_t)(lead + byteCount);
  char *pages = mmap(NULL, size, PROT_READ, MAP_SHARED, descriptor, offset - lead);
  if (pages == MAP_FAILED) {
    int error = errno;
    atomic_store(&ranges[slot].taken, false);
    return error;
  }
  uintptr_t first = (uintptr_t)pages, last = first + size - 1;
  atomic_store(&ranges[slot].broken, false);
  atomic_store(&ranges[slot].first, first);
  atomic_store(&ranges[slot].end, last - last % page_size + page_size);
#if defined(MADV_POPULATE_READ)
  // A hint: all pages at once. Where that fails each is brought in, or is an error, when it is touched.
  (void)madvise(pages, size, MADV_POPULATE_READ);
#endif
  *mapped = (wb_mapped_range){.bytes = pages + lead, .pages = pages, .size = size, .slot = slot};
  return 0;
}

bool wb_unmap_range(wb_mapped_range mapped) {
  range *range = &ranges[mapped.slot];
  bool whole = !atomic_load(&range->broken);
  atomic_store(&range->end, 0);
  munmap(mapped.pages, mapped.size);
  atomic_store(&range->taken, false);
  return whole;
}
