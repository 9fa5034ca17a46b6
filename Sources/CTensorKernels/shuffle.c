// HDF5's byte shuffle (filter 2): the first bytes of all elements, then the second bytes, and so on.
// The portable loop is the specification; on x86-64, whose baseline has SSE2, elements of 2 and 4 bytes go 16 at a time.
#include "CTensorKernels.h"

#if defined(__SSE2__)
#include <emmintrin.h>

static size_t shuffle2(const uint8_t *src, uint8_t *dst, size_t count) {
  const __m128i low = _mm_set1_epi16(0x00ff);
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    __m128i a = _mm_loadu_si128((const __m128i *)(src + 2 * i));
    __m128i b = _mm_loadu_si128((const __m128i *)(src + 2 * i + 16));
    _mm_storeu_si128((__m128i *)(dst + i), _mm_packus_epi16(_mm_and_si128(a, low), _mm_and_si128(b, low)));
    _mm_storeu_si128((__m128i *)(dst + count + i), _mm_packus_epi16(_mm_srli_epi16(a, 8), _mm_srli_epi16(b, 8)));
  }
  return i;
}

static size_t unshuffle2(const uint8_t *src, uint8_t *dst, size_t count) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    __m128i a = _mm_loadu_si128((const __m128i *)(src + i));
    __m128i b = _mm_loadu_si128((const __m128i *)(src + count + i));
    _mm_storeu_si128((__m128i *)(dst + 2 * i), _mm_unpacklo_epi8(a, b));
    _mm_storeu_si128((__m128i *)(dst + 2 * i + 16), _mm_unpackhi_epi8(a, b));
  }
  return i;
}

static size_t shuffle4(const uint8_t *src, uint8_t *dst, size_t count) {
  const __m128i low = _mm_set1_epi16(0x00ff);
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    __m128i even[2], odd[2];  // bytes 0 and 2, bytes 1 and 3 of eight elements each
    for (int half = 0; half < 2; half++) {
      __m128i a = _mm_loadu_si128((const __m128i *)(src + 4 * i + 32 * half));
      __m128i b = _mm_loadu_si128((const __m128i *)(src + 4 * i + 32 * half + 16));
      even[half] = _mm_packus_epi16(_mm_and_si128(a, low), _mm_and_si128(b, low));
      odd[half] = _mm_packus_epi16(_mm_srli_epi16(a, 8), _mm_srli_epi16(b, 8));
    }
    _mm_storeu_si128((__m128i *)(dst + i), _mm_packus_epi16(_mm_and_si128(even[0], low), _mm_and_si128(even[1], low)));
    _mm_storeu_si128((__m128i *)(dst + count + i), _mm_packus_epi16(_mm_and_si128(odd[0], low), _mm_and_si128(odd[1], low)));
    _mm_storeu_si128((__m128i *)(dst + 2 * count + i), _mm_packus_epi16(_mm_srli_epi16(even[0], 8), _mm_srli_epi16(even[1], 8)));
    _mm_storeu_si128((__m128i *)(dst + 3 * count + i), _mm_packus_epi16(_mm_srli_epi16(odd[0], 8), _mm_srli_epi16(odd[1], 8)));
  }
  return i;
}

static size_t unshuffle4(const uint8_t *src, uint8_t *dst, size_t count) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    __m128i b0 = _mm_loadu_si128((const __m128i *)(src + i));
    __m128i b1 = _mm_loadu_si128((const __m128i *)(src + count + i));
    __m128i b2 = _mm_loadu_si128((const __m128i *)(src + 2 * count + i));
    __m128i b3 = _mm_loadu_si128((const __m128i *)(src + 3 * count + i));
    __m128i low01 = _mm_unpacklo_epi8(b0, b1), high01 = _mm_unpackhi_epi8(b0, b1);
    __m128i low23 = _mm_unpacklo_epi8(b2, b3), high23 = _mm_unpackhi_epi8(b2, b3);
    __m128i *out = (__m128i *)(dst + 4 * i);
    _mm_storeu_si128(out, _mm_unpacklo_epi16(low01, low23));
    _mm_storeu_si128(out + 1, _mm_unpackhi_epi16(low01, low23));
    _mm_storeu_si128(out + 2, _mm_unpacklo_epi16(high01, high23));
    _mm_storeu_si128(out + 3, _mm_unpackhi_epi16(high01, high23));
  }
  return i;
}
#else
static size_t shuffle2(const uint8_t *src, uint8_t *dst, size_t count) { (void)src, (void)dst, (void)count; return 0; }
static size_t unshuffle2(const uint8_t *src, uint8_t *dst, size_t count) { (void)src, (void)dst, (void)count; return 0; }
static size_t shuffle4(const uint8_t *src, uint8_t *dst, size_t count) { (void)src, (void)dst, (void)count; return 0; }
static size_t unshuffle4(const uint8_t *src, uint8_t *dst, size_t count) { (void)src, (void)dst, (void)count; return 0; }
#endif

void wb_shuffle(const void *src, void *dst, size_t count, size_t size) {
  const uint8_t *in = src;
  uint8_t *out = dst;
  size_t done = size == 2 ? shuffle2(in, out, count) : size == 4 ? shuffle4(in, out, count) : 0;
  for (size_t byte = 0; byte < size; byte++) {
    for (size_t i = done; i < count; i++) out[byte * count + i] = in[i * size + byte];
  }
}

void wb_unshuffle(const void *src, void *dst, size_t count, size_t size) {
  const uint8_t *in = src;
  uint8_t *out = dst;
  size_t done = size == 2 ? unshuffle2(in, out, count) : size == 4 ? unshuffle4(in, out, count) : 0;
  for (size_t byte = 0; byte < size; byte++) {
    for (size_t i = done; i < count; i++) out[i * size + byte] = in[byte * count + i];
  }
}
