/*
 * Rung 6: lab 1 with a concurrent.futures.Future per request. Parent: rung 5, lab1_single_loop.
 *
 * Adds asyncio.run_coroutine_threadsafe() in place of create_task(): a future with a lock and a
 * condition, the task's result copied into it, and one more wake-up, of the loop by itself. It is
 * called on the loop's own thread and for its own loop. So no thread takes part that lab 1 doesn't
 * have, and what it costs is the future and its chain alone. (Called on the HTTP thread, it would
 * take the place of lab 1's call_soon_threadsafe() too, and hide its cost behind what that saves.)
 *
 *     HTTP thread                                   loop thread
 *     ① attach, call_soon_threadsafe  ----------->  ② call the handler,
 *                                                      run_coroutine_threadsafe
 *                                                   ③ ensure_future: the task
 *                                                      ... the coroutine runs, waits, runs ...
 *                                                   ④ concurrent.futures.Future is set:
 *     ⑥ take completions, respond     <-----------     result -> response, ⑤ post
 *
 * A request and its reference belong to one side at a time: to the HTTP thread until ①, to the
 * loop thread until ⑤. req->lab_data is the loop thread's: the future, while there is one.
 */
#include <stdlib.h>

#include "common/bridge/loop_thread.h"
#include "common/lab/lab.h"
#include "ladder/common/concurrent.h"

struct lab {
    /* Set by lab_open(), read-only afterwards. */
    bridge_thread_t *python;      /* borrowed: the HTTP thread's Python state */
    completions_t   *completions; /* borrowed */
    loop_thread_t    loop;
    bridge_asyncio_t asyncio;    /* owned: what is called of it, looked up once */
    concurrent_t     concurrent; /* owned: likewise */
};

static void on_woken(void *owner, http_request_t *req, PyObject *arg);
static void on_done(void *owner, http_request_t *req, PyObject *future);
static void on_cancel(void *owner, http_request_t *req, PyObject *arg);

/*
 * Attached, HTTP thread: have the loop's thread call `callable`, which is stolen.
 * returns 0, or -1 with an exception set; NULL is such a failure already
 */
static int call_on_loop(lab_t *lab, PyObject *callable)
{
    PyObject *args[] = {NULL, callable};
    PyObject *handle = NULL;

    if (callable != NULL)
        handle = PyObject_Vectorcall(lab->loop.call_soon_threadsafe, args + 1,
                                     1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL); /* new */
    Py_XDECREF(handle);
    Py_XDECREF(callable);
    return handle == NULL ? -1 : 0;
}

/* HTTP thread, once a turn: every request that is complete by now. */
void lab_on_ready(lab_t *lab, http_request_list_t *ready)
{
    http_request_t *req;

    bridge_attach(lab->python); /* ① wait for the GIL, once a turn */
    while ((req = http_request_list_pop(ready)) != NULL) {
        PyObject *woken;

        trace_mark(req->trace, TRACE_ATTACHED);
        woken = bridge_callable(on_woken, lab, req); /* new */
        trace_mark(req->trace, TRACE_SCHEDULED);
        if (call_on_loop(lab, woken) != 0) /* lock, deque, self-pipe: a wake-up each */
            http_respond_transfer(req, bridge_response(req, NULL));
    }
    bridge_detach(lab->python);
}

