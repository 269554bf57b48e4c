/*
 * Lab 4: `async def` handlers, started where they stand.
 *
 *     HTTP thread     ① attach -> ② call the handler, take its coroutine's first step
 *                         returned:  ③ respond. No task, no future, no loop: this is lab 3
 *                         gave way:  ④ its next step gets in asyncio's line (next_step.h)
 *                         suspended: ⑤ make its task, which goes on from there (started.h)
 *                     ⑥ asyncio's turn: what is ready goes on, and where it returns ③ respond
 *                     ⑦ detach
 *
 * A coroutine is an object that one steps; a task is the book-keeping around it, and is made for
 * those that need it. asyncio's loop runs inside the HTTP thread's own (nested_loop.h): what
 * suspends crosses no thread either. So a handler that blocks makes every client wait, as in lab 3.
 *
 * A step outside a task is as good as one inside. It runs in the request's own context; the running
 * loop is the one that goes on with it; and whoever asks for the current task gets the one that the
 * coroutine goes on in: it is made at that moment (on_task_asked()).
 *
 * Everything here runs on the HTTP thread. req->lab_data is the task or the step in line, while
 * there is one.
 *
 * In the write-up: WRITEUP.md, "9. Lab 4: handlers that start where they stand".
 */
#include <stdlib.h>

#include "lab4_eager_start/contexts.h"
#include "lab4_eager_start/nested_loop.h"
#include "lab4_eager_start/next_step.h"
#include "lab4_eager_start/started.h"

enum { BEGIN_NS = 500 * 1000 }; /* so long new requests may begin while others are to go on */

struct lab {
    /* Set by lab_open(), read-only afterwards. */
    bridge_t        *bridge; /* borrowed */
    bridge_thread_t *python; /* borrowed: this thread's Python state */
    bridge_asyncio_t asyncio;
    started_types_t  started;
    next_steps_t     next;
    contexts_t       contexts; /* each request has one of its own */

    nested_loop_t loop;
    step_t       *step; /* NULL: none is under way outside a task */
};

static int  on_task_asked(void *owner, bool for_all);
static void on_next_step(void *owner, step_t *step);
static void on_end(void *owner, http_request_t *req, PyObject *value);
static void on_loop_closed(void *owner);

/* ---- The task -------------------------------------------------------------------------------- */

/* Enter or leave the task of this step, as asyncio's current one. 0, or -1 with an exception set */
static int set_current_task(lab_t *lab, const step_t *step, PyObject *function)
{
    PyObject *args[] = {NULL, lab->loop.loop, step->req->lab_data};
    PyObject *none =
        PyObject_Vectorcall(function, args + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL); /* new */

    Py_XDECREF(none);
    return none == NULL ? -1 : 0;
}

static int make_task(lab_t *lab, step_t *step)
{
    return started_make_task(&lab->started, step->req, step->coroutine, lab->loop.loop,
                             step->context, &step->started);
}

/* A task of the coroutine that only stands in line: somebody wants to see it, or to cancel it. */
static int make_task_in_line(void *owner, step_t *step)
{
    if (make_task(owner, step) != 0)
        return -1;
    started_first_step(step->started, PYGEN_NEXT, Py_NewRef(Py_None), false);
    Py_CLEAR(step->started);
    next_step_leave(step);
    return 0;
}

/*
 * Called by asyncio.current_task(), and by all_tasks() for all: in a step outside a task there is
 * none yet. 0, or -1 as Python does
 */
static int on_task_asked(void *owner, bool for_all)
{
    lab_t  *lab = owner;
    step_t *step = lab->step;

    if (for_all && next_steps_each(&lab->next, make_task_in_line, lab) != 0)
        return -1;
    if (step == NULL || step->started != NULL)
        return 0; /* asyncio knows */
    /* LAB 4, STEP 5 { make the task now, and have asyncio know it as the current one */
    if (make_task(lab, step) != 0)
        return -1;
    return set_current_task(lab, step, lab->asyncio.enter_task);
    /* } LAB 4, STEP 5; until then:
     *     return 0;
     */
}

