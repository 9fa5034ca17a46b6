// Compresses files chunk by chunk as a store does, with several settings of zstd: what `scripts/benchmarks/compression` runs.
//
//   compression [-a] ROUNDS CHUNK_BYTES FILE:ELEMENT_BYTES …
//
// For every file: the ratio with each setting, without and with the byte shuffle, and how fast one core compresses and decompresses, the
// shuffle included, in MB of tensor a second of processor time: the median of the rounds, in which the settings take turns (level 9 and 19 run
// once). Every result is decompressed and compared. -a adds level 19 and the variants that were tried and not kept.

#define ZSTD_STATIC_LINKING_ONLY
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zstd.h>

#define MAXIMUM_ROUNDS 25

typedef struct {
  const char *name;
  int level;     // of zstd; 0: the parameters that follow
  int step;      // targetLength of the fast strategy
  int forces;    // Huffman of literals, whatever the step
  int hash_log;
  int is_extra;  // only with -a
} Setting;

// The first is ZstdChunkEncoder.Settings.entropyOnly.
static const Setting settings[] = {
    {"entropy only", 0, 128, 1, 6, 0},
    {"level 1", 1, 0, 0, 0, 0},
    {"level 3", 3, 0, 0, 0, 0},
    {"level 9", 9, 0, 0, 0, 0},
    {"level 19", 19, 0, 0, 0, 1},
    {"Huffman not forced", 0, 128, 0, 6, 1},
    {"step 131072", 0, 131072, 1, 6, 1},
    {"step 4096", 0, 4096, 1, 6, 1},
    {"step 512", 0, 512, 1, 6, 1},
    {"step 32", 0, 32, 1, 6, 1},
    {"hashLog 12", 0, 128, 1, 12, 1},
    {"step 32, hashLog 12", 0, 32, 1, 12, 1},
};
enum { SETTING_COUNT = sizeof settings / sizeof *settings };

// Processor time, which other work on the machine disturbs less.
static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static void *checked(void *pointer) {
  if (!pointer) {
    perror("compression");
    exit(1);
  }
  return pointer;
}

static size_t succeeded(size_t result) {
  if (ZSTD_isError(result)) {
    fprintf(stderr, "compression: %s\n", ZSTD_getErrorName(result));
    exit(1);
  }
  return result;
}

static ZSTD_CCtx *encoder(const Setting *setting) {
  ZSTD_CCtx *context = checked(ZSTD_createCCtx());
  if (setting->level) {
    succeeded(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, setting->level));
    return context;
  }
  succeeded(ZSTD_CCtx_setParameter(context, ZSTD_c_strategy, ZSTD_fast));
  succeeded(ZSTD_CCtx_setParameter(context, ZSTD_c_minMatch, 7));
  succeeded(ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, setting->hash_log));
  succeeded(ZSTD_CCtx_setParameter(context, ZSTD_c_targetLength, setting->step));
  if (setting->forces) succeeded(ZSTD_CCtx_setParameter(context, ZSTD_c_literalCompressionMode, ZSTD_ps_enable));
  return context;
}

// Byte planes: the first bytes of all elements, then the second ones, … The loops are cut up so that what they touch stays in the cache.
static void shuffle(const unsigned char *source, unsigned char *target, size_t count, size_t width, int backwards) {
  for (size_t start = 0; start < count; start += 4096) {
    size_t end = start + 4096 < count ? start + 4096 : count;
    for (size_t byte = 0; byte < width; byte++) {
      if (backwards)
        for (size_t element = start; element < end; element++) target[element * width + byte] = source[byte * count + element];
      else
        for (size_t element = start; element < end; element++) target[byte * count + element] = source[element * width + byte];
    }
  }
}

// No block of the frame has bytes of two planes: a block has one code.
static size_t compress(ZSTD_CCtx *context, const unsigned char *source, size_t length, size_t plane, unsigned char *frame, size_t room) {
  if (plane % ZSTD_BLOCKSIZE_MAX == 0) return succeeded(ZSTD_compress2(context, frame, room, source, length));
  succeeded(ZSTD_CCtx_reset(context, ZSTD_reset_session_only));
  succeeded(ZSTD_CCtx_setPledgedSrcSize(context, length));
  ZSTD_outBuffer output = {frame, room, 0};
  ZSTD_inBuffer input = {source, 0, 0};
  while (input.size < length) {
    input.size += plane;
    while (succeeded(ZSTD_compressStream2(context, &output, &input, input.size == length ? ZSTD_e_end : ZSTD_e_flush)));
  }
  return output.pos;
}

typedef struct {
  size_t stored;
  double compression, decompression;
} Result;

