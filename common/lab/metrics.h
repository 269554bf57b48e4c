/*
 * --metrics: counters, and GET /metrics, which shows them in the Prometheus text format (0.0.4).
 *
 * The names and what they mean stand in one table in metrics.c, as the HELP lines do. A request is
 * counted when it has ended; one of /metrics itself is thus in flight while it counts the others.
 * Where several HTTP threads have a book each (book.h), whoever answers adds them up; only the hops
 * are those of its own requests.
 *
 * thread: HTTP
 */
#ifndef LOOPLAB_METRICS_H
#define LOOPLAB_METRICS_H

#include "common/bridge/bridge.h"
#include "common/bridge/completions.h"
#include "common/lab/access_log.h"
#include "common/lab/book.h"
#include "common/lab/lab.h"

typedef struct metrics metrics_t;

/* Where the figures come from that nobody counts here; all borrowed. */
typedef struct {
    const lab_info_t    *info;
    const bridge_t      *bridge;
    const http_server_t *server;
    completions_t       *completions;
    const access_log_t  *access_log; /* NULL: none is kept */
    const trace_t       *trace;      /* NULL: requests aren't traced */
    unsigned             workers;    /* how many the lab has, or 0 */

    const atomic_uint *const *queued; /* [workers]; what each has */
} metrics_sources_t;

/*
 * Add the route to `router`, and begin to count. `books`: copied, with the own one among them; count
 * 0: there are no others.
 * returns 0 or libuv's error
 */
int metrics_open(metrics_t **out, http_router_t *router, const books_t *books);

/* Before the first request comes. */
void metrics_set_sources(metrics_t *self, const metrics_sources_t *sources);

/* Bring the own book up to date, for others who read it: before the loop waits. */
void metrics_update(metrics_t *self);

/* An http_events_t's on_finished. */
void metrics_add(metrics_t *self, const http_outcome_t *outcome);

void metrics_close(metrics_t *self); /* the server is closed; NULL is allowed */

#endif
