/*
 * The selector of our asyncio loops: selectors.EpollSelector with its select() in C. It answers as
 * the standard library's does, in the same system call, but lets go of the interpreter and takes
 * it again in one place of ours: so the wait for the GIL after each poll can be timed, which no
 * hook of Python's shows. Every run has it, traced or not: else tracing would change the lab.
 *
 * The type is made at run time, since its base is a Python class with a metaclass: a C base that
 * has nothing but select() comes first in the method resolution order. Without epoll (macOS) there
 * is no such type, and loops have asyncio's own selector.
 *
 * Runs on the thread of the loop whose selector it is, attached but while it polls.
 */
#include "common/bridge/internal.h"

#ifdef __linux__

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <sys/epoll.h>

enum {
    EVENT_READ = 1, /* selectors.EVENT_READ, EVENT_WRITE [docs: selectors] */
    EVENT_WRITE = 2,
    MAX_EVENTS = 1024, /* of one call; the kernel then goes on with those that had to wait */
};

/*
 * Seconds as epoll_wait() wants them: rounded up, so that no timer comes early. -1: for ever.
 * returns 0, or -1 with an exception set
 */
static int timeout_ms(PyObject *timeout, int *ms)
{
    double seconds;

    *ms = -1;
    if (timeout == Py_None)
        return 0;
    seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1 && PyErr_Occurred())
        return -1;
    if (isnan(seconds)) {
        PyErr_SetString(PyExc_ValueError, "timeout is not a number");
        return -1;
    }
    if (seconds * 1e3 > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "timeout is too large");
        return -1;
    }
    *ms = seconds <= 0 ? 0 : (int)ceil(seconds * 1e3);
    return 0;
}

/* self._selector.fileno(): raises ValueError once it is closed. returns -1 with an exception set */
static int epoll_fd(const bridge_state_t *state, PyObject *self)
{
    PyObject *epoll = PyObject_GetAttr(self, state->str_selector); /* new */
    PyObject *number = epoll == NULL ? NULL : PyObject_CallMethodNoArgs(epoll, state->str_fileno);
    long      fd = number == NULL ? -1 : PyLong_AsLong(number);

    Py_XDECREF(number);
    Py_XDECREF(epoll);
    return (int)fd;
}

/* The one place where a loop's thread waits: detached. returns as epoll_wait() does, errno set */
static int poll_detached(int fd, struct epoll_event *events, int ms)
{
    trace_lane_t  *lane = trace_lane_here();
    PyThreadState *tstate;
    int            count, err;

    trace_lane_state(lane, TRACE_POLLING);
    tstate = PyEval_SaveThread();
    count = epoll_wait(fd, events, MAX_EVENTS, ms);
    err = errno;
    trace_lane_state(lane, TRACE_ATTACHING);
    PyEval_RestoreThread(tstate);
    trace_lane_state(lane, TRACE_RUNNING);
    errno = err;
    return count;
}

static int64_t now_ms(void)
{
    return (int64_t)(uv_hrtime() / 1000000);
}

/*
 * Poll; a signal that has no handler in Python doesn't end it (PEP 475).
 * returns the number of events, or -1 with an exception set
 */
