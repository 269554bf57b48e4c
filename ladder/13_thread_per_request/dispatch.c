/*
 * Rung 13, a branch of its own: a thread blocked for each request until its coroutine is done.
 * Parent: rung 6, 06_concurrent_future.
 *
 * Adds threads: each request has one, which calls asyncio.run_coroutine_threadsafe() and then sits
 * in the future's result(). The simplest way for a server of threads to serve async handlers, and
 * perhaps the way in which the report's first row was measured. Two more hand-offs per request, from
 * the HTTP thread to the blocked one and from the loop back to it, and a hundred threads that compete
 * for the GIL with the loop that they wait for.
 *
 *     HTTP thread              a thread of the pool                    loop thread
 *     ① queue, wake one  --->  ② attach, call the handler,
 *                                run_coroutine_threadsafe,
 *                                block in result()        ---------->  ③ the task
 *                              ④ result -> response,      <----------    ... and its future is set
 *     ⑥ respond          <---    ⑤ post
 *
 * A request and its reference belong to one side at a time: to the HTTP thread until ①, to its
 * pool thread until ⑤. req->lab_data is the pool thread's entry in `waiters`, while that has a
 * future; it is read and written under the lock.
 *
 * Traced requests pass the pool thread where those of lab 2 pass the main loop's, and the loop where
 * those pass a worker. The pool's threads keep no history of their own: 128 of them in every table
 * would hide the rest. So what a request spends there is counted, and stays unattributed.
 */
#include <stdlib.h>

#include "common/bridge/loop_thread.h"
#include "common/lab/lab.h"
#include "ladder/common/concurrent.h"

/* More than the experiment has connections; a request beyond that waits for a thread. */
enum { THREADS = 128 };

/* A thread of the pool. */
typedef struct {
    /* Set by start_threads(), read-only afterwards. */
    lab_t      *lab;
    uv_thread_t thread;

    /* This thread, the HTTP thread; under the lab's lock. */
    PyObject *future; /* borrowed from this thread, which blocks in its result() */
} waiter_t;

struct lab {
    /* Set by lab_open(), read-only afterwards. */
    bridge_t        *bridge;      /* borrowed */
    bridge_thread_t *python;      /* borrowed: the HTTP thread's Python state */
    completions_t   *completions; /* borrowed */
    loop_thread_t    loop;
    bridge_asyncio_t asyncio;    /* owned: what is called of it, looked up once */
    concurrent_t     concurrent; /* owned: likewise */

    /* HTTP thread only. */
    unsigned thread_count; /* started and not joined */

    /* Any thread, under lock (a leaf: constant work, no Python inside). */
    uv_mutex_t          lock;
    uv_cond_t           work; /* queued has one more, or stopping is set */
    http_request_list_t queued;
    bool                stopping;
    waiter_t            waiters[THREADS];
};

/* ---- The pool's threads ---------------------------------------------------------------------- */

/* Wait for a request; NULL: the lab is closed. */
static http_request_t *take(lab_t *lab)
{
    http_request_t *req;

    uv_mutex_lock(&lab->lock);
    while ((req = http_request_list_pop(&lab->queued)) == NULL && !lab->stopping)
        uv_cond_wait(&lab->work, &lab->lock);
    uv_mutex_unlock(&lab->lock);
    return req;
}

/* Attached: the future passes it on to its task, and result() returns. */
static void cancel(const lab_t *lab, PyObject *future)
{
    PyObject *known = PyObject_CallMethodNoArgs(future, lab->asyncio.cancel); /* new */

    if (known == NULL)
        PyErr_WriteUnraisable(future);
    Py_XDECREF(known);
}

/* From here on (NULL: until here) the future can be cancelled. returns whether anybody wants it */
static bool show_future(waiter_t *self, http_request_t *req, PyObject *future)
{
    lab_t *lab = self->lab;
    bool   wanted;

    uv_mutex_lock(&lab->lock);
    self->future = future;
    req->lab_data = future == NULL ? NULL : self;
    wanted = !lab->stopping && !http_request_abandoned(req);
    uv_mutex_unlock(&lab->lock);
    return wanted;
}

