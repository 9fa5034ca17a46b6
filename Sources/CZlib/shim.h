// zlib (https://zlib.net/manual.html): inflate for compressed npz members, CRC-32 as the kernels' reference.
#pragma once
#include <zlib.h>

// inflateInit2 is a macro; -15 selects a raw deflate stream, as zip members hold it.
static inline int weighbridge_inflate_init_raw(z_stream *stream) {
  return inflateInit2(stream, -15);
}

// inflateInit is a macro; zlib's own stream, with a header and Adler-32.
static inline int weighbridge_inflate_init(z_stream *stream) { return inflateInit(stream); }
