/*
 * A lab's life: options, interpreter, app, routes, server, signals, the lab itself; then the loop
 * runs until the server has drained; then everything is closed in the reverse order. All on the
 * HTTP thread, which is the process's main thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/lab/access_log.h"
#include "common/lab/inspect.h"
#include "common/lab/lab.h"
#include "common/lab/metrics.h"
#include "common/lab/native.h"
#include "common/lab/options.h"
#include "common/lab/platform.h"
#include "common/lab/self_bench.h"
#include "common/lab/signals.h"
#include "common/lab/tracing.h"

/* Open files beside the connections: the app's, and those of loops and libraries. */
enum { OTHER_DESCRIPTORS = 1024 };

static void on_ready(void *owner, http_request_list_t *ready);
static void on_client_gone(void *owner, http_request_t *req);
static void on_finished(void *owner, const http_request_t *req, const http_outcome_t *outcome);
static void on_completions(void *owner);
static void on_stop(void *owner);
static void on_measure(void *owner);
static void on_reopen(void *owner);
static void on_inspect(void *owner);
static void on_stuck(void *owner);
static void on_bench_done(void *owner, int status);
static void on_drained(void *owner);

/* The program; the HTTP thread's. What isn't open yet is NULL or false. */
typedef struct {
    const lab_info_t *info;
    lab_options_t     options;
    uv_loop_t         loop;
    bridge_t         *bridge;
    bridge_thread_t   python;
    bridge_app_t     *app;
    http_router_t    *router;
    http_server_t    *server;
    completions_t     completions;
    bool              completions_open, signals_open;
    signals_t         signals;
    access_log_t     *access_log; /* NULL: none is kept */
    uint64_t          lines_lost; /* by it, in the end */
    metrics_t        *metrics;    /* NULL: nothing is counted here */
    lab_t            *lab;
    self_bench_t     *bench;
    tracing_t         tracing;
    char              url[96];
    char              python_text[192]; /* what the banner said; at the end, what was true then */
    bool              python_changed;   /* an import turned the GIL on while the lab ran */
    bool              gil;              /* at the end */
    uint64_t          started_ns;
    int               status;
} program_t;

/* ---- Events ---------------------------------------------------------------------------------- */

static void on_ready(void *owner, http_request_list_t *ready)
{
    lab_on_ready(((program_t *)owner)->lab, ready);
}

static void on_client_gone(void *owner, http_request_t *req)
{
    lab_on_client_gone(((program_t *)owner)->lab, req);
}

/* Only if somebody keeps books. */
static void on_finished(void *owner, const http_request_t *req, const http_outcome_t *outcome)
{
    program_t *program = owner;

    if (program->access_log != NULL)
        access_log_add(program->access_log, req, outcome);
    if (program->metrics != NULL)
        metrics_add(program->metrics, outcome);
}

static void on_completions(void *owner)
{
    lab_on_completions(((program_t *)owner)->lab);
}

/* A signal. */
static void on_stop(void *owner)
{
    program_t *program = owner;
    char       text[160];

    snprintf(text, sizeof text,
             "stopping: %u requests in flight get their answers, for at most %g seconds; "
             "once more to stop at once\n",
             http_server_in_flight(program->server), program->options.drain_timeout_ms / 1000.0);
    log_plain(text); /* unlike stdio it doesn't wait for whoever reads it */
    self_bench_stop(program->bench);
    http_server_drain(program->server, program->options.drain_timeout_ms);
}

/* The warm-up is over: what wrk measures and what is traced are the same requests. */
static void on_measure(void *owner)
{
    http_server_trace(((program_t *)owner)->server, true);
}

/* SIGHUP; only if there is an access log. */
static void on_reopen(void *owner)
{
    access_log_reopen(((program_t *)owner)->access_log);
}

