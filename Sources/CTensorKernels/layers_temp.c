#include "CTensorKernels.h"
#include <math.h>
void wb_layer_norm(const float *x, const float *w, const float *b, float *y, size_t n, double e) {
  double s = 0, q = 0; for (size_t i = 0; i < n; i++) s += x[i]; double m = s / n;
  for (size_t i = 0; i < n; i++) { double d = x[i] - m; q += d * d; } double r = 1 / sqrt(q / n + e);
  for (size_t i = 0; i < n; i++) y[i] = (float)((x[i] - m) * r * w[i] + (b ? b[i] : 0)); }
void wb_rms_norm(const float *x, const float *w, float *y, size_t n, double e) {
  double q = 0; for (size_t i = 0; i < n; i++) q += (double)x[i] * x[i]; double r = 1 / sqrt(q / n + e);
  for (size_t i = 0; i < n; i++) y[i] = (float)(x[i] * r * w[i]); }
void wb_softmax_row(float *x, size_t n) { float m = -INFINITY; for (size_t i = 0; i < n; i++) if (x[i] > m) m = x[i];
  double s = 0; for (size_t i = 0; i < n; i++) { x[i] = expf(x[i] - m); s += x[i]; } for (size_t i = 0; i < n; i++) x[i] = (float)(x[i] / s); }
void wb_gelu_tanh(float *x, size_t n) { for (size_t i = 0; i < n; i++) { double v = x[i]; x[i] = (float)(0.5 * v * (1 + tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)))); } }
void wb_gelu_erf(float *x, size_t n) { for (size_t i = 0; i < n; i++) { double v = x[i]; x[i] = (float)(0.5 * v * (1 + erf(v * 0.7071067811865476))); } }
void wb_silu(float *x, size_t n) { for (size_t i = 0; i < n; i++) { double v = x[i]; x[i] = (float)(v / (1 + exp(-v))); } }
