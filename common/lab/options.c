/*
 * The option table. libpopt stores what it parses in a struct of plain numbers and texts, which
 * options_check.c then checks.
 */
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/lab/options_raw.h"

enum { VAL_VERSION = 1, VAL_HELP, VAL_TEXT };

const char options_not_given[] = "";

/* A pool has twice as many as there are CPUs, workers that share nothing one on each. */
static unsigned default_workers(const lab_info_t *info)
{
    uv_cpu_info_t *cpus;
    int            count;

    if (info->options & LAB_HAS_ISOLATION)
        return uv_available_parallelism();
    if (uv_cpu_info(&cpus, &count) != 0)
        return 2;
    uv_free_cpu_info(cpus, count);
    return count < 1 ? 2 : 2 * (unsigned)count;
}

static const char *const isolation_names[] = {
    [ISOLATION_THREADS] = "threads",
    [ISOLATION_INTERPRETERS] = "interpreters",
    [ISOLATION_PROCESSES] = "processes",
};

const char *options_isolation_name(isolation_t isolation)
{
    return isolation_names[isolation];
}

/* The lightest one that computes in parallel with this Python. */
static isolation_t default_isolation(void)
{
#ifdef Py_GIL_DISABLED
    return ISOLATION_THREADS;
#else
    return PY_VERSION_HEX >= 0x030C0000 ? ISOLATION_INTERPRETERS : ISOLATION_PROCESSES;
#endif
}

static void set_defaults(options_raw_t *raw, const lab_info_t *info)
{
    http_options_t http;

    http_options_default(&http);
    *raw = (options_raw_t){
        .texts = {[TEXT_HOST].value = "127.0.0.1",
                  [TEXT_APP].value = info->default_app,
                  [TEXT_LOG_LEVEL].value = "info",
                  [TEXT_BENCH].value = options_not_given,
                  [TEXT_STATS].value = options_not_given,
                  [TEXT_ACCESS_LOG].value = options_not_given,
                  [TEXT_ACCESS_LOG_FORMAT].value = "common",
                  [TEXT_ISOLATION].value = options_isolation_name(default_isolation())},
        .port = 8000,
        .backlog = http.backlog,
        .max_connections = (int)http.max_connections,
        .max_in_flight = (int)http.max_in_flight,
        .pipeline_window = (int)http.pipeline_window,
        .max_request_line = (int)http.max_request_line,
        .max_header_bytes = (int)http.max_header_bytes,
        .max_headers = (int)http.max_headers,
        .max_body = (int)http.max_body,
        .workers = (int)default_workers(info),
        .worker_queue = 2500,
        .header_timeout = http.header_timeout_ms / 1000.0,
        .body_timeout = http.body_timeout_ms / 1000.0,
        .keepalive_timeout = http.keepalive_timeout_ms / 1000.0,
        .write_timeout = http.write_timeout_ms / 1000.0,
        .request_timeout = http.request_timeout_ms / 1000.0,
        .drain_timeout = 10,
    };
}

static void free_texts(const options_raw_t *raw)
{
    for (int i = 0; i < TEXTS; i++)
        free((void *)(uintptr_t)raw->texts[i].owned);
}

/* ---- Parsing --------------------------------------------------------------------------------- */

static const char signals_help[] =
    "\nSignals:\n"
    "  INT, TERM   stop: what is in flight gets its answers; a second one stops at once\n"
    "  HUP         open the file of --access-log again\n"
    "  USR1        print requests in flight and all threads' Python tracebacks on\n"
    "              standard error, also while a handler is stuck\n";

/* popt has put a copy of its own in place of the default, or of the one that was given before. */
static void own(options_text_t *text)
{
    free((void *)(uintptr_t)text->owned);
    text->owned = text->value;
}

