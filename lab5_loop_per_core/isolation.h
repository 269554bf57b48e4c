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
    pid_t           pid;     /* of a process */
    signals_watch_t watch;
    FILE           *traced;    /* behind setup.traced; NULL: tracing is off */
    char            ended[96]; /* after isolation_join(): how, if it didn't by itself; or "" */
} worker_handle_t;

/* NULL if this build can; else why not, as a clause. */
const char *isolation_refusal(isolation_t isolation);

/* What the banner says of it. */
const char *isolation_remark(isolation_t isolation, bool gil);

/*
 * Begin a worker: self->setup is complete but for `control`. `argv` is the program's own.
 * returns 0 or libuv's error
 */
int isolation_begin(worker_handle_t *self, char **argv);

/* The worker has closed its socket: wait for its end, which is near. */
void isolation_join(worker_handle_t *self);

/* What a process does that is a worker: options->worker says which. returns its exit status */
int isolation_run_process(const lab_info_t *info, const lab_options_t *options);

#endif
