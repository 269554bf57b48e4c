/*
 * The marks that a lab can't take itself, because asyncio is at work there: a handler's first step
 * and its end, a worker that makes its task, a concurrent future that is resolved. All of it is
 * for traced requests only: without a record nothing here is even made.
 *
 * A traced handler's coroutine is wrapped in one of ours, which hands every step on and marks the
 * first and the last. It is a coroutine by the rules of collections.abc.Coroutine, which is what
 * asyncio asks for; all other attributes are those of the coroutine inside.
 *
 * What is made here keeps a reference to the request, and so to the record's memory, and a pointer
 * of its own to the record: a handler may run on after its request was given up, on another thread
 * than the one that has the request then.
 *
 * Attached, on whatever thread Python calls it.
 */
#include "common/bridge/internal.h"

typedef struct {
    PyObject_HEAD PyObject *coroutine; /* owned */
    http_request_t         *req;       /* one reference */
    trace_record_t         *record;    /* borrowed from `req` */
    bool                    started, finished;
} traced_t;

/* ---- A handler's steps ----------------------------------------------------------------------- */

static void before_step(traced_t *self)
{
    if (self->finished)
        return; /* it will say that it can't be awaited twice */
    if (self->started)
        trace_run(self->record);
    else
        trace_mark(self->record, TRACE_STARTED);
    self->started = true;
}

static void after_last_step(traced_t *self)
{
    if (!self->finished)
        trace_mark(self->record, TRACE_FINISHED);
    self->finished = true;
}

static PySendResult traced_send(PyObject *object, PyObject *arg, PyObject **result)
{
    traced_t    *self = (traced_t *)object;
    PySendResult outcome;

    before_step(self);
    outcome = PyIter_Send(self->coroutine, arg, result);
    if (outcome != PYGEN_NEXT)
        after_last_step(self);
    return outcome;
}

/* send(), throw(), close() as methods: `step` is their result, passed on; NULL: it raised */
static PyObject *end_step(traced_t *self, PyObject *step)
{
    if (step == NULL)
        after_last_step(self);
    return step;
}

static PyObject *traced_method_send(PyObject *object, PyObject *arg)
{
    traced_t *self = (traced_t *)object;

    before_step(self);
    return end_step(self, PyObject_CallMethod(self->coroutine, "send", "O", arg));
}

static PyObject *traced_throw(PyObject *object, PyObject *args)
{
    traced_t *self = (traced_t *)object;
    PyObject *throw = PyObject_GetAttrString(self->coroutine, "throw"); /* new */
    PyObject *step = NULL;

    if (throw == NULL)
        return NULL;
    before_step(self);
    step = end_step(self, PyObject_Call(throw, args, NULL));
    Py_DECREF(throw);
    return step;
}

static PyObject *traced_close(PyObject *object, PyObject *unused)
{
    traced_t *self = (traced_t *)object;
    PyObject *none = PyObject_CallMethod(self->coroutine, "close", NULL);

    (void)unused;
    if (self->started)
        after_last_step(self);
    return none;
}

static PyObject *traced_next(PyObject *object)
{
    PyObject *result = NULL;

    switch (traced_send(object, Py_None, &result)) {
    case PYGEN_NEXT:
        return result;
    case PYGEN_RETURN:
        bridge_stop_iteration(result);
        return NULL;
    case PYGEN_ERROR:
        break;
    }
    return NULL;
}

/* cr_frame, cr_code, __qualname__: for asyncio's own messages and for stack traces. */
static PyObject *traced_getattr(PyObject *object, PyObject *name)
{
    return bridge_stand_in_getattr(object, name, ((traced_t *)object)->coroutine);
}

/* ---- The type -------------------------------------------------------------------------------- */

/* A cycle through it is one through its coroutine: that is what the collector breaks. */
static int traced_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((traced_t *)object)->coroutine);
    return 0;
}

static void traced_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    Py_DECREF(((traced_t *)object)->coroutine);
    http_request_unref(((traced_t *)object)->req);
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

