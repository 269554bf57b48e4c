#include "common/lab/alarm.h"

#include <math.h>

static const double longest_s = 86400;

#ifdef __linux__

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void set(const alarm_timer_t *self, struct timespec in)
{
    timerfd_settime(self->fd, 0, &(struct itimerspec){.it_value = in}, NULL);
}

/* Take the expirations out: the descriptor is readable as long as there are any. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
    alarm_timer_t *self = (alarm_timer_t *)poll;
    uint64_t       expirations;

    (void)status, (void)events;
    if (read(self->fd, &expirations, sizeof expirations) == sizeof expirations)
        self->on_due(self);
}

int alarm_open(alarm_timer_t *self, uv_loop_t *loop, void (*on_due)(alarm_timer_t *self))
{
    int err;

    self->on_due = on_due;
    self->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (self->fd < 0)
        return -errno;
    err = uv_poll_init(loop, &self->uv.poll, self->fd);
    if (err != 0) {
        close(self->fd);
        return err;
    }
    return uv_poll_start(&self->uv.poll, UV_READABLE, on_readable); /* fails on wrong events only */
}

void alarm_set(alarm_timer_t *self, double seconds)
{
    double ns = ceil(fmin(fmax(seconds, 0), longest_s) * 1e9);

    if (ns < 1)
        ns = 1; /* 0 would stop it */
    set(self, (struct timespec){.tv_sec = (time_t)(ns / 1e9), .tv_nsec = (long)fmod(ns, 1e9)});
}

void alarm_stop(alarm_timer_t *self)
{
    set(self, (struct timespec){0});
}

void alarm_close(alarm_timer_t *self, uv_close_cb on_closed)
{
    uv_poll_stop(&self->uv.poll);
    close(self->fd);
    uv_close(&self->uv.handle, on_closed);
}

#else

static void on_timer(uv_timer_t *timer)
{
    alarm_timer_t *self = (alarm_timer_t *)timer;

    self->on_due(self);
}

int alarm_open(alarm_timer_t *self, uv_loop_t *loop, void (*on_due)(alarm_timer_t *self))
{
    self->on_due = on_due;
    self->fd = -1;
    return uv_timer_init(loop, &self->uv.timer);
}

/* libuv counts from the beginning of its turn, in whole milliseconds: not too early. */
void alarm_set(alarm_timer_t *self, double seconds)
{
    double now_ms = (double)uv_now(self->uv.timer.loop);
    double due_ms = ceil((double)uv_hrtime() / 1e6 + fmin(fmax(seconds, 0), longest_s) * 1e3);

    uv_timer_start(&self->uv.timer, on_timer, (uint64_t)fmax(due_ms - now_ms, 0), 0);
}

void alarm_stop(alarm_timer_t *self)
{
    uv_timer_stop(&self->uv.timer);
}

void alarm_close(alarm_timer_t *self, uv_close_cb on_closed)
{
    uv_close(&self->uv.handle, on_closed);
}

#endif
