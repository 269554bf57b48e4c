/*
 * Stopping by signal. SIGINT and SIGTERM begin the drain; a second one ends the process at once;
 * and where a handler never gives the HTTP thread back, a watchdog ends it after the drain
 * time-out.
 *
 * The watchdog is a thread of its own that touches neither Python nor libuv's loop, so it works
 * whatever the other threads are stuck in.
 */
#ifndef LOOPLAB_SIGNALS_H
#define LOOPLAB_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

typedef struct signals {
    /* Set by signals_open(), read-only afterwards. */
    void (*on_stop)(void *owner); /* HTTP thread: begin to drain */
    void       *owner;
    uint32_t    drain_timeout_ms;
    uv_thread_t watchdog;

    /* HTTP thread only, but for uv_async_send(). */
    uv_async_t async;
} signals_t;

/* Install the handlers and start the watchdog. thread: HTTP    returns 0 or libuv's error */
int signals_open(signals_t *self, uv_loop_t *loop, uint32_t drain_timeout_ms,
                 void (*on_stop)(void *), void *owner);

/*
 * The process reaches its end by itself: stop the watchdog, join it, close the async handle (the
 * loop must run once more). Signals are without effect from here on. thread: HTTP
 */
void signals_close(signals_t *self);

#endif
