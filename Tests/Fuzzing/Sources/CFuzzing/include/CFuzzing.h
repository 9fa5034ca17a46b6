#ifndef CFUZZING_H
#define CFUZZING_H

#include <stddef.h>
#include <stdint.h>

/// libFuzzer as a function: runs `callback` on inputs, as the arguments say.
///
/// https://llvm.org/docs/LibFuzzer.html#using-libfuzzer-as-a-library
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));

/// Writes bytes into one of two files in memory, in place of what was in it.
///
/// Returns its descriptor, or -1; the file can be opened as /proc/self/fd/DESCRIPTOR.
int wb_fuzz_file(int number, const void *bytes, size_t count);

/// Begins to count: from here on the heap may grow by `limit` bytes; one more, and the process is aborted with a message.
void wb_fuzz_meter_start(size_t limit);

/// Ends what `wb_fuzz_meter_start` began.
///
/// Returns by how many bytes the heap had grown at most.
size_t wb_fuzz_meter_stop(void);

/// Processor time of this process, in seconds.
double wb_fuzz_processor_seconds(void);

/// How many times slower than usual everything is because of AddressSanitizer.
int wb_fuzz_slowness(void);

/// CRC-32 as zip has it, bit by bit.
uint32_t wb_fuzz_crc32(const void *bytes, size_t count);

#endif
