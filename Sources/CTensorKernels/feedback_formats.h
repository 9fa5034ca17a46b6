// What error feedback needs of a format: scales for some columns of a row, and the bytes of codes; not part of the module.
#ifndef WB_FEEDBACK_FORMATS_H
#define WB_FEEDBACK_FORMATS_H

#include "CTensorKernels.h"

/// Formats whose weights are scale · code + offset with codes that may be any of some whole numbers.
typedef struct {
  /// Columns whose scales are chosen together, and those of them that have the same scale and offset; multiples of 8 unless they are the whole row.
  size_t span, group;
  /// Of codes.
  int least, largest;
} wb_grid;

/// The grid of a format for rows of a length; a span of 0 where error feedback has none.
wb_grid wb_grid_of(wb_feedback_format format, size_t row_length);

/// Bytes of a row.
size_t wb_feedback_row_byte_count(wb_feedback_format format, size_t row_length);

/// Chooses scales for weights of a span, as the best search does, and writes them where the row has them.
///
/// `x` are the span's weights, `first` its first column, `count` its columns; each group gets its scale and offset as decoders compute them.
void wb_choose_scales(wb_level level, wb_feedback_format format, const float *x, const float *importance, size_t first, size_t count,
                      size_t row_length, uint8_t *row, float *scales, float *offsets);

/// Writes the codes of a span, each less the least one.
void wb_put_codes(wb_feedback_format format, const uint8_t *codes, size_t first, size_t count, uint8_t *row);

/// Writes the weights that a row stands for.
void wb_row_values(wb_feedback_format format, const uint8_t *row, size_t row_length, float *values);

#endif
