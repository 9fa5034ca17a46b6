/// How libhdf5 writes volumes: a file driver of ours instead of the library's own.
///
/// It does what the library's can't:
/// * Raw data begins at multiples of the alignment and nothing else does. The library's way, `H5Pset_alignment`, files every gap
///   as free space and looks through all of it at each allocation: 40,000 chunks take 9 s instead of 0.1 s.
/// * It knows where a chunk was written. `H5Dget_chunk_info_by_coord` looks through all chunks.
/// * It keeps the errno of a failed write, and can pretend to write after one, so that the library can always close a file.
///
/// The files are ordinary HDF5 files. Calls are made one at a time, as all of libhdf5.
#ifndef CHDF5DRIVER_H
#define CHDF5DRIVER_H

#include <stdbool.h>
#include <stdint.h>

/// A file that is being written. It must outlive the library's use of it.
typedef struct {
  int descriptor;
  /// The errno of the first failure, or 0.
  int failure;
  /// Whether writes are only pretended: the file is given up.
  bool discards;
  /// Where raw data was written last, and how many bytes.
  uint64_t raw_offset, raw_byte_count;
} wb_volume_file;

/// Creates a file that must not exist yet.
///
/// Returns 0 or the errno of the failure.
int wb_volume_create(const char *path, wb_volume_file *file);

/// Closes the descriptor.
void wb_volume_release(wb_volume_file *file);

/// Returns a file access property list that makes `H5Fcreate` write to `file`, with raw data at multiples of `alignment`, or,
/// if `aligns_pages`, at multiples of 4096 bytes where it has 64 KiB or more; negative on failure.
int64_t wb_volume_access(wb_volume_file *file, uint64_t alignment, bool aligns_pages);

#endif
