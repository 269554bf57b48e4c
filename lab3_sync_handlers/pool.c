/*
 * The pool of lab 3: one queue, N threads.
 *
 *     HTTP thread                        a thread of the pool
 *     queue, wake one   ------------->   take, attach, call the handler, detach
 *     respond           <-------------   post the completion
 *
 * A request and its reference belong to one side at a time: to the HTTP thread until it is queued,
 * to the thread that takes it until that has posted it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_setname_np */
#endif
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log/log.h"
#include "lab3_sync_handlers/pool.h"

struct pool {
    /* Set by pool_open(), read-only afterwards. */
    bridge_t      *bridge; /* borrowed, as those below */
    completions_t *completions;
    trace_t       *trace;

    /* HTTP thread only. */
    unsigned     count; /* threads that are started and not joined */
    uv_thread_t *threads;

    /* Posted by a thread once it has begun, which the next one waits for. */
    uv_sem_t begun;
    bool     without_state; /* it couldn't: there is no memory for its Python state */

    /* Any thread, under lock (a leaf: constant work, no Python inside). */
    uv_mutex_t          lock;
    uv_cond_t           work; /* queued has more, or stopping is set */
    http_request_list_t queued;
    bool                stopping;
    unsigned            named; /* threads that have a name by now */
};

/* ---- A thread of the pool -------------------------------------------------------------------- */

/* Wait for a request; NULL: the pool is closed. */
static http_request_t *take(pool_t *self)
{
    /* LAB 3, STEP 3 { wait until a request is queued or the pool is closed; take the oldest */
    http_request_t *req = NULL;

    uv_mutex_lock(&self->lock);
    while (!self->stopping && (req = http_request_list_pop(&self->queued)) == NULL)
        uv_cond_wait(&self->work, &self->lock);
    uv_mutex_unlock(&self->lock);
    return req;
    /* } LAB 3, STEP 3; until then:
     *     (void)self;
     *     return NULL;
     */
}

/* Called detached. A handler of which nobody waits for the answer any more isn't begun. */
static void answer(pool_t *self, bridge_thread_t *me, http_request_t *req)
{
    /* LAB 3, STEP 3 { attach, call the handler, detach, post what it has come to */
    http_response_t *resp;
    PyObject        *value;

    if (http_request_abandoned(req)) {
        completions_post(self->completions, req, http_response_of_status(503));
        return;
    }
    bridge_attach(me); /* with a GIL: wait for the others' handlers */
    trace_mark(req->trace, TRACE_WOKEN);
    value = bridge_call_handler(req); /* new; NULL: it raised */
    resp = bridge_response(req, value);
    Py_XDECREF(value);
    bridge_detach(me); /* and let others compute while the HTTP thread is woken */
    trace_mark(req->trace, TRACE_POSTED);
    completions_post(self->completions, req, resp); /* req is gone now */
    /* } LAB 3, STEP 3; until then:
     *     (void)me;
     *     completions_post(self->completions, req, http_response_of_status(501));
     */
}

static trace_lane_t *open_lane(pool_t *self)
{
    char     name[16];
    unsigned number;

    uv_mutex_lock(&self->lock);
    number = self->named++;
    uv_mutex_unlock(&self->lock);
    snprintf(name, sizeof name, "pool-%u", number);
    pthread_setname_np(pthread_self(), name);
    return trace_lane_open(self->trace, name);
}

static void thread_main(void *arg)
{
    pool_t         *self = arg;
    trace_lane_t   *lane = open_lane(self);
    bridge_thread_t me;
    http_request_t *req;
    bool            is_open = bridge_thread_open(&me, self->bridge) == 0;

    self->without_state = !is_open;
    uv_sem_post(&self->begun);
    if (is_open) {
        trace_lane_state(lane, TRACE_POLLING);
        while ((req = take(self)) != NULL) {
            answer(self, &me, req);
            trace_lane_state(lane, TRACE_POLLING);
        }
        bridge_thread_close(&me);
    }
    trace_lane_close(lane);
}

/* ---- HTTP thread ----------------------------------------------------------------------------- */

void pool_submit(pool_t *self, http_request_list_t *ready)
{
    http_request_t *req;

    /* LAB 3, STEP 3 { queue them all, and wake a thread for each */
    uv_mutex_lock(&self->lock);
    while ((req = http_request_list_pop(ready)) != NULL) {
        trace_mark(req->trace, TRACE_SCHEDULED);
        http_request_list_push(&self->queued, req);
        uv_cond_signal(&self->work);
    }
    uv_mutex_unlock(&self->lock);
    /* } LAB 3, STEP 3; until then:
     *     (void)self;
     *     while ((req = http_request_list_pop(ready)) != NULL)
     *         http_respond_transfer(req, http_response_of_status(501));
     */
}

void pool_take_answers(pool_t *self)
{
    http_request_t  *req;
    http_response_t *resp;

    while (completions_take(self->completions, &req, &resp)) {
        trace_mark(req->trace, TRACE_RECEIVED);
        http_respond_transfer(req, resp);
    }
}

/*
 * One after the other: CPython 3.13t makes objects immortal as the second thread of a process gets
 * its state, and looks without a lock whether that is done.
 */
static int start_threads(pool_t *self, unsigned wanted)
{
    self->threads = calloc(wanted, sizeof *self->threads);
    if (self->threads == NULL)
        return -1;
    while (self->count < wanted) {
        if (uv_thread_create(&self->threads[self->count], thread_main, self) != 0) {
            log_message(LOG_ERROR, "cannot start %u threads", wanted);
            return -1;
        }
        self->count++;
        uv_sem_wait(&self->begun);
        if (self->without_state) {
            log_message(LOG_ERROR, "no memory for the Python state of a thread");
            return -1;
        }
    }
    return 0;
}

/* returns 0, or -1 with none of them left */
static int open_locks(pool_t *self)
{
    if (uv_mutex_init(&self->lock) != 0)
        return -1;
    if (uv_cond_init(&self->work) == 0) {
        if (uv_sem_init(&self->begun, 0) == 0)
            return 0;
        uv_cond_destroy(&self->work);
    }
    uv_mutex_destroy(&self->lock);
    return -1;
}

int pool_open(pool_t **out, const lab_context_t *context)
{
    pool_t *self = calloc(1, sizeof *self);

    if (self == NULL)
        return -1;
    self->bridge = context->bridge;
    self->completions = context->completions;
    self->trace = context->trace;
    if (open_locks(self) != 0) {
        free(self);
        return -1;
    }
    if (start_threads(self, context->pool) != 0) {
        pool_close(self);
        return -1;
    }
    *out = self;
    return 0;
}

void pool_close(pool_t *self)
{
    if (self == NULL)
        return;
    /* LAB 3, STEP 3 { have every thread end, join it; then post 503 for what is queued still */
    http_request_t *req;

    uv_mutex_lock(&self->lock);
    self->stopping = true;
    uv_cond_broadcast(&self->work);
    uv_mutex_unlock(&self->lock);
    while (self->count > 0)
        uv_thread_join(&self->threads[--self->count]);
    while ((req = http_request_list_pop(&self->queued)) != NULL)
        completions_post(self->completions, req, http_response_of_status(503));
    /* } LAB 3, STEP 3; until then:
     *     while (self->count > 0)
     *         uv_thread_join(&self->threads[--self->count]);
     */
    uv_sem_destroy(&self->begun);
    uv_cond_destroy(&self->work);
    uv_mutex_destroy(&self->lock);
    free(self->threads);
    free(self);
}
