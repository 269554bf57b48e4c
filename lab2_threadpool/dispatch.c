/*
 * Lab 2: `async def` handlers on a pool of asyncio loops, each with a thread of its own: the
 * report's chain in full.
 *
 *     HTTP thread                main loop's thread              a worker loop's thread
 *     ① attach,            --->  ② call the handler, pick
 *       call_soon_threadsafe       a worker, run_coroutine_
 *                                  threadsafe, wrap_future  --->  ③ ensure_future: the task
 *                                                                    ... the coroutine runs ...
 *                                ⑤ the wrapped future        <---  ④ concurrent.futures.Future
 *     ⑦ take completions,  <---    resolves: result ->               is set, wakes the main loop
 *       respond                    response, ⑥ post
 *
 * Four hand-offs per request where lab 1 has two, and two more futures. `diff` this file and
 * lab1_single_loop/dispatch.c: the difference is the experiment.
 *
 * A request and its reference belong to one side at a time: to the HTTP thread until ①, to the main
 * loop's thread until ⑥; the workers see only the coroutine. req->lab_data is the main loop
 * thread's: the wrapped future, while there is one.
 *
 * In the write-up: WRITEUP.md, "1. The three servers".
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/bridge/loop_thread.h"
#include "common/lab/lab.h"

/* One of the pool's loops. The struct is the main loop's thread's; `queued` others may read. */
typedef struct {
    lab_t        *lab; /* borrowed */
    loop_thread_t thread;
    atomic_uint   queued; /* requests that it has: they run, or wait for it */
} worker_t;

struct lab {
    /* Set by lab_open(), read-only afterwards. */
    bridge_thread_t *python;      /* borrowed: the HTTP thread's Python state */
    completions_t   *completions; /* borrowed */
    loop_thread_t    loop;        /* the main loop */
    bridge_asyncio_t asyncio;     /* owned: what is called of it, looked up once */
    worker_t        *workers;     /* owned */
    unsigned         worker_count;
    unsigned         worker_queue; /* what each may have; beyond it 503 */

