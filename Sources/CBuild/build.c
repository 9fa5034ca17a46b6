#include "CBuild.h"

#include <H5public.h>
#include <stddef.h>
#include <zlib.h>
#include <zstd.h>

#define TEXT_OF(macro) #macro
#define TEXT(macro) TEXT_OF(macro)

const char *wb_build_commit(void) {
#ifdef WB_COMMIT
  return WB_COMMIT;
#else
  return NULL;
#endif
}

const char *wb_build_zlib(void) { return zlibVersion(); }

const char *wb_build_zstd(void) { return ZSTD_versionString(); }

const char *wb_build_hdf5(void) { return TEXT(H5_VERS_MAJOR) "." TEXT(H5_VERS_MINOR) "." TEXT(H5_VERS_RELEASE); }