/* ⑤ The request's task goes on with what the step came to: `value`, stolen, or an exception. */
static void go_on(lab_t *lab, step_t *step, PySendResult outcome, PyObject *value)
{
    /* LAB 4, STEP 3 { the task, if there is none yet; tell what it steps; it is current no more */
    bool was_asked_for = step->started != NULL;

    if (!was_asked_for && make_task(lab, step) != 0) {
        Py_DECREF(value);
        on_end(lab, step->req, NULL);
        return;
    }
    started_first_step(step->started, outcome, value, was_asked_for);
    if (was_asked_for && set_current_task(lab, step, lab->asyncio.leave_task) != 0)
        PyErr_WriteUnraisable(lab->loop.loop);
    Py_DECREF(step->started);
    /* } LAB 4, STEP 3; until then:
     *     (void)make_task, (void)set_current_task, (void)lab, (void)outcome;
     *     Py_XDECREF(value);
     *     http_respond_transfer(step->req, http_response_of_status(501));
     */
}

/* ---- Steps outside a task -------------------------------------------------------------------- */

/* ④ The coroutine wants to go on at the loop's next turn, and nothing else: that needs no task. */
static void give_way(lab_t *lab, const step_t *step)
{
    if (next_step_append(&lab->next, step) != 0)
        on_end(lab, step->req, NULL);
}

/* In the request's context: call the handler, if that is due, and step its coroutine. As PyIter_Send() */
static PySendResult take_step(lab_t *lab, step_t *step, PyObject **value)
{
    /* LAB 4, STEP 1 { call the handler; take one step, and know meanwhile whose it is */
    PySendResult outcome = PYGEN_ERROR;

    if (step->coroutine == NULL) {
        step->coroutine = bridge_call_handler(step->req); /* ② new; NULL: it raised */
        if (step->coroutine == NULL ||
            bridge_asyncio_check_coroutine(&lab->asyncio, step->coroutine) != 0)
            return PYGEN_ERROR;
    }
    lab->step = step;
    outcome = PyIter_Send(step->coroutine, Py_None, value); /* new, unless it raised */
    lab->step = NULL;
    return outcome;
    /* } LAB 4, STEP 1; until then:
     *     (void)lab, (void)step, (void)value;
     *     PyErr_SetString(PyExc_NotImplementedError, "lab 4, step 1");
     *     return PYGEN_ERROR;
     */
}

/* A step, and what follows from what it has come to. */
static void run_step(lab_t *lab, step_t *step)
{
    /* LAB 4, STEP 1 { the step in its context; then its task, its next step or the answer */
    PySendResult outcome = PYGEN_ERROR;
    PyObject    *value = NULL;

    if (PyContext_Enter(step->context) == 0) {
        outcome = take_step(lab, step, &value);
        PyContext_Exit(step->context);
    }
    if (step->started != NULL || (outcome == PYGEN_NEXT && value != Py_None)) {
        go_on(lab, step, outcome, value);
        return;
    }
    if (outcome == PYGEN_NEXT)
        give_way(lab, step);
    else
        on_end(lab, step->req, value);
    Py_XDECREF(value);
    /* } LAB 4, STEP 1; until then:
     *     (void)take_step, (void)go_on, (void)give_way;
     *     on_end(lab, step->req, NULL);
     */
}

static void begin(lab_t *lab, http_request_t *req)
{
    /* LAB 4, STEP 1 { a context of its own, and the first step in it */
    step_t step = {.req = req, .context = contexts_take(&lab->contexts)}; /* new */

    if (step.context == NULL)
        on_end(lab, req, NULL);
    else
        run_step(lab, &step);
    Py_XDECREF(step.coroutine);
    contexts_give_back(&lab->contexts, step.context);
    /* } LAB 4, STEP 1; until then:
     *     (void)lab;
     *     http_respond_transfer(req, http_response_of_status(501));
     */
}

/* In asyncio's turn. */
static void on_next_step(void *owner, step_t *step)
{
    run_step(owner, step);
}

/* The coroutine is through, in a task or outside; NULL: it raised. */
static void on_end(void *owner, http_request_t *req, PyObject *value)
{
    (void)owner;
    http_respond_transfer(req, bridge_response(req, value)); /* ③ req is gone now */
}

