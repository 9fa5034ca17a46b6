/// The few loops over elements that are worth writing in C: casts between float types, CRC-32, SHA-256, transposition, byte swaps,
/// sums, statistics and losses of precision; products of matrices with vectors, and what else a transformer's layers compute; and
/// quantization to the block formats of GGUF and back.
///
/// Swift code is compiled for baseline x86-64 and cannot ask for AVX at run time; C can, function by function. Each kernel that
/// has a fast variant also has a portable one, which is its specification: every variant gives the same bits and the same
/// report. Nothing here allocates, fails or keeps state, so everything may be called from any thread.
///
/// Where to read: `cast.c` (dispatch) -> `cast_portable.c` (the meaning) -> `cast_avx2.c`, `cast_avx512.c`, `cast_neon.c`;
/// `crc32.c`, `crc32c.c` -> `crc_tables.h`; `fletcher32.c`; `transpose.c`; `shuffle.c`; `statistics.c` -> `small_float.c`; `precision.c` -> `precision_loops.h`;
/// `sha256.c` -> `sha256_sha.c`; `swap_bytes.c`; `accumulate.c`; `packed_codes.c`; `census.c`; `level.c`;
/// `product.c` -> `product_portable.c` (the meaning) -> `product_loops.h`, `product_avx2.c`, …; `activation.c`; `norm.c`;
/// `scale_search.h` (better scales) -> `refine.c`, `mlx_refine.c`, `ct_refine.c`;
/// `block_formats.h` (the bytes) -> `dequantize.c`, `quantize.c`, `block_parts.c`; what comes after these is said in `block_kernels.h`;
/// `packed_rows.h` -> `mlx.c`, `compressed_tensors.c`; `moment_tiles.h` -> `moments.c`; `feedback.c` -> `feedback_formats.c`;
/// `ulp.c` (the meaning) -> `ulp_loops.h`, `ulp_avx2.c`, `ulp_neon.c`; `xxh3.c`.
#ifndef CTENSORKERNELS_H
#define CTENSORKERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// MARK: Processor levels

/// The instruction sets that a kernel may have a variant for.
typedef enum { WB_PORTABLE = 0, WB_AVX2 = 1, WB_AVX512 = 2, WB_NEON = 3 } wb_level;

/// Returns the fastest level that this processor runs.
wb_level wb_best_level(void);

/// Returns whether this processor runs `level`.
bool wb_level_available(wb_level level);

// MARK: Casts

/// The float types that `wb_cast` converts between: IEEE 754 binary64, binary32, binary16, and bfloat16.
typedef enum { WB_F64 = 0, WB_F32 = 1, WB_F16 = 2, WB_BF16 = 3 } wb_float_type;

/// What a cast did to the values.
typedef struct {
  /// Elements whose value changed, the overflowed ones included; never a NaN.
  uint64_t rounded_count;
  /// Largest |exact - result| over elements with a finite result, in units of the output type's spacing in the exact value's
  /// binade (below the smallest normal number: the subnormal spacing). 0 when nothing was rounded, never above 0.5.
  double largest_error_ulp;
  /// Finite inputs whose result is infinite.
  uint64_t overflow_count;
  /// Index in this call of the first such input; `UINT64_MAX` if there is none.
  uint64_t first_overflow;
  /// Value of that input; 0 if there is none.
  double first_overflow_value;
} wb_cast_report;

/// Converts `count` elements, rounding each exact value once, to nearest even.
///
/// Subnormal numbers are kept, overflow gives infinity, zeros keep their sign. A NaN keeps its sign and the payload bits that
/// fit, and becomes quiet. A cast to the same type copies bytes and reports nothing.
///
/// `src` and `dst` are aligned to their elements and don't overlap. `report` is overwritten; it may be null. The caller's
/// floating-point environment must be the default one (nearest even, subnormals not flushed).
void wb_cast(wb_float_type from, wb_float_type to, const void *src, void *dst, size_t count, wb_cast_report *report);

/// Does the same as `wb_cast` with the variant for `level`, which must be available.
void wb_cast_at(wb_level level, wb_float_type from, wb_float_type to, const void *src, void *dst, size_t count,
                wb_cast_report *report);

// MARK: Differences

/// Writes how far each element of `fork` is from the same element of `base`, as unsigned integers of their size that are small where they are near.
///
/// Elements have 1, 2, 4 or 8 bytes, little-endian. Floats have their sign in the highest bit; their distance is counted in units in the last place,
/// that of integers is their difference, modulo 2^width; both as zigzag: 0, -1, 1, -2, … become 0, 1, 2, 3, …. Every bit pattern survives, NaNs and
/// both zeros included. Needs no alignment. `z` may be `fork` or `base`; otherwise nothing overlaps.
void wb_ulp_encode(const void *fork, const void *base, void *z, size_t count, size_t size, bool is_float);

