/// How libhdf5 reads and writes files: drivers of ours instead of the library's own.
///
/// The one that writes volumes does what the library's can't:
/// * Raw data begins at multiples of the alignment and nothing else does. The library's way, `H5Pset_alignment`, files every gap
///   as free space and looks through all of it at each allocation: 40,000 chunks take 9 s instead of 0.1 s.
/// * It knows where a chunk was written. `H5Dget_chunk_info_by_coord` looks through all chunks.
/// * It makes no system call: whoever opens the file reads, writes and sizes it, and keeps what went wrong.
/// * It can pretend to write, so that the library can close a file that is given up.
///
/// The files are ordinary HDF5 files. Calls are made one at a time, as all of libhdf5.
#ifndef CHDF5DRIVER_H
#define CHDF5DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// A file that is being written. It must outlive the library's use of it.
typedef struct {
  /// What the calls below are made with. They return 0, or anything else if they fail, and do all that they are asked for or fail.
  void *context;
  /// Bytes beyond the file's end are zeros.
  int (*read)(void *context, uint64_t offset, void *bytes, size_t count);
  int (*write)(void *context, uint64_t offset, const void *bytes, size_t count);
  int (*resize)(void *context, uint64_t byte_count);
  /// Whether writes are only pretended, and reads fail: the file is given up.
  bool discards;
  /// Where raw data was written last, and how many bytes.
  uint64_t raw_offset, raw_byte_count;
} wb_volume_file;

/// Returns a file access property list that makes `H5Fcreate` write to `file`, with raw data at multiples of `alignment`, or,
/// if `aligns_pages`, at multiples of 4096 bytes where it has 64 KiB or more; negative on failure.
int64_t wb_volume_access(wb_volume_file *file, uint64_t alignment, bool aligns_pages);

/// Returns a file access property list that makes `H5Fopen`, whatever name it is given, read a run of bytes of an open file: no file is
/// opened, and nothing beside the run can be seen. Negative on failure.
int64_t wb_region_access(int32_t descriptor, int64_t offset, int64_t byte_count);

#endif