static PyMethodDef traced_methods[] = {
    {"send", traced_method_send, METH_O, NULL},
    {"throw", traced_throw, METH_VARARGS, NULL},
    {"close", traced_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot traced_slots[] = {
    {Py_tp_doc, "A handler's coroutine whose first and last step are timed."},
    {Py_am_send, traced_send},
    {Py_am_await, PyObject_SelfIter}, /* and iteration over that: it steps itself */
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, traced_next},
    {Py_tp_getattro, traced_getattr},
    {Py_tp_methods, traced_methods},
    {Py_tp_traverse, traced_traverse},
    {Py_tp_dealloc, traced_dealloc},
    {0, NULL},
};

PyType_Spec bridge_traced_spec = {
    .name = "looplab.TracedCoroutine",
    .basicsize = sizeof(traced_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = traced_slots,
};

PyObject *bridge_traced_new(http_request_t *req, PyObject *coroutine)
{
    traced_t *self = PyObject_GC_New(traced_t, bridge_request_state(req)->traced_type);

    if (self == NULL) {
        Py_DECREF(coroutine);
        return NULL;
    }
    self->coroutine = coroutine;
    self->req = req;
    self->record = req->trace;
    self->started = self->finished = false;
    http_request_ref(req);
    PyObject_GC_Track((PyObject *)self);
    return (PyObject *)self;
}

/* ---- Workers --------------------------------------------------------------------------------- */

/* A task factory: (loop, coroutine, **options) -> asyncio.Task, as the loop itself would make it. */
static PyObject *make_task(PyObject *module, PyObject *args, PyObject *options)
{
    const bridge_state_t *state = bridge_module_state(module);
    PyObject             *loop, *coroutine; /* borrowed */
    PyObject             *positional = NULL, *named = NULL, *task = NULL;

    if (!PyArg_ParseTuple(args, "OO", &loop, &coroutine))
        return NULL;
    if (Py_IS_TYPE(coroutine, state->traced_type))
        trace_mark(((traced_t *)coroutine)->record, TRACE_WOKEN_WORKER);
    positional = PyTuple_Pack(1, coroutine);                       /* new */
    named = options == NULL ? PyDict_New() : PyDict_Copy(options); /* new */
    if (positional != NULL && named != NULL && PyDict_SetItemString(named, "loop", loop) == 0)
        task = PyObject_Call(state->task_type, positional, named); /* new */
    Py_XDECREF(named);
    Py_XDECREF(positional);
    return task;
}

static PyMethodDef make_task_method = {"make_task", (PyCFunction)(void (*)(void))make_task,
                                       METH_VARARGS | METH_KEYWORDS, NULL};

int bridge_trace_tasks(bridge_t *bridge, bridge_thread_t *thread, PyObject *loop)
{
    PyObject *factory, *none = NULL;
    int       err;

    if (bridge->trace == NULL)
        return 0;
    bridge_attach(thread);
    factory = PyCFunction_New(&make_task_method, bridge->module); /* new */
    if (factory != NULL)
        none = PyObject_CallMethod(loop, "set_task_factory", "O", factory); /* new */
    err = none == NULL ? -1 : 0;
    if (err != 0)
        PyErr_Print();
    Py_XDECREF(none);
    Py_XDECREF(factory);
    bridge_detach(thread);
    return err;
}

/*
 * The concurrent future is resolved: by the worker, unless it was cancelled; then the worker may be
 * marking at this very moment, and this isn't its thread.
 */
static void on_resolved(void *record, http_request_t *req, PyObject *future)
{
    PyObject *cancelled = PyObject_CallMethod(future, "cancelled", NULL); /* new */

    (void)req;
    if (cancelled == Py_False)
        trace_mark(record, TRACE_CONVERTED_WORKER);
    PyErr_Clear();
    Py_XDECREF(cancelled);
}

PyObject *bridge_trace_future(http_request_t *req, PyObject *future)
{
    PyObject *callback, *none = NULL;

    if (future == NULL || req->trace == NULL)
        return future;
    callback = bridge_callable(on_resolved, req->trace, req); /* new */
    if (callback != NULL)
        none = PyObject_CallMethod(future, "add_done_callback", "O", callback); /* new */
    if (none == NULL)
        Py_CLEAR(future);
    Py_XDECREF(none);
    Py_XDECREF(callback);
    return future;
}
