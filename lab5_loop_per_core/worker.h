/*
 * A worker: one HTTP loop on a listening socket of its own, with a Python thread state and an asyncio
 * loop of its own. It runs on one thread, and is alone there whatever the isolation: in a process of
 * its own that is the main thread.
 *
 * The supervisor and a worker speak over a pair of connected sockets. A byte says that something
 * has changed on the board: for the worker what it is told, for the supervisor its state. So a worker
 * that reads nothing for long loses nothing. Whoever ends closes its socket, so the other sees the end
 * as well if it wasn't planned.
 */
#ifndef LOOPLAB_LAB5_WORKER_H
#define LOOPLAB_LAB5_WORKER_H

#include "common/lab/options.h"
#include "common/lab/signals.h"
#include "lab5_loop_per_core/board.h"

typedef enum {
    COMMAND_DRAIN = 1,
    COMMAND_MEASURE = 2, /* trace the requests that come from now on */
    COMMAND_REOPEN = 4,  /* the access log */
    COMMAND_INSPECT = 8, /* SIGUSR1 */
} worker_command_t;

/* What a worker gets; all borrowed but for the socket, which it closes. */
typedef struct {
    const lab_info_t    *info;
    const lab_options_t *options;
    unsigned             index;
    int                  port;    /* that all of them share */
    int                  control; /* its end of the pair */
    const board_t       *board;
    int                  traced;  /* of a file for what it has traced; -1: tracing is off */
    signals_t           *signals; /* NULL: it is a process of its own, and opens its own */
    bridge_t            *bridge;  /* the process's first interpreter; NULL: it starts one */
    bridge_app_t        *app;     /* loaded into that one; NULL: it loads its own */
    signals_watch_t     *watch;   /* memory for one; with `signals` */
} worker_setup_t;

/* Serve until it is told to drain. All that it has to say of itself is on its page. */
void worker_run(const worker_setup_t *setup);

#endif
