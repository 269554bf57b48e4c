/*
 * What objects share that stand in for a handler's coroutine, and hand its steps on: the traced one
 * (trace.c), and lab 4's, which has taken its first step.
 */
#include "common/bridge/bridge.h"

void bridge_stop_iteration(PyObject *value)
{
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value); /* new */

    if (stop != NULL)
        PyErr_SetObject(PyExc_StopIteration, stop);
    Py_XDECREF(stop);
    Py_DECREF(value);
}

PyObject *bridge_stand_in_getattr(PyObject *stand_in, PyObject *name, PyObject *coroutine)
{
    PyObject *found = PyObject_GenericGetAttr(stand_in, name);

    if (found != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError))
        return found;
    PyErr_Clear();
    return PyObject_GetAttr(coroutine, name);
}
