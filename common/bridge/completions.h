/*
 * Completions: finished requests on their way back to the HTTP thread. Many threads post, one
 * takes. A post wakes the HTTP thread with uv_async_send(), and libuv merges wake-ups: 64 posts may
 * cause a single call of `on_wake`, so whoever is woken takes until the queue is empty.
 *
 * So a request in flight is, in C, the future of its own answer: made by the parser, resolved from
 * Python with completions_post(), taken by the HTTP thread. It needs no object beside it.
 *
 * Knows nothing of Python: may be posted to attached or not. The lock is a leaf: constant work, no
 * allocation, no Python call while it is held.
 */
#ifndef LOOPLAB_COMPLETIONS_H
#define LOOPLAB_COMPLETIONS_H

#include "common/http/http.h"

typedef struct completions {
    /* Set by completions_open(), read-only afterwards. */
    void (*on_wake)(void *owner); /* HTTP thread */
    void *owner;

    /* HTTP thread only, but for uv_async_send(). */
    uv_async_t          async;
    http_request_list_t taken; /* moved here in one piece, so that a drain locks once */

    /* Any thread, under lock. */
    uv_mutex_t          lock;
    http_request_list_t posted;
    bool                closed; /* once set, nothing is queued any more */
} completions_t;

/* thread: HTTP    returns 0 or libuv's error */
int completions_open(completions_t *self, uv_loop_t *loop, void (*on_wake)(void *), void *owner);

/*
 * Hand an answer back to the HTTP thread. Takes over `req` and `resp` (NULL: a 500 for want of
 * memory); the caller must not touch either again.
 * thread: any, attached or not        blocks: never
 * returns 0, or UV_ECANCELED after completions_close() (both are freed)
 */
int completions_post(completions_t *self, http_request_t *req, http_response_t *resp);

/* Take one answer; false when there is none left. Both outputs are the caller's. thread: HTTP */
bool completions_take(completions_t *self, http_request_t **req, http_response_t **resp);

/* Answers that are queued at this moment. thread: HTTP */
unsigned completions_queued(completions_t *self);

/*
 * Answer what is queued and close the async handle (the loop must run once more). No thread may be
 * inside completions_post() meanwhile, nor call it once the loop has run again: join them first. A
 * post in between is refused.
 * thread: HTTP
 */
void completions_close(completions_t *self);

#endif