    /* Main loop's thread only. */
    unsigned next_worker;
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

/* Main loop's thread: round robin, past those whose queue is full. NULL: they all are */
static worker_t *pick_worker(lab_t *lab)
{
    /* LAB 2, STEP 2 { the next worker in turn that has room */
    for (unsigned tried = 0; tried < lab->worker_count; tried++) {
        worker_t *worker = &lab->workers[lab->next_worker++ % lab->worker_count];

        if (worker->queued < lab->worker_queue)
            return worker;
    }
    return NULL;
    /* } LAB 2, STEP 2; until then:
     *     (void)lab;
     *     return NULL;
     */
}

/* Main loop's thread: have a worker run the coroutine. returns a new concurrent.futures.Future */
static PyObject *run_on_worker(worker_t *worker, http_request_t *req, PyObject *coroutine)
{
    PyObject *future;

    trace_mark(req->trace, TRACE_SCHEDULED_WORKER);
    /* LAB 2, STEP 3 { asyncio.run_coroutine_threadsafe(coroutine, the worker's loop) */
    PyObject *args[] = {NULL, coroutine, worker->thread.loop};

    future = PyObject_Vectorcall(worker->lab->asyncio.run_coroutine_threadsafe, args + 1,
                                 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    /* } LAB 2, STEP 3; until then:
     *     (void)worker, (void)coroutine;
     *     PyErr_SetString(PyExc_NotImplementedError, "lab 2, step 3");
     *     future = NULL;
     */
    return bridge_trace_future(req, future);
}

/* Main loop's thread: an asyncio future of this loop that follows the other. returns a new one */
static PyObject *wrap_for_main_loop(lab_t *lab, PyObject *future)
{
    /* LAB 2, STEP 3 { asyncio.wrap_future(future, loop=the main loop) */
    PyObject *args[] = {NULL, future, lab->loop.loop};

    return PyObject_Vectorcall(lab->asyncio.wrap_future, args + 1,
                               1 | PY_VECTORCALL_ARGUMENTS_OFFSET, lab->asyncio.loop_keyword);
    /* } LAB 2, STEP 3; until then:
     *     (void)lab, (void)future;
     *     PyErr_SetString(PyExc_NotImplementedError, "lab 2, step 3");
     *     return NULL;
     */
}

/* Main loop's thread: handler -> coroutine -> future on a worker -> future here. */
static void on_woken(void *owner, http_request_t *req, PyObject *arg)
{
    lab_t *lab = owner;

    (void)arg;
    trace_mark(req->trace, TRACE_WOKEN);
    /* LAB 2, STEP 4 { pick, call, run on the worker, wrap, add the callback: or 503, or 500 */
    worker_t *worker = pick_worker(lab);
    PyObject *coroutine = NULL, *future = NULL, *wrapped = NULL, *callback = NULL, *none = NULL;

    if (worker == NULL) {
        completions_post(lab->completions, req, http_response_busy());
        return;
    }
    coroutine = bridge_call_handler(req); /* ② new */
    if (coroutine != NULL)
        future = run_on_worker(worker, req, coroutine); /* ③ new */
    if (future != NULL)
        wrapped = wrap_for_main_loop(lab, future); /* ④ new */
    if (wrapped != NULL)
        callback = bridge_callable(on_done, worker, req); /* new */
    if (callback != NULL)
        none =
            PyObject_CallMethodOneArg(wrapped, lab->asyncio.add_done_callback, callback); /* new */
    if (none != NULL) {
        worker->queued++;
        req->lab_data = Py_NewRef(wrapped); /* until on_done() */
    } else {
        completions_post(lab->completions, req, bridge_response(req, NULL));
    }
    Py_XDECREF(none);
    Py_XDECREF(callback);
    Py_XDECREF(wrapped);
    Py_XDECREF(future);
    Py_XDECREF(coroutine);
    /* } LAB 2, STEP 4; until then:
     *     (void)pick_worker, (void)run_on_worker, (void)wrap_for_main_loop, (void)on_done;
     *     completions_post(lab->completions, req, http_response_of_status(501));
     */
}

/* Main loop's thread: the wrapped future is done, whichever way it ended. */
static void on_done(void *owner, http_request_t *req, PyObject *future)
{
    worker_t        *worker = owner;
    lab_t           *lab = worker->lab;
    http_response_t *resp;

    trace_mark(req->trace, TRACE_CONVERTED);
    /* LAB 2, STEP 5 { what the future has come to, as a response; the worker has room again */
    PyObject *value;

    value = PyObject_CallMethodNoArgs(future, lab->asyncio.result); /* ⑤ new; or raises */
    resp = bridge_response(req, value);
    Py_XDECREF(value);
    Py_DECREF((PyObject *)req->lab_data);
    req->lab_data = NULL;
    worker->queued--;
    /* } LAB 2, STEP 5; until then:
     *     (void)future;
     *     resp = http_response_of_status(501);
     */
    trace_mark(req->trace, TRACE_POSTED);
    completions_post(lab->completions, req, resp); /* ⑥ req is gone now */
}

/* HTTP thread, woken by a completion: libuv merges wake-ups, so take all there is. */
void lab_on_completions(lab_t *lab)
{
    http_request_t  *req;
    http_response_t *resp;

    while (completions_take(lab->completions, &req, &resp)) {
        trace_mark(req->trace, TRACE_RECEIVED);
        http_respond_transfer(req, resp); /* ⑦ */
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

/* Main loop's thread: the wrapped future passes it on to the worker's task. */
static void on_cancel(void *owner, http_request_t *req, PyObject *arg)
{
    lab_t    *lab = owner;
    PyObject *future = req->lab_data; /* borrowed; NULL: done, or never begun */
    PyObject *known;

    (void)arg;
    if (future == NULL)
        return;
    req->trace = NULL; /* the worker's coroutine may run on, and mark, at the same time as we */
    known = PyObject_CallMethodNoArgs(future, lab->asyncio.cancel); /* new */
    if (known == NULL)
        PyErr_WriteUnraisable(future);
    Py_XDECREF(known);
}

/* ---- Start and end --------------------------------------------------------------------------- */

/* returns 0, or -1 (said on stderr) */
static int start_workers(lab_t *lab, const lab_context_t *context)
{
    lab->workers = calloc(context->workers, sizeof *lab->workers);
    if (lab->workers == NULL)
        return -1;
    /* LAB 2, STEP 1 { start each loop's thread, count it, have its tasks traced */
    while (lab->worker_count < context->workers) {
        worker_t *worker = &lab->workers[lab->worker_count];
        char      name[24];

        worker->lab = lab;
        snprintf(name, sizeof name, "worker-%u", lab->worker_count);
        if (loop_thread_start(&worker->thread, context->bridge, NULL, name) != 0)
            return -1;
        lab->worker_count++;
        if (bridge_trace_tasks(context->bridge, lab->python, worker->thread.loop) != 0)
            return -1;
    }
    /* } LAB 2, STEP 1 */
    return 0;
}

int lab_open(lab_t **out, const lab_context_t *context)
{
    lab_t *lab = calloc(1, sizeof *lab);

    if (lab == NULL)
        return -1;
    lab->python = context->http_thread;
    lab->completions = context->completions;
    lab->worker_queue = context->worker_queue;
    if (bridge_asyncio_open(&lab->asyncio, lab->python) != 0 || start_workers(lab, context) != 0 ||
        loop_thread_start(&lab->loop, context->bridge, context->app, "main-loop") != 0) {
        lab_close(lab);
        return -1;
    }
    for (unsigned i = 0; context->queued != NULL && i < lab->worker_count; i++)
        context->queued[i] = &lab->workers[i].queued; /* for /metrics */
    *out = lab;
    return 0;
}

/* Workers first: what they cancel still resolves futures on the main loop, where on_done() looks at
 * its worker. */
void lab_close(lab_t *lab)
{
    for (unsigned i = 0; i < lab->worker_count; i++)
        loop_thread_stop(&lab->workers[i].thread, lab->python);
    loop_thread_stop(&lab->loop, lab->python);
    bridge_asyncio_close(&lab->asyncio, lab->python);
    free(lab->workers);
    free(lab);
}
