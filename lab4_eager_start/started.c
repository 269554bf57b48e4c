/*
 * The coroutine that a task steps in place of a handler's (started.h). It ends the request itself,
 * in the task's own last step: a done callback would be called one turn of the loop later.
 */
#include "lab4_eager_start/started.h"

#include "common/bridge/compat.h"

typedef struct {
    PyObject_HEAD started_types_t *types; /* borrowed */
    http_request_t *req;       /* the reference that travels with it; NULL: it has been given on */
    PyObject       *coroutine; /* owned */
    PyObject       *outcome;   /* of the first step, owned: yielded, returned or raised */
    /* A step is RUNNING further up this stack; what the first one came to is to be replayed. */
    enum { RUNNING, SUSPENDED, RETURNED, RAISED, WAITING, ENDED } state;
    bool was_made_early; /* the task, before the first step was over */
} started_t;

/* ---- The end --------------------------------------------------------------------------------- */

/* Was the task cancelled in what now turns out to be its last step? Then that is how it ends. */
static bool is_cancelled(const started_t *self)
{
    PyObject *must = PyObject_GetAttr(self->req->lab_data, self->types->str_must_cancel); /* new */
    bool      cancelled = must == Py_True;

    if (must == NULL)
        PyErr_Clear();
    Py_XDECREF(must);
    return cancelled;
}

/* The task has this exception, and its request's answer has told of it: asyncio needn't. */
static void retrieve_exception(const started_t *self, PyObject *task, PyObject *exception)
{
    PyObject *none;

    if (PyErr_GivenExceptionMatches(exception, self->types->cancelled_error))
        return; /* that is no failure to asyncio */
    none = PyObject_CallMethodOneArg(task, self->types->str_add_done_callback,
                                     self->types->retrieve); /* new */
    if (none == NULL)
        PyErr_WriteUnraisable(task);
    Py_XDECREF(none);
}

/* The request gets its end; the exception that is set stays set, for the task. */
static void end_raised(started_t *self)
{
    http_request_t *req = self->req;
    PyObject       *task = req->lab_data;                /* ours now: what req has held */
    PyObject       *exception = compat_take_exception(); /* new */

    self->req = NULL;
    req->lab_data = NULL;
    retrieve_exception(self, task, exception);
    compat_set_exception(Py_NewRef(exception));
    self->types->on_end(self->types->owner, req, NULL);
    Py_DECREF(task);
    compat_set_exception(exception);
}

static void end_returned(started_t *self, PyObject *value)
{
    http_request_t *req = self->req;
    PyObject       *task = req->lab_data; /* as above */
    bool            cancelled = is_cancelled(self);

    self->req = NULL;
    req->lab_data = NULL;
    if (cancelled)
        PyErr_SetNone(self->types->cancelled_error);
    self->types->on_end(self->types->owner, req, cancelled ? NULL : value);
    Py_DECREF(task);
}

/* returns its arguments, for the task */
static PySendResult end(started_t *self, PySendResult outcome, PyObject *value)
{
    self->state = ENDED;
    if (self->req == NULL)
        return outcome; /* closed before */
    if (outcome == PYGEN_RETURN)
        end_returned(self, value);
    else
        end_raised(self);
    return outcome;
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static PyObject *take_outcome(started_t *self)
{
    PyObject *outcome = self->outcome;

    self->outcome = NULL;
    return outcome;
}

static PySendResult resume(started_t *self, PyObject *arg, PyObject **result)
{
    PySendResult outcome;

    self->state = RUNNING;
    outcome = PyIter_Send(self->coroutine, arg, result);
    if (outcome != PYGEN_NEXT)
        return end(self, outcome, *result);
    self->state = WAITING;
    return outcome;
}

static PySendResult started_send(PyObject *object, PyObject *arg, PyObject **result)
{
    started_t *self = (started_t *)object;

    *result = NULL;
    switch (self->state) {
    case RUNNING: /* whoever runs the loop in there has to wait */
        *result = Py_NewRef(Py_None);
        return PYGEN_NEXT;
    /* LAB 4, STEP 2 { replay what the first step came to */
    case SUSPENDED:
        *result = take_outcome(self);
        self->state = WAITING;
        if (*result != Py_None || self->was_made_early)
            return PYGEN_NEXT; /* the task takes it from here */
        Py_CLEAR(*result);
        return resume(self, arg, result);
    case RETURNED:
        *result = take_outcome(self);
        return end(self, PYGEN_RETURN, *result);
    case RAISED:
        compat_set_exception(take_outcome(self));
        return end(self, PYGEN_ERROR, NULL);
    /* } LAB 4, STEP 2; until then:
     * case SUSPENDED:
     * case RETURNED:
     * case RAISED:
     *     Py_CLEAR(self->outcome);
     *     PyErr_SetString(PyExc_NotImplementedError, "lab 4, step 2");
     *     return end(self, PYGEN_ERROR, NULL);
     */
    case WAITING:
    case ENDED: /* the coroutine says that it can't be awaited twice */
        break;
    }
    return resume(self, arg, result);
}

/* What a step by send() or throw() as a method came to: NULL is its end, StopIteration a result. */
static PyObject *end_step(started_t *self, PyObject *step)
{
    PyObject *stop, *value = NULL;

    if (step != NULL) {
        self->state = WAITING;
        return step;
    }
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        end(self, PYGEN_ERROR, NULL);
        return NULL;
    }
    stop = compat_take_exception();                /* new */
    value = PyObject_GetAttrString(stop, "value"); /* new */
    end(self, PYGEN_RETURN, value);
    Py_XDECREF(value);
    compat_set_exception(stop);
    return NULL;
}

