/*
 * Rung 3: `async def` handlers on an asyncio loop that the HTTP thread runs by itself, inside its
 * own. Parent: rung 2, 02_coroutine_in_place.
 *
 * Adds asyncio: a task per request, its done callback, and the loop's own turns. Handlers may wait.
 * No second thread, so no hop, no lock and nobody to share the GIL with.
 *
 *     HTTP thread     ① attach -> ② call the handler, create its task -> ③ run the asyncio loop
 *                     until it would wait -> ④ done callback: respond -> ⑤ detach
 *
 * How one loop runs inside another. asyncio asks its selector to wait; ours never does. It looks
 * what is ready, and where asyncio would wait it stops run_forever() and notes for how long. The
 * HTTP thread's loop waits in its stead: for the time that was noted, with a timer, and for the
 * selector's descriptor (an epoll descriptor can itself be polled), which becomes readable when a
 * socket of asyncio's does, or when another thread calls call_soon_threadsafe().
 *
 * Everything here runs on the HTTP thread. req->lab_data is the task, while there is one.
 */
#include <math.h>
#include <stdlib.h>

#include "common/lab/lab.h"

struct lab {
    bridge_thread_t *python; /* borrowed: this thread's Python state */
    bridge_app_t    *app;    /* borrowed */
    bridge_asyncio_t asyncio;

    /* asyncio's side; owned. */
    PyObject *runner; /* asyncio.Runner: makes the loop, and in the end clears it up */
    PyObject *loop;
    PyObject *create_task; /* the loop's bound methods, looked up once */
    PyObject *run_forever;
    PyObject *look; /* the selector's own select() */
    PyObject *zero; /* its argument */

    /* libuv's side. */
    uv_poll_t  poll;
    uv_timer_t timer;
    unsigned   handles_open;

    bool   nested;     /* run_forever() is called from here: don't wait */
    bool   would_wait; /* asyncio has nothing more to do */
    double wait_s;     /* for so long; INFINITY: for its descriptor alone */
};

static PyObject *on_select(PyObject *capsule, PyObject *timeout);
static void      on_done(void *owner, http_request_t *req, PyObject *task);
static void      on_poll(uv_poll_t *poll, int status, int events);
static void      on_timer(uv_timer_t *timer);
static void      on_closed(uv_handle_t *handle);

static PyMethodDef select_method = {"select", on_select, METH_O, NULL};

/* ---- Two loops, one thread ------------------------------------------------------------------- */

/* asyncio would wait for so long (None: for ever): stop its loop instead. returns 0 or -1 */
static int stop_instead(lab_t *lab, PyObject *timeout)
{
    PyObject *none;

    lab->would_wait = true;
    lab->wait_s = timeout == Py_None ? INFINITY : PyFloat_AsDouble(timeout);
    if (PyErr_Occurred())
        return -1;
    none = PyObject_CallMethod(lab->loop, "stop", NULL); /* new */
    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}

/* In place of the selector's select(). A timeout of 0 says that asyncio has more to do. */
static PyObject *on_select(PyObject *capsule, PyObject *timeout)
{
    lab_t    *lab = PyCapsule_GetPointer(capsule, NULL);
    PyObject *events; /* new: a list */
    int       idle;

    if (!lab->nested)
        return PyObject_CallOneArg(lab->look, timeout);
    events = PyObject_CallOneArg(lab->look, lab->zero);
    if (events == NULL)
        return NULL;
    idle = timeout == Py_None ? 1 : PyObject_IsTrue(timeout);
    if (idle > 0 && PyList_GET_SIZE(events) == 0)
        idle = stop_instead(lab, timeout);
    if (idle < 0)
        Py_CLEAR(events);
    return events;
}

/*
 * Attached: run asyncio's loop until it would wait. SystemExit, which a task lets through, ends
 * run_forever(), and so does a handler that calls stop(); but that doesn't end the server.
 */
static void run_loop(lab_t *lab)
{
    lab->nested = true;
    for (lab->would_wait = false; !lab->would_wait;) {
        PyObject *none = PyObject_CallNoArgs(lab->run_forever); /* ③ new */

        if (none == NULL)
            PyErr_WriteUnraisable(lab->loop);
        Py_XDECREF(none);
    }
    lab->nested = false;
    if (isinf(lab->wait_s))
        uv_timer_stop(&lab->timer);
    else
        uv_timer_start(&lab->timer, on_timer, (uint64_t)ceil(lab->wait_s * 1000), 0);
}

