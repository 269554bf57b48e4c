/*
 * What asyncio's loop asks of the handles in its line (BaseEventLoop._run_once(), 3.11 to 3.14):
 * `_cancelled`, `_run()`, and in debug mode `_callback` and `_source_traceback`, for its messages.
 * An object that has these is called in its turn like any other.
 */
#include "lab4_eager_start/next_step.h"

#include <stddef.h>

#include "common/bridge/compat.h"

typedef struct {
    PyObject_HEAD next_steps_t *steps; /* borrowed */
    step_t                      step;  /* req NULL: it has had its turn, or left; objects owned */
    char                        cancelled; /* the loop passes it over */
} next_step_t;

/* ---- As asyncio sees it ---------------------------------------------------------------------- */

static PyObject *next_step_run(PyObject *object, PyObject *unused)
{
    next_step_t *self = (next_step_t *)object;
    step_t       step = self->step;

    (void)unused;
    if (step.req == NULL)
        Py_RETURN_NONE;
    self->step.req = NULL;
    step.req->lab_data = NULL;
    self->steps->on_turn(self->steps->owner, &step);
    Py_RETURN_NONE;
}

static PyObject *next_step_repr(PyObject *object)
{
    return PyUnicode_FromFormat("<next step of %R>", ((next_step_t *)object)->step.coroutine);
}

static PyObject *get_none(PyObject *object, void *unused)
{
    (void)object, (void)unused;
    Py_RETURN_NONE;
}

static void next_step_dealloc(PyObject *object)
{
    next_step_t    *self = (next_step_t *)object;
    http_request_t *req = self->step.req;
    PyTypeObject   *type = Py_TYPE(object);

    Py_DECREF(self->step.coroutine);
    Py_DECREF(self->step.context);
    PyObject_Free(self);
    Py_DECREF(type);
    if (req == NULL)
        return;
    req->lab_data = NULL;
    http_respond_transfer(req, http_response_of_status(503));
}

static PyMethodDef next_step_methods[] = {
    {"_run", next_step_run, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef next_step_members[] = {
    {"_cancelled", T_BOOL, offsetof(next_step_t, cancelled), READONLY, NULL},
    {"_callback", T_OBJECT, offsetof(next_step_t, step.coroutine), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef next_step_getset[] = {
    {"_source_traceback", get_none, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot next_step_slots[] = {
    {Py_tp_doc, "The next step of a coroutine that has no task, in the loop's line."},
    {Py_tp_repr, next_step_repr},
    {Py_tp_methods, next_step_methods},
    {Py_tp_members, next_step_members},
    {Py_tp_getset, next_step_getset},
    {Py_tp_dealloc, next_step_dealloc},
    {0, NULL},
};

static PyType_Spec next_step_spec = {
    .name = "looplab.NextStep",
    .basicsize = sizeof(next_step_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = next_step_slots,
};

/* ---- As the lab does ------------------------------------------------------------------------- */

int next_steps_open(next_steps_t *self, PyObject *ready, next_step_fn on_turn, void *owner)
{
    self->on_turn = on_turn;
    self->owner = owner;
    self->ready = Py_NewRef(ready);
    if ((self->type = (PyTypeObject *)PyType_FromSpec(&next_step_spec)) == NULL ||
        (self->append = PyObject_GetAttrString(ready, "append")) == NULL)
        return -1;
    return 0;
}

void next_steps_close(next_steps_t *self)
{
    Py_CLEAR(self->type);
    Py_CLEAR(self->append);
    Py_CLEAR(self->ready);
}

int next_step_append(next_steps_t *self, const step_t *step)
{
    next_step_t *next = PyObject_New(next_step_t, self->type); /* new */
    PyObject    *none;

    if (next == NULL)
        return -1;
    next->steps = self;
    next->cancelled = false;
    next->step = (step_t){
        .context = Py_NewRef(step->context),
        .coroutine = Py_NewRef(step->coroutine),
    };
    none = PyObject_CallOneArg(self->append, (PyObject *)next); /* new */
    if (none != NULL) {
        next->step.req = step->req;
        step->req->lab_data = next;
    }
    Py_XDECREF(none);
    Py_DECREF(next);
    return none == NULL ? -1 : 0;
}

step_t *next_step_of(const next_steps_t *self, const http_request_t *req)
{
    PyObject *object = req->lab_data;

    return object != NULL && Py_IS_TYPE(object, self->type) ? &((next_step_t *)object)->step : NULL;
}

void next_step_leave(step_t *step)
{
    next_step_t *self = (next_step_t *)((char *)step - offsetof(next_step_t, step));

    step->req = NULL;
    self->cancelled = true;
}

int next_steps_each(const next_steps_t *self, int (*fn)(void *owner, step_t *step), void *owner)
{
    PyObject *line = PySequence_List(self->ready); /* new: the line may change meanwhile */
    int       err = line == NULL ? -1 : 0;

    for (Py_ssize_t i = 0; err == 0 && i < PyList_GET_SIZE(line); i++) {
        PyObject    *object = PyList_GET_ITEM(line, i); /* borrowed */
        next_step_t *next = (next_step_t *)object;

        if (Py_IS_TYPE(object, self->type) && next->step.req != NULL)
            err = fn(owner, &next->step);
    }
    Py_XDECREF(line);
    return err;
}
