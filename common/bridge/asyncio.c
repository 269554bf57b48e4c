/*
 * What labs call of asyncio for each request, looked up once at start: functions so that no request
 * imports anything, method names interned so that each call is a dictionary look-up by identity.
 */
#include "common/bridge/internal.h"

typedef struct {
    size_t      field; /* offset in bridge_asyncio_t */
    const char *name;
    enum { METHOD_NAME, KEYWORD, FUNCTION } kind;
} lookup_t;

#define FIELD(kind, name)                             \
    {                                                 \
        offsetof(bridge_asyncio_t, name), #name, kind \
    }

static const lookup_t lookups[] = {
    FIELD(METHOD_NAME, add_done_callback),
    FIELD(METHOD_NAME, result),
    FIELD(METHOD_NAME, cancel),
    FIELD(FUNCTION, run_coroutine_threadsafe),
    FIELD(FUNCTION, wrap_future),
    FIELD(FUNCTION, iscoroutine),
    {offsetof(bridge_asyncio_t, enter_task), "_enter_task", FUNCTION},
    {offsetof(bridge_asyncio_t, leave_task), "_leave_task", FUNCTION},
    {offsetof(bridge_asyncio_t, loop_keyword), "loop", KEYWORD},
};

enum { LOOKUPS = sizeof lookups / sizeof lookups[0] };

static PyObject **field(bridge_asyncio_t *self, const lookup_t *lookup)
{
    return (PyObject **)((char *)self + lookup->field);
}

/* returns a new reference, or NULL with an exception set */
static PyObject *look_up(const lookup_t *lookup)
{
    if (lookup->kind == FUNCTION)
        return bridge_import("asyncio", lookup->name);
    if (lookup->kind == KEYWORD)
        return Py_BuildValue("(s)", lookup->name);
    return PyUnicode_InternFromString(lookup->name);
}

int bridge_asyncio_open(bridge_asyncio_t *self, bridge_thread_t *thread)
{
    int err = 0;

    *self = (bridge_asyncio_t){0};
    bridge_attach(thread);
    for (size_t i = 0; i < LOOKUPS && err == 0; i++) {
        PyObject *found = look_up(&lookups[i]); /* new */

        *field(self, &lookups[i]) = found;
        err = found == NULL ? -1 : 0;
    }
    if (err != 0)
        PyErr_Print();
    bridge_detach(thread);
    return err;
}

void bridge_asyncio_close(bridge_asyncio_t *self, bridge_thread_t *thread)
{
    bridge_attach(thread);
    for (size_t i = 0; i < LOOKUPS; i++)
        Py_CLEAR(*field(self, &lookups[i]));
    bridge_detach(thread);
}

int bridge_asyncio_check_coroutine(const bridge_asyncio_t *self, PyObject *object)
{
    PyObject *yes;
    int       is_one;

    if (PyCoro_CheckExact(object))
        return 0;
    yes = PyObject_CallOneArg(self->iscoroutine, object); /* new */
    is_one = yes == NULL ? -1 : PyObject_IsTrue(yes);
    Py_XDECREF(yes);
    if (is_one == 0)
        PyErr_Format(PyExc_TypeError, "a coroutine was expected, got %R", object);
    return is_one > 0 ? 0 : -1;
}
