/*
 * A timer of libuv's loop that comes when it is due. libuv's own counts in whole milliseconds of a
 * clock that it reads once a turn, so one for 10 ms comes after 10 to 12. Where the system has no
 * timers with a descriptor (timerfd is Linux's), an alarm is libuv's own.
 *
 * Everything here runs on the loop's thread.
 */
#ifndef LOOPLAB_ALARM_H
#define LOOPLAB_ALARM_H

#include <uv.h>

typedef struct alarm_timer alarm_timer_t;

struct alarm_timer {
    union {
        uv_handle_t handle;
        uv_poll_t   poll;  /* on `fd` */
        uv_timer_t  timer; /* without one */
    } uv;
    int fd; /* owned; -1: there is none */
    void (*on_due)(alarm_timer_t *self);
};

/*
 * `on_due` is called once each time that the alarm was set and is due. uv.handle.data is left as it is.
 * returns 0 or libuv's error; then there is nothing to close
 */
int alarm_open(alarm_timer_t *self, uv_loop_t *loop, void (*on_due)(alarm_timer_t *self));

/* Due in so many seconds, whatever it was set to before; at most a day. 0 or less: at once. */
void alarm_set(alarm_timer_t *self, double seconds);

void alarm_stop(alarm_timer_t *self);

/* on_closed() is called from libuv's loop, with &self->uv.handle. */
void alarm_close(alarm_timer_t *self, uv_close_cb on_closed);

#endif
