/*
 * A C function as a Python callable: what labs hand to call_soon_threadsafe() and
 * add_done_callback(). It refers to no Python object, so it can be part of no cycle and needs no
 * garbage collection.
 */
#include "common/bridge/internal.h"

typedef struct {
    PyObject_HEAD vectorcallfunc vectorcall;
    bridge_fn                    fn;
    void                        *owner; /* borrowed */
    http_request_t              *req;   /* one reference */
} callable_t;

static PyObject *callable_vectorcall(PyObject *object, PyObject *const *args, size_t nargsf,
                                     PyObject *names)
{
    callable_t *self = (callable_t *)object;

    (void)names;
    self->fn(self->owner, self->req, PyVectorcall_NARGS(nargsf) > 0 ? args[0] : NULL);
    Py_RETURN_NONE;
}

PyObject *bridge_callable(bridge_fn fn, void *owner, http_request_t *req)
{
    callable_t *self = PyObject_New(callable_t, bridge_request_state(req)->callable_type);

    if (self == NULL)
        return NULL;
    self->vectorcall = callable_vectorcall;
    self->fn = fn;
    self->owner = owner;
    self->req = req;
    http_request_ref(req);
    return (PyObject *)self;
}

static void callable_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    http_request_unref(((callable_t *)object)->req);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyMemberDef callable_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(callable_t, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot callable_slots[] = {
    {Py_tp_doc, "A function of the server, for asyncio to call."},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_dealloc, callable_dealloc},
    {Py_tp_members, callable_members},
    {0, NULL},
};

PyType_Spec bridge_callable_spec = {
    .name = "looplab.Callable",
    .basicsize = sizeof(callable_t),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = callable_slots,
};
