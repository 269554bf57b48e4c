/*
 * The supervisor: the main thread, which serves nobody. It reserves the port, begins the workers,
 * takes the signals, and waits until each worker has ended. A worker that ends by itself ends them
 * all: what is left would not be what was asked for.
 *
 * The first worker is begun alone: what it can't do none of them can, and it is said once.
 */
#include "lab5_loop_per_core/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/lab/command_line.h"
#include "common/lab/console.h"
#include "common/lab/self_bench.h"
#include "common/lab/tracing.h"
#include "lab5_loop_per_core/isolation.h"

static void   on_stop(void *owner);
static void   on_reopen(void *owner);
static void   on_inspect(void *owner);
static void   on_measure(void *owner);
static void   on_bench_done(void *owner, int status);
static double on_bench_cpu(void *owner);
static void   on_control(uv_poll_t *poll, int status, int events);

typedef struct supervisor supervisor_t;

typedef struct {
    supervisor_t   *supervisor; /* borrowed */
    worker_handle_t handle;
    uv_poll_t       poll;
    bool            runs, serves;
} member_t;

/* What isn't open yet is NULL or false. */
struct supervisor {
    const lab_info_t *info;
    lab_options_t     options;
    char            **argv;
    uv_loop_t         loop;
    int               port_fd, port; /* reserved; -1: not yet */
    board_t           board;
    bridge_t         *bridge; /* none where workers are processes */
    bridge_thread_t   python;
    bridge_app_t     *app; /* where workers are threads: they share it */
    signals_t         signals;
    bool              signals_open;
    member_t         *members; /* owned: options.workers of them */
    unsigned          begun, running, serving;
    bool              served;   /* the banner was printed */
    bool              stopping; /* the workers have been told */
    self_bench_t     *bench;
    tracing_t         tracing;
    console_t         console;
    int               status;
};

/* ---- Commands -------------------------------------------------------------------------------- */

static void tell(const member_t *member, worker_command_t command)
{
    char byte = (char)command;

    if (member->runs && write(member->handle.control, &byte, 1) < 0) {
        /* it has ended, and on_control() will notice */
    }
}

static void tell_all(supervisor_t *self, worker_command_t command)
{
    for (unsigned i = 0; i < self->begun; i++)
        tell(&self->members[i], command);
}

static void stop(supervisor_t *self)
{
    if (self->stopping)
        return;
    self->stopping = true;
    self_bench_stop(self->bench);
    tell_all(self, COMMAND_DRAIN);
}

static books_t books(const supervisor_t *self)
{
    return (books_t){.books = self->board.books, .count = self->board.count};
}

static void on_stop(void *owner)
{
    supervisor_t *self = owner;
    const books_t all = books(self);

    console_stopping(&self->console, (unsigned)books_sum(&all, BOOK_IN_FLIGHT));
    stop(self);
}

static void on_reopen(void *owner)
{
    tell_all(owner, COMMAND_REOPEN);
}

/* The signal would end a process that has no handler for it yet. */
static bool takes_signals(const member_t *member)
{
    const worker_setup_t *setup = &member->handle.setup;

    return member->runs && member->handle.pid != 0 &&
           atomic_load(&setup->board->pages[setup->index].state) != WORKER_STARTING;
}

/* A process has a watchdog of its own, so that it answers though it is stuck. */
static void on_inspect(void *owner)
{
    supervisor_t *self = owner;

    if (self->options.isolation != ISOLATION_PROCESSES)
        tell_all(self, COMMAND_INSPECT);
    for (unsigned i = 0; i < self->begun; i++)
        if (takes_signals(&self->members[i]))
            kill(self->members[i].handle.pid, SIGUSR1);
}

/* ---- Self-bench ------------------------------------------------------------------------------ */

static void on_measure(void *owner)
{
    tell_all(owner, COMMAND_MEASURE);
}

static void on_bench_done(void *owner, int status)
{
    supervisor_t *self = owner;

    self->status = status;
    stop(self);
}

static double on_bench_cpu(void *owner)
{
    const books_t all = books(owner);

    return books_cpu_seconds(&all);
}

static void start_bench(supervisor_t *self)
{
    static const self_bench_events_t events = {
        .on_measure = on_measure, .on_done = on_bench_done, .cpu_seconds = on_bench_cpu};

    if (self->options.bench_seconds > 0 &&
        self_bench_start(&self->bench, &self->loop, self->info->name, self->console.url,
                         self->options.bench_seconds, &events, self) != 0) {
        self->status = 1;
        stop(self);
    }
}

/* ---- Workers come and go --------------------------------------------------------------------- */

