/*
 * Rung 2: `async def` handlers without an event loop. Parent: rung 1, lab3_sync_handlers.
 *
 * Adds the coroutine: calling an `async def` makes one, and PyIter_Send() runs it to its end where
 * it stands, on the HTTP thread. No task, no future, no loop. So a coroutine that has to wait has
 * nobody to wait with: its request gets a 500, and the log says why. Hooks must be `def`.
 *
 *     HTTP thread     ① attach -> ② call the handler, step its coroutine -> ③ respond -> ④ detach
 *
 * Everything here runs on the HTTP thread.
 */
#include <stdlib.h>

#include "common/lab/lab.h"

struct lab {
    bridge_thread_t *python; /* borrowed: this thread's Python state */
    bridge_app_t    *app;    /* borrowed */
};

int lab_open(lab_t **out, const lab_context_t *context)
{
    lab_t *lab = malloc(sizeof *lab);
    int    err;

    if (lab == NULL)
        return -1;
    *lab = (lab_t){.python = context->http_thread, .app = context->app};
    bridge_attach(lab->python);
    err = bridge_app_startup(lab->app, NULL);
    bridge_detach(lab->python);
    if (err != 0) {
        free(lab);
        return -1;
    }
    *out = lab;
    return 0;
}

/* Attached: run the coroutine to its end. returns what it returns, new; or NULL: it raised */
static PyObject *step_to_end(PyObject *coroutine)
{
    PyObject *value = NULL;

    if (PyIter_Send(coroutine, Py_None, &value) == PYGEN_NEXT) {
        Py_CLEAR(value); /* what it waits for */
        PyErr_SetString(PyExc_RuntimeError,
                        "the handler awaits something that isn't ready, and on this rung there is "
                        "no event loop to wait with");
    }
    return value;
}

/* Once a turn: every request that is complete by now, under one attach. */
void lab_on_ready(lab_t *lab, http_request_list_t *ready)
{
    http_request_t *req;

    bridge_attach(lab->python); /* ① wait for the GIL, once a turn */
    while ((req = http_request_list_pop(ready)) != NULL) {
        http_response_t *resp;
        PyObject        *coroutine, *value;

        trace_mark(req->trace, TRACE_ATTACHED);
        coroutine = bridge_call_handler(req);                      /* ② new; NULL: it raised */
        value = coroutine == NULL ? NULL : step_to_end(coroutine); /* new */
        resp = bridge_response(req, value);
        http_respond_transfer(req, resp); /* ③ req and resp are gone now */
        Py_XDECREF(value);
        Py_XDECREF(coroutine); /* one that is still waiting is closed here: its `finally` runs */
    }
    bridge_detach(lab->python); /* ④ other threads may run Python */
}

/* Nothing here is ever completed by another thread. */
void lab_on_completions(lab_t *lab)
{
    (void)lab;
}

/* A handler that runs can't be cancelled: its answer will be dropped. */
void lab_on_client_gone(lab_t *lab, http_request_t *req)
{
    (void)lab;
    (void)req;
}

void lab_close(lab_t *lab)
{
    bridge_attach(lab->python);
    bridge_app_shutdown(lab->app, NULL);
    bridge_detach(lab->python);
    free(lab);
}