static int poll_events(int fd, struct epoll_event *events, int ms)
{
    int64_t deadline = ms > 0 ? now_ms() + ms : 0;
    int     count;

    while ((count = poll_detached(fd, events, ms)) < 0) {
        if (errno != EINTR) {
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        if (PyErr_CheckSignals() != 0)
            return -1;
        if (ms > 0)
            ms = deadline > now_ms() ? (int)(deadline - now_ms()) : 0;
    }
    return count;
}

/* Errors and hang-ups make a descriptor ready for whatever is awaited of it. */
static long ready_for(uint32_t events)
{
    return (events & ~(uint32_t)EPOLLIN ? EVENT_WRITE : 0) |
           (events & ~(uint32_t)EPOLLOUT ? EVENT_READ : 0);
}

/*
 * Append (key, events) if the descriptor is registered still. A key is a SelectorKey, a named tuple
 * of fileobj, fd, events, data [docs: selectors]. returns 0, or -1 with an exception set
 */
static int append_ready(PyObject *ready, PyObject *keys, const struct epoll_event *event)
{
    PyObject *fd = PyLong_FromLong(event->data.fd); /* new, as those below */
    PyObject *key = NULL, *pair = NULL;
    int       err = fd == NULL ? -1 : compat_dict_get(keys, fd, &key);

    if (err == 0 && key != NULL) {
        long wanted = PyTuple_Check(key) && PyTuple_GET_SIZE(key) > 2
                          ? PyLong_AsLong(PyTuple_GET_ITEM(key, 2))
                          : 0;

        pair = Py_BuildValue("(Ol)", key, ready_for(event->events) & wanted);
        err = pair == NULL ? -1 : PyList_Append(ready, pair);
    }
    Py_XDECREF(pair);
    Py_XDECREF(key);
    Py_XDECREF(fd);
    return err;
}

/* The events as select() returns them, new; NULL with an exception set */
static PyObject *as_list(PyObject *keys, const struct epoll_event *events, int count)
{
    PyObject *ready = PyList_New(0);

    for (int i = 0; ready != NULL && i < count; i++)
        if (append_ready(ready, keys, &events[i]) != 0)
            Py_CLEAR(ready);
    return ready;
}

/* The argument of select(timeout=None), borrowed; NULL with an exception set */
static PyObject *timeout_argument(PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);

    if (nargs + named == 0)
        return Py_None;
    if (nargs + named == 1 && (nargs == 1 || PyUnicode_CompareWithASCIIString(
                                                 PyTuple_GET_ITEM(names, 0), "timeout") == 0))
        return args[0];
    PyErr_SetString(PyExc_TypeError, "select() takes one argument at most: timeout");
    return NULL;
}

static PyObject *selector_select(PyObject *self, PyTypeObject *defining, PyObject *const *args,
                                 Py_ssize_t nargs, PyObject *names)
{
    const bridge_state_t *state = bridge_type_state(defining);
    PyObject             *timeout = timeout_argument(args, nargs, names); /* borrowed */
    PyObject             *keys = NULL, *ready = NULL;
    struct epoll_event    events[MAX_EVENTS];
    int                   fd, ms, count;

    if (timeout == NULL || timeout_ms(timeout, &ms) != 0)
        return NULL;
    fd = epoll_fd(state, self);
    if (fd >= 0)
        keys = PyObject_GetAttr(self, state->str_fd_to_key); /* new */
    if (keys == NULL)
        return NULL;
    count = poll_events(fd, events, ms);
    if (count >= 0)
        ready = as_list(keys, events, count);
    Py_DECREF(keys);
    return ready;
}

static PyMethodDef select_methods[] = {
    {"select", (PyCFunction)(void (*)(void))selector_select,
     METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "select(timeout=None)\n--\n\nAs EpollSelector.select(), in C."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot select_slots[] = {
    {Py_tp_doc, "select() in C, for an EpollSelector."},
    {Py_tp_methods, select_methods},
    {0, NULL},
};

static PyType_Spec select_spec = {
    .name = "looplab.SelectInC",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = select_slots,
};

/* class Selector(SelectInC, selectors.EpollSelector): by its base's metaclass, whichever that is */
static PyObject *make_type(PyObject *select_in_c, PyObject *epoll_selector)
{
    return PyObject_CallFunction((PyObject *)Py_TYPE(epoll_selector), "s(OO){s:s}", "Selector",
                                 select_in_c, epoll_selector, "__module__", "looplab");
}

int bridge_selector_open(PyObject *module, bridge_state_t *state)
{
    PyObject *base = PyType_FromModuleAndSpec(module, &select_spec, NULL); /* new */
    PyObject *epoll_selector = base == NULL ? NULL : bridge_import("selectors", "EpollSelector");

    state->str_selector = PyUnicode_InternFromString("_selector");
    state->str_fileno = PyUnicode_InternFromString("fileno");
    state->str_fd_to_key = PyUnicode_InternFromString("_fd_to_key");
    if (epoll_selector != NULL && state->str_selector != NULL && state->str_fileno != NULL &&
        state->str_fd_to_key != NULL)
        state->selector_type = make_type(base, epoll_selector);
    Py_XDECREF(epoll_selector);
    Py_XDECREF(base);
    return state->selector_type == NULL ? -1 : 0;
}

#else

int bridge_selector_open(PyObject *module, bridge_state_t *state)
{
    (void)module;
    (void)state;
    return 0;
}

#endif
