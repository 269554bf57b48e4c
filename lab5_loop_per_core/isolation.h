/*
 * What keeps workers apart: how each kind is begun, and how its end is waited for. All else is the
 * same for all of them.
 *
 *                    in common                 computes in parallel
 *   threads          interpreter, app, GIL     on free-threaded builds only
 *   interpreters     process                   from CPython 3.12 on: a GIL each
 *   processes        nothing                   always
 *
 * thread: the supervisor's, the process's main one
 */
#ifndef LOOPLAB_LAB5_ISOLATION_H
#define LOOPLAB_LAB5_ISOLATION_H

#include <stdio.h>

#include "lab5_loop_per_core/worker.h"

/* A worker as its supervisor sees it. */
typedef struct {
    worker_setup_t  setup;
    int             control; /* the supervisor's end of the pair */
    uv_thread_t     thread;  /* of a thread, of an interpreter */
    pid_t           pid;     /* of a process; 0: it is none */
    signals_watch_t watch;
    FILE           *traced; /* behind setup.traced; NULL: tracing is off */

    /* Of a process, after isolation_has_ended(). */
    int  status;    /* its exit status, or 128 + the signal that ended it */
    char ended[96]; /* how, if it hadn't come to its end; or "" */
} worker_handle_t;

/* NULL if this build can; else why not, as a clause. */
const char *isolation_refusal(isolation_t isolation);

/* What the banner says of it. */
const char *isolation_remark(isolation_t isolation, bool gil);

/* Make the pair of sockets: self->control and self->setup.control. returns 0 or libuv's error */
int isolation_connect(worker_handle_t *self);

/*
 * Begin a worker: self->setup is complete. Takes over the worker's end of the pair, also if it fails.
 * `argv` is the program's own. returns 0 or libuv's error
 */
int isolation_begin(worker_handle_t *self, char **argv);

/* Of a thread, which has closed its socket: wait for its end, which is near. */
void isolation_join(worker_handle_t *self);

/* Of a process: has it ended? Once true, never call it again. blocks: never */
bool isolation_has_ended(worker_handle_t *self);

/* What a process does that is a worker: options->worker says which. returns its exit status */
int isolation_run_process(const lab_info_t *info, const lab_options_t *options);

#endif
