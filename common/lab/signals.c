/*
 * A signal handler may do next to nothing: it writes the signal's number into a pipe. The watchdog
 * reads the pipe and has the HTTP thread do the rest.
 *
 * Only a thread that doesn't come round is interrupted, by the watchdog's pthread_kill(): then the
 * handler, on that thread, runs on_stuck.
 */
#include "common/lab/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "common/log/log.h"

enum {
    GRACE_MS = 1000,   /* after the drain time-out, for stopping loops and for the hooks */
    PATIENCE_MS = 500, /* for the HTTP thread to come round and say what is going on */
    STOP_WATCHDOG = 0, /* in the pipe, among the numbers of signals */
    WATCH_DRAIN = 255, /* likewise */
};

/* The globals of the project: a signal handler gets no argument. Read end, write end; and whose
 * handlers they are, NULL while nobody's. */
static int                signal_pipe[2] = {-1, -1};
static signals_t *_Atomic current;

/* ---- Handlers: any thread, at any point ------------------------------------------------------ */

static void on_signal(int number)
{
    int           saved = errno;
    unsigned char byte = (unsigned char)number;

    if (write(signal_pipe[1], &byte, 1) < 0) {
        /* the pipe is full of signals already */
    }
    errno = saved;
}

void signals_pass_on(const signals_t *self)
{
    if (self->inspect_before.sa_handler != SIG_DFL && self->inspect_before.sa_handler != SIG_IGN)
        self->inspect_before.sa_handler(SIGUSR1);
}

static void on_inspect_signal(int number)
{
    int              saved = errno;
    signals_t       *self = atomic_load(&current);
    signals_watch_t *watch = self == NULL ? NULL : atomic_load(&self->watches);

    while (watch != NULL && !pthread_equal(pthread_self(), watch->thread))
        watch = watch->next;
    if (watch != NULL && atomic_exchange(&watch->stuck, false)) {
        watch->on_stuck(watch->owner);
        signals_pass_on(self);
    } else {
        on_signal(number);
    }
    errno = saved;
}

/* ---- The watchdog's thread ------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
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

/* Have the HTTP thread do something once it comes round. */
static void request(signals_t *self, atomic_bool *due)
{
    atomic_store(due, true);
    uv_async_send(&self->async);
}

/* Deadlines, as now_ms(); UINT64_MAX: none. */
typedef struct {
    uint64_t inspected; /* by now the HTTP thread has said what is going on, or it is stuck */
    uint64_t ended;     /* by now the process has drained, or it is ended */
    bool     stopping;  /* a signal has said so; the next one ends the process */
} deadlines_t;

static int time_left(const deadlines_t *deadlines)
{
    uint64_t next =
        deadlines->inspected < deadlines->ended ? deadlines->inspected : deadlines->ended;
    uint64_t now = now_ms();

    if (next == UINT64_MAX)
        return -1;
    return next <= now ? 0 : (int)(next - now < INT_MAX ? next - now : INT_MAX);
}

static void watch_drain(const signals_t *self, deadlines_t *deadlines)
{
    if (deadlines->ended == UINT64_MAX)
        deadlines->ended = now_ms() + self->drain_timeout_ms + GRACE_MS;
}

static void take_signal(signals_t *self, int number, deadlines_t *deadlines)
{
    if (number == WATCH_DRAIN) {
        watch_drain(self, deadlines);
    } else if (number == SIGHUP) {
        request(self, &self->reopen_due);
    } else if (number == SIGUSR1) {
        deadlines->inspected = now_ms() + PATIENCE_MS;
        for (signals_watch_t *watch = atomic_load(&self->watches); watch != NULL;
             watch = watch->next)
            atomic_store(&watch->due, true);
        request(self, &self->inspect_due);
    } else if (!deadlines->stopping) {
        deadlines->stopping = true;
        watch_drain(self, deadlines);
        request(self, &self->stop_due);
    } else {
        log_plain("stopped by a second signal: what was in flight is lost\n");
        _exit(128 + number);
    }
}

/* Those that haven't come round yet. */
static void interrupt_stuck_threads(signals_t *self)
{
    uv_mutex_lock(&self->lock);
    for (signals_watch_t *watch = atomic_load(&self->watches); watch != NULL; watch = watch->next)
        if (!watch->gone && signals_claim(watch)) {
            atomic_store(&watch->stuck, true);
            pthread_kill(watch->thread, SIGUSR1);
        }
    uv_mutex_unlock(&self->lock);
}

