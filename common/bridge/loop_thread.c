/*
 * A thread that runs one asyncio loop. asyncio.Runner makes the loop and, in the end, cancels what
 * is left on it, finishes its async generators and its default executor, and closes it. The loop is
 * asyncio's own whatever policy an app sets, but its selector is ours (selector.c).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_setname_np */
#endif
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/bridge/internal.h"
#include "common/bridge/loop_thread.h"
#include "common/log/log.h"

static void      loop_thread_main(void *arg);
static PyObject *on_stop(PyObject *capsule, PyObject *unused);

/* ---- The starter's side ---------------------------------------------------------------------- */

int loop_thread_start(loop_thread_t *self, bridge_t *bridge, bridge_app_t *app, const char *name)
{
    *self = (loop_thread_t){.bridge = bridge, .app = app, .status = -1};
    snprintf(self->name, sizeof self->name, "%s", name);
    if (uv_sem_init(&self->ready, 0) != 0)
        return -1;
    if (uv_thread_create(&self->thread, loop_thread_main, self) != 0) {
        log_message(LOG_ERROR, "cannot start thread %s", name);
        uv_sem_destroy(&self->ready);
        return -1;
    }
    uv_sem_wait(&self->ready);
    if (self->status != 0) {
        uv_thread_join(&self->thread);
        uv_sem_destroy(&self->ready);
        return -1;
    }
    self->started = true;
    return 0;
}

static PyMethodDef stop_method = {"stop", on_stop, METH_NOARGS, NULL};

/* Attached. A loop that can't be told to stop is closed already: its thread is on its way out. */
static void tell_to_stop(loop_thread_t *self)
{
    PyObject *capsule = PyCapsule_New(self, NULL, NULL); /* new */
    PyObject *stop = NULL, *handle = NULL;

    if (capsule != NULL)
        stop = PyCFunction_New(&stop_method, capsule); /* new */
    if (stop != NULL)
        handle = PyObject_CallOneArg(self->call_soon_threadsafe, stop); /* new */
    if (handle == NULL)
        PyErr_Clear();
    Py_XDECREF(handle);
    Py_XDECREF(stop);
    Py_XDECREF(capsule);
}

void loop_thread_stop(loop_thread_t *self, bridge_thread_t *me)
{
    if (!self->started)
        return;
    bridge_attach(me);
    tell_to_stop(self);
    bridge_detach(me);
    uv_thread_join(&self->thread);
    bridge_attach(me);
    Py_CLEAR(self->loop);
    Py_CLEAR(self->call_soon_threadsafe);
    Py_CLEAR(self->create_task);
    bridge_detach(me);
    uv_sem_destroy(&self->ready);
    self->started = false;
}

/* ---- The loop's own thread ------------------------------------------------------------------- */

/* What makes the loop, a callable, new: asyncio.SelectorEventLoop on a selector of ours */
static PyObject *make_loop_factory(const bridge_state_t *state)
{
    PyObject *loop_type = bridge_import("asyncio", "SelectorEventLoop"); /* new, as those below */
    PyObject *partial = NULL, *selector = NULL, *factory = NULL;

    if (loop_type == NULL || state->selector_type == NULL)
        return loop_type; /* it then makes a selector itself */
    selector = PyObject_CallNoArgs(state->selector_type);
    partial = bridge_import("functools", "partial");
    if (selector != NULL && partial != NULL)
        factory = PyObject_CallFunctionObjArgs(partial, loop_type, selector, NULL);
    Py_XDECREF(partial);
    Py_XDECREF(selector);
    Py_DECREF(loop_type);
    return factory;
}

/* asyncio.Runner(debug=..., loop_factory=...), new */
static PyObject *make_runner(const bridge_t *bridge)
{
    PyObject *type = bridge_import("asyncio", "Runner");       /* new */
    PyObject *none = PyTuple_New(0);                           /* new */
    PyObject *loop_factory = make_loop_factory(bridge->state); /* new */
    PyObject *options = NULL, *runner = NULL;

    if (loop_factory != NULL)
        options = Py_BuildValue("{s:O,s:O}", "debug", bridge->debug ? Py_True : Py_None,
                                "loop_factory", loop_factory); /* new */
    if (type != NULL && none != NULL && options != NULL)
        runner = PyObject_Call(type, none, options);
    Py_XDECREF(options);
    Py_XDECREF(loop_factory);
    Py_XDECREF(none);
    Py_XDECREF(type);
    return runner;
}

