/*
 * The next step of a coroutine that has given way and has no task. It stands in asyncio's own line
 * of what is ready, where a task would have put a handle, and has its turn there:
 *
 *     `await asyncio.sleep(0)`   yields None, "go on at the loop's next turn": next_step_append()
 *     its turn comes             on_turn(): the coroutine is stepped, in its context
 *     a task is wanted           the one who makes it takes the step out: next_step_leave()
 *
 * Everything here runs on the HTTP thread, attached.
 */
#ifndef LOOPLAB_LAB4_NEXT_STEP_H
#define LOOPLAB_LAB4_NEXT_STEP_H

#include "common/lab/lab.h"

/* A step outside any task: the one that is under way, or the next one. */
typedef struct {
    http_request_t *req;
    PyObject       *context;
    PyObject       *coroutine; /* NULL: the handler hasn't been called */
    PyObject       *started;   /* owned: what the task steps. NULL: there is no task */
} step_t;

/* The step's turn has come; its request is the callee's, what else it names is borrowed. */
typedef void (*next_step_fn)(void *owner, step_t *step);

typedef struct {
    PyTypeObject *type;   /* owned, as all objects here */
    PyObject     *ready;  /* the loop's deque of what is to be called next */
    PyObject     *append; /* its method */
    next_step_fn  on_turn;
    void         *owner; /* borrowed */
} next_steps_t;

/*
 * `ready`: the loop's. `self` is zeroed; next_steps_close() is due in any case, once the loop is
 * closed. returns 0, or -1 with an exception set
 */
int  next_steps_open(next_steps_t *self, PyObject *ready, next_step_fn on_turn, void *owner);
void next_steps_close(next_steps_t *self);

/*
 * Put the coroutine's next step at the end of the line, which takes the request: req->lab_data is
 * in line, borrowed, until its turn. If the loop is closed before that the answer is 503.
 * returns 0, or -1 with an exception set: the request is the caller's still
 */
int next_step_append(next_steps_t *self, const step_t *step);

/* The request's step in line, borrowed. NULL: it has none, but a task, or it never began. */
step_t *next_step_of(const next_steps_t *self, const http_request_t *req);

/* That step leaves the line without its turn. The request is the caller's. */
void next_step_leave(step_t *step);

/* fn(owner, step) for each that is in line, until it fails. returns 0, or -1 as fn does */
int next_steps_each(const next_steps_t *self, int (*fn)(void *owner, step_t *step), void *owner);

#endif