/* Without one its traces are lost, which it will say. */
static void open_traced(worker_handle_t *handle)
{
    handle->traced = tmpfile();
    if (handle->traced == NULL)
        return;
    handle->setup.traced = fileno(handle->traced);
    fcntl(handle->setup.traced, F_SETFD, FD_CLOEXEC);
}

static int begin(supervisor_t *self)
{
    member_t       *member = &self->members[self->begun];
    worker_setup_t *setup = &member->handle.setup;
    int             err;

    member->supervisor = self;
    *setup = (worker_setup_t){.info = self->info,
                              .options = &self->options,
                              .index = self->begun,
                              .port = self->port,
                              .board = &self->board,
                              .traced = -1,
                              .signals = &self->signals,
                              .bridge = self->bridge,
                              .app = self->app,
                              .watch = &member->handle.watch};
    if (self->tracing.trace != NULL)
        open_traced(&member->handle);
    err = isolation_begin(&member->handle, self->argv);
    if (err == 0) {
        self->begun++;
        self->running++;
        member->runs = true;
        member->poll.data = member;
        uv_poll_init_socket(&self->loop, &member->poll, member->handle.control);
        return uv_poll_start(&member->poll, UV_READABLE, on_control);
    }
    fprintf(stderr, "%s: cannot start worker %u: %s\n", self->info->name, self->begun + 1,
            uv_strerror(err));
    return err;
}

static void print_banner(supervisor_t *self)
{
    const lab_options_t *options = &self->options;
    const worker_page_t *page = &self->board.pages[0];
    char                 more[160];

    snprintf(more, sizeof more, ", %u worker%s (%s%s)", options->workers,
             options->workers == 1 ? "" : "s", options_isolation_name(options->isolation),
             isolation_remark(options->isolation, page->gil));
    console_banner(&self->console, page->python, self->port, more);
    self->served = true;
}

/* All the others at once; but interpreters start one after the other, as CPython likes it best. */
static void begin_more(supervisor_t *self)
{
    bool all = self->options.isolation != ISOLATION_INTERPRETERS;

    for (bool more = true; more && !self->stopping && self->begun < self->options.workers;
         more = all)
        if (begin(self) != 0) {
            self->status = 1;
            stop(self);
        }
}

static void on_serving(supervisor_t *self, member_t *member)
{
    member->serves = true;
    self->serving++;
    begin_more(self);
    if (self->stopping || self->serving < self->options.workers)
        return;
    print_banner(self);
    start_bench(self);
}

/* Its end is the end of all, planned or not. */
static void on_ended(supervisor_t *self, member_t *member)
{
    const worker_setup_t *setup = &member->handle.setup;
    worker_state_t        state;

    member->runs = false;
    self->running--;
    uv_close((uv_handle_t *)&member->poll, NULL);
    isolation_join(&member->handle);
    close(member->handle.control);
    state = (worker_state_t)atomic_load(&self->board.pages[setup->index].state);
    if (state != WORKER_DONE || !self->stopping)
        self->status = 1;
    if (state != WORKER_FAILED && (state != WORKER_DONE || !self->stopping))
        log_message(LOG_ERROR, "worker %u (process %d) %s%s", setup->index + 1,
                    (int)member->handle.pid,
                    member->handle.ended[0] == '\0' ? "has stopped" : member->handle.ended,
                    self->stopping ? "" : ": the lab stops");
    stop(self);
    if (self->running == 0)
        signals_close(&self->signals); /* the last thing on the loop */
}