/* The loop is this thread's, as it is with asyncio's own factory. returns 0, or -1 as Python does */
static int set_event_loop(PyObject *loop)
{
    PyObject *set = bridge_import("asyncio", "set_event_loop");           /* new */
    PyObject *none = set == NULL ? NULL : PyObject_CallOneArg(set, loop); /* new */

    Py_XDECREF(none);
    Py_XDECREF(set);
    return none == NULL ? -1 : 0;
}

static int look_up_methods(loop_thread_t *self, PyObject *runner)
{
    self->loop = PyObject_CallMethod(runner, "get_loop", NULL); /* new, as those below */
    if (self->loop == NULL || set_event_loop(self->loop) != 0)
        return -1;
    self->call_soon_threadsafe = PyObject_GetAttrString(self->loop, "call_soon_threadsafe");
    self->create_task = PyObject_GetAttrString(self->loop, "create_task");
    return self->call_soon_threadsafe == NULL || self->create_task == NULL ? -1 : 0;
}

/* Give Python's threading module the thread's name, for log lines of the student's own. */
static void name_thread(const loop_thread_t *self)
{
    PyObject *threading = PyImport_ImportModule("threading");           /* new */
    PyObject *current = NULL, *name = PyUnicode_FromString(self->name); /* new */

    if (threading != NULL)
        current = PyObject_CallMethod(threading, "current_thread", NULL); /* new */
    if (current != NULL && name != NULL)
        PyObject_SetAttrString(current, "name", name);
    PyErr_Clear();
    Py_XDECREF(name);
    Py_XDECREF(current);
    Py_XDECREF(threading);
    pthread_setname_np(pthread_self(), self->name);
}

/*
 * Called by the loop, once. `stopping` is set here and not by the thread that wants it: then the
 * order to stop is never still queued when run() ends, where it would stop a shut-down hook
 * half-way.
 */
static PyObject *on_stop(PyObject *capsule, PyObject *unused)
{
    loop_thread_t *self = PyCapsule_GetPointer(capsule, NULL);

    (void)unused;
    self->stopping = true;
    return PyObject_CallMethod(self->loop, "stop", NULL);
}

/*
 * Run the loop until it is told to stop. SystemExit and KeyboardInterrupt, which a task lets
 * through, end run_forever(), but not the server: the task has its exception, and the loop goes on.
 */
static void run(loop_thread_t *self)
{
    while (!self->stopping) {
        PyObject *none = PyObject_CallMethod(self->loop, "run_forever", NULL); /* new */

        if (none == NULL)
            bridge_log_exception(
                self->bridge->state,
                "raised through the event loop; it goes on with the other requests");
        Py_XDECREF(none);
    }
}

static void close_runner(const loop_thread_t *self, PyObject *runner)
{
    PyObject *none = PyObject_CallMethod(runner, "close", NULL); /* new */

    if (none == NULL)
        bridge_log_exception(self->bridge->state, "while closing an event loop");
    Py_XDECREF(none);
}

/* Attached. Make the loop and start the app on it. returns the runner, new, or NULL (logged) */
static PyObject *open_loop(loop_thread_t *self)
{
    PyObject *runner = make_runner(self->bridge); /* new */

    name_thread(self);
    if (runner != NULL && look_up_methods(self, runner) == 0 &&
        (self->app == NULL || bridge_app_startup(self->app, self->loop) == 0))
        return runner;
    if (PyErr_Occurred())
        bridge_log_exception(self->bridge->state, "cannot start an event loop");
    if (runner != NULL)
        close_runner(self, runner);
    Py_CLEAR(self->loop);
    Py_CLEAR(self->call_soon_threadsafe);
    Py_CLEAR(self->create_task);
    Py_XDECREF(runner);
    return NULL;
}

static void serve(loop_thread_t *self, bridge_thread_t *me)
{
    PyObject *runner;

    bridge_attach(me);
    runner = open_loop(self); /* new */
    self->status = runner == NULL ? -1 : 0;
    uv_sem_post(&self->ready); /* without a runner `self` is the starter's again from here on */
    if (runner != NULL) {
        run(self);
        if (self->app != NULL)
            bridge_app_shutdown(self->app, self->loop);
        close_runner(self, runner);
        Py_DECREF(runner);
    }
    bridge_detach(me);
}

static void loop_thread_main(void *arg)
{
    loop_thread_t  *self = arg;
    trace_lane_t   *lane = trace_lane_open(self->bridge->trace, self->name);
    bridge_thread_t me;

    if (bridge_thread_open(&me, self->bridge) == 0) {
        serve(self, &me);
        bridge_thread_close(&me);
    } else {
        uv_sem_post(&self->ready); /* status is -1 still */
    }
    trace_lane_close(lane);
}
