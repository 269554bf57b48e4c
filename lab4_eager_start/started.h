/*
 * A handler's coroutine whose first step was taken outside any task, as a coroutine that a task can
 * go on with: it replays what that first step came to, then hands every step on.
 *
 *     first step yields a future   the task's first step yields that future, untouched: it waits for
 *                                  it, and what it wakes up with goes to the coroutine
 *     yields None (sleep(0))       "go on at the loop's next turn", which the task's first step is,
 *                                  if the task was made after it; else the one behind that
 *     returns, raises              so does the task's first step: somebody had asked for the task
 *
 * It is a coroutine by the rules of collections.abc.Coroutine, which is what asyncio.Task asks for;
 * all other attributes are those of the coroutine inside.
 *
 * Everything here runs on the HTTP thread, attached.
 */
#ifndef LOOPLAB_LAB4_STARTED_H
#define LOOPLAB_LAB4_STARTED_H

#include "common/lab/lab.h"

/*
 * The coroutine has come to its end: `value` is what it has returned, borrowed, or NULL with an
 * exception set, which is cleared. Takes `req`.
 */
typedef void (*started_end_fn)(void *owner, http_request_t *req, PyObject *value);

/* What all of them share. */
typedef struct {
    PyTypeObject  *type;            /* owned, as all objects here */
    PyObject      *task_type;       /* asyncio.Task */
    PyObject      *cancelled_error; /* asyncio.CancelledError */
    PyObject      *retrieve;        /* asyncio.Task.exception */
    PyObject      *keywords;        /* ("loop", "context") */
    PyObject      *str_must_cancel; /* names of attributes */
    PyObject      *str_add_done_callback;
    started_end_fn on_end;
    void          *owner; /* borrowed */
} started_types_t;

/* returns 0, or -1 with an exception set. `self` is zeroed; started_close() is due in any case */
int  started_open(started_types_t *self, started_end_fn on_end, void *owner);
void started_close(started_types_t *self);

/*
 * A task that goes on with `coroutine` at the loop's next turn, in that context. `started` is what
 * it steps; both are new. req->lab_data is the task, and holds it, until the coroutine's end.
 * returns 0, or -1 with an exception set: `req` is the caller's still
 */
int started_make_task(started_types_t *types, http_request_t *req, PyObject *coroutine,
                      PyObject *loop, PyObject *context, PyObject **started);

/*
 * What the first step came to: steals `value`; NULL: the exception that is set, which is cleared.
 * `was_made_early`: the task is older than that, and so is its place in the loop's line.
 */
void started_first_step(PyObject *started, PySendResult outcome, PyObject *value,
                        bool was_made_early);

#endif