/// Undoes `wb_ulp_encode`: gives the fork's elements, of the base's and of how far they are from these. `fork` may be `z` or `base`.
void wb_ulp_decode(const void *z, const void *base, void *fork, size_t count, size_t size, bool is_float);

/// Do the same with the variant for `level`, which must be available.
void wb_ulp_encode_at(wb_level level, const void *fork, const void *base, void *z, size_t count, size_t size, bool is_float);
void wb_ulp_decode_at(wb_level level, const void *z, const void *base, void *fork, size_t count, size_t size, bool is_float);

/// Returns whether all bytes are zero.
bool wb_is_zero(const void *data, size_t byte_count);

/// Writes the exclusive or of two runs of bytes. `result` may be one of them; otherwise nothing overlaps.
void wb_xor(const void *left, const void *right, void *result, size_t byte_count);

// MARK: XXH3

/// What has gone into a checksum so far; its members are of no concern to callers.
typedef struct {
  uint64_t sums[8];
  uint64_t byte_count;
  size_t waiting;
  uint8_t block[1024];
  uint8_t tail[64];
} wb_xxh3;

/// A checksum of 128 bits.
typedef struct {
  uint64_t low;
  uint64_t high;
} wb_xxh3_digest;

/// Begins XXH3's checksum of 128 bits, without seed.
void wb_xxh3_begin(wb_xxh3 *state);

/// Takes in the next bytes.
void wb_xxh3_update(wb_xxh3 *state, const void *data, size_t byte_count);

/// Returns the checksum of all bytes so far. Its usual text is `high`, then `low`, in 16 hexadecimal digits each.
wb_xxh3_digest wb_xxh3_end(const wb_xxh3 *state);

// MARK: Layout

/// Transposes a matrix of `rows` x `columns` elements of 1, 2, 4 or 8 bytes into one of `columns` x `rows`.
///
/// Strides are in bytes, from one row to the next. Matrices are aligned to their elements and don't overlap.
void wb_transpose(const void *src, size_t src_row_stride, void *dst, size_t dst_row_stride, size_t rows, size_t columns,
                  size_t element_size);

/// Copies `count` elements of 1, 2, 4 or 8 bytes. Steps are in bytes, from one element to the next. Needs no alignment.
void wb_gather(const void *src, size_t src_step, void *dst, size_t dst_step, size_t count, size_t element_size);

/// Reverses, in place, the bytes of each element of 1, 2, 4 or 8 bytes. Needs no alignment.
void wb_swap_bytes(void *data, size_t element_count, size_t element_size);

/// Does the same in each of some rows of `row_byte_count` bytes that begin `row_stride` bytes apart.
void wb_swap_rows(void *data, size_t row_stride, size_t rows, size_t row_byte_count, size_t element_size);

/// Gathers the first bytes of all elements, then their second bytes, and so on: HDF5's shuffle filter.
///
/// Elements may have any number of bytes; 1, 2, 4 and 8 are fast. Needs no alignment. `src` and `dst` don't overlap.
void wb_shuffle(const void *src, void *dst, size_t element_count, size_t element_size);

/// Undoes `wb_shuffle`.
void wb_unshuffle(const void *src, void *dst, size_t element_count, size_t element_size);

/// Does the same for the first `element_count` of `shuffled_count` elements that were shuffled together.
void wb_unshuffle_first(const void *src, void *dst, size_t element_count, size_t shuffled_count, size_t element_size);

// MARK: Arithmetic

/// Adds `addend` to `accumulator`, element by element, in IEEE binary32 arithmetic. They don't overlap. A result that is NaN is the first
/// operand's, else the other's, made quiet, else 0x7fc00000, on every machine.
void wb_add_f32(float *accumulator, const float *addend, size_t count);

/// Does the same, and adds to the report what the sums round off: errors in units of binary32's spacing at the exact sum.
void wb_add_reporting_f32(float *accumulator, const float *addend, size_t count, wb_cast_report *report);

/// Subtracts `other` likewise.
void wb_subtract_f32(float *accumulator, const float *other, size_t count);

/// Multiplies by `other` likewise.
void wb_multiply_f32(float *accumulator, const float *other, size_t count);

/// Divides by `other` likewise.
void wb_divide_f32(float *accumulator, const float *other, size_t count);

// MARK: Products with a vector

