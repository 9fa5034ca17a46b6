#define _GNU_SOURCE
#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#if defined(__linux__)
#include <linux/fs.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#endif

#if defined(__APPLE__)
#include <crt_externs.h>
#include <mach-o/dyld.h>
char *const *wb_environment(void) { return *_NSGetEnviron(); }
#else
char *const *wb_environment(void) { return environ; }
#endif

static char *const *arguments;

#if defined(__GLIBC__) || defined(__APPLE__)
// These C libraries call constructors as they call main.
__attribute__((constructor)) static void keep_arguments(int count, char **values) {
  (void)count;
  arguments = values;
}
#endif

char *const *wb_arguments(void) { return arguments; }

char *wb_executable_path(void) {
#if defined(__APPLE__)
  char path[4096];
  uint32_t size = sizeof path;
  return _NSGetExecutablePath(path, &size) == 0 ? realpath(path, NULL) : NULL;
#else
  char *path = realpath("/proc/self/exe", NULL);
  // What the kernel was asked to run.
  const char *name = path ? NULL : (const char *)getauxval(AT_EXECFN);
  return name ? realpath(name, NULL) : path;
#endif
}

void wb_map_large_allocations(void) {
#if defined(__GLIBC__)
  (void)mallopt(M_MMAP_THRESHOLD, 128 << 10);
#endif
}

void wb_trim_heap(void) {
#if defined(__GLIBC__)
  (void)malloc_trim(0);
#endif
}

static int outcome(int result) { return result == 0 ? 0 : errno; }

#if defined(__APPLE__)

int wb_reserve(int descriptor, int64_t byteCount) {
  fstore_t store = {.fst_flags = F_ALLOCATEALL, .fst_posmode = F_PEOFPOSMODE, .fst_length = byteCount};
  return fcntl(descriptor, F_PREALLOCATE, &store) == -1 ? errno : 0;
}

void wb_write_behind(int descriptor, int64_t offset, int64_t byteCount) { (void)descriptor, (void)offset, (void)byteCount; }

int wb_share_range(int source, int64_t sourceOffset, int target, int64_t targetOffset, int64_t byteCount) {
  (void)source, (void)sourceOffset, (void)target, (void)targetOffset, (void)byteCount;
  return ENOTSUP;
}

int wb_copy_range(int source, int64_t sourceOffset, int target, int64_t targetOffset, int64_t byteCount, int64_t *copied) {
  (void)source, (void)sourceOffset, (void)target, (void)targetOffset, (void)byteCount, (void)copied;
  return ENOTSUP;
}

int wb_rename_without_replacing(const char *source, const char *target) {
  return outcome(renamex_np(source, target, RENAME_EXCL));
}

int wb_exchange(const char *first, const char *second) {
  return outcome(renamex_np(first, second, RENAME_SWAP));
}

int wb_is_mount_root(const char *path) {
  (void)path;
  return -1;
}

int wb_allowed_processors(void) { return 0; }

#else

// Of Linux 5.8, which headers may be older than.
#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x2000
#endif

int wb_is_mount_root(const char *path) {
  struct statx status;
  if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, &status) != 0) return -1;
  if (!(status.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT)) return -1;
  return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

int wb_reserve(int descriptor, int64_t byteCount) {
  return outcome(fallocate(descriptor, FALLOC_FL_KEEP_SIZE, 0, byteCount));
}

void wb_write_behind(int descriptor, int64_t offset, int64_t byteCount) {
  (void)sync_file_range(descriptor, offset, byteCount, SYNC_FILE_RANGE_WRITE);
  // Only clean pages go: those of earlier calls, by now.
  (void)posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
}

// File systems of servers, which copy among their own files without sending them here (include/uapi/linux/magic.h, fs/smb).
static int is_remote(int descriptor) {
  struct statfs status;
  if (fstatfs(descriptor, &status) != 0) return 0;
  switch ((uint32_t)status.f_type) {
    case 0x6969u:      // NFS
    case 0xfe534d42u:  // SMB
    case 0xff534d42u:  // CIFS
    case 0x00c36400u:  // Ceph
      return 1;
    default: return 0;
  }
}

int wb_share_range(int source, int64_t sourceOffset, int target, int64_t targetOffset, int64_t byteCount) {
  struct file_clone_range range = {
      .src_fd = source, .src_offset = (uint64_t)sourceOffset, .src_length = (uint64_t)byteCount,
      .dest_offset = (uint64_t)targetOffset};
  if (ioctl(target, FICLONERANGE, &range) == 0) return 0;
  int failure = errno;
  if (!is_remote(target)) return failure;
  while (byteCount > 0) {
    off64_t from = sourceOffset, to = targetOffset;
    ssize_t count = copy_file_range(source, &from, target, &to, (size_t)byteCount, 0);
    if (count <= 0) return count == 0 ? EIO : errno;
    sourceOffset += count, targetOffset += count, byteCount -= count;
  }
  return 0;
}

int wb_copy_range(int source, int64_t sourceOffset, int target, int64_t targetOffset, int64_t byteCount, int64_t *copied) {
  off64_t from = sourceOffset, to = targetOffset;
  ssize_t count;
  do count = copy_file_range(source, &from, target, &to, (size_t)byteCount, 0);
  while (count < 0 && errno == EINTR);
  if (count < 0) return errno;
  *copied = count;
  return 0;
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

int wb_spawn(const char *path, char *const arguments[], char *const environment[], int32_t input, int32_t *output, int32_t *process) {
  int ends[2];
#ifdef __linux__
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
#else
  if (pipe(ends) != 0) return errno;
  fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  fcntl(ends[1], F_SETFD, FD_CLOEXEC);
#endif
  posix_spawn_file_actions_t actions;
  int error = posix_spawn_file_actions_init(&actions);
  if (error == 0) {
    error = input < 0 ? posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
                      : posix_spawn_file_actions_adddup2(&actions, input, 0);
    if (error == 0) error = posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    if (error == 0) error = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    if (error == 0) error = posix_spawn(&child, path, &actions, NULL, arguments, environment);
    *process = (int32_t)child;
    posix_spawn_file_actions_destroy(&actions);
  }
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    return error;
  }
  *output = ends[0];
  return 0;
}
