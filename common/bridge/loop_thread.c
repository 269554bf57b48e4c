/*
 * A thread that runs one asyncio loop, which asyncio.Runner makes and clears up (runner.c).
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

static int look_up_methods(loop_thread_t *self)
{
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
            bridge_log_through_loop(self->bridge);
        Py_XDECREF(none);
    }
}

/* Attached. Make the loop and start the app on it. returns the runner, new, or NULL (logged) */
static PyObject *open_loop(loop_thread_t *self)
{
    PyObject *selector = bridge_selector_new(self->bridge); /* new */
    PyObject *runner = NULL;

    name_thread(self);
    if (selector != NULL)
        runner = bridge_runner_new(self->bridge, selector, &self->loop); /* new, both */
    Py_XDECREF(selector);
    if (runner != NULL && look_up_methods(self) == 0 &&
        (self->app == NULL || bridge_app_startup(self->app, self->loop) == 0))
        return runner;
    if (PyErr_Occurred())
        bridge_log_exception(self->bridge->state, "cannot start an event loop");
    bridge_runner_close(self->bridge, runner); /* steals */
    Py_CLEAR(self->loop);
    Py_CLEAR(self->call_soon_threadsafe);
    Py_CLEAR(self->create_task);
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
        bridge_runner_close(self->bridge, runner); /* steals */
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
