/*
 * What the files of common/bridge share among themselves.
 *
 *   interpreter.c  starts and ends Python; thread states
 *   gil.c          whether there is a GIL, and who turned it on
 *   module.c       the looplab module: its types, its state
 *   app.c          looplab.App: what a student's module fills in
 *   app_load.c     App -> bridge_app_t: checks, freezes, routes, hooks
 *   request.c      looplab.Request         response.c  looplab.Response
 *   convert.c      a handler's result or exception -> http_response_t
 *   tracebacks.c   what every thread is doing
 *   callable.c     a C function as a Python callable
 *   asyncio.c      what labs call of asyncio, looked up once
 *   asked.c        who asks asyncio for the current task      runner.c      makes an asyncio loop
 *   loop_thread.c  an asyncio loop in a thread of its own    completions.c  the way back
 *   selector.c     the selector of those loops               trace.c        marks inside asyncio
 *   stand_in.c     what stands in for a coroutine shares
 */
#ifndef LOOPLAB_BRIDGE_INTERNAL_H
#define LOOPLAB_BRIDGE_INTERNAL_H

#include <stdatomic.h>

#include "common/bridge/bridge.h"
#include "common/bridge/compat.h"

/*
 * The module's state: one per interpreter, filled once when the module is made, then read-only: any
 * thread, attached. The functions in it keep no state of their own between calls.
 */
typedef struct {
    PyTypeObject *app_type; /* owned, as all of these */
    PyTypeObject *decorator_type;
    PyTypeObject *request_type;
    PyTypeObject *response_type;
    PyTypeObject *callable_type;
    PyTypeObject *traced_type;
    PyObject     *encode_json;      /* bound method: compact, not only ASCII */
    PyObject     *decode_json;      /* json.loads */
    PyObject     *parse_qsl;        /* urllib.parse.parse_qsl */
    PyObject     *format_exception; /* traceback.format_exception */
    PyObject     *cancelled_error;  /* asyncio.CancelledError */
    PyObject     *task_type;        /* asyncio.Task */
    PyObject     *selector_type;    /* looplab.Selector; NULL where there is no epoll */
    PyObject     *str_selector, *str_fileno, *str_fd_to_key; /* names of attributes, interned */
} bridge_state_t;

struct bridge {
    /* Set by bridge_open(), read-only afterwards: any thread. */
    PyInterpreterState *interpreter;
    PyObject           *module; /* owned: looplab */
    bridge_state_t     *state;  /* the module's */
    bool                debug, ask_for_tasks;
    trace_t            *trace; /* borrowed; NULL: tracing is off */
    PyThreadState      *first; /* isolated: the opening thread's state in the first interpreter */

    /* Written attached, when an import turns the GIL on: before `gil`, which publishes it. */
    char gil_turned_on_by[96]; /* the module, or "" */

    /* Any thread. */
    atomic_bool          gil;
    atomic_uint_fast64_t handler_errors; /* relaxed: statistics only */
};

/* One route of a loaded app: http_request_t.route_arg. Read-only after bridge_app_load(). */
typedef struct {
    bridge_t     *bridge;  /* borrowed */
    PyObject     *handler; /* owned */
    bridge_kind_t kind;
    http_method_t method;
    char         *pattern; /* owned */
    char         *where;   /* owned: "hello (async_app.py:12)" for messages */
} bridge_route_t;

static inline const bridge_route_t *bridge_route(const http_request_t *req)
{
    return req->route_arg;
}

static inline bridge_state_t *bridge_request_state(const http_request_t *req)
{
    return bridge_route(req)->bridge->state;
}

/*
 * gil.c: from here on notice which import turns the GIL on (0, or -1 with an exception set); ask
 * again whether there is one. Attached.
 */
int  bridge_watch_gil(bridge_t *bridge);
void bridge_refresh_gil(bridge_t *bridge);

/* asked.c: replace what asyncio is asked with. returns 0, or -1 with an exception set. Attached. */
int bridge_ask_for_tasks(bridge_t *bridge);

/* module.c: module.name, new; NULL with an exception set. Attached. */
PyObject *bridge_import(const char *module_name, const char *name);

/* module.c: what PyImport_AppendInittab() takes; the bridge's own access to the state */
PyMODINIT_FUNC  PyInit_looplab(void);
bridge_state_t *bridge_module_state(PyObject *module);
bridge_state_t *bridge_type_state(PyTypeObject *type); /* of one of the module's types */

/* selector.c: make state->selector_type. returns 0, or -1 with an exception set. Attached. */
int bridge_selector_open(PyObject *module, bridge_state_t *state);

/* The specs of the module's types, each in the file that implements it. */
extern PyType_Spec bridge_app_spec, bridge_decorator_spec, bridge_request_spec,
    bridge_response_spec, bridge_callable_spec, bridge_traced_spec;

/*
 * app.c: the lists behind a looplab.App, all borrowed. Attached. Freezing refuses later additions,
 * from whichever thread; only from then on may the lists be read.
 */
PyObject *bridge_app_object_routes(PyObject *app);  /* of (method, pattern, handler) */
PyObject *bridge_app_object_startup(PyObject *app); /* of hooks */
PyObject *bridge_app_object_shutdown(PyObject *app);
void      bridge_app_object_freeze(PyObject *app);

/*
 * trace.c: steals the coroutine of a traced request's handler and returns one that marks its first
 * step and its end; NULL with an exception set. Attached.
 */
PyObject *bridge_traced_new(http_request_t *req, PyObject *coroutine);

/* request.c: a looplab.Request with a reference of its own to `req`. New, or NULL. Attached. */
PyObject *bridge_request_new(http_request_t *req);

/* response.c: a looplab.Response's parts as a response; NULL with an exception set. Attached. */
http_response_t *bridge_response_object_convert(bridge_state_t *state, PyObject *response);

/*
 * convert.c: `value` as the body of a response with `status`; `content_type` NULL: by its kind.
 * NULL with an exception set: TypeError for a value that is none of str, bytes, dict and list.
 */
http_response_t *bridge_convert_body(bridge_state_t *state, PyObject *value, int status,
                                     const char *content_type);

/*
 * Clear the exception that is set and return it with its traceback as UTF-8, in a bytes object,
 * new; what UTF-8 can't carry is escaped. NULL if even that fails. Attached.
 */
PyObject *bridge_take_traceback(bridge_state_t *state);

/* Clear the exception that is set and log it under this headline. Attached. */
void bridge_log_exception(bridge_state_t *state, const char *headline);

#endif