/* Go through the command line. returns OPTIONS_RUN if all of it was understood */
static options_result_t read_options(poptContext context, options_raw_t *raw,
                                     const lab_info_t *info)
{
    const char *stray;
    int         val;

    while ((val = poptGetNextOpt(context)) > 0) {
        if (val >= VAL_TEXT)
            own(&raw->texts[val - VAL_TEXT]);
        if (val == VAL_VERSION)
            return OPTIONS_VERSION;
        if (val == VAL_HELP) {
            printf("%s: %s\n\n", info->name, info->summary);
            fflush(stdout);
            poptPrintHelp(context, stdout, 0);
            printf("%s", signals_help);
            return OPTIONS_HELP;
        }
    }
    if (val < -1) {
        fprintf(stderr, "%s: %s: %s; try --help\n", info->name, poptBadOption(context, 0),
                poptStrerror(val));
        return OPTIONS_BAD;
    }
    stray = poptGetArg(context);
    if (stray != NULL) {
        fprintf(stderr, "%s: unexpected argument: %s; try --help\n", info->name, stray);
        return OPTIONS_BAD;
    }
    return OPTIONS_RUN;
}

#define SHOWN POPT_ARGFLAG_SHOW_DEFAULT
#define INT(name, field, help, unit)                             \
    {                                                            \
        name, 0, POPT_ARG_INT | SHOWN, &raw.field, 0, help, unit \
    }
#define SECONDS(name, field, help)                                       \
    {                                                                    \
        name, 0, POPT_ARG_DOUBLE | SHOWN, &raw.field, 0, help, "SECONDS" \
    }
#define TEXT(name, which, flags, help, unit)                                                   \
    {                                                                                          \
        name, 0, POPT_ARG_STRING | (flags), &raw.texts[which].value, VAL_TEXT + (which), help, \
            unit                                                                               \
    }
#define GROUP(table, title)                                    \
    {                                                          \
        NULL, 0, POPT_ARG_INCLUDE_TABLE, table, 0, title, NULL \
    }

