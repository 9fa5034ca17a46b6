// Codes that other quantizers' files pack into words, as numbers.
//
// Layouts: https://github.com/ml-explore/mlx (mlx/ops.cpp, affine_quantize), https://github.com/vllm-project/compressed-tensors
// (compressors/pack_quantized), https://github.com/ModelCloud/GPTQModel (nn_modules/qlinear), https://github.com/casper-hansen/AutoAWQ
// (awq/modules/linear/gemm.py), https://github.com/bitsandbytes-foundation/bitsandbytes (functional.py).
#include <string.h>

#include "CTensorKernels.h"

/// OCP Microscaling Formats 1.0, 5.3.3.
static const float fp4_values[16] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};

/// Where AWQ has the code of a column among the eight of its word.
static const uint8_t awq_places[8] = {0, 4, 1, 5, 2, 6, 3, 7};

/// One in each field of a word, whose width divides 32.
static uint32_t ones(unsigned bits) {
  uint32_t word = 0;
  for (unsigned bit = 0; bit < 32; bit += bits) word |= 1u << bit;
  return word;
}

static bool fills_words(unsigned bits) { return 32 % bits == 0; }

static uint32_t word_at(const uint8_t *bytes) {
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/// The number of so many bits that begins at a bit of a stream, lowest bits first.
static uint32_t field(const uint8_t *bytes, size_t bit, unsigned bits) {
  const uint8_t *at = bytes + bit / 8;
  unsigned shift = bit % 8;
  uint32_t value = at[0];
  if (shift + bits > 8) value |= (uint32_t)at[1] << 8;
  return value >> shift & ((1u << bits) - 1);
}

static float number(wb_code code, unsigned bits, uint32_t value) {
  switch (code) {
  case WB_CODE_EXCESS:
    return (float)((int32_t)value - (1 << (bits - 1)));
  case WB_CODE_LESS_ONE:
    return (float)((value + 1) & ((1u << bits) - 1));
  case WB_CODE_FP4:
    return fp4_values[value];
  default:
    return (float)value;
  }
}

/// Numbers of every value that a code of at most eight bits has.
static void fill_table(wb_code code, unsigned bits, float *table) {
  for (uint32_t value = 0; value < 1u << bits; value++) table[value] = number(code, bits, value);
}

static void decode_bytes(wb_stat_type type, const uint8_t *src, size_t count, float *dst) {
  float table[256];
  for (int code = 0; code < 256; code++) table[code] = wb_small_float(type, (uint8_t)code);
  for (size_t i = 0; i < count; i++) dst[i] = table[src[i]];
}

static void decode_fields(wb_code code, unsigned bits, const uint8_t *src, size_t first, size_t count, float *dst) {
  float table[256];
  fill_table(code, bits, table);
  if (bits == 8) {
    for (size_t i = 0; i < count; i++) dst[i] = table[src[first + i]];
    return;
  }
  if (bits != 4 || first % 2 != 0) {
    for (size_t i = 0; i < count; i++) dst[i] = table[field(src, (first + i) * bits, bits)];
    return;
  }
  const uint8_t *bytes = src + first / 2;
  for (size_t i = 0; i + 1 < count; i += 2) {
    dst[i] = table[bytes[i / 2] & 15];
    dst[i + 1] = table[bytes[i / 2] >> 4];
  }
  if (count % 2) dst[count - 1] = table[bytes[count / 2] & 15];
}

void wb_decode(wb_code code, unsigned bits, const void *src, size_t first, size_t count, float *dst) {
  const uint8_t *bytes = src;
  switch (code) {
  case WB_CODE_E4M3:
    return decode_bytes(WB_STAT_F8_E4M3, bytes + first, count, dst);
  case WB_CODE_E5M2:
    return decode_bytes(WB_STAT_F8_E5M2, bytes + first, count, dst);
  case WB_CODE_E8M0:
    return decode_bytes(WB_STAT_F8_E8M0, bytes + first, count, dst);
  case WB_CODE_INT8:
    for (size_t i = 0; i < count; i++) dst[i] = (float)((const int8_t *)src)[first + i];
    return;
  case WB_CODE_AWQ:
    for (size_t i = first; i < first + count; i++) dst[i - first] = (float)field(bytes, i / 8 * 32 + 4u * awq_places[i % 8], 4);
    return;
  case WB_CODE_HIGH_FIRST:
    for (size_t i = first; i < first + count; i++) dst[i - first] = (float)(i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4);
    return;
  case WB_CODE_LESS_ONE:
    if (!fills_words(bits)) break;
    // What was stored less one borrowed across fields, so one is added across them.
    for (size_t i = first; i < first + count; i++) {
      uint32_t word = word_at(bytes + i * bits / 32 * 4) + ones(bits);
      dst[i - first] = (float)(word >> i * bits % 32 & ((1u << bits) - 1));
    }
    return;
  default:
    break;
  }
  decode_fields(code, bits, bytes, first, count, dst);
}

void wb_decode_rows(
  wb_code code, unsigned bits, const void *src, size_t columns, size_t first, size_t count, float *dst, size_t stride
) {
  float table[256];
  fill_table(code, bits, table);
  const uint32_t *words = src;
  for (size_t row = 0; row < count; row++) {
    size_t bit = (first + row) * bits;
    unsigned shift = bit % 32;
    const uint32_t *low = words + bit / 32 * columns;
    const uint32_t *high = shift + bits > 32 ? low + columns : low;
    float *to = (float *)((uint8_t *)dst + row * stride);
    for (size_t column = 0; column < columns; column++) {
      uint64_t pair = (uint64_t)high[column] << 32 | low[column];
      to[column] = table[pair >> shift & ((1u << bits) - 1)];
    }
  }
}

void wb_encode(float *numbers, size_t count, unsigned bits) {
  const float largest = (float)((1u << bits) - 1);
  uint8_t *out = (uint8_t *)numbers;
  uint32_t pending = 0;
  unsigned pending_bits = 0;
  // A code has fewer bytes than its number: what is written has been read.
  for (size_t i = 0; i < count; i++) {
    float value = numbers[i] > 0 ? numbers[i] : 0;
    if (value > largest) value = largest;
    pending |= (uint32_t)(value + 0.5f) << pending_bits;
    pending_bits += bits;
    for (; pending_bits >= 8; pending_bits -= 8, pending >>= 8) *out++ = (uint8_t)pending;
  }
}

void wb_spread_f32(const float *values, size_t first, size_t width, size_t count, float *dst) {
  size_t done = 0;
  while (done < count) {
    size_t place = (first + done) / width;
    size_t end = (place + 1) * width - first;
    if (end > count) end = count;
    float value = values[place - first / width];
    for (; done < end; done++) dst[done] = value;
  }
}

bool wb_look_up_f32(const float *table, size_t table_count, float *places, size_t count) {
  for (size_t i = 0; i < count; i++) {
    float place = places[i];
    if (!(place >= 0 && place < (float)table_count)) return false;
    places[i] = table[(size_t)place];
  }
  return true;
}
