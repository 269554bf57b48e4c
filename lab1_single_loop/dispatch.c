/*
 * Lab 1: `async def` handlers on one asyncio loop, which has a thread of its own.
 *
 *     HTTP thread                                   loop thread
 *     ① attach, call_soon_threadsafe  ----------->  ② call the handler, create its task
 *                                                      ... the coroutine runs, waits, runs ...
 *     ⑤ take completions, respond     <-----------  ③ done callback: result -> response
 *                                                   ④ post the completion
 *
 * Two hand-offs per request, one each way. The way out is a Python call that takes the loop's lock
 * and writes to its self-pipe; the way back is a C queue behind one uv_async_t.
 *
 * A request and its reference belong to one side at a time: to the HTTP thread until ①, to the
 * loop thread until ④. req->lab_data is the loop thread's: the task, while there is one.
 *
 * In the write-up: WRITEUP.md, "1. The three servers".
 */
#include <stdlib.h>

#include "common/bridge/loop_thread.h"
#include "common/lab/lab.h"

struct lab {
    /* Set by lab_open(), read-only afterwards. */
    bridge_thread_t *python;      /* borrowed: the HTTP thread's Python state */
    completions_t   *completions; /* borrowed */
    loop_thread_t    loop;
    bridge_asyncio_t asyncio; /* owned: what is called of it, looked up once */
};

static void on_woken(void *owner, http_request_t *req, PyObject *arg);
static void on_done(void *owner, http_request_t *req, PyObject *task);
static void on_cancel(void *owner, http_request_t *req, PyObject *arg);

/*
 * Attached, HTTP thread: have the loop's thread call `callable`, which is stolen.
 * returns 0, or -1 with an exception set; NULL is such a failure already
 */
static int call_on_loop(lab_t *lab, PyObject *callable)
{
    /* LAB 1, STEP 2 { the hand-over: one call of call_soon_threadsafe(), references in order */
    PyObject *args[] = {NULL, callable};
    PyObject *handle = NULL;

    if (callable != NULL)
        handle = PyObject_Vectorcall(lab->loop.call_soon_threadsafe, args + 1,
                                     1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL); /* new */
    Py_XDECREF(handle);
    Py_XDECREF(callable);
    return handle == NULL ? -1 : 0;
    /* } LAB 1, STEP 2; until then:
     *     (void)lab;
     *     Py_XDECREF(callable);
     *     PyErr_SetString(PyExc_NotImplementedError, "lab 1, step 2");
     *     return -1;
     */
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
        /* LAB 1, STEP 2 { hand `woken` over; where that fails, the request gets its 500 here */
        if (call_on_loop(lab, woken) != 0) /* lock, deque, self-pipe: a wake-up each */
            http_respond_transfer(req, bridge_response(req, NULL));
        /* } LAB 1, STEP 2; until then:
         *     Py_XDECREF(woken);
         *     http_respond_transfer(req, http_response_of_status(501));
         */
    }
    bridge_detach(lab->python);
}

/* Loop thread: handler -> coroutine -> task. */
static void on_woken(void *owner, http_request_t *req, PyObject *arg)
{
    lab_t *lab = owner;

    (void)arg;
    trace_mark(req->trace, TRACE_WOKEN);
    /* LAB 1, STEP 3 { call the handler, make its coroutine a task that ends in on_done() */
    PyObject *coroutine = NULL, *task = NULL, *callback = NULL, *none = NULL;

    coroutine = bridge_call_handler(req); /* ② new */
    if (coroutine != NULL)
        task = PyObject_CallOneArg(lab->loop.create_task, coroutine); /* new */
    if (task != NULL)
        callback = bridge_callable(on_done, lab, req); /* new */
    if (callback != NULL)
        none = PyObject_CallMethodOneArg(task, lab->asyncio.add_done_callback, callback); /* new */
    if (none != NULL)
        req->lab_data = Py_NewRef(task); /* until on_done() */
    else
        completions_post(lab->completions, req, bridge_response(req, NULL));
    Py_XDECREF(none);
    Py_XDECREF(callback);
    Py_XDECREF(task);
    Py_XDECREF(coroutine);
    /* } LAB 1, STEP 3; until then:
     *     (void)on_done;
     *     completions_post(lab->completions, req, http_response_of_status(501));
     */
}

/* Loop thread: the task is done, whichever way it ended. */
static void on_done(void *owner, http_request_t *req, PyObject *task)
{
    lab_t           *lab = owner;
    http_response_t *resp;

    trace_mark(req->trace, TRACE_CONVERTED);
    /* LAB 1, STEP 4 { what the task has come to, as a response; the task is no longer needed */
    PyObject *value;

    value = PyObject_CallMethodNoArgs(task, lab->asyncio.result); /* ③ new; or raises */
    resp = bridge_response(req, value);
    Py_XDECREF(value);
    Py_DECREF((PyObject *)req->lab_data);
    req->lab_data = NULL;
    /* } LAB 1, STEP 4; until then:
     *     (void)task;
     *     resp = http_response_of_status(501);
     */
    trace_mark(req->trace, TRACE_POSTED);
    completions_post(lab->completions, req, resp); /* ④ req is gone now */
}

/* HTTP thread, woken by a completion: libuv merges wake-ups, so take all there is. */
void lab_on_completions(lab_t *lab)
{
    http_request_t  *req;
    http_response_t *resp;

    while (completions_take(lab->completions, &req, &resp)) {
        trace_mark(req->trace, TRACE_RECEIVED);
        http_respond_transfer(req, resp); /* ⑤ */
    }
}

/* HTTP thread: nobody waits for the answer, so cancel the task; on its own loop's thread. */
void lab_on_client_gone(lab_t *lab, http_request_t *req)
{
    /* LAB 1, STEP 5 { on_cancel() on the loop's thread; a loop that is closed needs none */
    bridge_attach(lab->python);
    if (call_on_loop(lab, bridge_callable(on_cancel, lab, req)) != 0)
        PyErr_Clear(); /* the loop is closed, and its tasks are cancelled already */
    bridge_detach(lab->python);
    /* } LAB 1, STEP 5; until then:
     *     (void)lab, (void)req;
     *     (void)on_cancel, (void)call_on_loop;
     */
}

/* Loop thread. */
static void on_cancel(void *owner, http_request_t *req, PyObject *arg)
{
    lab_t *lab = owner;

    (void)arg;
    /* LAB 1, STEP 5 { cancel the request's task, if it has one still */
    PyObject *task = req->lab_data; /* borrowed; NULL: done, or never begun */
    PyObject *known;

    if (task == NULL)
        return;
    known = PyObject_CallMethodNoArgs(task, lab->asyncio.cancel); /* new */
    if (known == NULL)
        PyErr_WriteUnraisable(task);
    Py_XDECREF(known);
    /* } LAB 1, STEP 5; until then:
     *     (void)lab, (void)req;
     */
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
        loop_thread_start(&lab->loop, context->bridge, context->app, "loop") != 0) {
        lab_close(lab);
        return -1;
    }
    *out = lab;
    return 0;
}

void lab_close(lab_t *lab)
{
    loop_thread_stop(&lab->loop, lab->python);
    bridge_asyncio_close(&lab->asyncio, lab->python);
    free(lab);
}
