/*
 * asyncio.Runner, which makes a loop and, in the end, cancels what is left on it, finishes its
 * async generators and its default executor, and closes it. The loop is asyncio's own whatever
 * policy an app sets, but its selector is the caller's.
 *
 * Attached, on the thread whose loop it will be.
 */
#include "common/bridge/internal.h"

PyObject *bridge_selector_new(const bridge_t *bridge)
{
    PyObject *type, *selector;

    if (bridge->state->selector_type != NULL)
        return PyObject_CallNoArgs(bridge->state->selector_type);
    type = bridge_import("selectors", "DefaultSelector"); /* new */
    selector = type == NULL ? NULL : PyObject_CallNoArgs(type);
    Py_XDECREF(type);
    return selector;
}

/* What makes the loop, a callable, new: asyncio.SelectorEventLoop on that selector */
static PyObject *make_loop_factory(PyObject *selector)
{
    PyObject *loop_type = bridge_import("asyncio", "SelectorEventLoop"); /* new */
    PyObject *partial = NULL, *factory = NULL;

    if (loop_type != NULL)
        partial = bridge_import("functools", "partial"); /* new */
    if (partial != NULL)
        factory = PyObject_CallFunctionObjArgs(partial, loop_type, selector, NULL);
    Py_XDECREF(partial);
    Py_XDECREF(loop_type);
    return factory;
}

/* asyncio.Runner(debug=..., loop_factory=...), new */
static PyObject *make_runner(const bridge_t *bridge, PyObject *loop_factory)
{
    PyObject *type = bridge_import("asyncio", "Runner"); /* new */
    PyObject *none = PyTuple_New(0);                     /* new */
    PyObject *options = NULL, *runner = NULL;

    if (type != NULL && none != NULL)
        options = Py_BuildValue("{s:O,s:O}", "debug", bridge->debug ? Py_True : Py_None,
                                "loop_factory", loop_factory); /* new */
    if (options != NULL)
        runner = PyObject_Call(type, none, options);
    Py_XDECREF(options);
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

PyObject *bridge_runner_new(const bridge_t *bridge, PyObject *selector, PyObject **loop)
{
    PyObject *factory = make_loop_factory(selector);                          /* new */
    PyObject *runner = factory == NULL ? NULL : make_runner(bridge, factory); /* new */

    Py_XDECREF(factory);
    *loop = runner == NULL ? NULL : PyObject_CallMethod(runner, "get_loop", NULL); /* new */
    if (*loop != NULL && set_event_loop(*loop) != 0)
        Py_CLEAR(*loop);
    if (*loop == NULL && runner != NULL) {
        PyObject *exception = compat_take_exception(); /* new */

        bridge_runner_close(bridge, runner); /* steals */
        compat_set_exception(exception);     /* steals */
        return NULL;
    }
    return runner;
}

void bridge_runner_close(const bridge_t *bridge, PyObject *runner)
{
    PyObject *none;

    if (runner == NULL)
        return;
    none = PyObject_CallMethod(runner, "close", NULL); /* new */
    if (none == NULL)
        bridge_log_exception(bridge->state, "while closing an event loop");
    Py_XDECREF(none);
    Py_DECREF(runner);
}

void bridge_log_through_loop(const bridge_t *bridge)
{
    bridge_log_exception(bridge->state,
                         "raised through the event loop; it goes on with the other requests");
}
