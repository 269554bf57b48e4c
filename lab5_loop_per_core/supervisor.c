/*
 * The supervisor: the main thread, which serves nobody. It reserves the port, opens what the workers
 * share, takes the signals, and has the team (team.c) serve until the last worker has ended. Then it
 * says what it came to.
 */
#include "lab5_loop_per_core/supervisor.h"

#include <stdio.h>
#include <unistd.h>

#include "common/lab/command_line.h"
#include "common/lab/console.h"
#include "common/lab/self_bench.h"
#include "common/lab/tracing.h"
#include "lab5_loop_per_core/team.h"

static void   on_stop(void *owner);
static void   on_reopen(void *owner);
static void   on_inspect(void *owner);
static void   on_measure(void *owner);
static void   on_bench_done(void *owner, int status);
static double on_bench_cpu(void *owner);
static void   on_serving(void *owner);
static void   on_lost(void *owner);
static void   on_ended(void *owner);

/* What isn't open yet is NULL or false. */
typedef struct {
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
    team_t            team;
    bool              served; /* the banner was printed */
    self_bench_t     *bench;
    tracing_t         tracing;
    console_t         console;
    int               status;
} supervisor_t;

/* ---- Signals --------------------------------------------------------------------------------- */

static void stop(supervisor_t *self)
{
    if (self->team.draining)
        return;
    self_bench_stop(self->bench);
    signals_watch_drain(&self->signals);
    team_drain(&self->team);
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
    team_tell(&((supervisor_t *)owner)->team, COMMAND_REOPEN);
}

static void on_inspect(void *owner)
{
    team_inspect(&((supervisor_t *)owner)->team);
}

/* ---- Self-bench ------------------------------------------------------------------------------ */

static void on_measure(void *owner)
{
    team_tell(&((supervisor_t *)owner)->team, COMMAND_MEASURE);
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

/* ---- The team -------------------------------------------------------------------------------- */

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

static void on_serving(void *owner)
{
    supervisor_t *self = owner;

    print_banner(self);
    start_bench(self);
}

static void on_lost(void *owner)
{
    stop(owner);
}

static void on_ended(void *owner)
{
    supervisor_t *self = owner;

    if (self->status == 0 || self->team.status == 3)
        self->status = self->team.status;
    signals_close(&self->signals); /* the last thing on the loop */
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

static int open_team(supervisor_t *self)
{
    self->team =
        (team_t){.loop = &self->loop,
                 .argv = self->argv,
                 .setup = {.info = self->info,
                           .options = &self->options,
                           .port = self->port,
                           .board = &self->board,
                           .signals = &self->signals,
                           .bridge = self->bridge,
                           .app = self->app},
                 .traced = self->tracing.trace != NULL,
                 .events = {.on_serving = on_serving, .on_lost = on_lost, .on_ended = on_ended},
                 .owner = self};
    return team_open(&self->team);
}

static int start(supervisor_t *self)
{
    int err;

    if (tracing_open(&self->tracing, &self->options, self->info) != 0 || open_python(self) != 0 ||
        reserve_port(self) != 0)
        return -1;
    err = board_open(&self->board, self->options.workers);
    if (err == 0)
        err = open_signals(self);
    if (err == 0)
        err = open_team(self);
    if (err != 0)
        fprintf(stderr, "%s: cannot start: %s\n", self->info->name, uv_strerror(err));
    if (err == 0)
        err = team_begin(&self->team);
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
    for (unsigned i = 0; i < self->team.begun; i++) {
        totals.cpu_us += self->board.pages[i].cpu_us;
        totals.max_rss_kib += self->board.pages[i].max_rss_kib;
        gil |= self->board.pages[i].gil;
    }
    for (unsigned i = 0; i < self->team.begun; i++)
        if (self->team.members[i].handle.traced != NULL)
            tracing_take_part(&self->tracing, self->team.members[i].handle.traced);
    cpu_us = console_summary(&self->console, &totals);
    if (tracing_report(&self->tracing, self->bench, cpu_us, gil) != 0)
        self->status = 1;
    if (totals.stats.cut_off > 0)
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
    team_close(&self->team);
    tracing_close(&self->tracing);
    board_close(&self->board);
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
