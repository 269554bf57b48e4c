/*
 * Lab 3 with --pool N: the same `def` handlers on N threads beside the HTTP thread, as code that
 * blocks is commonly served. A handler that waits then holds up its own thread only; for that every
 * request pays two hand-offs, and with a GIL the threads still compute one at a time.
 */
#ifndef LOOPLAB_LAB3_POOL_H
#define LOOPLAB_LAB3_POOL_H

#include "common/lab/lab.h"

typedef struct pool pool_t;

/*
 * Start context->pool threads, which answer through context->completions.
 * thread: HTTP, detached      returns 0, or -1 (said in the log, nothing left)
 */
int pool_open(pool_t **out, const lab_context_t *context);

/* Take every request of `ready`, with its reference; they run in this order. thread: HTTP */
void pool_submit(pool_t *self, http_request_list_t *ready);

/* Respond with every answer that is there. thread: HTTP */
void pool_take_answers(pool_t *self);

/*
 * Let the threads end, and join them. Whoever drains has answers for all requests by now; one that
 * is still queued, past --drain-timeout, isn't begun.
 * thread: HTTP, detached      blocks: until the handlers that run have returned      NULL: nothing
 */
void pool_close(pool_t *self);

#endif
