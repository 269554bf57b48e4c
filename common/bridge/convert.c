/*
 * What a handler returned, or raised, becomes a response. Runs attached, on the thread that has the
 * result; every exception of a handler ends here, in the log.
 */
#include <stdio.h>

#include "common/bridge/internal.h"
#include "common/log/log.h"

static const char text_plain[] = "text/plain; charset=utf-8";
static const char octet_stream[] = "application/octet-stream";
static const char application_json[] = "application/json";

/* ---- Values ---------------------------------------------------------------------------------- */

static http_response_t *respond(int status, const char *type, const char *body, Py_ssize_t len)
{
    http_response_t *resp = http_response_new(status, type, body, (size_t)len);

    if (resp == NULL)
        PyErr_NoMemory();
    return resp;
}

static http_response_t *convert_text(PyObject *text, int status, const char *type)
{
    Py_ssize_t  len;
    const char *body = PyUnicode_AsUTF8AndSize(text, &len); /* borrowed from text */

    return body == NULL ? NULL : respond(status, type, body, len);
}

static http_response_t *convert_json(bridge_state_t *state, PyObject *value, int status,
                                     const char *type)
{
    PyObject        *text = PyObject_CallOneArg(state->encode_json, value); /* new */
    http_response_t *resp = text == NULL ? NULL : convert_text(text, status, type);

    Py_XDECREF(text);
    return resp;
}

http_response_t *bridge_convert_body(bridge_state_t *state, PyObject *value, int status,
                                     const char *content_type)
{
    if (PyUnicode_Check(value))
        return convert_text(value, status, content_type == NULL ? text_plain : content_type);
    if (PyBytes_Check(value))
        return respond(status, content_type == NULL ? octet_stream : content_type,
                       PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value));
    if (PyDict_Check(value) || PyList_Check(value))
        return convert_json(state, value, status,
                            content_type == NULL ? application_json : content_type);
    PyErr_Format(PyExc_TypeError,
                 "a handler returns str, bytes, dict, list or Response, not %.100s",
                 Py_TYPE(value)->tp_name);
    return NULL;
}

/* A `def` handler that returned a coroutine: close it, so that nobody warns of it later. */
static void refuse_awaitable(PyObject *value)
{
    PyObject *closed = PyObject_CallMethod(value, "close", NULL); /* new; futures have none */

    if (closed == NULL)
        PyErr_Clear();
    Py_XDECREF(closed);
    PyErr_Format(PyExc_TypeError,
                 "the handler returned an awaitable (%.100s) that nobody awaits here: make it "
                 "`async def` and serve it with a lab that runs asyncio, or return its result",
                 Py_TYPE(value)->tp_name);
}

static bool is_awaitable(PyObject *value)
{
    PyAsyncMethods *methods = Py_TYPE(value)->tp_as_async;

    return PyCoro_CheckExact(value) || (methods != NULL && methods->am_await != NULL);
}

static http_response_t *convert(bridge_state_t *state, PyObject *value)
{
    if (PyUnicode_Check(value)) /* the commonest first */
        return convert_text(value, 200, text_plain);
    if (Py_IS_TYPE(value, state->response_type))
        return bridge_response_object_convert(state, value);
    if (is_awaitable(value)) {
        refuse_awaitable(value);
        return NULL;
    }
    return bridge_convert_body(state, value, 200, NULL);
}

/* ---- Exceptions ------------------------------------------------------------------------------ */

PyObject *bridge_take_traceback(bridge_state_t *state)
{
    PyObject *exception = compat_take_exception(); /* new */
    PyObject *lines = NULL, *empty = NULL, *text = NULL, *bytes = NULL;

    if (exception == NULL)
        return NULL;
    lines = PyObject_CallOneArg(state->format_exception, exception); /* new */
    empty = PyUnicode_FromString("");                                /* new */
    if (lines != NULL && empty != NULL)
        text = PyUnicode_Join(empty, lines); /* new */
    if (text != NULL)
        bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace"); /* new */
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(empty);
    Py_XDECREF(lines);
    Py_DECREF(exception);
    return bytes;
}

void bridge_log_exception(bridge_state_t *state, const char *headline)
{
    PyObject *text = bridge_take_traceback(state); /* new */

    log_text(LOG_ERROR, text == NULL ? "(no traceback could be made)" : PyBytes_AsString(text),
             "%s", headline);
    Py_XDECREF(text);
}

/* The log's headline for a request: "GET /users/7 in user (app.py:12)". */
static void log_request_exception(const http_request_t *req)
{
    const bridge_route_t *route = bridge_route(req);
    http_slice_t          target = http_request_target(req);
    char                  headline[600];

    snprintf(headline, sizeof headline, "%s %.*s: 500, raised in %s",
             http_method_name((http_method_t)req->method),
             (int)(target.len < 300 ? target.len : 300), target.data, route->where);
    bridge_log_exception(route->bridge->state, headline);
}

/* The exception that is set, as an answer that tells the client nothing. */
static http_response_t *convert_exception(const http_request_t *req)
{
    if (PyErr_ExceptionMatches(bridge_request_state(req)->cancelled_error)) {
        PyErr_Clear();
        return http_response_of_status(503);
    }
    atomic_fetch_add_explicit(&bridge_route(req)->bridge->handler_errors, 1, memory_order_relaxed);
    log_request_exception(req);
    return http_response_of_status(500);
}

uint64_t bridge_handler_errors(const bridge_t *bridge)
{
    return atomic_load_explicit(&bridge->handler_errors, memory_order_relaxed);
}

http_response_t *bridge_response(const http_request_t *req, PyObject *value)
{
    http_response_t *resp = value == NULL ? NULL : convert(bridge_request_state(req), value);

    return resp != NULL ? resp : convert_exception(req);
}

bridge_kind_t bridge_handler_kind(const http_request_t *req)
{
    return bridge_route(req)->kind;
}

PyObject *bridge_call_handler(http_request_t *req)
{
    const bridge_route_t *route = bridge_route(req);
    PyObject             *request = bridge_request_new(req); /* new */
    PyObject             *args[] = {NULL, request};
    PyObject             *value;

    if (request == NULL)
        return NULL;
    if (route->kind == BRIDGE_SYNC)
        trace_mark(req->trace, TRACE_STARTED);
    value = PyObject_Vectorcall(route->handler, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                NULL); /* new */
    if (route->kind == BRIDGE_SYNC)
        trace_mark(req->trace, TRACE_FINISHED);
    else if (req->trace != NULL && value != NULL && PyCoro_CheckExact(value))
        value = bridge_traced_new(req, value);
    Py_DECREF(request);
    return value;
}
