/*
 * The team: all workers as their supervisor sees them. They are begun, told what to do, and watched
 * until each has ended.
 *
 * The first worker is begun alone: what it can't do none of them can, and it is said once. A worker
 * that ends by itself ends them all: what is left would not be what was asked for.
 *
 * thread: the supervisor's
 */
#ifndef LOOPLAB_LAB5_TEAM_H
#define LOOPLAB_LAB5_TEAM_H

#include "lab5_loop_per_core/isolation.h"

typedef struct team team_t;

/* All on the loop, with the owner; all must be there. */
typedef struct {
    void (*on_serving)(void *owner); /* every worker serves, and none was told to drain */
    void (*on_lost)(void *owner);    /* one ends, or couldn't be begun: team_drain() is due */
    void (*on_ended)(void *owner);   /* the last one has; nothing of the team is on the loop now */
} team_events_t;

typedef struct {
    team_t         *team; /* borrowed */
    worker_handle_t handle;
    uv_poll_t       poll; /* of handle.control */
    bool            runs, serves;
    bool            noticed; /* its end is near, or there */
    bool            planned; /* with `noticed`: it had been told to drain */
} member_t;

struct team {
    /* Set by whoever opens it; all borrowed, and outlive it. */
    uv_loop_t     *loop;
    char         **argv;  /* the program's own */
    worker_setup_t setup; /* what all have in common: index and what follows from it is zero */
    bool           traced;
    team_events_t  events;
    void          *owner;

    /* The team's own. */
    member_t   *members; /* owned: options->workers of them */
    unsigned    begun, running, serving;
    bool        draining; /* they have been told */
    uv_signal_t children; /* where they are processes */
    /* What their ends come to, as an exit status: 0, all drained when told; 3, one was cut off by the
     * drain time-out; 128 + N, signal N ended one before it could take signals; 1, any other end. */
    int status;
};

/* `self` has its first group filled, the rest is zeroed. returns 0 or libuv's error */
int team_open(team_t *self);

/*
 * Begin the first worker; the others follow once it serves.
 * returns 0; or libuv's error (said on stderr), and then nothing of the team is on the loop
 */
int team_begin(team_t *self);

/* Tell every worker. None of it is lost, though a worker may take its time. */
void team_tell(team_t *self, worker_command_t command);

/* Have all of them drain; once is enough. */
void team_drain(team_t *self);

/* SIGUSR1: each says what it does, also if it is stuck. */
void team_inspect(team_t *self);

/* The loop has ended. Zeroed is allowed */
void team_close(team_t *self);

#endif
