/*
 * What the system knows of one thread's time: on a CPU, and runnable without one. This file is
 * where common/trace depends on the platform; see thread_clock.c for what is where.
 */
#ifndef LOOPLAB_TRACE_THREAD_CLOCK_H
#define LOOPLAB_TRACE_THREAD_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Set by thread_clock_open(), read-only afterwards. */
typedef struct {
    bool      has_cpu, has_delay;
    clockid_t cpu_clock;    /* the thread's, readable from any thread */
    int       schedstat_fd; /* -1: none */
} thread_clock_t;

/* Both counted since the thread began. A figure that the system doesn't have stays 0. */
typedef struct {
    uint64_t cpu_ns;   /* on a CPU */
    uint64_t delay_ns; /* runnable, waiting for a CPU */
} thread_times_t;

void thread_clock_open(thread_clock_t *self);  /* for the calling thread */
void thread_clock_close(thread_clock_t *self); /* thread: any */

/* CPU time last. thread: the clock's own (1-3 us: two system calls) */
void thread_clock_read(const thread_clock_t *self, thread_times_t *times);

/* CPU time alone. returns false if it isn't known, or the thread has ended. thread: any */
bool thread_clock_cpu(const thread_clock_t *self, uint64_t *cpu_ns);

#endif
