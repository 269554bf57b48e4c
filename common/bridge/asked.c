/*
 * asyncio.current_task() and asyncio.all_tasks(), for a lab that makes a request's task only when
 * it is needed: whoever asks for it, needs it. They tell the lab first, then answer as ever.
 *
 * They are replaced where they live, in asyncio and asyncio.tasks, before any app is imported: so
 * `from asyncio import current_task` gets these too, and asyncio's own modules (timeouts,
 * taskgroups) do since they look them up in asyncio.tasks at each call. Other labs keep asyncio's.
 *
 * Attached, on any thread; only on one that has asked for it, an HTTP thread, is the lab told.
 */
#include "common/bridge/internal.h"

/* The calling thread's. Thread-local, as an HTTP thread steps its own handlers only. */
static _Thread_local struct {
    const bridge_t *bridge; /* whose interpreter they run in */
    bridge_asked_fn fn;     /* NULL: nobody is told */
    void           *owner;
} asked;

/* `self` is (capsule of the bridge, asyncio's own function). */
static PyObject *ask(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *names,
                     bool for_all)
{
    const bridge_t *bridge = PyCapsule_GetPointer(PyTuple_GET_ITEM(self, 0), NULL);

    if (asked.fn != NULL && asked.bridge == bridge && asked.fn(asked.owner, for_all) != 0)
        return NULL;
    return PyObject_Vectorcall(PyTuple_GET_ITEM(self, 1), args, (size_t)nargs, names);
}

static PyObject *current_task(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *names)
{
    return ask(self, args, nargs, names, false);
}

static PyObject *all_tasks(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    return ask(self, args, nargs, names, true);
}

#define FASTCALL(function) (PyCFunction)(void (*)(void))(function), METH_FASTCALL | METH_KEYWORDS

static PyMethodDef asking[] = {
    {"current_task", FASTCALL(current_task),
     "current_task(loop=None)\n--\n\nReturn a currently executed task."},
    {"all_tasks", FASTCALL(all_tasks),
     "all_tasks(loop=None)\n--\n\nReturn a set of all tasks for the loop."},
};

/* Put `method` into both modules in place of asyncio's. returns 0, or -1 with an exception set */
static int replace(PyMethodDef *method, PyObject *capsule, PyObject *asyncio, PyObject *tasks)
{
    PyObject *original = PyObject_GetAttrString(tasks, method->ml_name); /* new, as all here */
    PyObject *self = NULL, *name = NULL, *function = NULL;
    int       err = -1;

    if (original != NULL)
        self = PyTuple_Pack(2, capsule, original);
    if (self != NULL)
        name = PyUnicode_FromString("asyncio.tasks");
    if (name != NULL)
        function = PyCFunction_NewEx(method, self, name);
    if (function != NULL && PyObject_SetAttrString(tasks, method->ml_name, function) == 0)
        err = PyObject_SetAttrString(asyncio, method->ml_name, function);
    Py_XDECREF(function);
    Py_XDECREF(name);
    Py_XDECREF(self);
    Py_XDECREF(original);
    return err;
}

int bridge_ask_for_tasks(bridge_t *bridge)
{
    PyObject *capsule = PyCapsule_New(bridge, NULL, NULL);    /* new */
    PyObject *asyncio = PyImport_ImportModule("asyncio");     /* new */
    PyObject *tasks = PyImport_ImportModule("asyncio.tasks"); /* new */
    int       err = capsule != NULL && asyncio != NULL && tasks != NULL ? 0 : -1;

    for (size_t i = 0; err == 0 && i < sizeof asking / sizeof asking[0]; i++)
        err = replace(&asking[i], capsule, asyncio, tasks);
    Py_XDECREF(tasks);
    Py_XDECREF(asyncio);
    Py_XDECREF(capsule);
    return err;
}

void bridge_on_task_asked(bridge_t *bridge, bridge_asked_fn fn, void *owner)
{
    asked.bridge = bridge;
    asked.fn = fn;
    asked.owner = owner;
}
