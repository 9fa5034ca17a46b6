// Measures kernels beside ggml: benchmark LIBRARY LIBRARY [PART_OF_A_TYPE'S_NAME]
//
// Prints million weights a second of one core, the best of many short runs.
#include <time.h>

#include "formats.h"

enum { ROWS = 16, COLUMNS = 4096, COUNT = ROWS * COLUMNS };

static double seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

#define PRINT_SPEED(WORK)                                                                                                      \
  do {                                                                                                                         \
    double begin = seconds(), best = 1;                                                                                        \
    for (int run = 0; run < 3 || seconds() - begin < 0.15; run++) {                                                            \
      double start = seconds();                                                                                                \
      WORK;                                                                                                                    \
      double time = seconds() - start;                                                                                         \
      best = time < best ? time : best;                                                                                        \
    }                                                                                                                          \
    printf(" %8.1f", COUNT / best * 1e-6);                                                                                     \
  } while (0)

int main(int argument_count, char **arguments) {
  static float x[COUNT], values[COUNT], importance[COLUMNS];
  static char blocks[COUNT * 4];
  if (argument_count < 3) return 2;
  void *libraries[] = {opened(arguments[1]), opened(arguments[2])};
  for (int i = 0; i < COUNT; i++) {
    double u = (rand() + 1.0) / (RAND_MAX + 2.0), v = (rand() + 1.0) / (RAND_MAX + 2.0);
    x[i] = (float)(0.02 * sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
  }
  for (int i = 0; i < COLUMNS; i++) importance[i] = (float)(rand() % 1000) * 0.001f + 0.01f;

  printf("Columns: both libraries, then every level of ours; plain | with importances | weights from blocks\n");
  for (int format = 0; format < FORMAT_COUNT; format++) {
    if (argument_count > 3 && !strstr(formats[format].name, arguments[3])) continue;
    wb_block_type type = formats[format].type;
    const char *name = formats[format].name;
    printf("%-7s", name);
    for (int weighted = 0; weighted < 2; weighted++) {
      const float *given = weighted ? importance : NULL;
      for (int i = 0; i < 2; i++) {
        ggml_quantize *quantize = (ggml_quantize *)symbol(libraries[i], "quantize_", name);
        PRINT_SPEED(quantize(x, blocks, ROWS, COLUMNS, given));
      }
      for (wb_level level = WB_PORTABLE; level <= WB_NEON; level++) {
        if (wb_level_available(level)) PRINT_SPEED(wb_quantize_at(level, type, x, ROWS, COLUMNS, given, blocks));
      }
      printf(" |");
      fflush(stdout);
    }
    for (int i = 0; i < 2; i++) {
      ggml_dequantize *dequantize = (ggml_dequantize *)symbol(libraries[i], "dequantize_row_", name);
      PRINT_SPEED(dequantize(blocks, values, COUNT));
    }
    PRINT_SPEED(wb_dequantize(type, blocks, COUNT / wb_block_length(type), values));
    printf("\n");
    fflush(stdout);
  }
}
