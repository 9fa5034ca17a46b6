// Compares the kernels of every level with ggml's reference: compare LIBRARY ROWS SEED [PART_OF_A_TYPE'S_NAME]
//
// Prints what differs, and how many blocks were compared for each type.
#include "formats.h"

static uint64_t state = 88172645463325252u;

static uint64_t random_bits(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * 0x2545F4914F6CDD1D;
}

static unsigned below(unsigned limit) {
  return (unsigned)(random_bits() % limit);
}

static double gaussian(void) {
  double u = ((double)(random_bits() >> 11) + 0.5) * 0x1p-53, v = ((double)(random_bits() >> 11) + 0.5) * 0x1p-53;
  return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static double student(void) {
  double squares = 0;
  for (int i = 0; i < 3; i++) {
    double value = gaussian();
    squares += value * value;
  }
  return gaussian() / sqrt(squares / 3);
}

/// The value some places further in the order of floats.
static float neighbour(float value, int places) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  bits += (uint32_t)places;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static float as_bfloat16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// Middles between values of the tables, and ends of them.
static const float middles[] = {
  0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5,   6,    3,  2,  -115.5f, -93.5f, -74, -57,
  -42,   -28.5f, -16,  -4.5f, 7,    19,   31.5f, 45.5f, 61, 79, 101,     -127,   113,
};

static const char *const kinds[] = {
  "Gaussian",  "Student's t",         "bfloat16",  "ties",     "tiny with zeros", "constant",       "huge",
  "subnormal", "negative",            "zero",      "±0",       "one of 32",       "one of 4",       "positive",
  "codes",     "small integers",      "mixed",     "nearly 1", "1e17",            "near a middle",  "near a power of two",
};

enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

static void fill(int kind, float *x, size_t count) {
  float level = 0;
  double spread = 1;
  for (size_t i = 0; i < count; i++) {
    if (i % 64 == 0) {
      level = (float)(gaussian() * 0.1);
      spread = exp(gaussian());
    }
    double g = gaussian();
    switch (kind) {
    case 0: x[i] = (float)(0.02 * g); break;
    case 1: x[i] = (float)(0.02 * student()); break;
    case 2: x[i] = as_bfloat16((float)(0.02 * g)); break;
    case 3: x[i] = (float)((int)below(31) - 15) * 0.125f; break;
    case 4: x[i] = below(3) ? (float)(1e-8 * g) : 0; break;
    case 5: x[i] = level; break;
    case 6: x[i] = (float)(1e8 * spread * g); break;
    case 7: x[i] = (float)(1e-39 * g * exp(8 * gaussian())); break;
    case 8: x[i] = -(float)fabs(0.02 * g) - (below(4) ? 0.01f : 1); break;
    case 9: x[i] = 0; break;
    case 10: x[i] = below(2) ? 0.f : -0.f; break;
    case 11: x[i] = below(32) ? below(2) ? 0.f : -0.f : (float)g; break;
    case 12: x[i] = below(4) ? 0 : (float)(spread * g); break;
    case 13: x[i] = (float)fabs(spread * g) + 0.5f; break;
    case 14: x[i] = (float)((int)below(255) - 127) / 127 * level; break;
    case 15: x[i] = (float)((int)below(5) - 2); break;
    case 16: x[i] = (float)(g * exp(6 * gaussian())); break;
    case 17: x[i] = neighbour(below(2) ? 1.f : -1.f, below(8) ? 0 : (int)below(3)); break;
    case 18: x[i] = (float)(1e17 * g); break;
    case 19: {
      float middle = i % 64 == 0 ? 6 : i % 32 == 0 ? -127 : middles[below(sizeof middles / sizeof middles[0])];
      x[i] = neighbour(below(2) ? middle : -middle, (int)below(5) - 2) * (i % 256 < 128 ? 1 : level);
      break;
    }
    default: x[i] = neighbour(ldexpf(1, (int)below(40) - 37 - (i % 128 < 64 ? 3 * (int)(i / 32 % 24) : 0)), (int)below(41) - 20);
    }
  }
}

/// Kinds of importance; 0 is none.
enum { IMPORTANCE_COUNT = 6 };

static void fill_importance(int kind, float *w, size_t count) {
  for (size_t i = 0; i < count; i++) {
    double g = gaussian();
    switch (kind) {
    case 1: w[i] = (float)exp(2 * g); break;
    case 2: w[i] = below(3) ? (float)(g * g) : 0; break;
    case 3: w[i] = below(20) ? 0 : 1; break;
    case 4: w[i] = 1; break;
    default: w[i] = i / 32 % 2 ? 0 : (float)fabs(g);
    }
  }
}

static void *room(size_t byte_count) {
  void *bytes = malloc(byte_count);
  if (!bytes) abort();
  return bytes;
}

/// Returns how many blocks differ.
static size_t compared(void *library, int format, int kind, int importance_kind, size_t rows, size_t *block_count) {
  static const size_t lengths[] = {256, 768, 1024, 4096, 2816};
  enum { GUARD = 16 };
  wb_block_type type = formats[format].type;
  size_t length = lengths[(kind + importance_kind) % 5], count = rows * length;
  size_t size = wb_block_byte_count(type), blocks = count / wb_block_length(type), differences = 0;
  float *x = room(count * 4), *w = room(length * 4), *expected_values = room(count * 4), *values = room(count * 4);
  char *expected = room(blocks * size), *result = room(blocks * size + GUARD);
  fill(kind, x, count);
  fill_importance(importance_kind, w, length);
  const float *importance = importance_kind ? w : NULL;
  ((ggml_quantize *)symbol(library, "quantize_", formats[format].name))(x, expected, (int64_t)rows, (int64_t)length, importance);

  for (wb_level level = WB_PORTABLE; level <= WB_NEON; level++) {
    if (!wb_level_available(level)) continue;
    memset(result, 0xA5, blocks * size + GUARD);
    wb_quantize_at(level, type, x, rows, length, importance, result);
    size_t different = 0;
    for (size_t i = 0; i < blocks; i++) different += memcmp(expected + i * size, result + i * size, size) != 0;
    for (int i = 0; i < GUARD; i++) different += (unsigned char)result[blocks * size + (size_t)i] != 0xA5;
    if (different) {
      printf("%s, %s, importance %d, level %d: %zu of %zu\n", formats[format].name, kinds[kind], importance_kind, (int)level, different,
             blocks);
    }
    differences += different;
  }

  // The weights of these blocks, and of random bytes, whose scales may be infinite or NaN.
  for (int attempt = 0; attempt < 2; attempt++) {
    for (size_t i = 0; attempt == 1 && i < blocks * size; i++) expected[i] = (char)random_bits();
    ((ggml_dequantize *)symbol(library, "dequantize_row_", formats[format].name))(expected, expected_values, (int64_t)count);
    wb_dequantize(type, expected, blocks, values);
    size_t different = 0;
    for (size_t i = 0; i < count; i++) {
      different += memcmp(values + i, expected_values + i, 4) != 0 && !(isnan(values[i]) && isnan(expected_values[i]));
    }
    if (different) printf("%s, %s: %zu values differ\n", formats[format].name, kinds[kind], different);
    differences += different;
  }
  free(x), free(w), free(expected_values), free(values), free(expected), free(result);
  *block_count += blocks;
  return differences;
}

int main(int argument_count, char **arguments) {
  if (argument_count < 4) return 2;
  void *library = opened(arguments[1]);
  size_t rows = (size_t)atoll(arguments[2]), all_differences = 0;
  state ^= (uint64_t)atoll(arguments[3]) * 0x9E3779B97F4A7C15;
  for (int format = 0; format < FORMAT_COUNT; format++) {
    if (argument_count > 4 && !strstr(formats[format].name, arguments[4])) continue;
    size_t blocks = 0, differences = 0;
    for (int kind = 0; kind < KIND_COUNT; kind++) {
      for (int importance = 0; importance < IMPORTANCE_COUNT; importance++) {
        differences += compared(library, format, kind, importance, rows, &blocks);
      }
    }
    printf("%-7s %9zu blocks, %zu differences\n", formats[format].name, blocks, differences);
    fflush(stdout);
    all_differences += differences;
  }
  return all_differences != 0;
}
