// What library.c needs of buffers.c; not part of the module.
#ifndef WB_BUFFERS_H
#define WB_BUFFERS_H

#include <stdbool.h>

enum { WB_MOST_THREADS = 64 };

/// Makes up to `count` (1 to `WB_MOST_THREADS`) buffers with OpenBLAS's own functions, where the process's limits ask for it: at least one.
///
/// Called once, before the first product. Returns whether products can be computed; otherwise a product would wait for ever.
bool wb_buffers_make(int count, void *(*allocate)(int), void (*release)(void *));

/// Waits until one more product may be computed.
void wb_buffer_take(void);

/// Says that a product is computed.
void wb_buffer_return(void);

#endif
