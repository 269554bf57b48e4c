/*
 * What every thread of Python is doing, for who asks from outside. Python's own faulthandler writes
 * it: without allocating, and straight to the descriptor.
 */
#include <signal.h>
#include <unistd.h>

#include "common/bridge/internal.h"

/* faulthandler.function(*args, all_threads=True); `args` is stolen. returns 0 or -1: exception */
static int call_faulthandler(const char *function, PyObject *args)
{
    PyObject *callable = bridge_import("faulthandler", function);        /* new */
    PyObject *keywords = Py_BuildValue("{s:O}", "all_threads", Py_True); /* new */
    PyObject *none = NULL;

    if (args != NULL && callable != NULL && keywords != NULL)
        none = PyObject_Call(callable, args, keywords); /* new */
    Py_XDECREF(keywords);
    Py_XDECREF(callable);
    Py_XDECREF(args);
    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}

int bridge_traceback_on_signal(bridge_t *bridge, int number)
{
    /* What the signal does is restored when Python ends: one that comes late must do nothing. */
    signal(number, SIG_IGN);
    if (call_faulthandler("register", Py_BuildValue("(ii)", number, STDERR_FILENO)) == 0)
        return 0;
    bridge_log_exception(bridge->state, "cannot have Python's faulthandler watch a signal");
    return -1;
}

void bridge_write_tracebacks(bridge_t *bridge)
{
    if (call_faulthandler("dump_traceback", Py_BuildValue("(i)", STDERR_FILENO)) != 0)
        bridge_log_exception(bridge->state, "cannot write the threads' tracebacks");
}

const char *bridge_handler_where(const http_request_t *req)
{
    return bridge_route(req)->where;
}