/* asyncio's descriptor is readable, or its next timer is due. */
static void wake(lab_t *lab)
{
    bridge_attach(lab->python);
    run_loop(lab);
    bridge_detach(lab->python);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    wake(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
    wake(timer->data);
}

/* ---- One request ----------------------------------------------------------------------------- */

/* Attached: handler -> coroutine -> task. */
static void begin(lab_t *lab, http_request_t *req)
{
    PyObject *coroutine = NULL, *task = NULL, *callback = NULL, *none = NULL;

    trace_mark(req->trace, TRACE_ATTACHED);
    coroutine = bridge_call_handler(req); /* ② new */
    trace_mark(req->trace, TRACE_SCHEDULED);
    if (coroutine != NULL)
        task = PyObject_CallOneArg(lab->create_task, coroutine); /* new */
    if (task != NULL)
        callback = bridge_callable(on_done, lab, req); /* new */
    if (callback != NULL)
        none = PyObject_CallMethodOneArg(task, lab->asyncio.add_done_callback, callback); /* new */
    if (none != NULL)
        req->lab_data = Py_NewRef(task); /* until on_done() */
    else
        http_respond_transfer(req, bridge_response(req, NULL));
    Py_XDECREF(none);
    Py_XDECREF(callback);
    Py_XDECREF(task);
    Py_XDECREF(coroutine);
}

/* Once a turn: every request that is complete by now, under one attach. */
void lab_on_ready(lab_t *lab, http_request_list_t *ready)
{
    http_request_t *req;

    bridge_attach(lab->python); /* ① wait for the GIL, once a turn */
    while ((req = http_request_list_pop(ready)) != NULL)
        begin(lab, req);
    run_loop(lab);
    bridge_detach(lab->python); /* ⑤ other threads may run Python */
}

/* Called by asyncio, attached: the task is done, whichever way it ended. */
static void on_done(void *owner, http_request_t *req, PyObject *task)
{
    lab_t           *lab = owner;
    http_response_t *resp;
    PyObject        *value;

    trace_mark(req->trace, TRACE_CONVERTED);
    value = PyObject_CallMethodNoArgs(task, lab->asyncio.result); /* new; or raises */
    resp = bridge_response(req, value);
    Py_XDECREF(value);
    Py_DECREF((PyObject *)req->lab_data);
    req->lab_data = NULL;
    http_respond_transfer(req, resp); /* ④ req and resp are gone now */
}

/* Nothing here is ever completed by another thread. */
void lab_on_completions(lab_t *lab)
{
    (void)lab;
}

/* Nobody waits for the answer, so cancel the task; asyncio's next turn tells the handler. */
void lab_on_client_gone(lab_t *lab, http_request_t *req)
{
    PyObject *task = req->lab_data; /* borrowed; NULL: it never began */
    PyObject *known;

    if (task == NULL)
        return;
    bridge_attach(lab->python);
    known = PyObject_CallMethodNoArgs(task, lab->asyncio.cancel); /* new */
    if (known == NULL)
        PyErr_WriteUnraisable(task);
    Py_XDECREF(known);
    bridge_detach(lab->python);
    uv_timer_start(&lab->timer, on_timer, 0, 0);
}

/* ---- Start and end --------------------------------------------------------------------------- */

/* Attached: a selector whose select() is on_select(). returns it, new */
static PyObject *make_selector(lab_t *lab)
{
    PyObject *module = PyImport_ImportModule("selectors"); /* new, as all here */
    PyObject *capsule = PyCapsule_New(lab, NULL, NULL), *select = NULL, *selector = NULL;

    if (module != NULL)
        selector = PyObject_CallMethod(module, "DefaultSelector", NULL);
    if (selector != NULL && capsule != NULL)
        select = PyCFunction_New(&select_method, capsule);
    if (select != NULL)
        lab->look = PyObject_GetAttrString(selector, "select");
    if (lab->look == NULL || PyObject_SetAttrString(selector, "select", select) != 0)
        Py_CLEAR(selector);
    Py_XDECREF(select);
    Py_XDECREF(capsule);
    Py_XDECREF(module);
    return selector;
}

/* Attached: asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)), new */
static PyObject *make_runner(PyObject *selector)
{
    static const char code[] = "lambda selector: asyncio.Runner("
                               "loop_factory=lambda: asyncio.SelectorEventLoop(selector))";
    PyObject         *globals = PyDict_New(); /* new, as all here */
    PyObject         *module = PyImport_ImportModule("asyncio"), *make = NULL, *runner = NULL;

    if (globals != NULL && module != NULL && PyDict_SetItemString(globals, "asyncio", module) == 0)
        make = PyRun_String(code, Py_eval_input, globals, globals);
    if (make != NULL)
        runner = PyObject_CallOneArg(make, selector);
    Py_XDECREF(make);
    Py_XDECREF(module);
    Py_XDECREF(globals);
    return runner;
}

/* Attached: the loop, what is called of it, the app's hooks. returns 0, or -1 (said on stderr) */
static int open_loop(lab_t *lab, bool debug)
{
    PyObject *selector = make_selector(lab), *none = NULL; /* new, as all here */

    if (selector != NULL)
        lab->runner = make_runner(selector);
    if (lab->runner != NULL)
        lab->loop = PyObject_CallMethod(lab->runner, "get_loop", NULL);
    if (lab->loop != NULL)
        none = PyObject_CallMethod(lab->loop, "set_debug", "i", debug);
    if (none != NULL) {
        lab->create_task = PyObject_GetAttrString(lab->loop, "create_task");
        lab->run_forever = PyObject_GetAttrString(lab->loop, "run_forever");
        lab->zero = PyLong_FromLong(0);
    }
    Py_XDECREF(none);
    Py_XDECREF(selector);
    if (!PyErr_Occurred())
        return bridge_app_startup(lab->app, lab->loop);
    PyErr_Print();
    return -1;
}

/* Attached. Closing the runner cancels what is left on the loop, and waits for it. */
static void close_loop(lab_t *lab)
{
    PyObject *none = NULL;

    if (lab->run_forever != NULL)
        bridge_app_shutdown(lab->app, lab->loop);
    if (lab->runner != NULL) {
        none = PyObject_CallMethod(lab->runner, "close", NULL); /* new */
        if (none == NULL)
            PyErr_WriteUnraisable(lab->runner);
    }
    Py_XDECREF(none);
    Py_CLEAR(lab->zero);
    Py_CLEAR(lab->run_forever);
    Py_CLEAR(lab->create_task);
    Py_CLEAR(lab->loop);
    Py_CLEAR(lab->runner);
    Py_CLEAR(lab->look);
}

/* Attached: wait for asyncio's descriptor too. returns 0, or -1 (said on stderr) */
static int open_handles(lab_t *lab, uv_loop_t *loop)
{
    PyObject *selector = PyMethod_Self(lab->look);                    /* borrowed */
    PyObject *number = PyObject_CallMethod(selector, "fileno", NULL); /* new */
    int       fd = number == NULL ? -1 : (int)PyLong_AsLong(number);

    Py_XDECREF(number);
    if (fd < 0) {
        PyErr_Print();
        return -1;
    }
    if (uv_poll_init(loop, &lab->poll, fd) != 0)
        return -1;
    uv_timer_init(loop, &lab->timer);
    lab->poll.data = lab->timer.data = lab;
    lab->handles_open = 2;
    return uv_poll_start(&lab->poll, UV_READABLE, on_poll);
}

int lab_open(lab_t **out, const lab_context_t *context)
{
    lab_t *lab = calloc(1, sizeof *lab);
    int    err;

    if (lab == NULL)
        return -1;
    lab->python = context->http_thread;
    lab->app = context->app;
    err = bridge_asyncio_open(&lab->asyncio, lab->python);
    bridge_attach(lab->python);
    if (err == 0)
        err = open_loop(lab, context->debug);
    if (err == 0)
        err = open_handles(lab, context->loop);
    bridge_detach(lab->python);
    if (err != 0) {
        lab_close(lab);
        return -1;
    }
    *out = lab;
    return 0;
}

/* The last of the handles. */
static void on_closed(uv_handle_t *handle)
{
    lab_t *lab = handle->data;

    if (--lab->handles_open == 0)
        free(lab);
}

void lab_close(lab_t *lab)
{
    if (lab->handles_open > 0) { /* before the descriptor is closed */
        uv_close((uv_handle_t *)&lab->poll, on_closed);
        uv_close((uv_handle_t *)&lab->timer, on_closed);
    }
    bridge_attach(lab->python);
    close_loop(lab);
    bridge_detach(lab->python);
    bridge_asyncio_close(&lab->asyncio, lab->python);
    if (lab->handles_open == 0)
        free(lab);
}
