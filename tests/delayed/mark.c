/*
 * A known delay at any hop: linked into the labs of BIN/delayed, where the linker sends every
 * trace_mark() through here (--wrap). After the mark that TEST_DELAY_AFTER names by number, before
 * the request is handed on, the thread sleeps: so the gap that begins there is longer by that much,
 * and no other is. The product has nothing of it.
 */
#include <stdlib.h>
#include <time.h>

#include "common/trace/trace.h"

enum { DELAY_MS = 300 };

/* The linker's names, which it makes of the function's own. */
void __real_trace_mark_record(trace_record_t *record, trace_hop_t hop);
void __wrap_trace_mark_record(trace_record_t *record, trace_hop_t hop);

void __wrap_trace_mark_record(trace_record_t *record, trace_hop_t hop)
{
    static const struct timespec delay = {.tv_nsec = DELAY_MS * 1000000L};
    const char                  *after = getenv("TEST_DELAY_AFTER");

    __real_trace_mark_record(record, hop);
    if (after != NULL && atoi(after) == (int)hop)
        nanosleep(&delay, NULL);
}
