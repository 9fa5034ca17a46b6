// The virtual file driver of volumes, https://support.hdfgroup.org/documentation/hdf5/latest/_v_f_l_t_n.html
#include <stdlib.h>

#define H5_USE_110_API
#include <hdf5.h>
#if __has_include(<H5FDdevelop.h>)
#include <H5FDdevelop.h>
#endif

#include "CHDF5Driver.h"

/// What the property list carries.
typedef struct {
  wb_volume_file *file;
  haddr_t alignment;
  // What is large begins at a page.
  bool aligns_pages;
} settings;

/// The library's idea of the open file; its part must come first.
typedef struct {
  H5FD_t base;
  settings settings;
  haddr_t end_of_allocations, end_of_file;
} volume;

#define LARGEST_ADDRESS ((haddr_t)INT64_MAX)
// Raw data of so many bytes begins at a page, if that is asked for: so it can be mapped, and share blocks with another file.
#define LARGE 65536
#define PAGE 4096

static H5FD_t *open_volume(const char *name, unsigned flags, hid_t access, haddr_t largest) {
  (void)name, (void)flags, (void)largest;
  const settings *given = H5Pget_driver_info(access);
  volume *it = given ? calloc(1, sizeof *it) : NULL;
  if (it) it->settings = *given;
  return (H5FD_t *)it;
}

static herr_t close_volume(H5FD_t *base) {
  free(base);
  return 0;
}

static herr_t query(const H5FD_t *base, unsigned long *flags) {
  (void)base;
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

static haddr_t allocate(H5FD_t *base, H5FD_mem_t type, hid_t transfer, hsize_t size) {
  (void)transfer;
  volume *it = (volume *)base;
  haddr_t start = it->end_of_allocations, alignment = it->settings.alignment;
  if (it->settings.aligns_pages && size >= LARGE) alignment = PAGE;
  if (type == H5FD_MEM_DRAW) start = (start + alignment - 1) / alignment * alignment;
  if (start > LARGEST_ADDRESS || size > LARGEST_ADDRESS - start) return HADDR_UNDEF;
  it->end_of_allocations = start + size;
  return start;
}

static haddr_t end_of_allocations(const H5FD_t *base, H5FD_mem_t type) {
  (void)type;
  return ((const volume *)base)->end_of_allocations;
}

static herr_t set_end_of_allocations(H5FD_t *base, H5FD_mem_t type, haddr_t end) {
  (void)type;
  ((volume *)base)->end_of_allocations = end;
  return 0;
}

static haddr_t end_of_file(const H5FD_t *base, H5FD_mem_t type) {
  (void)type;
  return ((const volume *)base)->end_of_file;
}

static herr_t read_bytes(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t start, size_t count, void *bytes) {
  (void)type, (void)transfer;
  wb_volume_file *file = ((volume *)base)->settings.file;
  return !file->discards && file->read(file->context, start, bytes, count) == 0 ? 0 : -1;
}

static herr_t write_bytes(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t start, size_t count, const void *bytes) {
  (void)transfer;
  volume *it = (volume *)base;
  wb_volume_file *file = it->settings.file;
  if (file->discards) return 0;
  if (type == H5FD_MEM_DRAW) file->raw_offset = start, file->raw_byte_count = count;
  if (file->write(file->context, start, bytes, count) != 0) return -1;
  if (start + count > it->end_of_file) it->end_of_file = start + count;
  return 0;
}

/// Others may have written within the allocations, too, so that the size isn't known here.
static herr_t truncate_volume(H5FD_t *base, hid_t transfer, hbool_t closing) {
  (void)transfer, (void)closing;
  volume *it = (volume *)base;
  wb_volume_file *file = it->settings.file;
  if (file->discards) return 0;
  if (file->resize(file->context, it->end_of_allocations) != 0) return -1;
  it->end_of_file = it->end_of_allocations;
  return 0;
}

static const H5FD_class_t volume_class = {
#if defined(H5FD_CLASS_VERSION)
    .version = H5FD_CLASS_VERSION,
    // Beyond what is reserved and registered; never stored in a file.
    .value = (H5FD_class_value_t)(H5_VFD_RESERVED + 0x5742),
#endif
    .name = "weighbridge_volume",
    .maxaddr = LARGEST_ADDRESS,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(settings),
    .open = open_volume,
    .close = close_volume,
    .query = query,
    .alloc = allocate,
    .get_eoa = end_of_allocations,
    .set_eoa = set_end_of_allocations,
    .get_eof = end_of_file,
    .read = read_bytes,
    .write = write_bytes,
    .truncate = truncate_volume,
    // Space that one kind of data gives back goes to that kind only: raw data never lies where metadata was.
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

int64_t wb_volume_access(wb_volume_file *file, uint64_t alignment, bool aligns_pages) {
  static hid_t driver = -1;
  if (driver < 0) driver = H5FDregister(&volume_class);
  hid_t access = driver < 0 ? -1 : H5Pcreate(H5P_FILE_ACCESS);
  if (access < 0) return -1;
  settings given = {file, alignment, aligns_pages};
  if (H5Pset_driver(access, driver, &given) < 0) {
    H5Pclose(access);
    return -1;
  }
  return access;
}
