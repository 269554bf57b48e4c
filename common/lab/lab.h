/*
 * What every lab's program shares, and what a lab provides.
 *
 * A lab is main.c (a dozen lines: its name, its kind of handler, its own options) and dispatch.c
 * (the five functions below: how a request reaches Python and how its answer comes back).
 * lab_main() does the rest: options, interpreter, app, server, banner, signals, drain, summary.
 */
#ifndef LOOPLAB_LAB_H
#define LOOPLAB_LAB_H

#include "common/bridge/bridge.h"
#include "common/bridge/completions.h"
#include "common/http/http.h"

typedef struct lab
    lab_t; /* defined by each lab's dispatch.c; HTTP thread unless it says otherwise */

/* What only some labs have. */
enum {
    LAB_HAS_WORKERS = 1 << 0,    /* --workers, --worker-queue */
    LAB_HAS_POOL = 1 << 1,       /* --pool */
    LAB_ASKS_FOR_TASKS = 1 << 2, /* no option: bridge_on_task_asked() is used */
    LAB_HAS_ISOLATION = 1 << 3,  /* --isolation, --workers */
};

typedef struct {
    const char   *name;        /* "lab1_single_loop" */
    const char   *summary;     /* one line for --help and the banner */
    bridge_kind_t handlers;    /* what it can call */
    const char   *default_app; /* "async_app:app" */
    unsigned      options;     /* LAB_HAS_..., LAB_ASKS_... */

    /* Adds routes in C of the lab's own; NULL: it has none. returns 0 or a UV_ error */
    int (*add_routes)(http_router_t *router);
} lab_info_t;

/* What a lab gets to work with; everything is borrowed and outlives it. */
typedef struct {
    uv_loop_t       *loop; /* the HTTP thread's */
    bridge_t        *bridge;
    bridge_app_t    *app;
    bridge_thread_t *http_thread; /* the HTTP thread's Python state */
    completions_t   *completions;
    trace_t         *trace;        /* for threads of the lab's own; NULL: tracing is off */
    unsigned         workers;      /* --workers */
    unsigned         worker_queue; /* --worker-queue */
    unsigned         pool;         /* --pool */
    bool             debug;        /* --debug */
    /* [workers], or NULL: nobody asks. Where a lab with workers says how many requests each has. */
    const atomic_uint **queued;
} lab_context_t;

/* Run the program. returns the exit status: 0 drained, 1 failed start, 2 bad usage, 3 cut off */
int lab_main(int argc, char **argv, const lab_info_t *info);

/* ---- A lab's dispatch.c: all on the HTTP thread, detached ------------------------------------ */

/* Start loops and run the app's start-up hooks. returns 0, or -1 (said on stderr, nothing left) */
int lab_open(lab_t **out, const lab_context_t *context);

/* Once a turn: takes every request that is complete by now, with a reference each. */
void lab_on_ready(lab_t *lab, http_request_list_t *ready);

/* Woken by a completion: answers everything that completions_take() yields. */
void lab_on_completions(lab_t *lab);

/* Nobody waits for `req` (borrowed) any more: cancel what can be cancelled. */
void lab_on_client_gone(lab_t *lab, http_request_t *req);

/* Drained: run the shut-down hooks, stop loops, join threads, free. */
void lab_close(lab_t *lab);

#endif