/// Computes y[r] = Σ_c W[r, c] · x[c] in binary32, for weights in any float type; binary64 is rounded to binary32 first, slowly.
///
/// W is `rows` x `columns`, aligned to its elements, with `row_stride_bytes` (a multiple of their size) from one row to the next; x has
/// `columns` elements, y has `rows` and overlaps neither. The order of the additions is fixed: the product of column c is added to lane
/// c mod 32, columns in order, lanes starting from +0; then lane i takes lane i + 16, i + 8, i + 4, i + 2, i + 1 in turn. Products are
/// rounded before they are added (no fused multiply-add, which not every processor has). A NaN is always 0x7FC00000.
///
/// Rows don't depend on each other, so that threads may each take some.
void wb_matvec(wb_float_type type, const void *weights, size_t rows, size_t columns, size_t row_stride_bytes, const float *x,
               float *y);

/// Computes y[c] = Σ_r x[r] · W[r, c]: the same product for weights that are stored as [in, out].
///
/// x has `rows` elements, y has `columns`. For each column, starting from +0, rows are added in groups of eight, each group summed
/// as ((0+1)+(2+3))+((4+5)+(6+7)) first; the `rows` mod 8 last ones one by one. All else as for `wb_matvec`, but here threads may each
/// take some columns.
void wb_vecmat(wb_float_type type, const void *weights, size_t rows, size_t columns, size_t row_stride_bytes, const float *x,
               float *y);

/// Do the same with the variant for `level`, which must be available.
void wb_matvec_at(wb_level level, wb_float_type type, const void *weights, size_t rows, size_t columns, size_t row_stride_bytes,
                  const float *x, float *y);
void wb_vecmat_at(wb_level level, wb_float_type type, const void *weights, size_t rows, size_t columns, size_t row_stride_bytes,
                  const float *x, float *y);

// MARK: Functions of a layer

// These compute in binary64 and round once to binary32, so that results are within 0.501 ulp of the exact ones, and the same on
// every machine. A NaN is always 0x7FC00000.

/// Replaces each x by 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))): gelu_new, gelu_pytorch_tanh. -infinity gives NaN, as the formula.
void wb_gelu_tanh(float *x, size_t count);

/// Replaces each x by 0.5 x (1 + erf(x / √2)): gelu. -infinity gives NaN, as the formula.
void wb_gelu_erf(float *x, size_t count);

/// Replaces each x by x / (1 + exp(-x)). -infinity gives NaN, as the formula.
void wb_silu(float *x, size_t count);

/// Replaces a row by exp(x - maximum) / Σ exp(x - maximum). Masked entries are -infinity and become 0.
///
/// A row that is masked entirely, or has a NaN or +infinity, becomes NaNs.
void wb_softmax_row(float *row, size_t count);

/// Do the same with the variant for `level`, which must be available.
void wb_gelu_tanh_at(wb_level level, float *x, size_t count);
void wb_gelu_erf_at(wb_level level, float *x, size_t count);
void wb_silu_at(wb_level level, float *x, size_t count);
void wb_softmax_row_at(wb_level level, float *row, size_t count);

/// y = (x - mean) / √(variance + epsilon) · weight + bias, with the variance over `count`. Weight and bias may be null; y may be x.
void wb_layer_norm(const float *x, const float *weight, const float *bias, float *y, size_t count, double epsilon);

/// y = x / √(mean of x² + epsilon) · weight. Weight may be null; y may be x.
void wb_rms_norm(const float *x, const float *weight, float *y, size_t count, double epsilon);

// MARK: Blocks of quantized weights

/// The block formats of GGUF that are known here, by their number in such a file (`ggml_type`).
///
/// A block stands for a fixed number of consecutive weights of a row:
///
/// | type | weights | bytes | a weight |
/// |---|---|---|---|
/// | `WB_Q8_0` | 32 | 34 | d q, q in -127 ... 127 |
/// | `WB_Q4_0`, `WB_Q5_0` | 32 | 18, 22 | d (q - 8), d (q - 16) |
/// | `WB_Q4_1`, `WB_Q5_1` | 32 | 20, 24 | d q + m |
/// | `WB_Q2_K` | 256 | 84 | 16 groups: d s q - m t; q 2 bits, s and t 4 bits |
/// | `WB_Q3_K` | 256 | 110 | 16 groups: d (s - 32) (q - 4); q 3 bits, s 6 bits |
/// | `WB_Q4_K`, `WB_Q5_K` | 256 | 144, 176 | 8 groups: d s q - m t; s and t 6 bits |
/// | `WB_Q6_K` | 256 | 210 | 16 groups: d s (q - 32); s 8 bits |
/// | `WB_IQ4_NL`, `WB_IQ4_XS` | 32, 256 | 18, 136 | a table of 16 values, with one scale or 8 of 6 bits |
/// | `WB_MXFP4`, `WB_NVFP4` | 32, 64 | 17, 36 | floats of 4 bits, with one scale of E8M0 or 4 of E4M3 |
///
/// d and m are binary16, little-endian. `block_formats.h` has every byte. Blocks need no alignment.
typedef enum {
  WB_Q4_0 = 2,
  WB_Q4_1 = 3,
  WB_Q5_0 = 6,
  WB_Q5_1 = 7,
  WB_Q8_0 = 8,
  WB_Q2_K = 10,
  WB_Q3_K = 11,
  WB_Q4_K = 12,
  WB_Q5_K = 13,
  WB_Q6_K = 14,
  WB_IQ4_NL = 20,
  WB_IQ4_XS = 23,
  WB_MXFP4 = 39,
  WB_NVFP4 = 40
} wb_block_type;

