/*
 * One worker, from its start to its end. Nothing in here knows how many others there are: this is
 * the whole of a single-threaded server, and lab 5 runs one for each core.
 *
 * Everything here runs on the worker's own thread.
 */
#include "lab5_loop_per_core/worker.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/lab/platform.h"
#include "common/lab/shard.h"
#include "common/lab/tracing.h"

static void on_control(uv_poll_t *poll, int status, int events);
static void on_stop(void *owner);
static void on_reopen(void *owner);
static void on_inspect(void *owner);
static void on_stuck(void *owner);

/* What isn't open yet is NULL or false. */
typedef struct {
    const worker_setup_t *setup;
    worker_page_t        *page;
    trace_t              *trace; /* NULL: tracing is off */

    bridge_t       *bridge;
    bridge_thread_t python;
    bridge_app_t   *app;
    shard_t         shard;
    uv_poll_t       control;
    bool            python_open, control_open, signals_open;
    signals_t       signals; /* of a process of its own */
} worker_t;

/* ---- What the supervisor says ---------------------------------------------------------------- */

static void drain(worker_t *self)
{
    shard_drain(&self->shard);
}

/*
 * Threads of one interpreter have the same tracebacks: then the first worker writes them. Python's
 * faulthandler can't be imported into a sub-interpreter, but its signal handler knows them.
 */
static void inspect(worker_t *self)
{
    const worker_setup_t *setup = self->setup;

    shard_inspect(&self->shard);
    if (setup->options->isolation == ISOLATION_INTERPRETERS)
        signals_pass_on(setup->signals);
    else if (setup->app == NULL || setup->index == 0)
        bridge_write_tracebacks(self->bridge);
}

static void on_watched_inspect(worker_t *self)
{
    bridge_attach(&self->python); /* may take too long: on_stuck() is quicker then */
    if (signals_claim(self->setup->watch))
        inspect(self);
    bridge_detach(&self->python);
}

static void obey(worker_t *self, unsigned commands)
{
    /* LAB 5, STEP 3 { do each of what it was told */
    if (commands & COMMAND_MEASURE && tracing_is_for_all(self->setup->options))
        http_server_trace(self->shard.server, 1);
    if (commands & COMMAND_REOPEN && self->shard.access_log != NULL)
        access_log_reopen(self->shard.access_log);
    if (commands & COMMAND_INSPECT)
        on_watched_inspect(self);
    if (commands & COMMAND_DRAIN)
        drain(self);
    /* } LAB 5, STEP 3; until then:
     *     (void)on_watched_inspect, (void)commands;
     *     drain(self); // whatever it was
     */
}

/* Without a supervisor nobody would ever end it. */
static void on_control(uv_poll_t *poll, int status, int events)
{
    worker_t *self = poll->data;
    char      bytes[64];
    ssize_t   n = recv(self->setup->control, bytes, sizeof bytes, 0);

    (void)status, (void)events;
    /* LAB 5, STEP 3 { obey what stands on the page; at the end of file, or an error, drain */
    if (n > 0) {
        obey(self, atomic_exchange(&self->page->due, 0));
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        uv_poll_stop(poll);
        drain(self);
    }
    /* } LAB 5, STEP 3; until then:
     *     uv_poll_stop(poll);
     *     if (n >= 0 || errno != EAGAIN)
     *         obey(self, 0);
     */
}

static void set_state(worker_t *self, worker_state_t state)
{
    atomic_store(&self->page->state, state);
    if (write(self->setup->control, "", 1) < 0) {
        /* the supervisor has gone: on_control() will notice */
    }
}

/* ---- Signals of a process of its own --------------------------------------------------------- */

/* From a terminal every process gets them, so the supervisor has said it. */
static void on_stop(void *owner)
{
    drain(owner);
}

/* Once more if the supervisor says so too, which does no harm. */
static void on_reopen(void *owner)
{
    obey(owner, COMMAND_REOPEN);
}

static void on_inspect(void *owner)
{
    worker_t *self = owner;

    bridge_attach(&self->python);
    if (signals_claim_inspection(&self->signals))
        inspect(self);
    bridge_detach(&self->python);
}

static void on_stuck(void *owner)
{
    shard_inspect(&((worker_t *)owner)->shard);
}

static int watch_signals(worker_t *self)
{
    const worker_setup_t  *setup = self->setup;
    bool                   rotated = options_access_log_in_file(setup->options);
    const signals_events_t events = {.on_stop = on_stop,
                                     .on_reopen = rotated ? on_reopen : NULL,
                                     .on_inspect = on_inspect,
                                     .on_stuck = on_stuck};
    int                    err = 0;

    if (setup->signals != NULL) {
        signals_watch(setup->signals, setup->watch, on_stuck, self);
        return 0;
    }
    err = signals_open(&self->signals, &self->shard.loop, setup->options->drain_timeout_ms, &events,
                       self);
    self->signals_open = err == 0;
    return err;
}

/* ---- Python ---------------------------------------------------------------------------------- */

