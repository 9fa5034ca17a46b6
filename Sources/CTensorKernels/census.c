// What stored values are that no weights should be: NaN, infinities, nothing but zeros, one value throughout.
#include <stddef.h>
#include <string.h>

#include "block_formats.h"

/// Elements that are looked at together: what is wrong with none of them is told fast.
enum { RUN = 4096 };

/// Counts a NaN or an infinity, and keeps the first place of each.
static void count_broken(wb_census *census, bool is_nan, uint64_t place) {
  uint64_t *count = is_nan ? &census->nan_count : &census->infinity_count;
  if (*count == 0) *(is_nan ? &census->first_nan : &census->first_infinity) = place;
  ++*count;
}

#define DEFINE_FLOATS(NAME, WORD, MAGNITUDE, INFINITE)                                                     \
  static void NAME(const WORD *values, size_t count, wb_census *census) {                                  \
    for (size_t start = 0; start < count; start += RUN) {                                                  \
      size_t end = start + RUN < count ? start + RUN : count;                                              \
      WORD largest = 0;                                                                                    \
      for (size_t i = start; i < end; i++) {                                                               \
        WORD magnitude = values[i] & MAGNITUDE;                                                            \
        largest = magnitude > largest ? magnitude : largest;                                               \
      }                                                                                                    \
      census->has_value |= largest != 0;                                                                   \
      census->has_finite_value |= largest != 0 && largest < INFINITE;                                      \
      if (largest < INFINITE) continue;                                                                    \
      for (size_t i = start; i < end; i++) {                                                               \
        WORD magnitude = values[i] & MAGNITUDE;                                                            \
        census->has_finite_value |= magnitude != 0 && magnitude < INFINITE;                                \
        if (magnitude < INFINITE) continue;                                                                \
        count_broken(census, magnitude > INFINITE, census->count + i);                                     \
        census->negative_infinity_count += magnitude == INFINITE && values[i] != INFINITE;                 \
      }                                                                                                    \
    }                                                                                                      \
  }

DEFINE_FLOATS(floats16, uint16_t, 0x7FFF, 0x7C00)
DEFINE_FLOATS(brain_floats, uint16_t, 0x7FFF, 0x7F80)
DEFINE_FLOATS(floats32, uint32_t, 0x7FFFFFFF, 0x7F800000)
DEFINE_FLOATS(floats64, uint64_t, 0x7FFFFFFFFFFFFFFF, 0x7FF0000000000000)

#define DEFINE_DIFFERS(NAME, WORD)                                                                         \
  static bool NAME(const WORD *values, size_t count, WORD first) {                                         \
    for (size_t start = 0; start < count; start += RUN) {                                                  \
      size_t end = start + RUN < count ? start + RUN : count;                                              \
      WORD other = 0;                                                                                      \
      for (size_t i = start; i < end; i++) other |= values[i] ^ first;                                     \
      if (other != 0) return true;                                                                         \
    }                                                                                                      \
    return false;                                                                                          \
  }

DEFINE_DIFFERS(differs8, uint8_t)
DEFINE_DIFFERS(differs16, uint16_t)
DEFINE_DIFFERS(differs32, uint32_t)
DEFINE_DIFFERS(differs64, uint64_t)

static bool differs(const void *values, size_t count, size_t width, uint64_t first) {
  switch (width) {
  case 1:
    return differs8(values, count, (uint8_t)first);
  case 2:
    return differs16(values, count, (uint16_t)first);
  case 4:
    return differs32(values, count, (uint32_t)first);
  default:
    return differs64(values, count, first);
  }
}

static void take(wb_census *census, float value, size_t place) {
  census->has_value |= value != 0;
  if (value == value && value <= 3.4028234664e38f && value >= -3.4028234664e38f) {
    census->has_finite_value |= value != 0;
    return;
  }
  count_broken(census, value != value, place);
  census->negative_infinity_count += value < 0;
}

static void small_floats(wb_stat_type type, const uint8_t *values, size_t count, wb_census *census) {
  float table[256];
  bool is_plain[256];
  for (int code = 0; code < 256; code++) {
    table[code] = wb_small_float(type, (uint8_t)code);
    is_plain[code] = table[code] - table[code] == 0;
  }
  for (size_t i = 0; i < count; i++) {
    if (!is_plain[values[i]] || !census->has_finite_value) take(census, table[values[i]], census->count + i);
  }
}

static void zeros_at_end(const uint8_t *bytes, size_t count, wb_census *census) {
  size_t end = count;
  while (end >= 8) {
    uint64_t word;
    memcpy(&word, bytes + end - 8, 8);
    if (word != 0) break;
    end -= 8;
  }
  while (end > 0 && bytes[end - 1] == 0) end--;
  census->zeros_at_end = end == 0 ? census->zeros_at_end + count : count - end;
}

