// The loops over the values of a tile; not part of the module. precision.c includes this file for binary32 and for binary64, with
//   WB_REAL   their type, float or double
//   WB_CODE   the unsigned integer of that size
//   WB_FRACTION_BITS   how many bits of the code are the fraction
//   WB_CODE_OF, WB_REAL_OF   functions from the one to the other
//   WB_NAMED  makes names of its own from those here
// Counters are as wide as the values, so that vectors of both have as many lanes.

/// Adds up to WB_TILE values. Each kind gives the same counts for the tiles that are of it.
ALWAYS_INLINE void WB_NAMED(add_values)(tile_kind kind, narrow_type type, const WB_REAL *values, size_t count, wb_cast_loss *loss) {
  const WB_CODE magnitude_mask = (WB_CODE)-1 >> 1, exponent_mask = magnitude_mask >> WB_FRACTION_BITS << WB_FRACTION_BITS;
  const WB_CODE dropped_bits = ((WB_CODE)1 << type.dropped_bit_count) - 1, lowest_binade = WB_CODE_OF((WB_REAL)type.normal_range);
  const WB_REAL largest_flushed = (WB_REAL)type.largest_flushed, smallest_normal = (WB_REAL)type.smallest_normal;
  const WB_REAL smallest_overflow = (WB_REAL)type.smallest_overflow, infinity = (WB_REAL)__builtin_inf();
  WB_CODE changed_count = 0, overflow_count = 0, flushed_count = 0, small_count = 0;
  for (size_t i = 0; i < count; i++) {
    WB_CODE code = WB_CODE_OF(values[i]) & magnitude_mask;
    WB_REAL magnitude = WB_REAL_OF(code);
    WB_CODE changes = (code & dropped_bits) != 0;
    if (kind != NORMAL && !type.shares_exponents) {
      // A sum with a power of two that is greater by as many binades as bits are dropped is rounded to the narrower type's spacing.
      // Where there is no such power, the value overflows.
      WB_CODE binade = code & exponent_mask;
      binade = binade > lowest_binade ? binade : lowest_binade;
      WB_REAL rounder = WB_REAL_OF(binade + ((WB_CODE)type.dropped_bit_count << WB_FRACTION_BITS));
      changes = magnitude + rounder - rounder != magnitude;
    }
    if (kind == ANYTHING) {
      WB_CODE is_finite = magnitude < infinity, overflows = (magnitude >= smallest_overflow) & is_finite;
      changes = (changes & is_finite) | overflows;
      overflow_count += overflows;
    }
    changed_count += changes;
    if (kind != NORMAL) {
      flushed_count += changes & (magnitude <= largest_flushed);
      small_count += changes & (magnitude < smallest_normal);
    }
  }
  loss->changed_count += changed_count;
  loss->overflow_count += overflow_count;
  loss->flushed_count += flushed_count;
  loss->subnormal_count += small_count - flushed_count;
}

/// The codes of the magnitudes in a tile: the largest, and the smallest but 0, less 1.
typedef struct {
  WB_CODE largest, before_smallest;
} WB_NAMED(range);

ALWAYS_INLINE WB_NAMED(range) WB_NAMED(range_of)(const WB_REAL *values, size_t count) {
  WB_CODE largest = 0, before_smallest = (WB_CODE)-1, magnitude_mask = (WB_CODE)-1 >> 1;
  for (size_t i = 0; i < count; i++) {
    // Before 0 comes the largest code, which is none of a magnitude.
    WB_CODE magnitude = WB_CODE_OF(values[i]) & magnitude_mask, before = magnitude - 1;
    largest = magnitude > largest ? magnitude : largest;
    before_smallest = before < before_smallest ? before : before_smallest;
  }
  return (WB_NAMED(range)){largest, before_smallest};
}

/// Adds a tile of that range in the quickest way.
ALWAYS_INLINE void WB_NAMED(add_tile)(narrow_type type, WB_NAMED(range) range, const WB_REAL *values, size_t count, wb_cast_loss *loss) {
  if (range.largest >= WB_CODE_OF((WB_REAL)type.smallest_overflow)) {
    WB_NAMED(add_values)(ANYTHING, type, values, count, loss);
  } else if (range.before_smallest < WB_CODE_OF((WB_REAL)type.normal_range) - 1) {
    WB_NAMED(add_values)(IN_RANGE, type, values, count, loss);
  } else {
    WB_NAMED(add_values)(NORMAL, type, values, count, loss);
  }
}

#undef WB_REAL
#undef WB_CODE
#undef WB_FRACTION_BITS
#undef WB_CODE_OF
#undef WB_REAL_OF
#undef WB_NAMED
