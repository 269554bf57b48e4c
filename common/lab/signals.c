/*
 * A signal handler may do next to nothing: it writes the signal's number into a pipe. The watchdog
 * reads the pipe.
 */
#include "common/lab/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    GRACE_MS = 1000,   /* after the drain time-out, for stopping loops and for the hooks */
    STOP_WATCHDOG = 0, /* in the pipe, among the numbers of signals */
};

/* The one global of the project: a signal handler gets no argument. Read end, write end. */
static int signal_pipe[2] = {-1, -1};

static void on_signal(int number)
{
    int           saved = errno;
    unsigned char byte = (unsigned char)number;

    if (write(signal_pipe[1], &byte, 1) < 0) {
        /* the pipe is full of signals already */
    }
    errno = saved;
}

/* The next byte of the pipe, or -1 after `timeout_ms` (-1: wait for ever). */
static int next_byte(int timeout_ms)
{
    struct pollfd fd = {.fd = signal_pipe[0], .events = POLLIN};
    unsigned char byte;

    while (poll(&fd, 1, timeout_ms) < 0 && errno == EINTR)
        ;
    return read(signal_pipe[0], &byte, 1) == 1 ? byte : -1;
}

/* stdio may be locked by a thread that is stuck: write(2) is not. */
static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0) {
        /* nowhere to complain */
    }
}

static void watchdog_main(void *arg)
{
    signals_t *self = arg;
    int        byte = next_byte(-1);

    if (byte == STOP_WATCHDOG)
        return;
    uv_async_send(&self->async);
    byte = next_byte((int)self->drain_timeout_ms + GRACE_MS);
    if (byte == STOP_WATCHDOG)
        return;
    if (byte > 0) {
        say("stopped by a second signal: what was in flight is lost\n");
        _exit(128 + byte);
    }
    say("a handler didn't return within the drain time-out: what was in flight is cut off\n");
    _exit(3);
}

static void on_async(uv_async_t *async)
{
    signals_t *self = async->data;

    self->on_stop(self->owner);
}

static int open_pipe(void)
{
    if (pipe(signal_pipe) != 0)
        return uv_translate_sys_error(errno);
    for (int i = 0; i < 2; i++)
        fcntl(signal_pipe[i], F_SETFD, FD_CLOEXEC);
    fcntl(signal_pipe[0], F_SETFL, O_NONBLOCK);
    fcntl(signal_pipe[1], F_SETFL, O_NONBLOCK);
    return 0;
}

int signals_open(signals_t *self, uv_loop_t *loop, uint32_t drain_timeout_ms,
                 void (*on_stop)(void *), void *owner)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    int              err;

    *self = (signals_t){.on_stop = on_stop, .owner = owner, .drain_timeout_ms = drain_timeout_ms};
    if ((err = open_pipe()) != 0 || (err = uv_async_init(loop, &self->async, on_async)) != 0)
        return err;
    self->async.data = self;
    err = uv_thread_create(&self->watchdog, watchdog_main, self);
    if (err != 0)
        return err;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN; /* a client that leaves is an error of write() */
    sigaction(SIGPIPE, &action, NULL);
    return 0;
}

void signals_close(signals_t *self)
{
    on_signal(STOP_WATCHDOG);
    uv_thread_join(&self->watchdog);
    uv_close((uv_handle_t *)&self->async, NULL); /* only now: the watchdog sends to it */
}
