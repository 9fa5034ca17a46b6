#define _GNU_SOURCE
#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static int outcome(int result) { return result == 0 ? 0 : errno; }

#if defined(__APPLE__)

int wb_reserve(int descriptor, int64_t byteCount) {
  fstore_t store = {.fst_flags = F_ALLOCATEALL, .fst_posmode = F_PEOFPOSMODE, .fst_length = byteCount};
  return fcntl(descriptor, F_PREALLOCATE, &store) == -1 ? errno : 0;
}

void wb_write_behind(int descriptor, int64_t offset, int64_t byteCount) { (void)descriptor, (void)offset, (void)byteCount; }

int wb_rename_without_replacing(const char *source, const char *target) {
  return outcome(renamex_np(source, target, RENAME_EXCL));
}

int wb_exchange(const char *first, const char *second) {
  return outcome(renamex_np(first, second, RENAME_SWAP));
}

int wb_allowed_processors(void) { return 0; }

#else

int wb_reserve(int descriptor, int64_t byteCount) {
  return outcome(fallocate(descriptor, FALLOC_FL_KEEP_SIZE, 0, byteCount));
}

void wb_write_behind(int descriptor, int64_t offset, int64_t byteCount) {
  (void)sync_file_range(descriptor, offset, byteCount, SYNC_FILE_RANGE_WRITE);
  // Only clean pages go: those of earlier calls, by now.
  (void)posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
}

int wb_rename_without_replacing(const char *source, const char *target) {
  return outcome(renameat2(AT_FDCWD, source, AT_FDCWD, target, RENAME_NOREPLACE));
}

int wb_exchange(const char *first, const char *second) {
  return outcome(renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE));
}

int wb_allowed_processors(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

#endif