/* A `def` handler, where the lab has them (lab 5): it returns its answer, as in lab 3. */
static void call(lab_t *lab, http_request_t *req)
{
    PyObject *value = bridge_call_handler(req); /* new; NULL: it raised */

    on_end(lab, req, value);
    Py_XDECREF(value);
}

/* ---- The turn -------------------------------------------------------------------------------- */

/*
 * What has begun goes first: a lab that begins all that comes has ever more under way at once, each in
 * the others' way. But a turn of asyncio's for each beginning would cost the short ones too much.
 */
static bool others_are_due(const lab_t *lab, uint64_t since_ns)
{
    return nested_loop_has_work(&lab->loop) && uv_hrtime() - since_ns > BEGIN_NS;
}

/*
 * Once a turn: every request that is complete by now, under one attach. Where they take long it is
 * only the first ones: the others come again.
 */
void lab_on_ready(lab_t *lab, http_request_list_t *ready)
{
    http_request_t *req;
    uint64_t        since_ns;

    bridge_attach(lab->python); /* ① wait for the GIL, once a turn */
    since_ns = uv_hrtime();
    while ((req = http_request_list_pop(ready)) != NULL) {
        trace_mark(req->trace, TRACE_ATTACHED);
        if (bridge_handler_kind(req) == BRIDGE_SYNC)
            call(lab, req);
        else
            begin(lab, req);
        if (others_are_due(lab, since_ns))
            break;
    }
    nested_loop_run(&lab->loop); /* ⑥ */
    bridge_detach(lab->python);  /* ⑦ other threads may run Python */
}

/* Nothing here is ever completed by another thread. */
void lab_on_completions(lab_t *lab)
{
    (void)lab;
}

/* Nobody waits for the answer, so cancel the task; its next turn tells the handler. */
void lab_on_client_gone(lab_t *lab, http_request_t *req)
{
    PyObject *known = NULL;
    step_t   *step;

    if (req->lab_data == NULL)
        return; /* it never began */
    bridge_attach(lab->python);
    step = next_step_of(&lab->next, req);
    if (step == NULL || make_task_in_line(lab, step) == 0)
        known = PyObject_CallMethodNoArgs(req->lab_data, lab->asyncio.cancel); /* new */
    if (known == NULL)
        PyErr_WriteUnraisable(lab->loop.loop);
    Py_XDECREF(known);
    nested_loop_wake(&lab->loop);
    bridge_detach(lab->python);
}

/* ---- Start and end --------------------------------------------------------------------------- */

/* Attached. returns 0, or -1 (said on stderr) */
static int open_loop(lab_t *lab, const lab_context_t *context)
{
    if (contexts_open(&lab->contexts) != 0 || /* as it is before the app's hooks */
        started_open(&lab->started, on_end, lab) != 0) {
        PyErr_Print();
        return -1;
    }
    if (nested_loop_open(&lab->loop, context) != 0)
        return -1;
    if (next_steps_open(&lab->next, lab->loop.ready, on_next_step, lab) != 0) {
        PyErr_Print();
        return -1;
    }
    bridge_on_task_asked(lab->bridge, on_task_asked, lab);
    return 0;
}

int lab_open(lab_t **out, const lab_context_t *context)
{
    lab_t *lab = calloc(1, sizeof *lab);
    int    err;

    if (lab == NULL)
        return -1;
    lab->bridge = context->bridge;
    lab->python = context->http_thread;
    err = bridge_asyncio_open(&lab->asyncio, lab->python);
    bridge_attach(lab->python);
    if (err == 0)
        err = open_loop(lab, context);
    bridge_detach(lab->python);
    if (err != 0) {
        lab_close(lab);
        return -1;
    }
    *out = lab;
    return 0;
}

/* libuv is through with its handles, and nobody else has any of this. */
static void on_loop_closed(void *owner)
{
    free(owner);
}

void lab_close(lab_t *lab)
{
    bridge_attach(lab->python);
    nested_loop_close(&lab->loop);
    bridge_on_task_asked(lab->bridge, NULL, NULL);
    next_steps_close(&lab->next);
    started_close(&lab->started);
    contexts_close(&lab->contexts);
    bridge_detach(lab->python);
    bridge_asyncio_close(&lab->asyncio, lab->python);
    nested_loop_free(&lab->loop, on_loop_closed, lab);
}