/* Attached: have the loop run the coroutine. returns a new concurrent.futures.Future */
static PyObject *run_on_loop(lab_t *lab, const http_request_t *req, PyObject *coroutine)
{
    PyObject *args[] = {NULL, coroutine, lab->loop.loop};

    trace_mark(req->trace, TRACE_SCHEDULED_WORKER);
    return PyObject_Vectorcall(lab->asyncio.run_coroutine_threadsafe, args + 1,
                               2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

/* Attached, but for the time in which it blocks. */
static void answer(waiter_t *self, http_request_t *req)
{
    lab_t           *lab = self->lab;
    PyObject        *coroutine = NULL, *future = NULL;
    http_response_t *resp;

    trace_mark(req->trace, TRACE_WOKEN);
    coroutine = bridge_call_handler(req); /* ② new */
    if (coroutine != NULL)
        future = run_on_loop(lab, req, coroutine); /* new */
    if (future == NULL) {
        resp = bridge_response(req, NULL);
    } else {
        if (!show_future(self, req, future))
            cancel(lab, future);
        resp = concurrent_response(&lab->concurrent, req, future); /* ③ blocks, ④ */
        show_future(self, req, NULL);
    }
    trace_mark(req->trace, TRACE_POSTED);
    completions_post(lab->completions, req, resp); /* ⑤ req is gone now */
    Py_XDECREF(future);
    Py_XDECREF(coroutine);
}

static void waiter_main(void *arg)
{
    waiter_t       *self = arg;
    bridge_thread_t me;
    http_request_t *req;

    if (bridge_thread_open(&me, self->lab->bridge) != 0)
        return; /* without memory: the others do its work */
    while ((req = take(self->lab)) != NULL) {
        bridge_attach(&me);
        answer(self, req);
        bridge_detach(&me);
    }
    bridge_thread_close(&me);
}

/* ---- The HTTP thread ------------------------------------------------------------------------- */

/* Once a turn: every request that is complete by now. */
void lab_on_ready(lab_t *lab, http_request_list_t *ready)
{
    http_request_t *req;

    for (req = ready->head; req != NULL; req = req->next)
        trace_mark(req->trace, TRACE_SCHEDULED);
    uv_mutex_lock(&lab->lock);
    while ((req = http_request_list_pop(ready)) != NULL) {
        http_request_list_push(&lab->queued, req); /* ① */
        uv_cond_signal(&lab->work);
    }
    uv_mutex_unlock(&lab->lock);
}

/* Woken by a completion: libuv merges wake-ups, so take all there is. */
void lab_on_completions(lab_t *lab)
{
    http_request_t  *req;
    http_response_t *resp;

    while (completions_take(lab->completions, &req, &resp)) {
        trace_mark(req->trace, TRACE_RECEIVED);
        http_respond_transfer(req, resp); /* ⑥ */
    }
}

/* Attached, the lock held, which it gives up: cancel what this thread blocks on, if it does. */
static void cancel_waiter(lab_t *lab, const waiter_t *waiter)
{
    PyObject *future = waiter == NULL ? NULL : Py_XNewRef(waiter->future); /* new */

    uv_mutex_unlock(&lab->lock);
    if (future != NULL)
        cancel(lab, future);
    Py_XDECREF(future);
}

/* Nobody waits for the answer, so cancel the future; one to come is seen to by show_future(). */
void lab_on_client_gone(lab_t *lab, http_request_t *req)
{
    bridge_attach(lab->python);
    uv_mutex_lock(&lab->lock);
    cancel_waiter(lab, req->lab_data);
    bridge_detach(lab->python);
}

/* ---- Start and end --------------------------------------------------------------------------- */

/* returns 0, or -1: some may run nevertheless */
static int start_threads(lab_t *lab)
{
    for (; lab->thread_count < THREADS; lab->thread_count++) {
        waiter_t *waiter = &lab->waiters[lab->thread_count];

        waiter->lab = lab;
        if (uv_thread_create(&waiter->thread, waiter_main, waiter) != 0)
            return -1;
    }
    return 0;
}

int lab_open(lab_t **out, const lab_context_t *context)
{
    lab_t *lab = calloc(1, sizeof *lab);

    if (lab == NULL)
        return -1;
    lab->bridge = context->bridge;
    lab->python = context->http_thread;
    lab->completions = context->completions;
    if (uv_mutex_init(&lab->lock) != 0) {
        free(lab);
        return -1;
    }
    if (uv_cond_init(&lab->work) != 0) {
        uv_mutex_destroy(&lab->lock);
        free(lab);
        return -1;
    }
    if (bridge_asyncio_open(&lab->asyncio, lab->python) != 0 ||
        concurrent_open(&lab->concurrent, lab->python) != 0 ||
        loop_thread_start(&lab->loop, context->bridge, context->app, "loop") != 0 ||
        bridge_trace_tasks(context->bridge, lab->python, lab->loop.loop) != 0 ||
        start_threads(lab) != 0) {
        lab_close(lab);
        return -1;
    }
    *out = lab;
    return 0;
}

/* The loop goes last: a future that it will never set would block its thread for ever. */
static void stop_threads(lab_t *lab)
{
    uv_mutex_lock(&lab->lock);
    lab->stopping = true; /* whoever begins to block from here on cancels its future by itself */
    uv_cond_broadcast(&lab->work);
    uv_mutex_unlock(&lab->lock);
    bridge_attach(lab->python);
    for (unsigned i = 0; i < lab->thread_count; i++) {
        uv_mutex_lock(&lab->lock);
        cancel_waiter(lab, &lab->waiters[i]);
    }
    bridge_detach(lab->python);
    while (lab->thread_count > 0)
        uv_thread_join(&lab->waiters[--lab->thread_count].thread);
}

void lab_close(lab_t *lab)
{
    stop_threads(lab);
    loop_thread_stop(&lab->loop, lab->python);
    concurrent_close(&lab->concurrent, lab->python);
    bridge_asyncio_close(&lab->asyncio, lab->python);
    uv_cond_destroy(&lab->work);
    uv_mutex_destroy(&lab->lock);
    free(lab);
}
