// The few system calls that Swift can't see (they need _GNU_SOURCE) or that each platform spells differently.
// Those that can fail return 0, or the errno value of the failure.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Reserves a file's bytes on disk without changing its size. ENOTSUP where the file system can't.
int wb_reserve(int descriptor, int64_t byteCount);

/// Asks for a range that was just written to be taken to the disk, without waiting, and for what has got there to leave the page cache.
/// A hint.
void wb_write_behind(int descriptor, int64_t offset, int64_t byteCount);

/// Makes a range of one file a copy of another's without moving bytes: by sharing blocks, or on the server that has both files.
///
/// Offsets and size must be multiples of the file system's blocks. ENOTSUP, EXDEV or EINVAL where it can't be done.
int wb_share_range(int source, int64_t sourceOffset, int target, int64_t targetOffset, int64_t byteCount);

/// Copies a range of one file into another in the kernel or on the server; `copied` is how many bytes, 0 at the end of the first file.
///
/// ENOTSUP, ENOSYS, EXDEV or EINVAL where that can't be done.
int wb_copy_range(int source, int64_t sourceOffset, int target, int64_t targetOffset, int64_t byteCount, int64_t *copied);

/// Bytes of a file in memory.
typedef struct {
  const void *bytes;
  /// What was mapped for it.
  void *pages;
  size_t size;
  int32_t slot;
} wb_mapped_range;

/// Maps a range of an open file, which need not begin at a page. ENOTSUP or ENOBUFS where it should be read instead.
///
/// What the file loses while the range is mapped, and what can't be read, reads as zeros.
int wb_map_range(int descriptor, int64_t offset, int64_t byteCount, wb_mapped_range *mapped);

/// Ends a mapping: false if some of its bytes weren't the file's.
bool wb_unmap_range(wb_mapped_range mapped);

/// Renames, failing with EEXIST if the target exists. EINVAL or ENOTSUP where the file system can't promise that.
int wb_rename_without_replacing(const char *source, const char *target);

/// Whether something is mounted on what has that path, a link not followed: 1 or 0, and -1 where the system doesn't say.
int wb_is_mount_root(const char *path);

/// Exchanges two paths in one step. EINVAL or ENOTSUP where the file system can't.
int wb_exchange(const char *first, const char *second);

/// Processors that the process's affinity allows, or 0 if that can't be told.
int wb_allowed_processors(void);

/// The process's arguments as main gets them, NULL after the last; NULL where the C library doesn't tell.
///
/// Swift's own are read from /proc on Linux, and there are none where that isn't mounted.
char *const *wb_arguments(void);

/// The path of the program that runs, to be freed; NULL where it can't be found. On Linux /proc need not be mounted.
char *wb_executable_path(void);

/// The variables of the process's environment, NULL after the last.
char *const *wb_environment(void);

/// Keeps the size from which allocations are mapped one by one, and given back when they are freed, at 128 KiB.
///
/// glibc raises it to that of the largest that was freed so far: the next of that size lies in the heap, which keeps what it has grown to.
void wb_map_large_allocations(void);

/// Gives pages of the heap back to the system that nothing lies in.
void wb_trim_heap(void);

/// Starts a program with a pipe to its standard output; standard errors are /dev/null, and so is standard input unless `input`, a
/// descriptor, is 0 or more.
///
/// `output` is the end of the pipe to read from, which later children don't inherit.
int wb_spawn(const char *path, char *const arguments[], char *const environment[], int32_t input, int32_t *output, int32_t *process);