/// Returns how many weights a block stands for; 0 for an unknown type.
size_t wb_block_length(wb_block_type type);

/// Returns how many bytes a block has; 0 for an unknown type.
size_t wb_block_byte_count(wb_block_type type);

/// Writes the weights that `block_count` blocks stand for: the same bits as ggml's dequantize_row functions on any processor, but for
/// the sign of a NaN, which only a block with a scale that isn't finite has. `out` is aligned to its elements.
void wb_dequantize(wb_block_type type, const void *blocks, size_t block_count, float *out);

/// Quantizes rows, to the bytes that ggml's quantize functions give in IEEE arithmetic.
///
/// ggml's own bytes depend on how it was compiled: a compiler that fuses products and sums (arm64, or -march=native) changes up to a
/// third of the blocks of some types. Here, as in its builds for x86-64 without FMA, each operation is rounded, in the order of the
/// source, on every processor.
///
/// `row_length` is a multiple of `wb_block_length`. `importance`, if not null, has `row_length` elements, none negative: how much an
/// error in each column counts (the mean square of what is multiplied with it); Q8_0, MXFP4 and NVFP4 have no use for it. Rows don't
/// depend on each other, so that threads may each take some. `rows` is aligned to its elements; `blocks` doesn't overlap it.
///
/// The rows must be finite, and so must the sums of their squares be; for other values the blocks have the right size and that is all.
/// The caller's floating-point environment must be the default one.
void wb_quantize(wb_block_type type, const float *rows, size_t row_count, size_t row_length, const float *importance, void *blocks);

/// Does the same with the variant for `level`, which must be available.
void wb_quantize_at(wb_level level, wb_block_type type, const float *rows, size_t row_count, size_t row_length,
                    const float *importance, void *blocks);

/// Puts better blocks in the stead of some that `wb_quantize` has made of the same rows: scales, and offsets where there are any, are searched for, as they
/// are stored, so that Σ importance · (weight - value)² is as small as the search gets it. A block stays as it is unless another's sum is less.
///
/// Parameters are those of `wb_quantize`, and the variant for `level`, which
/// must be available; all give the same bytes.
void wb_refine(wb_level level, wb_block_type type, const float *rows, size_t row_count, size_t row_length, const float *importance,
               void *blocks);

/// How far blocks are from the weights that they were made of, for those seen so far; zero at first.
typedef struct {
  /// Weights.
  uint64_t count;
  /// Σ (x - y)², Σ x² and Σ x (x - y) for weights x and blocks' values y. Not finite if one of these isn't.
  double squared_error, squared_values, error_product;
  /// The largest |x - y|, and the first weight that has it.
  float largest_error;
  uint64_t largest_error_place;
  /// Blocks whose values are all zero, and those of them whose weights were not.
  uint64_t zero_block_count, flushed_block_count;
} wb_block_errors;

/// Compares `block_count` blocks with the weights that they were made of, and adds that to `accumulator`. `values` is aligned.
void wb_block_errors_add(wb_block_type type, const float *values, const void *blocks, size_t block_count, wb_block_errors *accumulator);

/// Does the same with the variant for `level`, which must be available.
void wb_block_errors_add_at(wb_level level, wb_block_type type, const float *values, const void *blocks, size_t block_count,
                            wb_block_errors *accumulator);

/// Adds the errors of values that are there already, in blocks of `block_length`; the last may be shorter.
void wb_value_errors_add(const float *values, const float *rounded, size_t count, size_t block_length, wb_block_errors *accumulator);

/// Adds Σ importance · (value - rounded)² and Σ importance · value² to two sums.
void wb_weighted_errors_add(const float *values, const float *rounded, const float *importance, size_t count, double *squared_error,
                            double *squared_values);

// MARK: Blocks in two forms

// Of blocks of 32 weights with codes that are numbers: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and MXFP4. Codes are 0 to 2^bits - 1, a block's in
// 4 · bits bytes, lowest bits first; those of Q8_0 are more by 128. Scales and minima have 16 bits, scales of MXFP4 8.