static PyObject *started_method_send(PyObject *object, PyObject *arg)
{
    PyObject *result = NULL;

    if (started_send(object, arg, &result) == PYGEN_RETURN) {
        bridge_stop_iteration(result);
        return NULL;
    }
    return result;
}

static PyObject *started_next(PyObject *object)
{
    return started_method_send(object, Py_None);
}

/*
 * The task was cancelled before its first step, when the coroutine had begun to wait for a future:
 * as ever it is the future that is cancelled, if that can be, and the coroutine hears of it then.
 */
static PyObject *cancel_awaited(started_t *self, PyObject *exception)
{
    PyObject *awaited = self->outcome; /* borrowed */
    PyObject *args = NULL, *method = NULL, *known = NULL;
    bool      cancelled;

    if (awaited == Py_None || !PyErr_GivenExceptionMatches(exception, self->types->cancelled_error))
        return NULL;
    method = PyObject_GetAttrString(awaited, "cancel"); /* new, as all here */
    if (method != NULL)
        args = PyObject_GetAttrString(exception, "args"); /* the message */
    if (args != NULL && PyTuple_Check(args))
        known = PyObject_Call(method, args, NULL);
    cancelled = known != NULL && PyObject_IsTrue(known) > 0;
    PyErr_Clear(); /* no future: the coroutine is told at once */
    Py_XDECREF(known);
    Py_XDECREF(args);
    Py_XDECREF(method);
    return cancelled ? take_outcome(self) : NULL;
}

/* An exception that is raised in the coroutine, or in its place if that has come to its end. */
static PyObject *started_throw(PyObject *object, PyObject *args)
{
    started_t *self = (started_t *)object;
    PyObject  *exception = PyTuple_GET_SIZE(args) > 0 ? PyTuple_GET_ITEM(args, 0) : Py_None;
    PyObject  *step, *throw;

    if (self->state == RUNNING) { /* as a coroutine says it; its end is still to come */
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
        return NULL;
    }
    if (self->state == RETURNED && PyExceptionInstance_Check(exception)) {
        Py_CLEAR(self->outcome);
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        return end_step(self, NULL);
    }
    if (self->state == RAISED) {
        compat_set_exception(take_outcome(self));
        return end_step(self, NULL);
    }
    if (self->state == SUSPENDED) {
        step = cancel_awaited(self, exception);
        if (step != NULL)
            return end_step(self, step);
        Py_CLEAR(self->outcome);
    }
    self->state = RUNNING;
    throw = PyObject_GetAttrString(self->coroutine, "throw"); /* new */
    step = throw == NULL ? NULL : PyObject_Call(throw, args, NULL);
    Py_XDECREF(throw);
    return end_step(self, step);
}

static PyObject *started_close_method(PyObject *object, PyObject *unused)
{
    started_t *self = (started_t *)object;
    PyObject  *none = PyObject_CallMethod(self->coroutine, "close", NULL);

    (void)unused;
    Py_CLEAR(self->outcome);
    if (none != NULL && self->req != NULL) {
        PyErr_SetNone(self->types->cancelled_error);
        end(self, PYGEN_ERROR, NULL);
        PyErr_Clear();
    }
    return none;
}

/* ---- The type -------------------------------------------------------------------------------- */

