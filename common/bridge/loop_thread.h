/*
 * A thread that runs one asyncio loop for ever.
 *
 * The thread makes the loop, runs the app's start-up hooks if it is given an app, reports back, and
 * then is in loop.run_forever() until loop_thread_stop(). Only call_soon_threadsafe may be used on
 * the loop from any other thread: everything else of a loop, its tasks and its futures is without
 * locks, and without a GIL nothing else orders two threads in it.
 */
#ifndef LOOPLAB_LOOP_THREAD_H
#define LOOPLAB_LOOP_THREAD_H

#include "common/bridge/bridge.h"

typedef struct loop_thread {
    /* Set by loop_thread_start(), read-only until loop_thread_stop(): any thread, attached. */
    PyObject *loop;                 /* owned */
    PyObject *call_soon_threadsafe; /* owned: the loop's bound method, looked up once */
    PyObject *create_task;          /* owned: likewise; call it on the loop's own thread only */

    /* The starting thread only. */
    uv_thread_t thread;
    bool        started;

    /* Handed over through `ready`: the starter writes before, the loop thread until it posts. */
    bridge_t     *bridge; /* borrowed */
    bridge_app_t *app;    /* borrowed; NULL: no hooks to run */
    char          name[16];
    uv_sem_t      ready;
    int           status; /* 0 once the loop runs */

    /* The loop's own thread only. */
    bool stopping; /* it was told to stop, and run_forever() is to return or has returned */
} loop_thread_t;

/*
 * Start the thread and wait until its loop runs and `app`'s start-up hooks are done (NULL: none).
 * `name` (at most 15 bytes) is the thread's name in the system and in asyncio's messages.
 * thread: any bridge thread, detached      blocks: until the loop runs
 * returns 0, or -1: said on stderr, nothing is left running
 */
int loop_thread_start(loop_thread_t *self, bridge_t *bridge, bridge_app_t *app, const char *name);

/*
 * Stop the loop: cancel what is left on it, run the shut-down hooks, close it, join the thread.
 * thread: the one that started it, detached; `me` is its state   blocks: until the thread has ended
 * A loop that was never started (zeroed) is left alone.
 */
void loop_thread_stop(loop_thread_t *self, bridge_thread_t *me);

#endif
