// libhdf5 (https://support.hdfgroup.org/documentation/), 1.10.5 or later, through the 1.10 API.
// Constants of the library are expressions that Swift can't import; each one used is wrapped here.
#pragma once
#define H5_USE_110_API
#include <hdf5.h>

static inline hid_t wb_h5_default(void) { return H5P_DEFAULT; }
static inline hid_t wb_h5_dataset_creation(void) { return H5P_DATASET_CREATE; }
static inline hid_t wb_h5_file_access(void) { return H5P_FILE_ACCESS; }
static inline hid_t wb_h5_file_creation(void) { return H5P_FILE_CREATE; }
static inline hid_t wb_h5_group_creation(void) { return H5P_GROUP_CREATE; }
static inline unsigned wb_h5_exclusive(void) { return H5F_ACC_EXCL; }
static inline unsigned wb_h5_read_only(void) { return H5F_ACC_RDONLY; }
static inline haddr_t wb_h5_undefined_address(void) { return HADDR_UNDEF; }

static inline hid_t wb_h5_ieee_f32le(void) { return H5T_IEEE_F32LE; }
static inline hid_t wb_h5_ieee_f64le(void) { return H5T_IEEE_F64LE; }
static inline hid_t wb_h5_i8le(void) { return H5T_STD_I8LE; }
static inline hid_t wb_h5_i16le(void) { return H5T_STD_I16LE; }
static inline hid_t wb_h5_i32le(void) { return H5T_STD_I32LE; }
static inline hid_t wb_h5_i64le(void) { return H5T_STD_I64LE; }
static inline hid_t wb_h5_u8le(void) { return H5T_STD_U8LE; }
static inline hid_t wb_h5_u16le(void) { return H5T_STD_U16LE; }
static inline hid_t wb_h5_u32le(void) { return H5T_STD_U32LE; }
static inline hid_t wb_h5_u64le(void) { return H5T_STD_U64LE; }
static inline hid_t wb_h5_c_string(void) { return H5T_C_S1; }

// The library prints its errors to stderr unless told not to; ours go the way of all errors.
static inline herr_t wb_h5_silence(void) { return H5Eset_auto2(H5E_DEFAULT, NULL, NULL); }

static herr_t wb_h5_first_message(unsigned depth, const H5E_error2_t *entry, void *text) {
  (void)depth;
  const char **message = (const char **)text;
  if (*message == NULL) *message = entry->desc;
  return 0;
}

// The innermost message of the library's error stack, or "unknown error". Valid until the next call of the library.
static inline const char *wb_h5_last_error(void) {
  const char *message = NULL;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, wb_h5_first_message, &message);
  return message ? message : "unknown error";
}