/* cr_frame, cr_code, __qualname__: for asyncio's own messages and for stack traces. */
static PyObject *started_getattr(PyObject *object, PyObject *name)
{
    return bridge_stand_in_getattr(object, name, ((started_t *)object)->coroutine);
}

/* A cycle through it is one through its coroutine: that is what the collector breaks. */
static int started_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((started_t *)object)->coroutine);
    Py_VISIT(((started_t *)object)->outcome);
    return 0;
}

/* Its task is gone. A request that never came to its end has been cut off by now. */
static void started_dealloc(PyObject *object)
{
    started_t    *self = (started_t *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    Py_XDECREF(self->outcome);
    Py_DECREF(self->coroutine);
    if (self->req != NULL)
        http_respond_transfer(self->req, http_response_of_status(503));
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

static PyMethodDef started_methods[] = {
    {"send", started_method_send, METH_O, NULL},
    {"throw", started_throw, METH_VARARGS, NULL},
    {"close", started_close_method, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot started_slots[] = {
    {Py_tp_doc, "A handler's coroutine that has taken its first step."},
    {Py_am_send, started_send},
    {Py_am_await, PyObject_SelfIter},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, started_next},
    {Py_tp_getattro, started_getattr},
    {Py_tp_methods, started_methods},
    {Py_tp_traverse, started_traverse},
    {Py_tp_dealloc, started_dealloc},
    {0, NULL},
};

static PyType_Spec started_spec = {
    .name = "looplab.StartedCoroutine",
    .basicsize = sizeof(started_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = started_slots,
};

int started_open(started_types_t *self, started_end_fn on_end, void *owner)
{
    PyObject *asyncio = PyImport_ImportModule("asyncio"); /* new, as all here */
    int       err = -1;

    self->on_end = on_end;
    self->owner = owner;
    if (asyncio != NULL && (self->task_type = PyObject_GetAttrString(asyncio, "Task")) != NULL &&
        (self->cancelled_error = PyObject_GetAttrString(asyncio, "CancelledError")) != NULL &&
        (self->retrieve = PyObject_GetAttrString(self->task_type, "exception")) != NULL &&
        (self->type = (PyTypeObject *)PyType_FromSpec(&started_spec)) != NULL &&
        (self->keywords = Py_BuildValue("(ss)", "loop", "context")) != NULL &&
        (self->str_must_cancel = PyUnicode_InternFromString("_must_cancel")) != NULL &&
        (self->str_add_done_callback = PyUnicode_InternFromString("add_done_callback")) != NULL)
        err = 0;
    Py_XDECREF(asyncio);
    return err;
}

void started_close(started_types_t *self)
{
    Py_CLEAR(self->type);
    Py_CLEAR(self->task_type);
    Py_CLEAR(self->cancelled_error);
    Py_CLEAR(self->retrieve);
    Py_CLEAR(self->keywords);
    Py_CLEAR(self->str_must_cancel);
    Py_CLEAR(self->str_add_done_callback);
}

/* The coroutine's keeper, new; or NULL with an exception set */
static started_t *started_new(started_types_t *types, PyObject *coroutine)
{
    started_t *self = PyObject_GC_New(started_t, types->type);

    if (self == NULL)
        return NULL;
    self->types = types;
    self->req = NULL;
    self->coroutine = Py_NewRef(coroutine);
    self->outcome = NULL;
    self->state = RUNNING;
    PyObject_GC_Track((PyObject *)self);
    return self;
}

int started_make_task(started_types_t *types, http_request_t *req, PyObject *coroutine,
                      PyObject *loop, PyObject *context, PyObject **started)
{
    started_t *self = started_new(types, coroutine); /* new */
    PyObject  *args[] = {NULL, (PyObject *)self, loop, context};
    PyObject  *task = NULL;

    if (self != NULL)
        task = PyObject_Vectorcall(types->task_type, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                   types->keywords); /* new */
    if (task == NULL) {
        Py_XDECREF(self);
        return -1;
    }
    self->req = req;
    req->lab_data = task;
    *started = (PyObject *)self;
    return 0;
}

void started_first_step(PyObject *started, PySendResult outcome, PyObject *value,
                        bool was_made_early)
{
    started_t *self = (started_t *)started;

    self->outcome = outcome == PYGEN_ERROR ? compat_take_exception() : value;
    self->state = outcome == PYGEN_NEXT ? SUSPENDED : outcome == PYGEN_RETURN ? RETURNED : RAISED;
    self->was_made_early = was_made_early;
}