void wb_census_add(wb_stat_type type, size_t width, const void *src, size_t count, wb_census *census) {
  if (count == 0) return;
  switch (type) {
  case WB_STAT_F64:
    floats64(src, count, census);
    break;
  case WB_STAT_F32:
    floats32(src, count, census);
    break;
  case WB_STAT_F16:
    floats16(src, count, census);
    break;
  case WB_STAT_BF16:
    brain_floats(src, count, census);
    break;
  case WB_STAT_F8_E4M3:
  case WB_STAT_F8_E5M2:
  case WB_STAT_F8_E4M3FNUZ:
  case WB_STAT_F8_E5M2FNUZ:
  case WB_STAT_F8_E8M0:
    small_floats(type, src, count, census);
    break;
  default:
    if (!census->has_value) {
      for (size_t i = 0; i < count * width && !census->has_value; i++) census->has_value = ((const uint8_t *)src)[i] != 0;
    }
  }
  if (census->count == 0) memcpy(&census->first, src, width);
  if (!census->is_varied) census->is_varied = differs(src, count, width, census->first);
  zeros_at_end(src, count * width, census);
  census->count += count;
}

/// Where a block's scales stand: what all its weights are multiplied with.
typedef struct {
  wb_block_type type;
  uint8_t scales[2];
  uint8_t scale_count;
} layout;

static const layout layouts[] = {
  {WB_Q4_0, {offsetof(wb_block_q4_0, scale)}, 1},
  {WB_Q4_1, {offsetof(wb_block_q4_1, scale), offsetof(wb_block_q4_1, minimum)}, 2},
  {WB_Q5_0, {offsetof(wb_block_q5_0, scale)}, 1},
  {WB_Q5_1, {offsetof(wb_block_q5_1, scale), offsetof(wb_block_q5_1, minimum)}, 2},
  {WB_Q8_0, {offsetof(wb_block_q8_0, scale)}, 1},
  {WB_Q2_K, {offsetof(wb_block_q2_k, scale), offsetof(wb_block_q2_k, minimum)}, 2},
  {WB_Q3_K, {offsetof(wb_block_q3_k, scale)}, 1},
  {WB_Q4_K, {offsetof(wb_block_q4_k, scale), offsetof(wb_block_q4_k, minimum)}, 2},
  {WB_Q5_K, {offsetof(wb_block_q5_k, scale), offsetof(wb_block_q5_k, minimum)}, 2},
  {WB_Q6_K, {offsetof(wb_block_q6_k, scale)}, 1},
  {WB_IQ4_NL, {offsetof(wb_block_iq4_nl, scale)}, 1},
  {WB_IQ4_XS, {offsetof(wb_block_iq4_xs, scale)}, 1},
};

/// Whether no weight of a block can be NaN or infinite: with finite scales of 16 bits, and those of 8 bits that stand for a number, none is.
static bool is_finite(wb_block_type type, const layout *found, const uint8_t *block) {
  // 6 times the largest powers of two is infinite.
  if (type == WB_MXFP4) return block[offsetof(wb_block_mxfp4, exponent)] < 0xFC;
  if (type == WB_NVFP4) {
    const uint8_t *scales = block + offsetof(wb_block_nvfp4, scales);
    for (int i = 0; i < 4; i++) {
      if ((scales[i] & 0x7F) == 0x7F) return false;
    }
    return true;
  }
  if (found == NULL) return false;
  for (size_t i = 0; i < found->scale_count; i++) {
    uint16_t scale;
    memcpy(&scale, block + found->scales[i], 2);
    if ((scale & 0x7C00) == 0x7C00) return false;
  }
  return true;
}

/// Makes the weights below scales of 8 bits that are NaN (OCP Microscaling Formats 1.0, 5.3.3 and 5.4.1) NaN as well: ggml computes them as if
/// these were numbers, and other programs that read the same scales from other containers don't.
static void take_nan_scales(wb_block_type type, const uint8_t *block, float *values) {
  size_t count = type == WB_MXFP4 ? 1 : type == WB_NVFP4 ? 4 : 0;
  for (size_t i = 0; i < count; i++) {
    bool is_nan = type == WB_MXFP4 ? block[offsetof(wb_block_mxfp4, exponent)] == 0xFF
                                   : (block[offsetof(wb_block_nvfp4, scales) + i] & 0x7F) == 0x7F;
    size_t length = wb_block_length(type) / count;
    for (size_t j = 0; is_nan && j < length; j++) values[i * length + j] = __builtin_nanf("");
  }
}

void wb_census_add_blocks(wb_block_type type, const void *src, size_t block_count, wb_census *census) {
  const uint8_t *blocks = src;
  size_t size = wb_block_byte_count(type), length = wb_block_length(type);
  if (size == 0 || block_count == 0) return;
  const layout *found = NULL;
  for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
    if (layouts[i].type == type) found = &layouts[i];
  }
  float values[WB_LARGE_BLOCK];
  for (size_t block = 0; block < block_count; block++) {
    const uint8_t *bytes = blocks + block * size;
    if (census->has_value && is_finite(type, found, bytes)) continue;
    wb_dequantize(type, bytes, 1, values);
    take_nan_scales(type, bytes, values);
    for (size_t i = 0; i < length; i++) take(census, values[i], (census->count + block) * length + i);
  }
  // What blocks with the same bytes have in common is no single value.
  census->is_varied = census->has_finite_value = true;
  zeros_at_end(src, block_count * size, census);
  census->count += block_count;
}