/* Loop thread: have this loop run the coroutine. returns a new concurrent.futures.Future */
static PyObject *run_on_loop(lab_t *lab, const http_request_t *req, PyObject *coroutine)
{
    PyObject *args[] = {NULL, coroutine, lab->loop.loop};

    trace_mark(req->trace, TRACE_SCHEDULED_WORKER);
    return PyObject_Vectorcall(lab->asyncio.run_coroutine_threadsafe, args + 1,
                               2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

/* Loop thread: handler -> coroutine -> future. */
static void on_woken(void *owner, http_request_t *req, PyObject *arg)
{
    lab_t    *lab = owner;
    PyObject *coroutine = NULL, *future = NULL, *callback = NULL, *none = NULL;

    (void)arg;
    trace_mark(req->trace, TRACE_WOKEN);
    coroutine = bridge_call_handler(req); /* ② new */
    if (coroutine != NULL)
        future = run_on_loop(lab, req, coroutine); /* ③ new */
    if (future != NULL)
        callback = bridge_callable(on_done, lab, req); /* new */
    if (callback != NULL)
        none =
            PyObject_CallMethodOneArg(future, lab->asyncio.add_done_callback, callback); /* new */
    if (none != NULL)
        req->lab_data = Py_NewRef(future); /* until on_done() */
    else
        completions_post(lab->completions, req, bridge_response(req, NULL));
    Py_XDECREF(none);
    Py_XDECREF(callback);
    Py_XDECREF(future);
    Py_XDECREF(coroutine);
}

/* Loop thread: the future is done, whichever way it ended. */
static void on_done(void *owner, http_request_t *req, PyObject *future)
{
    lab_t           *lab = owner;
    http_response_t *resp = concurrent_response(&lab->concurrent, req, future); /* ④ */

    Py_DECREF((PyObject *)req->lab_data);
    req->lab_data = NULL;
    trace_mark(req->trace, TRACE_POSTED);
    completions_post(lab->completions, req, resp); /* ⑤ req is gone now */
}

/* HTTP thread, woken by a completion: libuv merges wake-ups, so take all there is. */
void lab_on_completions(lab_t *lab)
{
    http_request_t  *req;
    http_response_t *resp;

    while (completions_take(lab->completions, &req, &resp)) {
        trace_mark(req->trace, TRACE_RECEIVED);
        http_respond_transfer(req, resp); /* ⑥ */
    }
}

/* HTTP thread: nobody waits for the answer, so cancel the future; on its own loop's thread. */
void lab_on_client_gone(lab_t *lab, http_request_t *req)
{
    bridge_attach(lab->python);
    if (call_on_loop(lab, bridge_callable(on_cancel, lab, req)) != 0)
        PyErr_Clear(); /* the loop is closed, and its futures are cancelled already */
    bridge_detach(lab->python);
}

/* Loop thread: the future passes it on to its task. It calls on_done() before it returns. */
static void on_cancel(void *owner, http_request_t *req, PyObject *arg)
{
    lab_t    *lab = owner;
    PyObject *future = req->lab_data; /* NULL: done, or never begun */
    PyObject *known;

    (void)arg;
    if (future == NULL)
        return;
    Py_INCREF(future); /* on_done() drops the request's */
    known = PyObject_CallMethodNoArgs(future, lab->asyncio.cancel); /* new */
    if (known == NULL)
        PyErr_WriteUnraisable(future);
    Py_XDECREF(known);
    Py_DECREF(future);
}

/* ---- Start and end --------------------------------------------------------------------------- */

int lab_open(lab_t **out, const lab_context_t *context)
{
    lab_t *lab = calloc(1, sizeof *lab);

    if (lab == NULL)
        return -1;
    lab->python = context->http_thread;
    lab->completions = context->completions;
    if (bridge_asyncio_open(&lab->asyncio, lab->python) != 0 ||
        concurrent_open(&lab->concurrent, lab->python) != 0 ||
        loop_thread_start(&lab->loop, context->bridge, context->app, "loop") != 0 ||
        bridge_trace_tasks(context->bridge, lab->python, lab->loop.loop) != 0) {
        lab_close(lab);
        return -1;
    }
    *out = lab;
    return 0;
}

void lab_close(lab_t *lab)
{
    loop_thread_stop(&lab->loop, lab->python);
    concurrent_close(&lab->concurrent, lab->python);
    bridge_asyncio_close(&lab->asyncio, lab->python);
    free(lab);
}