static Result run(const Setting *setting, int shuffles, const unsigned char *bytes, size_t size, size_t chunk, size_t width) {
  static unsigned char *planes, *frame, *decoded, *restored;
  size_t room = ZSTD_compressBound(chunk) + 64;  // a block more for each plane
  if (!planes) {
    planes = checked(malloc(chunk));
    frame = checked(malloc(room));
    decoded = checked(malloc(chunk));
    restored = checked(malloc(chunk));
  }
  ZSTD_CCtx *context = encoder(setting);
  ZSTD_DCtx *decoder = checked(ZSTD_createDCtx());
  Result result = {0, 0, 0};
  for (size_t start = 0; start < size; start += chunk) {
    size_t length = size - start < chunk ? size - start : chunk;
    length -= length % width;
    const unsigned char *source = bytes + start;
    double began = now();
    if (shuffles) shuffle(source, planes, length / width, width, 0);
    size_t stored = compress(context, shuffles ? planes : source, length, shuffles ? length / width : length, frame, room);
    double between = now();
    succeeded(ZSTD_decompressDCtx(decoder, decoded, length, frame, stored));
    if (shuffles) shuffle(decoded, restored, length / width, width, 1);
    double ended = now();
    if (memcmp(shuffles ? restored : decoded, source, length) != 0) {
      fprintf(stderr, "compression: %s doesn't restore the bytes\n", setting->name);
      exit(1);
    }
    // What doesn't shrink is stored as it is.
    result.stored += stored < length ? stored : length;
    result.compression += between - began;
    result.decompression += ended - between;
  }
  ZSTD_freeCCtx(context);
  ZSTD_freeDCtx(decoder);
  return result;
}

static int ascending(const void *left, const void *right) {
  double difference = *(const double *)left - *(const double *)right;
  return (difference > 0) - (difference < 0);
}

static double median(double *values, int count) {
  qsort(values, count, sizeof *values, ascending);
  return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static void measure(const char *argument, int rounds, size_t chunk, int has_extras) {
  const char *colon = strrchr(argument, ':');
  size_t width = colon ? strtoul(colon + 1, NULL, 10) : 0;
  if (!width) {
    fprintf(stderr, "compression: %s: no element size\n", argument);
    exit(2);
  }
  char *path = checked(strndup(argument, colon - argument));
  FILE *file = checked(fopen(path, "rb"));
  fseek(file, 0, SEEK_END);
  size_t size = ftell(file);
  rewind(file);
  unsigned char *bytes = checked(malloc(size));
  size = fread(bytes, 1, size, file) / width * width;
  fclose(file);

  static double compression[SETTING_COUNT][2][MAXIMUM_ROUNDS], decompression[SETTING_COUNT][2][MAXIMUM_ROUNDS];
  static int runs[SETTING_COUNT][2];
  size_t stored[SETTING_COUNT][2];
  memset(runs, 0, sizeof runs);
  for (int round = 0; round < rounds; round++) {
    for (int number = 0; number < SETTING_COUNT; number++) {
      const Setting *setting = &settings[number];
      if ((setting->is_extra && !has_extras) || (setting->level > 3 && round > 0)) continue;
      for (int shuffles = 0; shuffles <= (width > 1); shuffles++) {
        Result result = run(setting, shuffles, bytes, size, chunk, width);
        stored[number][shuffles] = result.stored;
        compression[number][shuffles][round] = size / result.compression / 1e6;
        decompression[number][shuffles][round] = size / result.decompression / 1e6;
        runs[number][shuffles] = round + 1;
      }
    }
  }
  const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
  printf("%s, %.1f MB in chunks of %zu KiB\n", name, size / 1e6, chunk >> 10);
  for (int number = 0; number < SETTING_COUNT; number++) {
    for (int shuffles = 1; shuffles >= 0; shuffles--) {
      int count = runs[number][shuffles];
      if (!count) continue;
      printf("  %-22s %-8s %7.4f %9.0f MB/s %9.0f MB/s\n", settings[number].name, shuffles ? "shuffled" : "", (double)stored[number][shuffles] / size,
             median(compression[number][shuffles], count), median(decompression[number][shuffles], count));
    }
  }
  fflush(stdout);
  free(bytes);
  free(path);
}

int main(int count, char **arguments) {
  int has_extras = count > 1 && strcmp(arguments[1], "-a") == 0;
  char **rest = arguments + 1 + has_extras;
  int rounds = count > 3 + has_extras ? atoi(rest[0]) : 0;
  size_t chunk = rounds > 0 ? strtoul(rest[1], NULL, 10) : 0;
  if (rounds < 1 || rounds > MAXIMUM_ROUNDS || chunk < 1) {
    fprintf(stderr, "compression [-a] ROUNDS CHUNK_BYTES FILE:ELEMENT_BYTES …\n");
    return 2;
  }
  printf("libzstd %s; ratio, compression and decompression with one core\n", ZSTD_versionString());
  for (char **argument = rest + 2; *argument; argument++) measure(*argument, rounds, chunk, has_extras);
}
