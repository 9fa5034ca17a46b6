// What the program was built of.
#pragma once

/// The commit that it was built from, as the build says it; NULL where that isn't known, as in a source archive.
const char *wb_build_commit(void);

/// The version of zlib that is linked.
const char *wb_build_zlib(void);

/// The version of zstd that is linked.
const char *wb_build_zstd(void);

/// The version of the HDF5 library that it was compiled with, which is the linked one's in releases; the library isn't asked, which would start it.
const char *wb_build_hdf5(void);
