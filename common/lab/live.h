/*
 * --live: GET /_lab, a page that shows the lab at work while it works, for one's own browser or a
 * projector.
 *
 *   /_lab           the page; page.css and page.js beside it. It loads nothing from elsewhere
 *   /_lab/events    what it shows: server-sent events, one JSON object every LIVE_INTERVAL_MS
 *
 * Cheap enough to leave on. Nothing is counted per request that isn't counted anyway; requests are
 * traced one in so many, some LIVE_TRACED an interval, and only while somebody looks. A frame is made
 * once for all viewers. Who doesn't read misses frames: one is left out as long as the last isn't with
 * the kernel.
 *
 * Where several HTTP threads have a book each (book.h), whoever is asked adds up rates and what is in
 * flight; threads and hops are its own.
 *
 * thread: HTTP
 */
#ifndef LOOPLAB_LIVE_H
#define LOOPLAB_LIVE_H

#include "common/bridge/bridge.h"
#include "common/bridge/completions.h"
#include "common/lab/book.h"
#include "common/lab/lab.h"

enum {
    LIVE_INTERVAL_MS = 500,
    LIVE_TRACED = 100,  /* requests that are traced in an interval, about */
    LIVE_VIEWERS = 256, /* at once; 503 beyond it */
    LIVE_HELD = 32768, /* bytes that the kernel holds for a viewer, some frames; it may double it */
};

typedef struct live live_t;

/* Where the figures come from; all borrowed. */
typedef struct {
    const lab_info_t *info;
    const bridge_t   *bridge;
    http_server_t    *server;
    completions_t    *completions;
    trace_t          *trace;      /* NULL: there was no memory for one */
    const books_t    *books;      /* count 0: there are no others */
    bool              all_traced; /* --stats or --trace: not one in so many */
    unsigned          workers;    /* how many the lab has, or 0 */

    const atomic_uint *const *queued; /* [workers]; what each has */
} live_sources_t;

/* Add the routes to `router`. returns 0 or libuv's error */
int live_open(live_t **out, uv_loop_t *loop, http_router_t *router);

/* Before the first request comes. */
void live_set_sources(live_t *self, const live_sources_t *sources);

/* Before the server drains: viewers are told that it ends, and none is taken any more. NULL is allowed */
void live_stop(live_t *self);

/* The server is closed. Freed once the loop has run again; NULL is allowed */
void live_close(live_t *self);

#endif