/// Makes `count` blocks, `stride` bytes apart, of codes, scales and minima; these are null for types without.
void wb_blocks_join(wb_block_type type, const void *codes, const void *scales, const void *minima, size_t count, void *blocks,
                    size_t stride);

/// Takes `count` blocks, which follow each other, apart; what is null isn't written.
void wb_blocks_split(wb_block_type type, const void *blocks, size_t count, void *codes, void *scales, void *minima);

// MARK: Matrices as MLX quantizes them

/// What the codes of a group stand for.
typedef enum {
  /// Multiples of a scale, plus a bias.
  WB_MLX_AFFINE = 0,
  /// E2M1 times a power of two.
  WB_MLX_MXFP4 = 1,
  /// E2M1 times an E4M3.
  WB_MLX_NVFP4 = 2,
  /// E4M3 times a power of two.
  WB_MLX_MXFP8 = 3
} wb_mlx_mode;

/// A way to quantize: bits of a code (1 to 8), weights of a group (a multiple of 8, at most 128), and the dtype of weights, scales and
/// biases: binary32, binary16 or bfloat16.
typedef struct {
  wb_mlx_mode mode;
  unsigned bits;
  unsigned group;
  wb_float_type dtype;
} wb_mlx_format;

/// Returns how many bytes a row of `row_length` weights, a multiple of the group, takes: codes, then scales, then biases where there
/// are any.
size_t wb_mlx_row_byte_count(wb_mlx_format format, size_t row_length);

/// Quantizes rows of values that the format's dtype has, to the bytes that mx.quantize gives on MLX's CPU backend; `packed` rows are
/// `stride` bytes apart, at even addresses, and don't overlap `rows`.
///
/// Where the largest weight of a group is so small that MLX's byte for the exponent wraps around (below 2^-126 times 6 or 448), the
/// smallest normal scale is taken. For values that aren't finite the bytes have the right size and that is all.
void wb_mlx_quantize(wb_mlx_format format, const float *rows, size_t row_count, size_t row_length, void *packed, size_t stride);

/// Writes the values that packed rows stand for, in binary32, product and sum each rounded.
void wb_mlx_dequantize(wb_mlx_format format, const void *packed, size_t stride, size_t row_count, size_t row_length, float *rows);

/// Puts better scales, biases and codes in the stead of those that `wb_mlx_quantize` has made of the same rows, as `wb_refine` does. `importance`, if not null,
/// has `row_length` elements.
void wb_mlx_refine(wb_level level, wb_mlx_format format, const float *rows, size_t row_count, size_t row_length, const float *importance,
                   void *packed, size_t stride);

// MARK: Matrices as compressed-tensors stores them

/// What the codes of a group stand for.
typedef enum {
  /// Multiples of a scale, symmetric around 0.
  WB_CT_INTEGERS = 0,
  /// E4M3 times a scale.
  WB_CT_E4M3 = 1,
  /// E2M1 times an E4M3 that is divided by a scale of the tensor.
  WB_CT_NVFP4 = 2,
  /// E2M1 times a power of two.
  WB_CT_MXFP4 = 3,
  /// E4M3 times a power of two.
  WB_CT_MXFP8 = 4
} wb_ct_mode;

/// A way to quantize.
typedef struct {
  wb_ct_mode mode;
  /// Of a code: 4 or 8.
  unsigned bits;
  /// Codes of a row fill whole words of so many bits: 8, or 32. Integers in words of 32 bits are stored with an offset of half their range.
  unsigned word_bits;
  /// Weights of a row that share a scale, an even number; 0 for all of them. The last group may have fewer.
  unsigned group;
  /// Rows that share scales, at least 1.
  unsigned rows;
  /// Of weights, and of scales where the mode has them as floats: binary32, binary16 or bfloat16.
  wb_float_type dtype;
  /// What scales of groups are more by (NVFP4): positive and finite.
  float tensor_scale;
} wb_ct_format;

/// Returns how many bytes a row of `row_length` weights takes: codes, then scales.
size_t wb_ct_row_byte_count(wb_ct_format format, size_t row_length);

/// Quantizes rows of values that the format's dtype has, with the scales that compressed-tensors has for minima and maxima, each to the
/// nearest code; `packed` rows are `stride` bytes apart and don't overlap `rows`. The first row is the first of those that share scales; the
/// last may be any of them, and is then the matrix's.
///
/// For values that aren't finite the bytes have the right size and that is all.
void wb_ct_quantize(wb_ct_format format, const float *rows, size_t row_count, size_t row_length, void *packed, size_t stride);

