/*
 * --bench: the lab loads itself with wrk, prints its row, and stops. wrk runs as a child process;
 * its output is read on the HTTP thread's own loop, which serves it meanwhile.
 */
#ifndef LOOPLAB_SELF_BENCH_H
#define LOOPLAB_SELF_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/* What wrk printed. */
typedef struct {
    double requests; /* in all */
    double per_second;
    double mean_us, p50_us, p99_us;
    double bad_answers; /* not 2xx or 3xx */
    double socket_errors;
} wrk_result_t;

/* Read wrk's report (with --latency). returns false if it is none. thread: any */
bool wrk_parse(const char *text, wrk_result_t *result);

typedef struct self_bench self_bench_t;

typedef struct {
    void (*on_measure)(void *owner);
    void (*on_done)(void *owner, int status);
    double (*cpu_seconds)(void *owner); /* of the lab, so far; NULL: it is this process's */
} self_bench_events_t;

/*
 * Warm up for a second, call on_measure, measure for `seconds`, print a row, then call on_done with
 * the exit status (1: wrk is missing, failed, or saw errors; said on stderr). Everything is on the
 * loop's thread.
 */
int  self_bench_start(self_bench_t **out, uv_loop_t *loop, const char *lab, const char *url,
                      int seconds, const self_bench_events_t *events, void *owner);
void self_bench_stop(self_bench_t *self); /* ends wrk if it runs; NULL is allowed */
void self_bench_free(self_bench_t *self); /* after the loop has closed its handles */

/* What was measured, and the server's CPU time for each request. returns false if nothing was */
bool self_bench_result(const self_bench_t *self, wrk_result_t *result, double *cpu_us);

enum { SELF_BENCH_CONNECTIONS = 100 };

#endif
