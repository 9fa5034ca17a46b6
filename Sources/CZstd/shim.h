// libzstd (https://facebook.github.io/zstd/zstd_manual.html): decompression of archives, chunks of stores.
#pragma once
#include <zstd.h>
#include <zstd_errors.h>

// Frames whose header asks for a larger window than this many bits are refused (128 MiB, the zstd command's default).
static inline size_t weighbridge_zstd_limit_window(ZSTD_DCtx *context, int windowLog) {
  return ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, windowLog);
}

// The macros are invisible to Swift.
static inline unsigned long long weighbridge_zstd_content_size_unknown(void) { return ZSTD_CONTENTSIZE_UNKNOWN; }
static inline unsigned long long weighbridge_zstd_content_size_error(void) { return ZSTD_CONTENTSIZE_ERROR; }