/// Writes the values that packed rows stand for, in binary32, each operation rounded.
void wb_ct_dequantize(wb_ct_format format, const void *packed, size_t stride, size_t row_count, size_t row_length, float *rows);

/// Puts better scales and codes in the stead of those that `wb_ct_quantize` has made of the same rows, as `wb_refine` does. The scale of a tensor stays.
void wb_ct_refine(wb_level level, wb_ct_format format, const float *rows, size_t row_count, size_t row_length, const float *importance,
                  void *packed, size_t stride);

// MARK: Second moments, and rounding by them

// The upper triangle of a symmetric matrix, and later of its factor, lies in tiles of 8 x 8 doubles (`moment_tiles.h`).

/// Returns how many doubles the triangle of a matrix of so many columns takes.
size_t wb_moments_count(size_t columns);

/// Returns how many rows can be summed up at once, and how many doubles they take when they are widened.
size_t wb_moments_rows_at_once(void);
size_t wb_moments_scratch_count(size_t columns);

/// Widens rows, at most `wb_moments_rows_at_once`, for sums over them: columns of tiles from `first` to `end`.
void wb_moments_widen(const float *rows, size_t row_count, size_t columns, size_t first, size_t end, double *wide);

/// Adds Σ x_i x_j over widened rows to a column of tiles of the triangle, products exact and sums in the order of the rows. Threads may take columns each.
void wb_moments_add(wb_level level, const double *wide, size_t row_count, size_t column, double *tiles);

/// Writes a row of the whole matrix, divided by a count; returns false if a number isn't finite.
bool wb_moments_row(const double *tiles, size_t columns, size_t place, double count, float *row);

/// What is wrong with a row of a matrix of second moments.
enum { WB_MOMENTS_FINE = 0, WB_MOMENTS_NOT_FINITE = 1, WB_MOMENTS_NEGATIVE = 2, WB_MOMENTS_ASYMMETRIC = 3 };

/// Puts a row of the whole matrix into the triangle; rows come in their order. Returns what is wrong with it: a number that isn't finite, a square below 0, or
/// elements that differ by more than a thousandth of √(H_ii · H_jj) from those of the rows before.
int wb_moments_put_row(const float *row, size_t columns, size_t place, double *tiles);

/// Adds a share of the diagonal's mean to the diagonal, which is returned, and makes what is beyond the matrix in the last tiles that of a factor.
double wb_moments_damp(double *tiles, size_t columns, double share);

// The factor R, upper triangular, of H = R Rᵀ, in the stead of H: from `end` = all `across` columns of tiles on, those of `wb_factor_start(end)` on at once, the
// corner first, then each row of tiles above it, which threads may take each.

/// Returns the first of the columns of tiles that are made together with those before `end`.
size_t wb_factor_start(size_t end);
/// Returns false where the matrix isn't positive definite.
bool wb_factor_corner(wb_level level, double *tiles, size_t across, size_t end);
void wb_factor_row(wb_level level, double *tiles, size_t across, size_t end, size_t row);

/// Writes R_ii²: what is left of an input when those after it are known, and so how much errors in its column count.
void wb_factor_squares(const double *tiles, size_t columns, float *squares);

/// The factor of damped second moments.
typedef struct {
  size_t columns;
  const double *tiles;
  /// What was added to the diagonal.
  double damping;
} wb_moment_factor;

/// A format of any container.
typedef enum { WB_FEEDBACK_BLOCKS, WB_FEEDBACK_MLX, WB_FEEDBACK_CT } wb_feedback_container;
typedef struct {
  wb_feedback_container container;
  wb_block_type type;
  wb_mlx_format mlx;
  wb_ct_format ct;
} wb_feedback_format;

/// Returns whether codes of the format are free once scales are chosen, and rows fill its groups.
bool wb_feedback_takes(wb_feedback_format format, size_t row_length);

/// Returns how many bytes `wb_feedback` works in, aligned to 64.
size_t wb_feedback_scratch_byte_count(wb_feedback_format format, size_t row_length);

/// Outputs' errors of rows, w H wᵀ; zero at first.
typedef struct {
  uint64_t row_count, improved_row_count;
  /// Of the weights themselves, of what was there before, and of what is there now.
  double squared_values, squared_error_before, squared_error;
} wb_feedback_sums;

/// Puts rows of which each makes up for its own errors in the stead of packed ones, `stride` bytes apart, wherever the layer's output is nearer by that.
///
/// `importance`, of columns, is what scales are searched with; null if they count the same. The same bytes and sums come out at all levels, and for rows in any
/// portions.
void wb_feedback(wb_level level, wb_feedback_format format, const wb_moment_factor *factor, const float *rows, size_t row_count,
                 const float *importance, void *packed, size_t stride, void *scratch, wb_feedback_sums *sums);

