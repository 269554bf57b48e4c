/*
 * --stats, --trace and --live: opens common/trace for a lab's program, and writes at the end what it has
 * gathered. HTTP thread, like all of lab_main.c.
 */
#ifndef LOOPLAB_TRACING_H
#define LOOPLAB_TRACING_H

#include <stdio.h>

#include "common/lab/options.h"
#include "common/lab/self_bench.h"
#include "common/trace/trace.h"

typedef struct {
    const lab_info_t    *info;    /* borrowed */
    const lab_options_t *options; /* borrowed */
    trace_t             *trace;   /* owned; NULL: no option asks for it */
    trace_lane_t        *lane;    /* owned: the main thread's, if it has one */
    FILE                *stats; /* owned; NULL: --stats goes to standard output, or wasn't given */
} tracing_t;

/*
 * Before Python starts. A --stats file that can't be written is an error now, not after an hour; a
 * --trace file that can't be is said, and the lab runs without.
 * returns 0, or -1 (said on stderr)
 */
int tracing_open(tracing_t *self, const lab_options_t *options, const lab_info_t *info);

/* Is every request traced? With --live alone it is one in so many, while somebody looks. */
bool tracing_is_for_all(const lab_options_t *options);

/* This thread has a lane of that name in it until tracing_close(). */
void tracing_open_lane(tracing_t *self, const char *name);

/*
 * The part of one HTTP thread among several: a trace of its own, and this thread's lane in it.
 * thread: that one, of whichever process        returns NULL: tracing is off, or there was no memory
 */
trace_t *tracing_open_part(const lab_options_t *options, const char *lane_name);

/*
 * Its last request is answered, and nothing holds one any more. Closes lane and trace; what they
 * have goes to the file `fd`, from where tracing_take_part() takes it. NULL is allowed
 */
void tracing_close_part(trace_t *part, int fd);
void tracing_take_part(tracing_t *self, FILE *file);

/*
 * Where the time went, beside what wrk saw of it (`bench`; NULL: nothing). Every request is
 * answered, every other thread joined. `cpu_us`: for each request; `gil`: there was one, in the end.
 * returns 0, or -1 (said on stderr)
 */
int tracing_report(tracing_t *self, const self_bench_t *bench, double cpu_us, bool gil);

/* Writes the --trace file. No request is left, nor anything that holds one. Zeroed is allowed */
void tracing_close(tracing_t *self);

#endif
