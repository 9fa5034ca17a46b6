// Norms of a vector. Sums are in binary64: element i goes to lane i mod 8, and lanes are added as ((0+4)+(2+6))+((1+5)+(3+7)). Results are
// rounded once, and the same on every machine.
#include <math.h>
#include <string.h>

#include "CTensorKernels.h"

#pragma STDC FP_CONTRACT OFF

enum { LANES = 8 };

static double total(const double lanes[LANES]) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

static double sum(const float *x, size_t count) {
  double lanes[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    for (size_t lane = 0; lane < LANES; lane++) lanes[lane] += (double)x[i + lane];
  }
  for (; i < count; i++) lanes[i % LANES] += (double)x[i];
  return total(lanes);
}

/// The sum of (x - mean)².
static double sum_of_squares(const float *x, double mean, size_t count) {
  double lanes[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    for (size_t lane = 0; lane < LANES; lane++) {
      double distance = (double)x[i + lane] - mean;
      lanes[lane] += distance * distance;
    }
  }
  for (; i < count; i++) lanes[i % LANES] += ((double)x[i] - mean) * ((double)x[i] - mean);
  return total(lanes);
}

static float narrowed(double value) { return value == value ? (float)value : __builtin_nanf(""); }

void wb_layer_norm(const float *x, const float *weight, const float *bias, float *y, size_t count, double epsilon) {
  double mean = sum(x, count) / (double)count;
  double scale = 1 / sqrt(sum_of_squares(x, mean, count) / (double)count + epsilon);
  for (size_t i = 0; i < count; i++) {
    double value = ((double)x[i] - mean) * scale;
    if (weight) value *= (double)weight[i];
    if (bias) value += (double)bias[i];
    y[i] = narrowed(value);
  }
}

void wb_rms_norm(const float *x, const float *weight, float *y, size_t count, double epsilon) {
  double scale = 1 / sqrt(sum_of_squares(x, 0, count) / (double)count + epsilon);
  for (size_t i = 0; i < count; i++) {
    double value = (double)x[i] * scale;
    if (weight) value *= (double)weight[i];
    y[i] = narrowed(value);
  }
}