// MARK: Checksums

/// Returns the CRC-32 of zip and gzip of the bytes seen so far: pass 0 at first, then the previous result (as zlib's `crc32`).
uint32_t wb_crc32(uint32_t crc, const void *data, size_t count);

/// Returns HDF5's Fletcher-32 of some bytes.
uint32_t wb_fletcher32(const void *data, size_t count);

/// Does the same as `wb_crc32` with the variant for `level`, which must be available.
uint32_t wb_crc32_at(wb_level level, uint32_t crc, const void *data, size_t count);

/// Returns the CRC-32C of the bytes seen so far: pass 0 at first, then the previous result.
uint32_t wb_crc32c(uint32_t crc, const void *data, size_t count);

/// Does the same as `wb_crc32c` with the variant for `level`, which must be available.
uint32_t wb_crc32c_at(wb_level level, uint32_t crc, const void *data, size_t count);

/// Returns the CRC-32C of two runs of bytes one after the other, of their own and the number of bytes in the second.
uint32_t wb_crc32c_joined(uint32_t first, uint32_t second, uint64_t second_count);

// MARK: SHA-256

/// A SHA-256 under way (FIPS 180-4), of a message that arrives piece by piece; messages have less than 2^61 bytes.
typedef struct {
  uint32_t state[8];
  uint64_t byte_count;
  /// The beginning of the next block.
  uint8_t pending[64];
  bool accelerated;
} wb_sha256;

/// Returns whether this processor has instructions for it that are used here.
bool wb_sha256_is_accelerated(void);

/// Returns a SHA-256 of nothing yet, with or without these instructions: with them only where they are.
wb_sha256 wb_sha256_started(bool accelerated);

/// Takes in the next bytes.
void wb_sha256_update(wb_sha256 *hash, const void *bytes, size_t count);

/// Takes the next bytes into two: where it is accelerated, as much of both as the shorter has takes hardly longer than one.
///
/// The bytes may be the same or overlap; the two hashes must differ.
void wb_sha256_update_two(wb_sha256 *first, const void *first_bytes, size_t first_count, wb_sha256 *second,
                          const void *second_bytes, size_t second_count);

/// Writes the digest of all bytes so far; more may follow.
void wb_sha256_digest(const wb_sha256 *hash, uint8_t digest[32]);

// MARK: Statistics

/// The element types that statistics are gathered for.
typedef enum {
  WB_STAT_F64,
  WB_STAT_F32,
  WB_STAT_F16,
  WB_STAT_BF16,
  WB_STAT_I8,
  WB_STAT_I16,
  WB_STAT_I32,
  WB_STAT_I64,
  WB_STAT_U8,
  WB_STAT_U16,
  WB_STAT_U32,
  WB_STAT_U64,
  /// One byte; every value but 0 counts as 1.
  WB_STAT_BOOL,
  WB_STAT_F8_E4M3,
  WB_STAT_F8_E5M2,
  WB_STAT_F8_E4M3FNUZ,
  WB_STAT_F8_E5M2FNUZ,
  WB_STAT_F8_E8M0
} wb_stat_type;

/// Counts, range and moments of the elements seen so far. 64-bit integers take part as the nearest double.
typedef struct {
  uint64_t count, zero_count, nan_count, positive_infinity_count, negative_infinity_count, finite_count;
  /// Over finite values; +infinity and -infinity if there are none.
  double minimum, maximum;
  /// The first finite value, if there has been one: the moments are about it.
  double shift;
  bool has_shift;
  /// Of `value - shift` over finite values: mean = shift + sum / n, variance = (sum_of_squares - sum * sum / n) / n.
  double sum, sum_of_squares;
} wb_statistics;

/// Makes `statistics` those of no elements.
void wb_statistics_begin(wb_statistics *statistics);

/// Adds `count` elements, aligned to their size, to `accumulator`.
///
/// The order of the additions is fixed, so sums are the same on every machine. A tensor that is fed in several calls gives the
/// same sums as in one call if every call but the last has a multiple of 4096 elements.
void wb_statistics_add(wb_stat_type type, const void *src, size_t count, wb_statistics *accumulator);

/// Returns the value of an 8-bit float; NaN for a type that isn't one of the `WB_STAT_F8` family.
float wb_small_float(wb_stat_type type, uint8_t code);

// MARK: Census