/* A thread of the first interpreter, an interpreter on this thread, or the process's only one. */
static int open_interpreter(worker_t *self)
{
    const worker_setup_t  *setup = self->setup;
    const bridge_options_t options = {.debug = setup->options->debug,
                                      .ask_for_tasks = setup->info->options & LAB_ASKS_FOR_TASKS,
                                      .trace = self->trace};

    /* LAB 5, STEP 5 { what it shares stands in its setup: the app, the process, or nothing */
    if (setup->app != NULL) {
        self->bridge = setup->bridge;
        return bridge_thread_open(&self->python, self->bridge);
    }
    if (setup->bridge != NULL)
        return bridge_open_isolated(&self->bridge, setup->bridge, &options, &self->python);
    return bridge_open(&self->bridge, &options, &self->python);
    /* } LAB 5, STEP 5; until then:
     *     if (setup->bridge == NULL)
     *         return bridge_open(&self->bridge, &options, &self->python);
     *     fprintf(stderr, "%s: only workers that are processes can start yet\n", setup->info->name);
     *     return -1;
     */
}

static int open_python(worker_t *self)
{
    const worker_setup_t *setup = self->setup;
    int                   err = open_interpreter(self);

    self->python_open = err == 0;
    self->app = setup->app;
    if (err != 0 || setup->app != NULL)
        return err;
    bridge_attach(&self->python);
    err = bridge_app_load(self->bridge, setup->options->app, setup->info->handlers, &self->app);
    if (err == 0 && setup->bridge == NULL)
        err = bridge_traceback_on_signal(self->bridge, SIGUSR1);
    bridge_detach(&self->python);
    return err;
}

/* What is true of Python now goes on the page. */
static void describe_python(worker_t *self)
{
    bridge_describe_python(self->bridge, self->page->python, sizeof self->page->python);
    self->page->gil = bridge_gil_enabled(self->bridge);
}

static void close_python(worker_t *self)
{
    if (!self->python_open)
        return;
    describe_python(self);
    if (self->setup->app != NULL) {
        bridge_thread_close(&self->python);
        return;
    }
    bridge_attach(&self->python);
    bridge_app_free(self->app);
    bridge_detach(&self->python);
    bridge_close(self->bridge, &self->python);
}

/* ---- Start, service, end --------------------------------------------------------------------- */

static int open_shard(worker_t *self)
{
    const worker_setup_t *setup = self->setup;

    self->shard = (shard_t){.info = setup->info,
                            .options = setup->options,
                            .bridge = self->bridge,
                            .app = self->app,
                            .python = &self->python,
                            .trace = self->trace,
                            .books = {.books = setup->board->books,
                                      .count = setup->board->count,
                                      .own = setup->index,
                                      .one_bridge = setup->app != NULL}};
    if (setup->bridge == NULL)
        book_set(books_own(&self->shard.books), BOOK_PID, (uint64_t)getpid());
    return shard_open(&self->shard);
}

static int open_control(worker_t *self)
{
    int err = uv_poll_init_socket(&self->shard.loop, &self->control, self->setup->control);

    self->control_open = err == 0;
    self->control.data = self;
    if (err == 0)
        err = uv_poll_start(&self->control, UV_READABLE, on_control);
    return err;
}

/* What the loop is told by. returns 0 or libuv's error (said on stderr) */
static int open_events(worker_t *self)
{
    int err = open_control(self);

    if (err == 0)
        err = watch_signals(self);
    if (err != 0)
        fprintf(stderr, "%s: cannot start: %s\n", self->setup->info->name, uv_strerror(err));
    return err;
}

/* Its listening socket is the last thing: then connections may land here. */
static int start(worker_t *self)
{
    char lane[32];

    snprintf(lane, sizeof lane, "http %u", self->setup->index + 1);
    self->trace = tracing_open_part(self->setup->options, lane);
    if (open_python(self) != 0 || open_shard(self) != 0 || open_events(self) != 0)
        return -1;
    atomic_store(&self->page->state, WORKER_WATCHING);
    if (shard_start(&self->shard, self->setup->port, true) != 0)
        return -1;
    if (self->setup->options->bench_seconds > 0)
        http_server_trace(self->shard.server, 0); /* until COMMAND_MEASURE */
    return 0;
}

static void finish(worker_t *self)
{
    const worker_setup_t *setup = self->setup;

    shard_stop(&self->shard);
    if (self->signals_open)
        signals_close(&self->signals);
    else if (setup->signals != NULL && setup->watch->thread != 0)
        signals_unwatch(setup->signals, setup->watch);
    if (self->control_open)
        uv_close((uv_handle_t *)&self->control, NULL);
    shard_close(&self->shard);
    close_python(self);
    tracing_close_part(self->trace, setup->traced);
}

static void write_usage(worker_t *self)
{
    if (self->setup->bridge != NULL)
        return; /* it is the whole process's */
    self->page->cpu_us = platform_cpu_seconds() * 1e6;
    self->page->max_rss_kib = platform_max_rss_kib();
}

void worker_run(const worker_setup_t *setup)
{
    worker_t self = {.setup = setup, .page = &setup->board->pages[setup->index]};
    bool     serves = start(&self) == 0;

    if (serves) {
        describe_python(&self);
        set_state(&self, WORKER_SERVING);
        shard_serve(&self.shard);
    }
    finish(&self);
    write_usage(&self);
    atomic_store(&self.page->state, serves ? WORKER_DONE : WORKER_FAILED);
    close(setup->control);
}
