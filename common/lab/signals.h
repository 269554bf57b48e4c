/*
 * Signals of the process.
 *
 *   SIGINT, SIGTERM   begin the drain; a second one ends the process at once; and where a handler
 *                     never gives the HTTP thread back, a watchdog ends it after the drain time-out
 *   SIGHUP            files that were moved away are opened again (if there are any)
 *   SIGUSR1           what is going on in here: said by the HTTP thread between two turns or, if it
 *                     doesn't come round soon, by a signal handler that interrupts it
 *
 * The watchdog is a thread of its own that touches neither Python nor libuv's loop, so it works
 * whatever the other threads are stuck in.
 */
#ifndef LOOPLAB_SIGNALS_H
#define LOOPLAB_SIGNALS_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* All on the HTTP thread, with the owner; on_stop must be there. */
typedef struct {
    void (*on_stop)(void *owner);    /* begin to drain */
    void (*on_reopen)(void *owner);  /* SIGHUP; NULL: the signal keeps its effect */
    void (*on_inspect)(void *owner); /* SIGUSR1; calls signals_claim_inspection(); may be NULL */
    /* SIGUSR1, but the thread hasn't come round: in the middle of whatever it does, in a signal
     * handler. It may call only what is async-signal-safe. Whoever had the signal before
     * signals_open() is called after it. NULL: this thread has nothing to say of its own. */
    void (*on_stuck)(void *owner);
} signals_events_t;

/* A thread that is to say what is going on in it. Its memory stays until signals_close(). */
typedef struct signals_watch {
    /* Set by signals_watch(), read-only afterwards. */
    struct signals_watch *next;
    uv_thread_t           thread;
    void (*on_stuck)(void *owner); /* as in signals_events_t */
    void *owner;

    /* Under the lock of its signals_t. */
    bool gone;

    /* Any thread, atomic: set by the watchdog, taken by whoever does it. */
    atomic_bool due;   /* it is to say it */
    atomic_bool stuck; /* the next SIGUSR1 on this thread is the watchdog's */
} signals_watch_t;

typedef struct signals {
    /* Set by signals_open(), read-only afterwards. */
    signals_events_t events;
    void            *owner;
    uint32_t         drain_timeout_ms;
    uv_thread_t      watchdog;
    struct sigaction inspect_before; /* what SIGUSR1 did */

    /* HTTP thread only, but for uv_async_send(). */
    uv_async_t async;

    /* Any thread, atomic: set by the watchdog, taken by whoever does it. */
    atomic_bool stop_due, reopen_due, inspect_due;

    /* Grows only, at its head; signal handlers go through it. Adding is under the lock. */
    signals_watch_t *_Atomic watches;
    signals_watch_t          own; /* of the thread that opened it, if there is an on_stuck */

    /* The watchdog interrupts a thread under it, so that this can't end meanwhile. */
    uv_mutex_t lock;
} signals_t;

/*
 * Install the handlers and start the watchdog.
 * thread: HTTP    returns 0, or libuv's error: then the loop must run once more
 */
int signals_open(signals_t *self, uv_loop_t *loop, uint32_t drain_timeout_ms,
                 const signals_events_t *events, void *owner);

/*
 * on_inspect has got hold of all that it needs: is it still to go on? False if on_stuck has done it
 * meanwhile. thread: HTTP
 */
bool signals_claim_inspection(signals_t *self);

/*
 * A further thread, which calls this, has requests of its own to tell of: on SIGUSR1 it is for it
 * to claim `watch` and tell, once it has come round; else it is interrupted, and on_stuck does.
 * signals_unwatch() before it ends.
 */
void signals_watch(signals_t *self, signals_watch_t *watch, void (*on_stuck)(void *owner),
                   void *owner);
bool signals_claim(signals_watch_t *watch);
void signals_unwatch(signals_t *self, signals_watch_t *watch);

/*
 * The drain has begun without a signal: the watchdog is to end it all the same. Harmless if a signal
 * has come as well. thread: HTTP
 */
void signals_watch_drain(const signals_t *self);

/* Do what SIGUSR1 did before signals_open(), as on_stuck is followed by. thread: any */
void signals_pass_on(const signals_t *self);

/*
 * The process reaches its end by itself: stop the watchdog, join it, close the async handle (the
 * loop must run once more). Signals are without effect from here on. thread: HTTP
 */
void signals_close(signals_t *self);

#endif