/// What of the elements seen so far no weights should be. Begins with zeros.
typedef struct {
  /// Elements, or blocks.
  uint64_t count;
  uint64_t nan_count, infinity_count;
  /// Of the infinite ones those below zero.
  uint64_t negative_infinity_count;
  /// The first NaN and the first infinity: which weight it is.
  uint64_t first_nan, first_infinity;
  /// Whether one is neither 0 nor -0.
  bool has_value;
  /// Whether one of those is finite; of blocks always.
  bool has_finite_value;
  /// Whether one has other bits than the first; of blocks always.
  bool is_varied;
  uint64_t first;
  /// Bytes of zeros that the elements end with.
  uint64_t zeros_at_end;
} wb_census;

/// Adds `count` elements of `width` bytes, aligned to their size. Integers are neither NaN nor infinite; two floats of a complex number count as two.
void wb_census_add(wb_stat_type type, size_t width, const void *src, size_t count, wb_census *census);

/// Adds blocks: what their weights are; all below a scale of 8 bits that is NaN are NaN.
void wb_census_add_blocks(wb_block_type type, const void *src, size_t block_count, wb_census *census);

// MARK: Packed codes

/// What packed codes stand for. Those of `bits` bits follow each other in a stream of bytes, lowest bits first.
typedef enum {
  /// 0 ... 2^bits - 1.
  WB_CODE_UNSIGNED,
  /// That less 2^(bits - 1).
  WB_CODE_EXCESS,
  /// Stored less one; where `bits` divides 32, less one in every field of a 32-bit word at once, with borrows.
  WB_CODE_LESS_ONE,
  /// Floats of 4 bits, E2M1.
  WB_CODE_FP4,
  /// 0 ... 15, in words of eight of which columns 0 2 4 6 1 3 5 7 follow each other.
  WB_CODE_AWQ,
  /// 0 ... 15, the higher half of a byte first.
  WB_CODE_HIGH_FIRST,
  /// Floats of 8 bits.
  WB_CODE_E4M3,
  WB_CODE_E5M2,
  /// Powers of two.
  WB_CODE_E8M0,
  /// Signed bytes.
  WB_CODE_INT8
} wb_code;

/// Writes `count` numbers of a row of codes, of which the first `first` are passed over.
///
/// `bits` is 1 ... 8, and 4 or 8 where the code says it. `src` is read up to the end of the last code's byte, with `WB_CODE_AWQ` and
/// `WB_CODE_LESS_ONE` of its 32-bit word.
void wb_decode(wb_code code, unsigned bits, const void *src, size_t first, size_t count, float *dst);

/// Writes `count` rows of numbers whose codes follow each other down the columns of a matrix of 32-bit words.
///
/// The first `first` rows are passed over; rows of `dst` are `stride` bytes apart. `code` is one of the first four, and not `WB_CODE_LESS_ONE`.
void wb_decode_rows(
  wb_code code, unsigned bits, const void *src, size_t columns, size_t first, size_t count, float *dst, size_t stride
);

/// Puts `count` numbers, each the nearest of 0 ... 2^bits - 1, in the stead of their first bytes, one after the other, lowest bits first; 0 for NaN.
///
/// `bits` is 1 ... 8, and codes fill bytes.
void wb_encode(float *numbers, size_t count, unsigned bits);

/// Writes `count` elements of a row of which each value counts for `width`; `first` of them are passed over, and `values` begins with that of the
/// first that is written.
void wb_spread_f32(const float *values, size_t first, size_t width, size_t count, float *dst);

/// Puts values of a table in the stead of their places; returns false, with some replaced, if a place isn't there.
bool wb_look_up_f32(const float *table, size_t table_count, float *places, size_t count);

// MARK: Effective precision

/// What a cast to one type would do to the values seen so far. NaNs stay NaNs and count for nothing.
typedef struct {
  /// Values that would change, all those below among them: `rounded_count` of the cast.
  uint64_t changed_count;
  /// Finite values that would become infinite.
  uint64_t overflow_count;
  /// Values other than zero that would become zero.
  uint64_t flushed_count;
  /// Values that would change and become subnormal numbers, with fewer significant bits than the type has elsewhere.
  uint64_t subnormal_count;
} wb_cast_loss;

/// What casts to each type would do. Of a type that holds every value of the source's all counts stay 0.
typedef struct {
  wb_cast_loss to_f32, to_f16, to_bf16;
} wb_cast_losses;

/// Adds what `wb_cast` would do to `count` elements, aligned to their size, to `accumulator`, which is zero at first.
///
/// The caller's floating-point environment must be the default one (nearest even, subnormals not flushed).
void wb_cast_losses_add(wb_float_type from, const void *src, size_t count, wb_cast_losses *accumulator);

/// Does the same with the variant for `level`, which must be available.
void wb_cast_losses_add_at(wb_level level, wb_float_type from, const void *src, size_t count, wb_cast_losses *accumulator);

#ifdef __cplusplus
}
#endif

#endif
