/* What differs between CPython 3.11 and 3.14, in one place. */
#ifndef LOOPLAB_BRIDGE_COMPAT_H
#define LOOPLAB_BRIDGE_COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

/* Take the exception that is set: new reference, or NULL if there is none. */
static inline PyObject *compat_take_exception(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;

    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL)
        return NULL;
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL)
        PyException_SetTraceback(value, traceback);
    Py_DECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

/* Raise `exception` again, as it was taken: steals it; NULL: no exception is set then */
static inline void compat_set_exception(PyObject *exception)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(exception);
#else
    PyObject *type = exception == NULL ? NULL : Py_NewRef(Py_TYPE(exception));

    PyErr_Restore(type, exception, exception == NULL ? NULL : PyException_GetTraceback(exception));
#endif
}

/*
 * The calling thread's state. If it is detached: NULL, or before 3.13 the state of whichever thread
 * holds the GIL; never its own.
 */
static inline PyThreadState *compat_current_thread(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_GetUnchecked();
#else
    return _PyThreadState_UncheckedGet();
#endif
}

/* dict[key], new; NULL if it isn't there. returns 0, or -1 with an exception set */
static inline int compat_dict_get(PyObject *dict, PyObject *key, PyObject **value)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyDict_GetItemRef(dict, key, value) < 0 ? -1 : 0;
#else
    *value = Py_XNewRef(PyDict_GetItemWithError(dict, key));
    return *value == NULL && PyErr_Occurred() ? -1 : 0;
#endif
}

/* A lock on one object where there is no GIL to do it; suspended while the thread detaches. */
#if PY_VERSION_HEX < 0x030D0000
#define Py_BEGIN_CRITICAL_SECTION(object) {
#define Py_END_CRITICAL_SECTION()         }
#endif

#endif
