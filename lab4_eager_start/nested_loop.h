/*
 * An asyncio loop inside libuv's, on the thread that runs libuv's: nothing ever crosses threads.
 *
 * For Python the loop is running from nested_loop_open() to nested_loop_close(): on this thread
 * asyncio.get_running_loop() gives it in whatever the lab calls, a coroutine's first step included,
 * and what other threads hand it by call_soon_threadsafe() is run. That it gets its turns is
 * libuv's doing: nested_loop_run() is one.
 *
 * Everything here runs on the HTTP thread, attached unless it says otherwise.
 */
#ifndef LOOPLAB_LAB4_NESTED_LOOP_H
#define LOOPLAB_LAB4_NESTED_LOOP_H

#include "common/lab/alarm.h"
#include "common/lab/lab.h"

typedef struct {
    /* Set by nested_loop_open(), read-only until nested_loop_close(). */
    bridge_t        *bridge; /* borrowed, as the two below */
    bridge_app_t    *app;
    bridge_thread_t *python;
    PyObject        *loop;            /* owned, as all of these */
    PyObject        *runner;          /* asyncio.Runner: has made the loop, and clears it up */
    PyObject        *leave;           /* what ends its running */
    PyObject        *run_once, *time; /* the loop's bound methods */
    PyObject        *ready;           /* its deque of what is to be called next */
    PyObject        *str_scheduled, *str_when; /* names of attributes */
    PyObject        *look;                     /* its selector's own select() */
    PyObject        *zero;                     /* the argument of that */

    /* libuv's side: what the loop would wait for. */
    uv_poll_t     poll;  /* its selector's descriptor */
    alarm_timer_t alarm; /* the first of its timers */
    uv_idle_t     idle;  /* nothing, while something is ready still */
    unsigned      handles_open;

    bool   running;  /* for Python */
    bool   readable; /* libuv says so: worth a look */
    bool   due;      /* the alarm has come */
    bool   alarm_is_set;
    double wakes_at; /* what it is set to, in the loop's time */

    void (*on_closed)(void *owner); /* nested_loop_free()'s; NULL before */
    void *owner;
} nested_loop_t;

/*
 * Make the loop, run the app's start-up hooks on it, set it running. `self` is zeroed.
 * returns 0, or -1 (said on stderr; nested_loop_close() is due all the same)
 */
int nested_loop_open(nested_loop_t *self, const lab_context_t *context);

/* Its turn: whatever is ready now, and what that makes ready. Then libuv waits in its stead. */
void nested_loop_run(nested_loop_t *self);

/* Is anything ready now? */
bool nested_loop_has_work(const nested_loop_t *self);

/* Something was made ready outside its turn: it gets one soon. attached or not */
void nested_loop_wake(nested_loop_t *self);

/* Run the shut-down hooks, cancel and finish what is left on the loop, close it. */
void nested_loop_close(nested_loop_t *self);

/*
 * Once it is closed, and libuv has let go of it too, on_closed(owner): `self` is used no more. At
 * once, or from libuv's loop.
 */
void nested_loop_free(nested_loop_t *self, void (*on_closed)(void *owner), void *owner);

#endif