/* SIGUSR1, between two turns. */
static void on_inspect(void *owner)
{
    program_t *program = owner;

    bridge_attach(&program->python); /* may take too long: on_stuck() is quicker then */
    if (signals_claim_inspection(&program->signals)) {
        inspect_requests(program->server, program->tracing.trace);
        bridge_write_tracebacks(program->bridge);
    }
    bridge_detach(&program->python);
}

/* SIGUSR1, in a signal handler: the tracebacks follow by themselves. */
static void on_stuck(void *owner)
{
    program_t *program = owner;

    inspect_requests(program->server, program->tracing.trace);
}

static void on_bench_done(void *owner, int status)
{
    program_t *program = owner;

    program->status = status;
    http_server_drain(program->server, program->options.drain_timeout_ms);
}

static void on_drained(void *owner)
{
    uv_stop(&((program_t *)owner)->loop);
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

/* returns 0, or -1 (said on stderr) */
static int open_access_log(program_t *program)
{
    const lab_options_t *options = &program->options;
    int                  err = 0;

    if (options->access_log)
        err = access_log_open(&program->access_log, &program->loop, options->access_log_file,
                              options->access_log_format);
    if (err != 0)
        fprintf(stderr, "%s: --access-log: cannot write to %s: %s\n", program->info->name,
                options->access_log_file, uv_strerror(err));
    return err;
}

/* 0 in a lab that has none. */
static unsigned worker_count(const program_t *program)
{
    return program->info->options & LAB_HAS_WORKERS ? program->options.workers : 0;
}

/* The routes are all there before the server opens, which then may only read them. */
static int add_routes(program_t *program)
{
    int err;

    program->options.http.trace = program->tracing.trace;
    program->router = http_router_new();
    if (program->router == NULL)
        return UV_ENOMEM;
    err = native_add_routes(program->router, &program->loop);
    if (err == 0 && program->info->add_routes != NULL)
        err = program->info->add_routes(program->router);
    if (err == 0 && program->options.metrics)
        err = metrics_open(&program->metrics, program->router, worker_count(program));
    return err;
}

static int open_http(program_t *program)
{
    bool          watched = program->access_log != NULL || program->metrics != NULL;
    http_events_t events = {.on_ready = on_ready,
                            .on_client_gone = on_client_gone,
                            .on_drained = on_drained,
                            .on_finished = watched ? on_finished : NULL};

    return http_server_open(&program->server, &program->loop, &program->options.http,
                            program->router, &events, program);
}

static int open_signals(program_t *program)
{
    bool rotated = program->access_log != NULL && program->options.access_log_file[0] != '\0';
    const signals_events_t events = {.on_stop = on_stop,
                                     .on_reopen = rotated ? on_reopen : NULL,
                                     .on_inspect = on_inspect,
                                     .on_stuck = on_stuck};

    return signals_open(&program->signals, &program->loop, program->options.drain_timeout_ms,
                        &events, program);
}

static int open_server(program_t *program)
{
    int err = add_routes(program);

    if (err == 0 && bridge_app_add_routes(program->app, program->router) != 0)
        return -1;
    if (err == 0)
        err = open_http(program);
    if (err == 0)
        err = completions_open(&program->completions, &program->loop, on_completions, program);
    program->completions_open = err == 0;
    if (err == 0)
        err = open_signals(program);
    program->signals_open = err == 0;
    if (err != 0)
        fprintf(stderr, "%s: cannot start: %s\n", program->info->name, uv_strerror(err));
    return err;
}

static void start_metrics(program_t *program)
{
    const metrics_sources_t sources = {.info = program->info,
                                       .bridge = program->bridge,
                                       .server = program->server,
                                       .completions = &program->completions,
                                       .access_log = program->access_log,
                                       .trace = program->tracing.trace};

    if (program->metrics != NULL)
        metrics_set_sources(program->metrics, &sources);
}

static int open_lab(program_t *program)
{
    lab_context_t context = {
        .loop = &program->loop,
        .bridge = program->bridge,
        .app = program->app,
        .http_thread = &program->python,
        .completions = &program->completions,
        .trace = program->tracing.trace,
        .workers = program->options.workers,
        .debug = program->options.debug,
        .worker_queue = program->options.worker_queue,
        .pool = program->options.pool,
        .queued = metrics_queued(program->metrics),
    };

    if (lab_open(&program->lab, &context) == 0)
        return 0;
    fprintf(stderr, "%s: cannot start (see above)\n", program->info->name);
    return -1;
}

static int listen_on(program_t *program)
{
    const lab_options_t *options = &program->options;
    int err = http_server_listen(program->server, options->host, options->port, false);

    if (err == 0)
        return 0;
    if (err == UV_EADDRINUSE)
        fprintf(stderr,
                "%s: port %d of %s is in use: stop what listens there (ss -ltnp shows it), or "
                "choose another with --port\n",
                program->info->name, options->port, options->host);
    else
        fprintf(stderr, "%s: cannot listen on %s port %d: %s\n", program->info->name, options->host,
                options->port, uv_strerror(err));
    return err;
}

/* What runs here; then the line that others wait for. */
static void print_banner(program_t *program)
{
    const lab_options_t *options = &program->options;
    bool                 six = strchr(options->host, ':') != NULL;

    snprintf(program->url, sizeof program->url, "http://%s%s%s:%d", six ? "[" : "", options->host,
             six ? "]" : "", http_server_port(program->server));
    printf("%s: %s\n", program->info->name, program->info->summary);
    bridge_describe_python(program->bridge, program->python_text, sizeof program->python_text);
    printf("Python %s; app %s", program->python_text, options->app);
    if (program->info->options & LAB_HAS_WORKERS)
        printf(", %u workers", options->workers);
    if (options->pool > 0)
        printf(", handlers on %u threads", options->pool);
    printf("\nlistening on %s\n", program->url);
    fflush(stdout);
    if (!options_host_is_loopback(options->host))
        log_message(LOG_WARNING,
                    "%s can be reached from other machines, and this is a lab: no TLS, no users; "
                    "see SECURITY.md",
                    options->host);
}

static int start_bench(program_t *program)
{
    if (program->options.bench_seconds == 0)
        return 0;
    http_server_trace(program->server, false); /* until on_measure() */
    return self_bench_start(&program->bench, &program->loop, program->info->name, program->url,
                            program->options.bench_seconds, on_measure, on_bench_done, program);
}

static int start(program_t *program)
{
    if (tracing_open(&program->tracing, &program->options, program->info) != 0 ||
        open_python(program) != 0 || open_access_log(program) != 0 || open_server(program) != 0 ||
        open_lab(program) != 0 || listen_on(program) != 0)
        return -1;
    start_metrics(program);
    program->started_ns = uv_hrtime();
    print_banner(program);
    if (start_bench(program) == 0)
        return 0;
    http_server_drain(program->server, 0);
    uv_run(&program->loop, UV_RUN_DEFAULT);
    return -1;
}

/* ---- End ------------------------------------------------------------------------------------- */

/* returns the process's CPU time in us for each request, start included */
static double print_summary(const program_t *program, const http_stats_t *stats)
{
    double        seconds = (double)(uv_hrtime() - program->started_ns) / 1e9, cpu;
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
          (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    cpu = stats->parsed == 0 ? 0 : cpu / (double)stats->parsed;
    printf("served for %.1f s: %llu connections, %llu requests\n", seconds,
           (unsigned long long)stats->connections, (unsigned long long)stats->parsed);
    printf("  answered %llu (", (unsigned long long)stats->answered);
    for (int class = 2; class <= 5; class ++)
        printf("%dxx: %llu%s", class, (unsigned long long)stats->answered_by_class[class],
               class < 5 ? ", " : "");
    printf("), client left %llu, cut off %llu\n", (unsigned long long)stats->abandoned,
           (unsigned long long)stats->cut_off);
    printf("  CPU %.2f us per request, start included; at most %ld MiB of memory\n", cpu,
           usage.ru_maxrss / 1024);
    if (program->lines_lost > 0)
        printf("  access log: %llu lines lost\n", (unsigned long long)program->lines_lost);
    if (program->python_changed)
        printf("  not a free-threaded run: Python %s\n", program->python_text);
    return cpu;
}

/* A handler's import may have turned the GIL on since the banner. */
static void see_python_again(program_t *program)
{
    char now[sizeof program->python_text];

    bridge_describe_python(program->bridge, now, sizeof now);
    program->python_changed = strcmp(now, program->python_text) != 0;
    memcpy(program->python_text, now, sizeof now);
    program->gil = bridge_gil_enabled(program->bridge);
}

/* Close what is open, in the reverse order of opening. */
static void finish(program_t *program)
{
    if (program->lab != NULL)
        lab_close(program->lab);
    if (program->signals_open)
        signals_close(&program->signals);
    if (program->completions_open)
        completions_close(&program->completions);
    if (program->server != NULL)
        http_server_close(program->server);
    if (program->access_log != NULL)
        program->lines_lost = access_log_close(program->access_log);
    uv_run(&program->loop, UV_RUN_DEFAULT); /* close callbacks */
    uv_loop_close(&program->loop);
    http_router_free(program->router);
    metrics_close(program->metrics);
    if (program->bridge == NULL)
        return;
    bridge_attach(&program->python);
    bridge_app_free(program->app);
    bridge_detach(&program->python);
    see_python_again(program);
    bridge_close(program->bridge, &program->python);
}

/* Where the time went, beside what wrk saw of it. */
static void report(program_t *program, double cpu_us)
{
    trace_run_t  run = {.lab = program->info->name,
                        .python = bridge_python_version(),
                        .gil = program->gil,
                        .cpu_us_per_request = cpu_us};
    wrk_result_t wrk;

    if (self_bench_result(program->bench, &wrk, &run.cpu_us_per_request)) {
        run.bench_rps = wrk.per_second;
        run.bench_mean_us = wrk.mean_us;
        run.bench_p50_us = wrk.p50_us;
        run.bench_p99_us = wrk.p99_us;
        run.bench_connections = SELF_BENCH_CONNECTIONS;
    }
    if (tracing_report(&program->tracing, &run) != 0)
        program->status = 1;
}

static void serve(program_t *program)
{
    http_stats_t stats;

    uv_run(&program->loop, UV_RUN_DEFAULT); /* until on_drained() */
    stats = *http_server_stats(program->server);
    finish(program);
    report(program, print_summary(program, &stats));
    if (stats.cut_off > 0)
        program->status = 3;
}

static void print_version(const lab_info_t *info)
{
    char python[192];

    bridge_describe_python(NULL, python, sizeof python);
    printf("%s\nPython %s\nlibuv %s\nllhttp %s\n", info->name, python, uv_version_string(),
           http_parser_version());
}

static int pin(const program_t *program)
{
    int err = program->options.pin[0] == '\0' ? 0 : platform_pin(program->options.pin);

    if (err != 0)
        fprintf(stderr, "%s: --pin: %s: %s\n", program->info->name, program->options.pin,
                err == UV_EINVAL ? "expected CPUs such as 0 or 0,2-3 that this machine has"
                                 : uv_strerror(err));
    return err;
}

int lab_main(int argc, char **argv, const lab_info_t *info)
{
    program_t program = {.info = info};

    switch (options_parse(&program.options, argc, (const char **)argv, info)) {
    case OPTIONS_HELP:
        return 0;
    case OPTIONS_VERSION:
        print_version(info);
        return 0;
    case OPTIONS_BAD:
        return 2;
    case OPTIONS_RUN:
        break;
    }
    log_set_level(program.options.log_level);
    if (pin(&program) != 0)
        return 2;
    platform_allow_descriptors(program.options.http.max_connections + OTHER_DESCRIPTORS);
    if (uv_loop_init(&program.loop) != 0)
        return 1;
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
