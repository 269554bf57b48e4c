/*
 * A shard: one HTTP server with its lab, on one thread's loop. Labs 1 to 4 are one shard; lab 5 has
 * one for each core, and no two of them share anything.
 *
 * Opening is in two steps, so that whoever opens it can listen to signals in between: the lab's own
 * start runs the app's hooks, which may take their time.
 *
 * thread: all of it on the one that runs the loop, the shard's HTTP thread
 */
#ifndef LOOPLAB_SHARD_H
#define LOOPLAB_SHARD_H

#include "common/lab/access_log.h"
#include "common/lab/book.h"
#include "common/lab/lab.h"
#include "common/lab/live.h"
#include "common/lab/metrics.h"
#include "common/lab/options.h"

typedef struct {
    /* Set by whoever opens it; all borrowed, and outlive it. */
    const lab_info_t    *info;
    const lab_options_t *options;
    bridge_t            *bridge;
    bridge_app_t        *app;
    bridge_thread_t     *python; /* the HTTP thread's */
    trace_t             *trace;  /* this thread's; NULL: tracing is off */
    books_t              books;  /* this thread's among the others'; count 0: there are no others */

    /* The shard's own. What isn't open is NULL or false. */
    uv_loop_t      loop;
    uv_prepare_t   prepare; /* where there are others */
    bool           loop_open, completions_open;
    http_router_t *router;
    http_server_t *server;
    completions_t  completions;
    access_log_t  *access_log; /* NULL: none is kept */
    metrics_t     *metrics;    /* NULL: nothing is counted here */
    live_t        *live;       /* NULL: there is no page */
    lab_t         *lab;
    http_stats_t   stats;      /* in the end */
    uint64_t       lines_lost; /* by the access log, in the end */

    const atomic_uint **queued; /* [workers], owned; NULL: nobody asks what each has */
} shard_t;

/*
 * Make the loop, the routes and the server. `self` has its first group filled, the rest is zeroed.
 * returns 0, or an error (said on stderr); shard_close() is due all the same
 */
int shard_open(shard_t *self);

/*
 * Start the lab, then listen on options->host. `share_port`: with others that do likewise.
 * returns 0, or an error (said on stderr); shard_stop() and shard_close() are due all the same
 */
int shard_start(shard_t *self, int port, bool share_port);

/* Serve until the server has drained: shard_drain() brings that about. */
void shard_serve(shard_t *self);

/* Have the server drain, for at most options->drain_timeout_ms; who looks at the live page is told. */
void shard_drain(shard_t *self);

/* Stop the lab; nothing for one that was never started. */
void shard_stop(shard_t *self);

/* Close all that is left; whatever else is on the loop is closing by now. */
void shard_close(shard_t *self);

/* SIGUSR1, between two turns: the requests in flight. Attached or not. */
void shard_inspect(const shard_t *self);

#endif
