/*
 * How one loop runs inside another. asyncio's loop turns in _run_once(): look what has come, then
 * call what is ready. It would wait in that look; here it never does. libuv waits in its stead, for
 * the first of asyncio's timers by an alarm, and for asyncio's selector, whose descriptor can itself
 * be polled: it becomes readable when a socket of asyncio's does, or when another thread calls
 * call_soon_threadsafe().
 *
 * What this relies on beyond asyncio's documentation: the loop's _run_once(), _ready and _scheduled,
 * and, made for loops that another one drives, _run_forever_setup() and _run_forever_cleanup(), which
 * 3.11 doesn't have yet.
 *
 * Everything here runs on the HTTP thread.
 */
#include <math.h>
#include <stdlib.h>

#include "lab4_eager_start/nested_loop.h"

enum {
    TURNS = 16, /* a handler that gives way for ever gets so many before sockets have theirs */
};

static void      on_poll(uv_poll_t *poll, int status, int events);
static void      on_alarm(alarm_timer_t *alarm);
static void      on_idle(uv_idle_t *idle);
static PyObject *on_select(PyObject *capsule, PyObject *timeout);
static void      on_handle_closed(uv_handle_t *handle);

/* ---- Turns ----------------------------------------------------------------------------------- */

/*
 * In place of the selector's select(), whatever the timeout. The system is asked only when libuv
 * has seen that there is something: a turn for what is ready costs no system call.
 */
static PyObject *on_select(PyObject *capsule, PyObject *timeout)
{
    nested_loop_t *self = PyCapsule_GetPointer(capsule, NULL);

    if (!self->running)
        return PyObject_CallOneArg(self->look, timeout); /* for a hook: it waits as ever */
    /* LAB 4, STEP 4 { look only if there is something to see, and never wait */
    if (!self->readable)
        return PyList_New(0);
    self->readable = false;
    return PyObject_CallOneArg(self->look, self->zero);
    /* } LAB 4, STEP 4; until then:
     *     return PyList_New(0);
     */
}

bool nested_loop_has_work(const nested_loop_t *self)
{
    return Py_SIZE(self->ready) > 0; /* a deque's size is its length */
}

/* When the first of asyncio's timers is due, in the loop's time. INFINITY: there is none. */
static double first_timer(nested_loop_t *self)
{
    PyObject *timers = PyObject_GetAttr(self->loop, self->str_scheduled); /* new: a heap */
    PyObject *when = NULL;
    double    at = INFINITY;

    if (timers != NULL && PyList_Check(timers) && PyList_GET_SIZE(timers) > 0)
        when = PyObject_GetAttr(PyList_GET_ITEM(timers, 0), self->str_when); /* new */
    if (when != NULL)
        at = PyFloat_AsDouble(when);
    if (PyErr_Occurred())
        PyErr_WriteUnraisable(self->loop);
    Py_XDECREF(when);
    Py_XDECREF(timers);
    return at;
}

/* Not before that time of asyncio's loop, which may be past, and as soon as it can be. */
static void wait_until(nested_loop_t *self, double at)
{
    PyObject *time = PyObject_CallNoArgs(self->time); /* new */
    double    left = time == NULL ? 0 : at - PyFloat_AsDouble(time);

    PyErr_Clear();
    Py_XDECREF(time);
    if (left > 0) {
        alarm_set(&self->alarm, left);
        self->alarm_is_set = true;
        self->wakes_at = at;
    } else {
        self->due = true;
        nested_loop_wake(self);
    }
}

/* Nothing more to call now, or enough for this turn: what comes next wakes libuv. */
static void arm(nested_loop_t *self)
{
    /* LAB 4, STEP 4 { more to call: soon again; else libuv waits, for the first timer at the latest */
    double at;

    if (nested_loop_has_work(self)) {
        nested_loop_wake(self);
        return;
    }
    uv_idle_stop(&self->idle);
    at = first_timer(self);
    if (isinf(at)) {
        if (self->alarm_is_set)
            alarm_stop(&self->alarm);
        self->alarm_is_set = false;
    } else if (!self->alarm_is_set || at != self->wakes_at) {
        wait_until(self, at);
    }
    /* } LAB 4, STEP 4; until then:
     *     (void)first_timer, (void)wait_until;
     *     uv_idle_stop(&self->idle);
     */
}