static void on_control(uv_poll_t *poll, int status, int events)
{
    member_t     *member = poll->data;
    supervisor_t *self = member->supervisor;
    char          bytes[16];
    ssize_t       n = read(member->handle.control, bytes, sizeof bytes);

    (void)status, (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        on_ended(self, member);
    else if (!member->serves)
        on_serving(self, member);
}

/* ---- Start ----------------------------------------------------------------------------------- */

/* So that all workers get the same port, whichever it is. */
static int reserve_port(supervisor_t *self)
{
    self->port = self->options.port;
    self->port_fd = http_reserve_port(self->options.host, &self->port);
    if (self->port_fd < 0)
        console_cannot_listen(self->info, self->options.host, self->port, self->port_fd);
    return self->port_fd < 0 ? self->port_fd : 0;
}

/* Threads share the app, too; interpreters need the first one to start from. */
static int open_python(supervisor_t *self)
{
    const bridge_options_t options = {.debug = self->options.debug,
                                      .ask_for_tasks = self->info->options & LAB_ASKS_FOR_TASKS};
    int                    err = 0;

    if (self->options.isolation == ISOLATION_PROCESSES)
        return 0;
    if (bridge_open(&self->bridge, &options, &self->python) != 0)
        return -1;
    bridge_attach(&self->python);
    if (self->options.isolation == ISOLATION_THREADS)
        err = bridge_app_load(self->bridge, self->options.app, self->info->handlers, &self->app);
    if (err == 0)
        err = bridge_traceback_on_signal(self->bridge, SIGUSR1);
    bridge_detach(&self->python);
    return err;
}

static int open_signals(supervisor_t *self)
{
    bool                   rotated = options_access_log_in_file(&self->options);
    const signals_events_t events = {
        .on_stop = on_stop, .on_reopen = rotated ? on_reopen : NULL, .on_inspect = on_inspect};
    int err =
        signals_open(&self->signals, &self->loop, self->options.drain_timeout_ms, &events, self);

    self->signals_open = err == 0;
    return err;
}

static int start(supervisor_t *self)
{
    int err;

    if (tracing_open(&self->tracing, &self->options, self->info) != 0 || open_python(self) != 0 ||
        reserve_port(self) != 0)
        return -1;
    self->members = calloc(self->options.workers, sizeof *self->members);
    err = self->members == NULL ? UV_ENOMEM : board_open(&self->board, self->options.workers);
    if (err == 0)
        err = open_signals(self);
    if (err != 0)
        fprintf(stderr, "%s: cannot start: %s\n", self->info->name, uv_strerror(err));
    if (err == 0)
        err = begin(self);
    return err;
}

/* ---- End ------------------------------------------------------------------------------------- */

/* Say what it came to, and where the time went. */
static void report(supervisor_t *self)
{
    const books_t    all = books(self);
    console_totals_t totals = {.stats = books_stats(&all),
                               .lines_lost = books_sum(&all, BOOK_LINES_LOST),
                               .python = self->board.pages[0].python};
    bool             gil = false;
    double           cpu_us;

    console_own_usage(&totals);
    for (unsigned i = 0; i < self->begun; i++) {
        totals.cpu_us += self->board.pages[i].cpu_us;
        totals.max_rss_kib += self->board.pages[i].max_rss_kib;
        gil |= self->board.pages[i].gil;
    }
    for (unsigned i = 0; i < self->begun; i++)
        if (self->members[i].handle.traced != NULL)
            tracing_take_part(&self->tracing, self->members[i].handle.traced);
    cpu_us = console_summary(&self->console, &totals);
    if (tracing_report(&self->tracing, self->bench, cpu_us, gil) != 0)
        self->status = 1;
    if (totals.stats.cut_off > 0 && self->status == 0)
        self->status = 3;
}

static void close_python(supervisor_t *self)
{
    if (self->bridge == NULL)
        return;
    bridge_attach(&self->python);
    bridge_app_free(self->app);
    bridge_detach(&self->python);
    bridge_close(self->bridge, &self->python);
}

static void finish(supervisor_t *self)
{
    close_python(self);
    if (self->served)
        report(self);
    self_bench_free(self->bench);
    for (unsigned i = 0; i < self->begun; i++)
        if (self->members[i].handle.traced != NULL)
            fclose(self->members[i].handle.traced);
    tracing_close(&self->tracing);
    board_close(&self->board);
    free(self->members);
    if (self->port_fd >= 0)
        close(self->port_fd);
}

static int refuse(const lab_info_t *info, isolation_t isolation, const char *why)
{
    fprintf(stderr,
            "%s: --isolation=%s: not with Python %s: %s; --isolation=processes works "
            "with every Python\n",
            info->name, options_isolation_name(isolation), bridge_python_version(), why);
    return 2;
}

int supervisor_main(int argc, char **argv, const lab_info_t *info)
{
    supervisor_t self = {.info = info, .argv = argv, .port_fd = -1, .console = {.info = info}};
    const char  *why;
    int          status, err;

    self.console.options = &self.options;
    if (!command_line_read(&self.options, argc, argv, info, &status))
        return status;
    if ((why = isolation_refusal(self.options.isolation)) != NULL)
        return refuse(info, self.options.isolation, why);
    if (self.options.worker[0] != '\0')
        return isolation_run_process(info, &self.options);
    if ((err = uv_loop_init(&self.loop)) != 0) {
        fprintf(stderr, "%s: cannot start: %s\n", info->name, uv_strerror(err));
        return 1;
    }
    if (start(&self) != 0) {
        self.status = 1;
        if (self.signals_open)
            signals_close(&self.signals);
    }
    uv_run(&self.loop, UV_RUN_DEFAULT); /* until the last worker has ended */
    uv_loop_close(&self.loop);
    finish(&self);
    return self.status;
}