/* What is said here goes by the log: stdio may be locked by the thread that is stuck. */
static void check_deadlines(signals_t *self, deadlines_t *deadlines)
{
    uint64_t now = now_ms();

    if (now >= deadlines->ended) {
        log_plain(
            "a handler didn't return within the drain time-out: what was in flight is cut off\n");
        _exit(3);
    }
    if (now < deadlines->inspected)
        return;
    deadlines->inspected = UINT64_MAX;
    interrupt_stuck_threads(self);
}

static void watchdog_main(void *arg)
{
    signals_t  *self = arg;
    deadlines_t deadlines = {.inspected = UINT64_MAX, .ended = UINT64_MAX};
    int         byte;

    while ((byte = next_byte(time_left(&deadlines))) != STOP_WATCHDOG) {
        if (byte > 0)
            take_signal(self, byte, &deadlines);
        check_deadlines(self, &deadlines);
    }
}

/* ---- Threads that are watched ---------------------------------------------------------------- */

void signals_watch(signals_t *self, signals_watch_t *watch, void (*on_stuck)(void *owner),
                   void *owner)
{
    uv_mutex_lock(&self->lock);
    *watch = (signals_watch_t){.next = atomic_load(&self->watches),
                               .thread = pthread_self(),
                               .on_stuck = on_stuck,
                               .owner = owner};
    atomic_store(&self->watches, watch);
    uv_mutex_unlock(&self->lock);
}

bool signals_claim(signals_watch_t *watch)
{
    return atomic_exchange(&watch->due, false);
}

void signals_unwatch(signals_t *self, signals_watch_t *watch)
{
    uv_mutex_lock(&self->lock);
    watch->gone = true;
    uv_mutex_unlock(&self->lock);
}

/* ---- The HTTP thread ------------------------------------------------------------------------- */

void signals_watch_drain(const signals_t *self)
{
    (void)self; /* as with the handlers, there is one at a time */
    on_signal(WATCH_DRAIN);
}

bool signals_claim_inspection(signals_t *self)
{
    return signals_claim(&self->own);
}

static void on_async(uv_async_t *async)
{
    signals_t *self = async->data;

    if (atomic_exchange(&self->stop_due, false))
        self->events.on_stop(self->owner);
    if (atomic_exchange(&self->reopen_due, false))
        self->events.on_reopen(self->owner);
    if (atomic_exchange(&self->inspect_due, false))
        self->events.on_inspect(self->owner);
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

static void install(signals_t *self)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    atomic_store(&current, self);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (self->events.on_reopen != NULL)
        sigaction(SIGHUP, &action, NULL);
    action.sa_handler = on_inspect_signal;
    if (self->events.on_inspect != NULL)
        sigaction(SIGUSR1, &action, NULL);
    action.sa_handler = SIG_IGN; /* a client that leaves is an error of write() */
    sigaction(SIGPIPE, &action, NULL);
}

int signals_open(signals_t *self, uv_loop_t *loop, uint32_t drain_timeout_ms,
                 const signals_events_t *events, void *owner)
{
    int err;

    *self = (signals_t){.events = *events, .owner = owner, .drain_timeout_ms = drain_timeout_ms};
    sigaction(SIGUSR1, NULL, &self->inspect_before);
    if ((err = open_pipe()) != 0 || (err = uv_mutex_init(&self->lock)) != 0 ||
        (err = uv_async_init(loop, &self->async, on_async)) != 0)
        return err;
    self->async.data = self;
    if (events->on_stuck != NULL)
        signals_watch(self, &self->own, events->on_stuck, owner);
    err = uv_thread_create(&self->watchdog, watchdog_main, self);
    if (err == 0)
        install(self);
    else
        uv_close((uv_handle_t *)&self->async, NULL); /* open, it would keep the loop from its end */
    return err;
}

void signals_close(signals_t *self)
{
    on_signal(STOP_WATCHDOG);
    uv_thread_join(&self->watchdog);
    atomic_store(&current, NULL);
    uv_mutex_destroy(&self->lock);
    uv_close((uv_handle_t *)&self->async, NULL); /* only now: the watchdog sends to it */
}
