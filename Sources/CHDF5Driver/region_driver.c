// The virtual file driver of regions, https://support.hdfgroup.org/documentation/hdf5/latest/_v_f_l_t_n.html
// pread.
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define H5_USE_110_API
#include <hdf5.h>
#if __has_include(<H5FDdevelop.h>)
#include <H5FDdevelop.h>
#endif

#include "CHDF5Driver.h"

/// What the property list carries.
typedef struct {
  int descriptor;
  int64_t offset, byte_count;
} settings;

/// The library's idea of the open file; its part must come first.
typedef struct {
  H5FD_t base;
  settings settings;
  haddr_t end_of_allocations;
} region;

static H5FD_t *open_region(const char *name, unsigned flags, hid_t access, haddr_t largest) {
  (void)name, (void)largest;
  const settings *given = flags & (H5F_ACC_RDWR | H5F_ACC_CREAT | H5F_ACC_TRUNC) ? NULL : H5Pget_driver_info(access);
  region *it = given ? calloc(1, sizeof *it) : NULL;
  if (it) it->settings = *given;
  return (H5FD_t *)it;
}

static herr_t close_region(H5FD_t *base) {
  free(base);
  return 0;
}

static herr_t query(const H5FD_t *base, unsigned long *flags) {
  (void)base;
  *flags = 0;
  return 0;
}

static haddr_t end_of_allocations(const H5FD_t *base, H5FD_mem_t type) {
  (void)type;
  return ((const region *)base)->end_of_allocations;
}

static herr_t set_end_of_allocations(H5FD_t *base, H5FD_mem_t type, haddr_t end) {
  (void)type;
  ((region *)base)->end_of_allocations = end;
  return 0;
}

static haddr_t end_of_file(const H5FD_t *base, H5FD_mem_t type) {
  (void)type;
  return (haddr_t)((const region *)base)->settings.byte_count;
}

static herr_t read_bytes(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t start, size_t count, void *bytes) {
  (void)type, (void)transfer;
  const settings *it = &((const region *)base)->settings;
  haddr_t size = (haddr_t)it->byte_count;
  if (start > size || count > size - start) return -1;
  while (count > 0) {
    ssize_t done = pread(it->descriptor, bytes, count, (off_t)(it->offset + (int64_t)start));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return -1;
    bytes = (char *)bytes + done, start += (haddr_t)done, count -= (size_t)done;
  }
  return 0;
}

static herr_t write_bytes(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t start, size_t count, const void *bytes) {
  (void)base, (void)type, (void)transfer, (void)start, (void)count, (void)bytes;
  return -1;
}

static const H5FD_class_t region_class = {
#if defined(H5FD_CLASS_VERSION)
    .version = H5FD_CLASS_VERSION,
    // Beyond what is reserved and registered; never stored in a file.
    .value = (H5FD_class_value_t)(H5_VFD_RESERVED + 0x5743),
#endif
    .name = "weighbridge_region",
    .maxaddr = (haddr_t)INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(settings),
    .open = open_region,
    .close = close_region,
    .query = query,
    .get_eoa = end_of_allocations,
    .set_eoa = set_end_of_allocations,
    .get_eof = end_of_file,
    .read = read_bytes,
    .write = write_bytes,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

int64_t wb_region_access(int32_t descriptor, int64_t offset, int64_t byte_count) {
  static hid_t driver = -1;
  if (driver < 0) driver = H5FDregister(&region_class);
  hid_t access = driver < 0 ? -1 : H5Pcreate(H5P_FILE_ACCESS);
  if (access < 0) return -1;
  settings given = {descriptor, offset, byte_count};
  if (H5Pset_driver(access, driver, &given) < 0) {
    H5Pclose(access);
    return -1;
  }
  return access;
}
