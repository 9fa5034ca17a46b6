// How fast differences in units in the last place are made and undone: prints GB of a fork's bytes a second of CPU time on one core, in cache.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "CTensorKernels.h"

enum { BYTES = 64 << 10, RUNS = 9, REPEATS = 4000 };

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

int main(void) {
  char *fork = malloc(BYTES), *base = malloc(BYTES), *z = malloc(BYTES);
  if (!fork || !base || !z) return 1;
  for (int i = 0; i < BYTES; i++) fork[i] = (char)(i * 7), base[i] = (char)(i * 5);
  for (size_t size = 1; size <= 8; size *= 2)
    for (int decodes = 0; decodes < 2; decodes++) {
      double best = 0;
      for (int run = 0; run < RUNS; run++) {
        double start = seconds();
        for (int i = 0; i < REPEATS; i++)
          if (decodes)
            wb_ulp_decode(z, base, fork, BYTES / size, size, true);
          else
            wb_ulp_encode(fork, base, z, BYTES / size, size, true);
        double rate = (double)BYTES * REPEATS / (seconds() - start) / 1e9;
        if (rate > best) best = rate;
      }
      printf("%s, %zu-byte floats %.2f\n", decodes ? "back" : "differences", size, best);
    }
  return 0;
}
