// What a cast would lose, without doing it.
//
// A narrower type has a value if the bits that it drops are zero; more of them in its subnormal range, where it has fewer.
// All else that can happen to a value depends on its magnitude alone: rounding to nearest even makes it a comparison with a midpoint.
// There are no branches on values, so that compilers make vectors of the loops, and a look at the range of a tile spares most of the work.
#include "cast_kernels.h"

#pragma STDC FP_CONTRACT OFF

/// Elements of 16 bits in a tile: fewer, so that most have nothing unusual.
enum { WB_HALF_TILE = 256 };

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/// A narrower type, in numbers of the wider one.
typedef struct {
  /// Whether both have the same exponents, and so the same range of subnormal numbers.
  bool shares_exponents;
  /// How many of the wider type's fraction bits it lacks.
  int dropped_bit_count;
  /// Where its normal range begins.
  double normal_range;
  /// The largest magnitude that becomes zero: half of the smallest number, a tie.
  double largest_flushed;
  /// The smallest magnitude that becomes a normal number: the midpoint below the normal range, a tie.
  double smallest_normal;
  /// The smallest magnitude that becomes infinite: the midpoint between the largest number and the power of two after it, a tie.
  double smallest_overflow;
} narrow_type;

static const narrow_type f32_of_f64 = {false, 29, 0x1p-126, 0x1p-150, 0x1p-126 - 0x1p-150, 0x1.FFFFFFp127};
static const narrow_type f16_of_f64 = {false, 42, 0x1p-14, 0x1p-25, 0x1p-14 - 0x1p-25, 65520};
static const narrow_type bf16_of_f64 = {false, 45, 0x1p-126, 0x1p-134, 0x1p-126 - 0x1p-134, 0x1.FFp127};
static const narrow_type f16_of_f32 = {false, 13, 0x1p-14, 0x1p-25, 0x1p-14 - 0x1p-25, 65520};
static const narrow_type bf16_of_f32 = {true, 16, 0x1p-126, 0x1p-134, 0x1p-126 - 0x1p-134, 0x1.FFp127};

/// What is known of the values of a tile: nothing; that each is a number and stays one; that each is 0 or in the normal range, too.
typedef enum { ANYTHING, IN_RANGE, NORMAL } tile_kind;

#define WB_REAL float
#define WB_CODE uint32_t
#define WB_FRACTION_BITS 23
#define WB_CODE_OF wb_bits_of_float
#define WB_REAL_OF wb_float_of_bits
#define WB_NAMED(name) f32_##name
#include "precision_loops.h"

#define WB_REAL double
#define WB_CODE uint64_t
#define WB_FRACTION_BITS 52
#define WB_CODE_OF wb_bits_of_double
#define WB_REAL_OF wb_double_of_bits
#define WB_NAMED(name) f64_##name
#include "precision_loops.h"

/// Adds one tile of binary32; values that were widened from 16 bits can change in the other 16 bits alone.
ALWAYS_INLINE void add_f32(wb_float_type from, const float *values, size_t count, wb_cast_losses *losses) {
  f32_range range = f32_range_of(values, count);
  if (from != WB_F16) f32_add_tile(f16_of_f32, range, values, count, &losses->to_f16);
  if (from != WB_BF16) f32_add_tile(bf16_of_f32, range, values, count, &losses->to_bf16);
}

/// Adds one tile of binary64.
ALWAYS_INLINE void add_f64(const double *values, size_t count, wb_cast_losses *losses) {
  f64_range range = f64_range_of(values, count);
  f64_add_tile(f32_of_f64, range, values, count, &losses->to_f32);
  f64_add_tile(f16_of_f64, range, values, count, &losses->to_f16);
  f64_add_tile(bf16_of_f64, range, values, count, &losses->to_bf16);
}

/// Adds one tile of bfloat16 or binary16, by way of binary32, unless there is nothing to add, as in most tiles of weights in bfloat16.
ALWAYS_INLINE void add_half(wb_level level, wb_float_type from, const uint16_t *codes, size_t count, wb_cast_losses *losses) {
  if (from == WB_BF16) {
    // binary16 holds 0 and all from 2^-17, where the last of eight bits stands for its smallest number, to 2^16.
    const uint16_t smallest_held = 0x3700, smallest_beyond = 0x4780;
    uint16_t others = 0;
    for (size_t i = 0; i < count; i++) {
      uint16_t magnitude = codes[i] & 0x7FFF;
      others |= (magnitude != 0) & ((magnitude < smallest_held) | (magnitude >= smallest_beyond));
    }
    if (!others) return;
  }
  float values[WB_HALF_TILE];
  wb_cast_at(level, from, WB_F32, codes, values, count, NULL);
  add_f32(from, values, count, losses);
}

/// Adds elements `first` to `first + count` of `src`, a tile.
ALWAYS_INLINE void add_tile(wb_level level, wb_float_type from, const void *src, size_t first, size_t count, wb_cast_losses *losses) {
  if (from == WB_F64) {
    add_f64((const double *)src + first, count, losses);
  } else if (from == WB_F32) {
    add_f32(from, (const float *)src + first, count, losses);
  } else {
    add_half(level, from, (const uint16_t *)src + first, count, losses);
  }
}

typedef void add_tile_function(wb_level level, wb_float_type from, const void *src, size_t first, size_t count, wb_cast_losses *losses);

// The same loops in wider instructions. In those of AVX-512 they are no faster on an EPYC of 2023 (Zen 4).
static void add_tile_portable(wb_level level, wb_float_type from, const void *src, size_t first, size_t count, wb_cast_losses *losses) {
  add_tile(level, from, src, first, count, losses);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void add_tile_avx2(wb_level level, wb_float_type from, const void *src, size_t first,
                                                          size_t count, wb_cast_losses *losses) {
  add_tile(level, from, src, first, count, losses);
}
#endif

void wb_cast_losses_add_at(wb_level level, wb_float_type from, const void *src, size_t count, wb_cast_losses *accumulator) {
  add_tile_function *add = add_tile_portable;
#if defined(__x86_64__)
  if (level == WB_AVX2 || level == WB_AVX512) add = add_tile_avx2;
#endif
  size_t step = from == WB_F64 || from == WB_F32 ? WB_TILE : WB_HALF_TILE;
  for (size_t first = 0; first < count; first += step) {
    add(level, from, src, first, count - first < step ? count - first : step, accumulator);
  }
}

void wb_cast_losses_add(wb_float_type from, const void *src, size_t count, wb_cast_losses *accumulator) {
  wb_cast_losses_add_at(wb_best_level(), from, src, count, accumulator);
}
