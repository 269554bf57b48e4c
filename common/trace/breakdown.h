/*
 * What the reports say, as numbers: report_text.c and report_json.c only lay it out.
 *
 * Times are in us. NAN is "not known": "n/a" in the text, null in JSON.
 */
#ifndef LOOPLAB_TRACE_BREAKDOWN_H
#define LOOPLAB_TRACE_BREAKDOWN_H

#include "common/trace/internal.h"

/* Means of the sampled requests. */
typedef struct {
    double running, gil, core, queue, suspended, unattributed;
} breakdown_split_t;

/* One hop gap. */
typedef struct {
    trace_hop_t       from, to;
    uint64_t          count; /* requests that had it */
    double            mean, p50, p99;
    double            share;   /* of all requests' end-to-end time */
    uint64_t          sampled; /* 0: `split` is all NAN */
    breakdown_split_t split;
} breakdown_row_t;

/*
 * The report's four overheads, and what isn't one of them. Which part of a gap goes where:
 *
 *   thread scheduling         waiting for a core, in every gap; on the main loop's thread, choosing
 *                             the worker (the work between woken_main and scheduled_worker)
 *   event-loop coordination   waiting in line, in every gap; the loops' own work between a hand-off
 *                             and the handler's first step, and to take a completion
 *   future conversion         the work from the handler's end until the last Python future is
 *                             resolved (labs 3 and 4 have none)
 *   GIL contention            waiting for the GIL, in every gap
 *   handler                   its own work, and what it awaits
 *   rest                      HTTP and the bridge: making what is handed over, the response,
 *                             writing; a client that doesn't read
 */
typedef enum {
    CATEGORY_SCHEDULING,
    CATEGORY_COORDINATION,
    CATEGORY_CONVERSION,
    CATEGORY_GIL,
    CATEGORY_HANDLER,
    CATEGORY_REST,
    CATEGORIES
} category_t;

typedef struct {
    const char *name;
    double      reported_ms; /* the original report's figure; NAN: it has none */
    double      mean;        /* of the sampled requests */
    double      in_line;     /* the part of it that is waiting in line */
} breakdown_category_t;

/* One thread: how much of it a request takes. */
typedef struct {
    const char *name;                        /* borrowed of the trace */
    double      cpu;                         /* us per request */
    double      utilisation;                 /* these are parts of the time: on a CPU, */
    double      attaching, polling, waiting; /* waiting for the GIL, for work, for a core or lock */
} breakdown_lane_t;

typedef struct {
    uint64_t requests, sampled, dropped;
    unsigned sample_every;
    double   mean, p50, p99; /* end to end, by the caller's clock */

    breakdown_row_t rows[TRACE_HOPS * (TRACE_HOPS - 1) / 2];
    size_t          row_count;
    double          sum;       /* of the gaps, a request's mean */
    double          own;       /* what sampled marks took, spread over all requests */
    double          remainder; /* end to end without these two */

    double               sampled_mean; /* end to end of the sampled requests */
    double               sampled_own;  /* their marks' part of it */
    breakdown_split_t    total;        /* a sampled request's, all gaps and the remainder */
    double               unattributed_share;
    breakdown_category_t categories[CATEGORIES];

    breakdown_lane_t *lanes; /* owned; oldest first */
    size_t            lane_count;
    double            seconds; /* from the first request to the last */
    double            rate;    /* requests a second */
    double            in_flight;

    bool   delay_known; /* the system tells how long a thread waits for a core */
    double clock_ns, sample_ns;
} breakdown_t;

/* thread: HTTP thread        returns 0 or -ENOMEM */
int  breakdown_make(breakdown_t *self, trace_t *trace);
void breakdown_free(breakdown_t *self);

/* What stands between the server and its client: wrk's mean without ours. NAN: no such run. */
double breakdown_outside(const breakdown_t *self, const trace_run_t *run);

#endif
