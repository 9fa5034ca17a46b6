// The product in portable code. The innermost loop runs over columns, so that compilers can vectorise it without reordering sums.
#include "tile.h"

#pragma STDC FP_CONTRACT OFF

enum { COLUMNS = 128, DEPTH = 64 };

/// Scales C by beta; with 0 even NaNs go.
static void scale(const wb_product *p) {
  for (size_t i = 0; i < p->m; i++) {
    float *row = p->c + i * p->ldc;
    for (size_t j = 0; j < p->n; j++) row[j] = p->beta == 0 ? 0 : p->beta * row[j];
  }
}

/// Copies rows `first` to `first + depth` and columns `column` to `column + columns` of op(B) to a panel.
static void pack(const wb_product *p, size_t first, size_t depth, size_t column, size_t columns, float panel[DEPTH][COLUMNS]) {
  for (size_t l = 0; l < depth; l++) {
    for (size_t j = 0; j < columns; j++) {
      size_t row = first + l;
      panel[l][j] = p->transpose_b ? p->b[(column + j) * p->ldb + row] : p->b[row * p->ldb + column + j];
    }
    for (size_t j = columns; j < COLUMNS; j++) panel[l][j] = 0;
  }
}

void wb_portable_sgemm(const wb_product *p) {
  scale(p);
  if (p->alpha == 0) return;
  float panel[DEPTH][COLUMNS];
  for (size_t column = 0; column < p->n; column += COLUMNS) {
    size_t columns = p->n - column < COLUMNS ? p->n - column : COLUMNS;
    for (size_t first = 0; first < p->k; first += DEPTH) {
      size_t depth = p->k - first < DEPTH ? p->k - first : DEPTH;
      pack(p, first, depth, column, columns, panel);
      for (size_t i = 0; i < p->m; i++) {
        float sums[COLUMNS] = {0};
        for (size_t l = 0; l < depth; l++) {
          float factor = p->transpose_a ? p->a[(first + l) * p->lda + i] : p->a[i * p->lda + first + l];
          for (size_t j = 0; j < COLUMNS; j++) sums[j] += factor * panel[l][j];
        }
        float *row = p->c + i * p->ldc + column;
        for (size_t j = 0; j < columns; j++) row[j] += p->alpha * sums[j];
      }
    }
  }
}

void wb_sgemm_portable(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                       const float *b, size_t ldb, float beta, float *c, size_t ldc) {
  wb_product product = {transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc};
  wb_portable_sgemm(&product);
}
