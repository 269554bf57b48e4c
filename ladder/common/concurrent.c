/* What rungs 6 and 13 share: see concurrent.h. Runs on whatever thread calls it, attached. */
#include "ladder/common/concurrent.h"

/* returns concurrent.futures.CancelledError, new; or NULL with an exception set */
static PyObject *look_up_cancelled(void)
{
    PyObject *module = PyImport_ImportModule("concurrent.futures"); /* new */
    PyObject *found = module == NULL ? NULL : PyObject_GetAttrString(module, "CancelledError");

    Py_XDECREF(module);
    return found;
}

int concurrent_open(concurrent_t *self, bridge_thread_t *thread)
{
    int err;

    bridge_attach(thread);
    self->result = PyUnicode_InternFromString("result");
    self->cancelled = look_up_cancelled();
    err = self->result == NULL || self->cancelled == NULL ? -1 : 0;
    if (err != 0)
        PyErr_Print();
    bridge_detach(thread);
    return err;
}

void concurrent_close(concurrent_t *self, bridge_thread_t *thread)
{
    bridge_attach(thread);
    Py_CLEAR(self->result);
    Py_CLEAR(self->cancelled);
    bridge_detach(thread);
}

http_response_t *concurrent_response(const concurrent_t *self, http_request_t *req,
                                     PyObject *future)
{
    PyObject        *value = PyObject_CallMethodNoArgs(future, self->result); /* new; or raises */
    http_response_t *resp;

    if (value == NULL && PyErr_ExceptionMatches(self->cancelled)) {
        PyErr_Clear();
        req->trace = NULL; /* the coroutine may run on, and mark, whoever has the request then */
        return http_response_of_status(503);
    }
    trace_mark(req->trace, TRACE_CONVERTED);
    resp = bridge_response(req, value);
    Py_XDECREF(value);
    return resp;
}
