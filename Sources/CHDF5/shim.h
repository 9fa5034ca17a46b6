// libhdf5 (https://support.hdfgroup.org/documentation/), 1.10.7 or later, through the 1.10 API.
// Constants of the library are expressions, and functions with versions are macros in later releases; neither can be seen from Swift, so
// that each one used is wrapped here.
#pragma once
#define H5_USE_110_API
#include <hdf5.h>

static inline hid_t wb_h5_default(void) { return H5P_DEFAULT; }
static inline hid_t wb_h5_dataset_creation(void) { return H5P_DATASET_CREATE; }
static inline hid_t wb_h5_file_access(void) { return H5P_FILE_ACCESS; }
static inline hid_t wb_h5_file_creation(void) { return H5P_FILE_CREATE; }
static inline hid_t wb_h5_group_creation(void) { return H5P_GROUP_CREATE; }
static inline hid_t wb_h5_link_creation(void) { return H5P_LINK_CREATE; }
static inline hid_t wb_h5_all(void) { return H5S_ALL; }
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
static inline size_t wb_h5_variable_size(void) { return H5T_VARIABLE; }

// Initialises the library: no handler at exit, no filters from directories that the environment names. Negative on failure.
static inline herr_t wb_h5_prepare(void) {
  H5dont_atexit();
  return H5open() < 0 ? -1 : H5PLset_loading_state(0);
}

// Keeps the calling thread's error stacks off stderr. Where the library is built for threads, each has settings of its own.
static inline void wb_h5_silence(void) { (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL); }

static inline herr_t wb_h5_first_message(unsigned depth, const H5E_error2_t *entry, void *text) {
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

// Is told a link's name and whether it is a hard one; ends the iteration by returning 1.
typedef int (*wb_h5_link_visitor)(const char *name, bool is_hard, void *context);

typedef struct {
  wb_h5_link_visitor visitor;
  void *context;
} wb_h5_visit;

static inline herr_t wb_h5_visit_link(hid_t group, const char *name, const H5L_info_t *info, void *data) {
  (void)group;
  const wb_h5_visit *visit = (const wb_h5_visit *)data;
  return visit->visitor(name, info->type == H5L_TYPE_HARD, visit->context);
}

// Visits the links of a group in any order, following none of them. In an order, the library would make a table first, and free pointers
// that it never set if the group is damaged (1.10.8).
static inline herr_t wb_h5_visit_links(hid_t group, wb_h5_link_visitor visitor, void *context) {
  wb_h5_visit visit = {visitor, context};
  return H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, wb_h5_visit_link, &visit);
}

// What kind of link a group has under a name of one level: 0 none, 1 one to an object of the same file, 2 another, such as to a path or
// another file; negative on failure. No link is followed.
static inline int wb_h5_link_kind(hid_t group, const char *name) {
  htri_t exists = H5Lexists(group, name, H5P_DEFAULT);
  if (exists <= 0) return (int)exists;
  H5L_info_t info;
  if (H5Lget_info(group, name, &info, H5P_DEFAULT) < 0) return -1;
  return info.type == H5L_TYPE_HARD ? 1 : 2;
}

// How many hard links an object says that it has; negative on failure.
static inline int64_t wb_h5_link_count(hid_t object) {
  H5O_info_t info;
  return H5Oget_info2(object, &info, H5O_INFO_BASIC) < 0 ? -1 : (int64_t)info.rc;
}
