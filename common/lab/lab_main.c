/*
 * The program of a lab that is one shard: options, interpreter, app, the shard (shard.h), signals;
 * then its loop runs until the server has drained; then everything is closed in the reverse order.
 * All on the HTTP thread, which is the process's main thread.
 */
#include <stdio.h>

#include "common/lab/command_line.h"
#include "common/lab/console.h"
#include "common/lab/lab.h"
#include "common/lab/self_bench.h"
#include "common/lab/shard.h"
#include "common/lab/signals.h"
#include "common/lab/tracing.h"

static void on_stop(void *owner);
static void on_measure(void *owner);
static void on_reopen(void *owner);
static void on_inspect(void *owner);
static void on_stuck(void *owner);
static void on_bench_done(void *owner, int status);

/* The program; the HTTP thread's. What isn't open yet is NULL or false. */
typedef struct {
    const lab_info_t *info;
    lab_options_t     options;
    bridge_t         *bridge;
    bridge_thread_t   python;
    bridge_app_t     *app;
    shard_t           shard;
    bool              signals_open;
    signals_t         signals;
    self_bench_t     *bench;
    tracing_t         tracing;
    console_t         console;
    char              python_text[192]; /* at the end */
    bool              gil;              /* likewise */
    int               status;
} program_t;

/* ---- Events ---------------------------------------------------------------------------------- */

/* A signal. */
static void on_stop(void *owner)
{
    program_t *program = owner;

    console_stopping(&program->console, http_server_in_flight(program->shard.server));
    self_bench_stop(program->bench);
    shard_drain(&program->shard);
}

/* The warm-up is over: what wrk measures and what is traced are the same requests. */
static void on_measure(void *owner)
{
    program_t *program = owner;

    if (tracing_is_for_all(&program->options))
        http_server_trace(program->shard.server, 1);
}

/* SIGHUP; only if there is an access log. */
static void on_reopen(void *owner)
{
    access_log_reopen(((program_t *)owner)->shard.access_log);
}

/* SIGUSR1, between two turns. */
static void on_inspect(void *owner)
{
    program_t *program = owner;

    bridge_attach(&program->python); /* may take too long: on_stuck() is quicker then */
    if (signals_claim_inspection(&program->signals)) {
        shard_inspect(&program->shard);
        bridge_write_tracebacks(program->bridge);
    }
    bridge_detach(&program->python);
}

/* SIGUSR1, in a signal handler: the tracebacks follow by themselves. */
static void on_stuck(void *owner)
{
    shard_inspect(&((program_t *)owner)->shard);
}

static void on_bench_done(void *owner, int status)
{
    program_t *program = owner;

    program->status = status;
    signals_watch_drain(&program->signals);
    shard_drain(&program->shard);
}

/* ---- Start ----------------------------------------------------------------------------------- */

static int open_python(program_t *program)
{
    bridge_options_t options = {.debug = program->options.debug,
                                .ask_for_tasks = program->info->options & LAB_ASKS_FOR_TASKS,
                                .trace = program->tracing.trace};
    int              err;

    if (bridge_open(&program->bridge, &options, &program->python) != 0)
        return -1;
    bridge_attach(&program->python);
    err = bridge_app_load(program->bridge, program->options.app, program->info->handlers,
                          &program->app);
    if (err == 0)
        err = bridge_traceback_on_signal(program->bridge, SIGUSR1);
    bridge_detach(&program->python);
    return err;
}

static int open_shard(program_t *program)
{
    program->shard = (shard_t){.info = program->info,
                               .options = &program->options,
                               .bridge = program->bridge,
                               .app = program->app,
                               .python = &program->python,
                               .trace = program->tracing.trace};
    return shard_open(&program->shard);
}

static int open_signals(program_t *program)
{
    bool                   rotated = options_access_log_in_file(&program->options);
    const signals_events_t events = {.on_stop = on_stop,
                                     .on_reopen = rotated ? on_reopen : NULL,
                                     .on_inspect = on_inspect,
                                     .on_stuck = on_stuck};
    int                    err = signals_open(&program->signals, &program->shard.loop,
                                              program->options.drain_timeout_ms, &events, program);

    program->signals_open = err == 0;
    if (err != 0)
        fprintf(stderr, "%s: cannot start: %s\n", program->info->name, uv_strerror(err));
    return err;
}

/* What runs here; then the line that others wait for. */
static void print_banner(program_t *program)
{
    const lab_options_t *options = &program->options;
    char                 python[192], more[64] = "";

    bridge_describe_python(program->bridge, python, sizeof python);
    if (program->info->options & LAB_HAS_WORKERS)
        snprintf(more, sizeof more, ", %u workers", options->workers);
    if (options->pool > 0)
        snprintf(more, sizeof more, ", handlers on %u threads", options->pool);
    console_banner(&program->console, python, http_server_port(program->shard.server), more);
}

static int start_bench(program_t *program)
{
    static const self_bench_events_t events = {.on_measure = on_measure, .on_done = on_bench_done};

    if (program->options.bench_seconds == 0)
        return 0;
    http_server_trace(program->shard.server, 0); /* until on_measure() */
    return self_bench_start(&program->bench, &program->shard.loop, program->info->name,
                            program->console.url, program->options.bench_seconds, &events, program);
}

static int start(program_t *program)
{
    if (tracing_open(&program->tracing, &program->options, program->info) != 0)
        return -1;
    tracing_open_lane(&program->tracing, "http");
    if (open_python(program) != 0 || open_shard(program) != 0 || open_signals(program) != 0 ||
        shard_start(&program->shard, program->options.port, false) != 0)
        return -1;
    print_banner(program);
    if (start_bench(program) == 0)
        return 0;
    http_server_drain(program->shard.server, 0);
    shard_serve(&program->shard);
    return -1;
}

/* ---- End ------------------------------------------------------------------------------------- */

/* Close what is open, in the reverse order of opening. */
static void finish(program_t *program)
{
    shard_stop(&program->shard);
    if (program->signals_open)
        signals_close(&program->signals);
    shard_close(&program->shard);
    if (program->bridge == NULL)
        return;
    bridge_attach(&program->python);
    bridge_app_free(program->app);
    bridge_detach(&program->python);
    bridge_describe_python(program->bridge, program->python_text, sizeof program->python_text);
    program->gil = bridge_gil_enabled(program->bridge);
    bridge_close(program->bridge, &program->python);
}

static void serve(program_t *program)
{
    console_totals_t totals = {.python = program->python_text};
    double           cpu_us;

    shard_serve(&program->shard);
    finish(program);
    totals.stats = program->shard.stats;
    totals.lines_lost = program->shard.lines_lost;
    console_own_usage(&totals);
    cpu_us = console_summary(&program->console, &totals);
    if (tracing_report(&program->tracing, program->bench, cpu_us, program->gil) != 0)
        program->status = 1;
    if (totals.stats.cut_off > 0)
        program->status = 3;
}

int lab_main(int argc, char **argv, const lab_info_t *info)
{
    program_t program = {.info = info, .console = {.info = info}};
    int       status;

    program.console.options = &program.options;
    if (!command_line_read(&program.options, argc, argv, info, &status))
        return status;
    if (start(&program) == 0) {
        serve(&program);
    } else {
        program.status = 1;
        finish(&program);
    }
    self_bench_free(program.bench);
    tracing_close(&program.tracing);
    return program.status;
}
