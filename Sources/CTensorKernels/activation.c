// The functions of a layer that need exponentials, in binary64 and rounded once to binary32.
//
// There is one code for every processor: vectors of eight doubles, which narrower processors take in several instructions. Each
// operation is one that IEEE 754 defines to the last bit (no fused multiply-add, no function of the C library), so that the results are
// the same everywhere.
#include <stdint.h>
#include <string.h>

#include "CTensorKernels.h"

#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline))

enum { WIDTH = 8 };

typedef float floats __attribute__((vector_size(4 * WIDTH)));
typedef int32_t bits32 __attribute__((vector_size(4 * WIDTH)));
typedef double doubles __attribute__((vector_size(8 * WIDTH)));
typedef int64_t bits64 __attribute__((vector_size(8 * WIDTH)));

// Vectors go by pointer: how a function receives so wide ones depends on the processor level it is compiled for.

/// Replaces x by chosen where the condition holds.
INLINE void replace(doubles *x, const bits64 *condition, double chosen) {
  *x = (doubles)(((bits64)((doubles){} + chosen) & *condition) | ((bits64)*x & ~*condition));
}

/// Replaces x by e^x with a relative error below 1e-11; 0 below -708 and infinity above 709.
INLINE void exponentiate(doubles *argument) {
  // x = n ln 2 + r, |r| <= ln 2 / 2. Adding 1.5 * 2^52 rounds to an integer, which is then in the low bits. ln 2 is in two parts, the
  // first with 32 bits, so that its product with n is exact.
  doubles x = *argument;
  bits64 too_small = x < -708, too_large = x > 709;
  doubles shifted = x * 0x1.71547652b82fep+0 + 0x1.8p52;
  doubles n = shifted - 0x1.8p52;
  doubles r = (x - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33;
  // The series up to r^9 / 9!; what is left out is at most 7e-12.
  doubles p = r * (1.0 / 362880) + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1;
  p = p * r + 1;
  *argument = p * (doubles)(((bits64)shifted + 1023) << 52);
  replace(argument, &too_small, 0);
  replace(argument, &too_large, __builtin_inf());
}

// MARK: The functions

/// tanh(u) = 1 - 2 / (1 + e^2u), so that 0.5 x (1 + tanh(u)) = x / (1 + e^-2u), which cancels nothing for negative x.
INLINE void gelu_tanh(doubles *x) {
  // -2 √(2/π)
  doubles e = (*x + *x * *x * *x * 0.044715) * -0x1.9884533d43651p+0;
  exponentiate(&e);
  *x = *x / (e + 1);
}

/// 1 + erf(z) is 2 - erfc(z) for positive and erfc(-z) for negative z, and erfc(a) = e^(-a²) t P(t), t = 1 / (1 + 0.3 a).
INLINE void gelu_erf(doubles *x) {
  doubles magnitude = (doubles)((bits64)*x & INT64_MAX);
  // 0.3 / √2
  doubles t = 1 / (magnitude * 0x1.b27247aff148fp-3 + 1);
  // P interpolates at the Chebyshev nodes of 0 <= a <= 10.4, beyond which binary32 knows no result: 3e-11 relative error.
  doubles p = t * -0x1.a13197af81b54p-6 + 0x1.8e83c815a1fe0p-3;
  p = p * t - 0x1.3a7779ccef555p-1;
  p = p * t + 0x1.0a3943abbbd9cp+0;
  p = p * t - 0x1.1e70bf37dc0b7p+0;
  p = p * t + 0x1.d873eeb828984p-1;
  p = p * t - 0x1.ac54dbee34554p-2;
  p = p * t + 0x1.2ed5df669b02bp-2;
  p = p * t + 0x1.121f86c296214p-4;
  p = p * t + 0x1.4419e9b3126d5p-3;
  p = p * t + 0x1.47b6cee87371dp-3;
  p = p * t + 0x1.5ae92e91e45bfp-3;
  p = p * t + 0x1.5aa0c214df149p-3;
  doubles e = *x * *x * -0.5;
  exponentiate(&e);
  e *= p * t;
  bits64 positive = *x > 0;
  doubles reflected = 2 - e;
  e = (doubles)(((bits64)reflected & positive) | ((bits64)e & ~positive));
  *x = *x * 0.5 * e;
}

INLINE void silu(doubles *x) {
  doubles e = -*x;
  exponentiate(&e);
  *x = *x / (e + 1);
}

// MARK: Over arrays

/// Rounds to binary32 and gives NaNs their one form.
INLINE void narrow(const doubles *x, float *result) {
  floats rounded = __builtin_convertvector(*x, floats);
  bits32 number = rounded == rounded;
  rounded = (floats)(((bits32)rounded & number) | (~number & 0x7FC00000));
  memcpy(result, &rounded, sizeof rounded);
}

/// Loads `count` values, at most WIDTH; `padding` fills up.
INLINE void load(const float *x, size_t count, float padding, floats *values) {
  if (count >= WIDTH) {
    memcpy(values, x, sizeof *values);
  } else {
    *values = (floats){} + padding;
    memcpy(values, x, count * sizeof *x);
  }
}

/// Stores `count` values, at most WIDTH.
INLINE void store(const doubles *values, size_t count, float *x) {
  if (count >= WIDTH) {
    narrow(values, x);
  } else {
    float rounded[WIDTH];
    narrow(values, rounded);
    memcpy(x, rounded, count * sizeof *x);
  }
}

#define APPLY(function)                                                 \
  for (size_t i = 0; i < count; i += WIDTH) {                           \
    floats values;                                                      \
    load(x + i, count - i, 0, &values);                                 \
    doubles wide = __builtin_convertvector(values, doubles);            \
    function(&wide);                                                    \
    store(&wide, count - i, x + i);                                     \
  }

INLINE void apply_gelu_tanh(float *x, size_t count) { APPLY(gelu_tanh) }
INLINE void apply_gelu_erf(float *x, size_t count) { APPLY(gelu_erf) }
INLINE void apply_silu(float *x, size_t count) { APPLY(silu) }

/// Entry i is in lane i mod 8, in order; the lanes are added as ((0+4)+(2+6))+((1+5)+(3+7)).
INLINE void apply_softmax_row(float *x, size_t count) {
  floats largest = (floats){} - __builtin_inff(), values;
  for (size_t i = 0; i < count; i += WIDTH) {
    load(x + i, count - i, -__builtin_inff(), &values);
    bits32 larger = values > largest;
    largest = (floats)(((bits32)values & larger) | ((bits32)largest & ~larger));
  }
  float maximum = largest[0];
  for (int lane = 1; lane < WIDTH; lane++) maximum = largest[lane] > maximum ? largest[lane] : maximum;

  // Exponentials are computed twice, for their sum and for the result, so that nothing is rounded to binary32 in between.
  doubles sums = {};
  for (size_t i = 0; i < count; i += WIDTH) {
    load(x + i, count - i, -__builtin_inff(), &values);
    doubles wide = __builtin_convertvector(values, doubles) - (double)maximum;
    exponentiate(&wide);
    sums += wide;
  }
  double sum = ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));

  for (size_t i = 0; i < count; i += WIDTH) {
    load(x + i, count - i, -__builtin_inff(), &values);
    doubles wide = __builtin_convertvector(values, doubles) - (double)maximum;
    exponentiate(&wide);
    wide /= sum;
    store(&wide, count - i, x + i);
  }
}

// MARK: Variants

#if defined(__x86_64__)
#define X86_VARIANTS(name)                                                                                               \
  __attribute__((target("avx2"))) static void name##_avx2(float *x, size_t count) { apply_##name(x, count); }           \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq"))) static void name##_avx512(float *x, size_t count) {     \
    apply_##name(x, count);                                                                                             \
  }
#define CHOOSE_X86(name)                                   \
  if (level == WB_AVX512) return name##_avx512(x, count);  \
  if (level == WB_AVX2) return name##_avx2(x, count);
#else
#define X86_VARIANTS(name)
#define CHOOSE_X86(name)
#endif

#define DEFINE(name)                                                 \
  X86_VARIANTS(name)                                                 \
  void wb_##name##_at(wb_level level, float *x, size_t count) {      \
    (void)level;                                                     \
    CHOOSE_X86(name)                                                 \
    apply_##name(x, count);                                          \
  }                                                                  \
  void wb_##name(float *x, size_t count) { wb_##name##_at(wb_best_level(), x, count); }

DEFINE(gelu_tanh)
DEFINE(gelu_erf)
DEFINE(silu)
DEFINE(softmax_row)
