/*
 * Rung 4: one asyncio loop on a thread of its own, woken once per batch. Parent: rung 3,
 * 03_loop_same_thread.
 *
 * Adds the hop: a second thread, and the GIL between the two. The HTTP thread hands a turn's
 * requests over as one list, and wakes the loop only if no earlier wake-up is still on its way.
 * Answers come back through the completion queue, which merges its wake-ups in the same manner.
 * The next rung, lab1_single_loop, wakes the loop for each request: `diff` this file and lab 1's.
 *
 *     HTTP thread                                   loop thread
 *     ① queue the turn's requests
 *     ② unless that is due: attach,   ----------->  ③ take what is queued; of each:
 *       call_soon_threadsafe                           call the handler, create its task
 *                                                      ... the coroutine runs, waits, runs ...
 *     ⑥ take completions, respond     <-----------  ④ done callback: result -> response
 *                                                   ⑤ post the completion
 *
 * A request and its reference belong to one side at a time: to the HTTP thread until ①, to the
 * loop thread until ⑤. req->lab_data is the loop thread's: the task, while there is one.
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
    PyObject        *drain;   /* owned: on_batch() as a Python callable */

    /* HTTP thread and loop thread, under lock (a leaf: constant work, no Python inside). */
    uv_mutex_t          lock;
    http_request_list_t queued;
    bool                wake_up_due; /* on_batch() will run, and hasn't looked at the queue yet */
};

static PyObject *on_batch(PyObject *capsule, PyObject *unused);
static void      begin(lab_t *lab, http_request_t *req);
static void      on_done(void *owner, http_request_t *req, PyObject *task);
static void      on_cancel(void *owner, http_request_t *req, PyObject *arg);

static PyMethodDef drain_method = {"drain", on_batch, METH_NOARGS, NULL};

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

/* Any of the two threads: take all that is queued. */
static http_request_list_t take_queued(lab_t *lab)
{
    http_request_list_t taken;

    uv_mutex_lock(&lab->lock);
    taken = lab->queued;
    lab->queued = (http_request_list_t){0};
    lab->wake_up_due = false;
    uv_mutex_unlock(&lab->lock);
    return taken;
}

/* HTTP thread: wake the loop thread; one call, lock, deque and self-pipe for a whole batch. */
static void wake(lab_t *lab)
{
    http_request_list_t refused = {0};
    PyObject           *handle;
    http_request_t     *req;

    bridge_attach(lab->python); /* ② wait for the GIL, once a batch */
    handle = PyObject_CallOneArg(lab->loop.call_soon_threadsafe, lab->drain); /* new */
    if (handle == NULL)
        refused = take_queued(lab);
    while ((req = http_request_list_pop(&refused)) != NULL) /* logged with the first */
        http_respond_transfer(req, PyErr_Occurred() ? bridge_response(req, NULL)
                                                    : http_response_of_status(500));
    Py_XDECREF(handle);
    bridge_detach(lab->python);
}

/* HTTP thread, once a turn: every request that is complete by now. */
void lab_on_ready(lab_t *lab, http_request_list_t *ready)
{
    http_request_t *req;
    bool            due;

    for (req = ready->head; req != NULL; req = req->next)
        trace_mark(req->trace, TRACE_SCHEDULED);
    uv_mutex_lock(&lab->lock);
    while ((req = http_request_list_pop(ready)) != NULL)
        http_request_list_push(&lab->queued, req); /* ① */
    due = lab->wake_up_due;
    lab->wake_up_due = true;
    uv_mutex_unlock(&lab->lock);
    if (!due)
        wake(lab);
}

/* Loop thread: begin all that has been queued since it last looked. */
static PyObject *on_batch(PyObject *capsule, PyObject *unused)
{
    lab_t              *lab = PyCapsule_GetPointer(capsule, NULL);
    http_request_list_t taken = take_queued(lab); /* ③ */
    http_request_t     *req;

    (void)unused;
    while ((req = http_request_list_pop(&taken)) != NULL)
        begin(lab, req);
    Py_RETURN_NONE;
}

/* Loop thread: handler -> coroutine -> task. */
static void begin(lab_t *lab, http_request_t *req)
{
    PyObject *coroutine = NULL, *task = NULL, *callback = NULL, *none = NULL;

    trace_mark(req->trace, TRACE_WOKEN);
    coroutine = bridge_call_handler(req); /* new */
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
}

/* Loop thread: the task is done, whichever way it ended. */
static void on_done(void *owner, http_request_t *req, PyObject *task)
{
    lab_t           *lab = owner;
    http_response_t *resp;
    PyObject        *value;

    trace_mark(req->trace, TRACE_CONVERTED);
    value = PyObject_CallMethodNoArgs(task, lab->asyncio.result); /* ④ new; or raises */
    resp = bridge_response(req, value);
    Py_XDECREF(value);
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

/* HTTP thread: nobody waits for the answer, so cancel the task; on its own loop's thread. */
void lab_on_client_gone(lab_t *lab, http_request_t *req)
{
    bridge_attach(lab->python);
    if (call_on_loop(lab, bridge_callable(on_cancel, lab, req)) != 0)
        PyErr_Clear(); /* the loop is closed, and its tasks are cancelled already */
    bridge_detach(lab->python);
}

/* Loop thread. */
static void on_cancel(void *owner, http_request_t *req, PyObject *arg)
{
    lab_t    *lab = owner;
    PyObject *task = req->lab_data; /* borrowed; NULL: done, or never begun */
    PyObject *known;

    (void)arg;
    if (task == NULL)
        return;
    known = PyObject_CallMethodNoArgs(task, lab->asyncio.cancel); /* new */
    if (known == NULL)
        PyErr_WriteUnraisable(task);
    Py_XDECREF(known);
}

/* ---- Start and end --------------------------------------------------------------------------- */

/* Attached: on_batch() as a Python callable, new; NULL with an exception set */
static PyObject *make_drain(lab_t *lab)
{
    PyObject *capsule = PyCapsule_New(lab, NULL, NULL); /* new */
    PyObject *drain = capsule == NULL ? NULL : PyCFunction_New(&drain_method, capsule);

    Py_XDECREF(capsule);
    return drain;
}

static int open_drain(lab_t *lab)
{
    bridge_attach(lab->python);
    lab->drain = make_drain(lab);
    if (lab->drain == NULL)
        PyErr_Print();
    bridge_detach(lab->python);
    return lab->drain == NULL ? -1 : 0;
}

int lab_open(lab_t **out, const lab_context_t *context)
{
    lab_t *lab = calloc(1, sizeof *lab);

    if (lab == NULL)
        return -1;
    lab->python = context->http_thread;
    lab->completions = context->completions;
    if (uv_mutex_init(&lab->lock) != 0) {
        free(lab);
        return -1;
    }
    if (open_drain(lab) != 0 || bridge_asyncio_open(&lab->asyncio, lab->python) != 0 ||
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
    bridge_attach(lab->python);
    Py_XDECREF(lab->drain);
    bridge_detach(lab->python);
    uv_mutex_destroy(&lab->lock);
    free(lab);
}