options_result_t options_parse(lab_options_t *out, int argc, const char **argv,
                               const lab_info_t *info)
{
    options_raw_t     raw;
    struct poptOption where[] = {
        TEXT("host", TEXT_HOST, SHOWN, "numeric address to listen on", "ADDRESS"),
        INT("port", port, "port to listen on; 0 picks a free one", "PORT"),
        INT("backlog", backlog, "connections the kernel may queue", "COUNT"), POPT_TABLEEND};
    struct poptOption what[] = {
        TEXT("app", TEXT_APP, SHOWN, "the app to serve; looked for in the working directory first",
             "MODULE:OBJECT"),
        {"debug", 0, POPT_ARG_NONE, &raw.debug, 0, "asyncio's debug mode, Python's faulthandler",
         NULL},
        TEXT("log-level", TEXT_LOG_LEVEL, SHOWN, "debug, info, warning or error", "LEVEL"),
        POPT_TABLEEND};
    struct poptOption watching[] = {
        TEXT("access-log", TEXT_ACCESS_LOG, POPT_ARGFLAG_OPTIONAL,
             "a line per request, on standard output unless told; SIGHUP opens FILE again", "FILE"),
        TEXT("access-log-format", TEXT_ACCESS_LOG_FORMAT, SHOWN, "common or json", "FORMAT"),
        {"metrics", 0, POPT_ARG_NONE, &raw.metrics, 0,
         "count, and answer GET /metrics in the Prometheus text format", NULL},
        {"live", 0, POPT_ARG_NONE, &raw.live, 0, "GET /_lab: a page that shows the lab at work",
         NULL},
        POPT_TABLEEND};
    struct poptOption limits[] = {
        INT("max-connections", max_connections,
            "further ones wait in the backlog; raises the limit of open files as far as allowed",
            "COUNT"),
        INT("max-in-flight", max_in_flight, "requests; 503 beyond it", "COUNT"),
        INT("pipeline-window", pipeline_window, "requests in flight per connection", "COUNT"),
        INT("max-request-line", max_request_line, "414 beyond it", "BYTES"),
        INT("max-header-bytes", max_header_bytes, "431 beyond it", "BYTES"),
        INT("max-headers", max_headers, "431 beyond it", "COUNT"),
        INT("max-body", max_body, "413 beyond it", "BYTES"),
        SECONDS("header-timeout", header_timeout, "for a request's head; 408 beyond it"),
        SECONDS("body-timeout", body_timeout, "for a request's body; 408 beyond it"),
        SECONDS("keepalive-timeout", keepalive_timeout, "idle connections are closed after it"),
        SECONDS("write-timeout", write_timeout, "clients that take no byte are dropped after it"),
        SECONDS("request-timeout", request_timeout, "for a handler; 504 beyond it; 0: none"),
        SECONDS("drain-timeout", drain_timeout, "for what is in flight when told to stop"),
        POPT_TABLEEND};
    struct poptOption workers[] = {
        INT("workers", workers, "event-loop threads in the pool; default 2 per CPU", "COUNT"),
        INT("worker-queue", worker_queue, "requests that each may have; 503 if all are full",
            "COUNT"),
        POPT_TABLEEND};
    struct poptOption pool[] = {
        INT("pool", pool, "call handlers on so many threads; 0: on the HTTP thread", "COUNT"),
        POPT_TABLEEND};
    struct poptOption isolation[] = {
        INT("workers", workers,
            "HTTP loops, each with its own Python thread and listening socket, and with limits of "
            "its own: --max-connections, --max-in-flight, viewers of --live",
            "COUNT"),
        TEXT("isolation", TEXT_ISOLATION, SHOWN, "workers are threads, interpreters or processes",
             "KIND"),
        TEXT("worker", TEXT_WORKER, POPT_ARGFLAG_DOC_HIDDEN, NULL, NULL), POPT_TABLEEND};
    struct poptOption measure[] = {
        TEXT("bench", TEXT_BENCH, POPT_ARGFLAG_OPTIONAL,
             "load itself with wrk, print a row, exit; 5 seconds unless told", "SECONDS"),
        TEXT("stats", TEXT_STATS, POPT_ARGFLAG_OPTIONAL,
             "at the end, where the requests' time went: as text, or as JSON into a file", "FILE"),
        TEXT("trace", TEXT_TRACE, 0,
             "write a trace for Perfetto or chrome://tracing: threads, and requests across them",
             "FILE"),
        TEXT("pin", TEXT_PIN, 0, "run on these CPUs only, such as 0 or 0,2-3", "CPUS"),
        POPT_TABLEEND};
    struct poptOption other[] = {
        {"version", 0, POPT_ARG_NONE, NULL, VAL_VERSION, "versions of the lab's parts", NULL},
        {"help", 0, POPT_ARG_NONE, NULL, VAL_HELP, "this text", NULL},
        POPT_TABLEEND};
    struct poptOption       table[] = {GROUP(where, "Where:"),
                                       GROUP(what, "What:"),
                                       GROUP(watching, "Watching:"),
                                       GROUP(limits, "Limits:"),
                                       GROUP(measure, "Measuring:"),
                                       GROUP(other, "Other:"),
                                       POPT_TABLEEND, /* the lab's own */
                                       POPT_TABLEEND};
    const struct poptOption own_workers = GROUP(workers, "This lab's own:");
    const struct poptOption own_pool = GROUP(pool, "This lab's own:");
    const struct poptOption own_isolation = GROUP(isolation, "This lab's own:");
    poptContext             context;
    options_result_t        result;

    set_defaults(&raw, info);
    if (info->options & LAB_HAS_WORKERS)
        table[6] = own_workers;
    else if (info->options & LAB_HAS_POOL)
        table[6] = own_pool;
    else if (info->options & LAB_HAS_ISOLATION)
        table[6] = own_isolation;
    context = poptGetContext(info->name, argc, argv, table, 0);
    result = read_options(context, &raw, info);
    poptFreeContext(context);
    if (result == OPTIONS_RUN && !options_check(out, &raw, info))
        result = OPTIONS_BAD;
    free_texts(&raw);
    return result;
}