/* (Not by a timer of 0 ms: one that its own callback starts again keeps libuv 1.44 from all else.) */
void nested_loop_wake(nested_loop_t *self)
{
    uv_idle_start(&self->idle, on_idle);
}

/* SystemExit, which a task lets through, ends such a turn half-way, and nothing else. */
void nested_loop_run(nested_loop_t *self)
{
    /* LAB 4, STEP 4 { turns, while there is anything to do, and not for ever */
    for (int turn = 0; turn < TURNS; turn++) {
        PyObject *none;

        if (!self->readable && !self->due && !nested_loop_has_work(self))
            break;
        self->due = false;
        none = PyObject_CallNoArgs(self->run_once); /* new */
        if (none == NULL)
            bridge_log_through_loop(self->bridge);
        Py_XDECREF(none);
    }
    /* } LAB 4, STEP 4 */
    arm(self);
}

/* Detached: asyncio's descriptor is readable, or its next timer is due. */
static void run_detached(nested_loop_t *self)
{
    bridge_attach(self->python);
    nested_loop_run(self);
    bridge_detach(self->python);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    nested_loop_t *self = poll->data;

    (void)status, (void)events;
    self->readable = true;
    run_detached(self);
}

static void on_alarm(alarm_timer_t *alarm)
{
    nested_loop_t *self = alarm->uv.handle.data;

    self->alarm_is_set = false;
    self->due = true;
    run_detached(self);
}

static void on_idle(uv_idle_t *idle)
{
    run_detached(idle->data);
}

/* ---- Start and end --------------------------------------------------------------------------- */

/*
 * What run_forever() does before its first turn and after its last one. enter(loop) returns what
 * leaves.
 */
static const char running_source[] =
    "import asyncio, sys, threading\n"
    "\n"
    "def enter(loop):\n"
    "    if hasattr(loop, '_run_forever_setup'):\n"
    "        loop._run_forever_setup()\n"
    "        return loop._run_forever_cleanup\n"
    "    hooks = sys.get_asyncgen_hooks()\n"
    "    def leave():\n"
    "        loop._stopping = False\n"
    "        loop._thread_id = None\n"
    "        asyncio._set_running_loop(None)\n"
    "        loop._set_coroutine_origin_tracking(False)\n"
    "        sys.set_asyncgen_hooks(*hooks)\n"
    "    loop._set_coroutine_origin_tracking(loop.get_debug())\n"
    "    loop._thread_id = threading.get_ident()\n"
    "    sys.set_asyncgen_hooks(firstiter=loop._asyncgen_firstiter_hook,\n"
    "                           finalizer=loop._asyncgen_finalizer_hook)\n"
    "    asyncio._set_running_loop(loop)\n"
    "    return leave\n";

/* returns 0, or -1 with an exception set */
static int enter(nested_loop_t *self)
{
    PyObject *globals = PyDict_New();       /* new */
    PyObject *none = NULL, *enter_function; /* new; borrowed */

    if (globals != NULL)
        none = PyRun_String(running_source, Py_file_input, globals, globals);
    if (none != NULL) {
        enter_function = PyDict_GetItemString(globals, "enter");
        self->leave = PyObject_CallOneArg(enter_function, self->loop); /* new */
        self->running = self->leave != NULL;
    }
    Py_XDECREF(none);
    Py_XDECREF(globals);
    return self->running ? 0 : -1;
}

static PyMethodDef select_method = {"select", on_select, METH_O, NULL};

/* A selector whose select() is on_select(), new */
static PyObject *make_selector(nested_loop_t *self)
{
    PyObject *selector = bridge_selector_new(self->bridge); /* new, as all here */
    PyObject *capsule = PyCapsule_New(self, NULL, NULL), *select = NULL;

    if (selector != NULL && capsule != NULL)
        select = PyCFunction_New(&select_method, capsule);
    if (select != NULL)
        self->look = PyObject_GetAttrString(selector, "select");
    if (self->look == NULL || PyObject_SetAttrString(selector, "select", select) != 0)
        Py_CLEAR(selector);
    Py_XDECREF(select);
    Py_XDECREF(capsule);
    return selector;
}

