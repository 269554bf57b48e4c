/*
 * Lab 3: `def` handlers, called straight from the HTTP thread.
 *
 *     HTTP thread     ① attach -> ② call the handler -> ③ respond -> ④ detach
 *
 * No hop, no task, no future: one thread does everything, and Python sees it only between attach
 * and detach. That is why it is fast, and why a handler that waits makes every client wait.
 *
 * Everything here runs on the HTTP thread. With --pool N handlers have threads of their own instead:
 * pool.c.
 *
 * In the write-up: WRITEUP.md, "1. The three servers".
 */
#include <stdlib.h>

#include "common/lab/lab.h"
#include "lab3_sync_handlers/pool.h"

struct lab {
    bridge_thread_t *python; /* borrowed: this thread's Python state */
    bridge_app_t    *app;    /* borrowed */
    pool_t          *pool;   /* owned; NULL without --pool: handlers run on this thread */
};

int lab_open(lab_t **out, const lab_context_t *context)
{
    lab_t *lab = malloc(sizeof *lab);

    if (lab == NULL)
        return -1;
    *lab = (lab_t){.python = context->http_thread, .app = context->app};
    /* LAB 3, STEP 2 { run the app's start-up hooks, attached; one that fails ends the start */
    int err;

    bridge_attach(lab->python);
    err = bridge_app_startup(lab->app, NULL);
    bridge_detach(lab->python);
    if (err != 0) {
        free(lab);
        return -1;
    }
    /* } LAB 3, STEP 2 */
    if (context->pool > 0 && pool_open(&lab->pool, context) != 0) {
        lab_close(lab);
        return -1;
    }
    *out = lab;
    return 0;
}

/* Once a turn: every request that is complete by now, under one attach. */
void lab_on_ready(lab_t *lab, http_request_list_t *ready)
{
    http_request_t *req;

    if (lab->pool != NULL) {
        pool_submit(lab->pool, ready);
        return;
    }
    bridge_attach(lab->python); /* ① wait for the GIL, once a turn */
    while ((req = http_request_list_pop(ready)) != NULL) {
        trace_mark(req->trace, TRACE_ATTACHED);
        /* LAB 3, STEP 1 { call the handler, answer with what it has come to, release it */
        http_response_t *resp;
        PyObject        *value;

        value = bridge_call_handler(req); /* ② new; NULL: it raised */
        resp = bridge_response(req, value);
        http_respond_transfer(req, resp); /* ③ req and resp are gone now */
        Py_XDECREF(value);
        /* } LAB 3, STEP 1; until then:
         *     http_respond_transfer(req, http_response_of_status(501));
         */
    }
    bridge_detach(lab->python); /* ④ other threads may run Python */
}

/* Only a pool completes anything on another thread. */
void lab_on_completions(lab_t *lab)
{
    if (lab->pool != NULL)
        pool_take_answers(lab->pool);
}

/* A handler that runs can't be cancelled: its answer will be dropped. */
void lab_on_client_gone(lab_t *lab, http_request_t *req)
{
    (void)lab;
    (void)req;
}

void lab_close(lab_t *lab)
{
    pool_close(lab->pool);
    /* LAB 3, STEP 2 { run its shut-down hooks, attached */
    bridge_attach(lab->python);
    bridge_app_shutdown(lab->app, NULL);
    bridge_detach(lab->python);
    /* } LAB 3, STEP 2 */
    free(lab);
}