/* returns 0, or -1 with an exception set */
static int look_up(nested_loop_t *self)
{
    if ((self->run_once = PyObject_GetAttrString(self->loop, "_run_once")) == NULL ||
        (self->time = PyObject_GetAttrString(self->loop, "time")) == NULL ||
        (self->ready = PyObject_GetAttrString(self->loop, "_ready")) == NULL ||
        (self->str_scheduled = PyUnicode_InternFromString("_scheduled")) == NULL ||
        (self->str_when = PyUnicode_InternFromString("_when")) == NULL ||
        (self->zero = PyLong_FromLong(0)) == NULL)
        return -1;
    return 0;
}

/* Wait for asyncio's descriptor too. returns 0, or -1 with an exception set */
static int open_handles(nested_loop_t *self, PyObject *selector, uv_loop_t *loop)
{
    PyObject *number = PyObject_CallMethod(selector, "fileno", NULL); /* new */
    int       fd = number == NULL ? -1 : (int)PyLong_AsLong(number);
    int       err;

    Py_XDECREF(number);
    if (fd < 0)
        return -1;
    uv_idle_init(loop, &self->idle);
    self->idle.data = self->alarm.uv.handle.data = self->poll.data = self;
    self->handles_open = 1;
    err = alarm_open(&self->alarm, loop, on_alarm);
    if (err == 0) {
        self->handles_open = 2;
        err = uv_poll_init(loop, &self->poll, fd);
    }
    if (err == 0) {
        self->handles_open = 3;
        err = uv_poll_start(&self->poll, UV_READABLE, on_poll);
    }
    if (err != 0)
        PyErr_Format(PyExc_OSError, "cannot poll asyncio's selector: %s", uv_strerror(err));
    return err == 0 ? 0 : -1;
}

int nested_loop_open(nested_loop_t *self, const lab_context_t *context)
{
    PyObject *selector;
    int       err = -1;

    self->bridge = context->bridge;
    self->app = context->app;
    self->python = context->http_thread;
    selector = make_selector(self); /* new */
    if (selector != NULL)
        self->runner = bridge_runner_new(self->bridge, selector, &self->loop); /* new, both */
    if (self->runner != NULL && look_up(self) == 0)
        err = open_handles(self, selector, context->loop);
    Py_XDECREF(selector);
    if (err == 0 && bridge_app_startup(self->app, self->loop) != 0)
        return -1; /* logged */
    if (err == 0)
        err = enter(self);
    if (err != 0)
        PyErr_Print();
    else
        nested_loop_wake(self); /* for what the hooks have left to do */
    return err;
}

/* The last of them. */
static void on_handle_closed(uv_handle_t *handle)
{
    nested_loop_t *self = handle->data;

    if (--self->handles_open == 0 && self->on_closed != NULL)
        self->on_closed(self->owner);
}

static void leave(nested_loop_t *self)
{
    PyObject *none;

    if (!self->running)
        return;
    none = PyObject_CallNoArgs(self->leave); /* new */
    if (none == NULL)
        PyErr_WriteUnraisable(self->loop);
    Py_XDECREF(none);
    self->running = false;
    bridge_app_shutdown(self->app, self->loop);
}

/* As many as open_handles() came to. */
static void close_handles(nested_loop_t *self)
{
    if (self->handles_open > 2)
        uv_close((uv_handle_t *)&self->poll, on_handle_closed);
    if (self->handles_open > 1)
        alarm_close(&self->alarm, on_handle_closed);
    if (self->handles_open > 0)
        uv_close((uv_handle_t *)&self->idle, on_handle_closed);
}

void nested_loop_close(nested_loop_t *self)
{
    close_handles(self); /* before the selector's descriptor is closed */
    leave(self);
    bridge_runner_close(self->bridge, self->runner); /* steals */
    self->runner = NULL;
    Py_CLEAR(self->leave);
    Py_CLEAR(self->run_once);
    Py_CLEAR(self->time);
    Py_CLEAR(self->ready);
    Py_CLEAR(self->str_scheduled);
    Py_CLEAR(self->str_when);
    Py_CLEAR(self->zero);
    Py_CLEAR(self->loop);
    Py_CLEAR(self->look);
}

void nested_loop_free(nested_loop_t *self, void (*on_closed)(void *owner), void *owner)
{
    self->on_closed = on_closed;
    self->owner = owner;
    if (self->handles_open == 0)
        on_closed(owner);
}
