/*
 * The option table and the checks on it. libpopt stores what it parses in a struct of plain
 * numbers; take() then checks each against its range and copies it to where it belongs.
 */
#include "common/lab/options.h"

#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Which text; plus VAL_TEXT it is what popt returns for its option. */
enum {
    TEXT_HOST,
    TEXT_APP,
    TEXT_PIN,
    TEXT_LOG_LEVEL,
    TEXT_BENCH,
    TEXT_STATS,
    TEXT_TRACE,
    TEXT_ACCESS_LOG,
    TEXT_ACCESS_LOG_FORMAT,
    TEXT_ISOLATION,
    TEXT_WORKER,
    TEXTS
};

/* A text: our default, or a copy that popt has made and leaves to us. */
typedef struct {
    const char *value;
    const char *owned; /* the copy */
} text_t;

/* What popt fills in: seconds as fractions, counts as int. */
typedef struct {
    text_t texts[TEXTS];
    int    metrics;
    int    live;
    int    port, backlog, max_connections, max_in_flight, pipeline_window;
    int    max_request_line, max_header_bytes, max_headers, max_body, workers, debug;
    int    worker_queue, pool;
    double header_timeout, body_timeout, keepalive_timeout, write_timeout, request_timeout;
    double drain_timeout;
} raw_t;

enum { VAL_VERSION = 1, VAL_HELP, VAL_TEXT };

/* An option that may stand without a value, and wasn't given; popt makes it NULL if it stands so. */
static const char not_given[] = "";

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

static void set_defaults(raw_t *raw, const lab_info_t *info)
{
    http_options_t http;

    http_options_default(&http);
    *raw = (raw_t){
        .texts = {[TEXT_HOST].value = "127.0.0.1",
                  [TEXT_APP].value = info->default_app,
                  [TEXT_LOG_LEVEL].value = "info",
                  [TEXT_BENCH].value = not_given,
                  [TEXT_STATS].value = not_given,
                  [TEXT_ACCESS_LOG].value = not_given,
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

static const char *text(const raw_t *raw, int which)
{
    return raw->texts[which].value;
}

/* ---- Checks ---------------------------------------------------------------------------------- */

typedef struct {
    const char *lab;
    bool        failed; /* one complaint is enough */
} checks_t;

static long take(checks_t *checks, const char *option, long value, long min, long max)
{
    if (!checks->failed && (value < min || value > max)) {
        fprintf(stderr, "%s: --%s: %ld is not in %ld..%ld\n", checks->lab, option, value, min, max);
        checks->failed = true;
    }
    return value;
}

/* Seconds, at most a day, as milliseconds. `min_ms` is 1 where 0 would mean "at once". */
static uint32_t take_ms(checks_t *checks, const char *option, double seconds, double min_seconds)
{
    if (!checks->failed && !(seconds >= min_seconds && seconds <= 86400)) {
        fprintf(stderr, "%s: --%s: %g is not in %g..86400 seconds\n", checks->lab, option, seconds,
                min_seconds);
        checks->failed = true;
    }
    return checks->failed ? 0 : (uint32_t)(seconds * 1000 + 0.5);
}

static void take_string(checks_t *checks, const char *option, const char *value, char *copy,
                        size_t size)
{
    if (value == NULL || checks->failed)
        return;
    checks->failed = true;
    if (*value == '\0')
        fprintf(stderr, "%s: --%s: empty\n", checks->lab, option);
    else if ((size_t)snprintf(copy, size, "%s", value) >= size)
        fprintf(stderr, "%s: --%s: longer than %zu characters\n", checks->lab, option, size - 1);
    else
        checks->failed = false;
}

static void check_host(checks_t *checks, const char *host)
{
    struct sockaddr_in  four;
    struct sockaddr_in6 six;

    if (checks->failed || uv_ip4_addr(host, 0, &four) == 0 || uv_ip6_addr(host, 0, &six) == 0)
        return;
    fprintf(stderr, "%s: --host: %s is no numeric address such as 127.0.0.1 or ::1\n", checks->lab,
            host);
    checks->failed = true;
}

bool options_host_is_loopback(const char *host)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:127.0.0.1 */
    struct in6_addr            six;
    struct in_addr             four;

    if (uv_inet_pton(AF_INET, host, &four) == 0)
        return ntohl(four.s_addr) >> 24 == 127;
    return uv_inet_pton(AF_INET6, host, &six) == 0 &&
           (IN6_IS_ADDR_LOOPBACK(&six) ||
            (memcmp(&six, mapped, sizeof mapped) == 0 && six.s6_addr[12] == 127));
}

static log_level_t take_log_level(checks_t *checks, const char *name)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};

    for (int level = LOG_DEBUG; level <= LOG_ERROR; level++)
        if (strcmp(names[level], name) == 0)
            return (log_level_t)level;
    if (!checks->failed)
        fprintf(stderr, "%s: --log-level: %s is none of debug, info, warning, error\n", checks->lab,
                name);
    checks->failed = true;
    return LOG_INFO;
}

static isolation_t take_isolation(checks_t *checks, const char *name)
{
    for (int i = ISOLATION_THREADS; i <= ISOLATION_PROCESSES; i++)
        if (strcmp(isolation_names[i], name) == 0)
            return (isolation_t)i;
    if (!checks->failed)
        fprintf(stderr, "%s: --isolation: %s is none of threads, interpreters, processes\n",
                checks->lab, name);
    checks->failed = true;
    return ISOLATION_PROCESSES;
}

static void take_access_log(checks_t *checks, const raw_t *raw, lab_options_t *out)
{
    out->access_log = text(raw, TEXT_ACCESS_LOG) != not_given;
    if (out->access_log)
        take_string(checks, "access-log", text(raw, TEXT_ACCESS_LOG), out->access_log_file,
                    sizeof out->access_log_file);
    if (strcmp(text(raw, TEXT_ACCESS_LOG_FORMAT), "json") == 0) {
        out->access_log_format = ACCESS_LOG_JSON;
    } else if (strcmp(text(raw, TEXT_ACCESS_LOG_FORMAT), "common") != 0 && !checks->failed) {
        fprintf(stderr, "%s: --access-log-format: %s is none of common, json\n", checks->lab,
                text(raw, TEXT_ACCESS_LOG_FORMAT));
        checks->failed = true;
    }
}

static int take_bench(checks_t *checks, const char *seconds)
{
    char *end;
    long  value;

    if (seconds == not_given || checks->failed)
        return 0;
    if (seconds == NULL)
        return 5;
    value = strtol(seconds, &end, 10);
    if (end == seconds || *end != '\0') {
        fprintf(stderr, "%s: --bench: %s is no whole number of seconds\n", checks->lab, seconds);
        checks->failed = true;
    }
    return (int)take(checks, "bench", value, 1, 3600);
}

static bool check(lab_options_t *out, const raw_t *raw, const lab_info_t *info)
{
    checks_t checks = {.lab = info->name};

    *out = (lab_options_t){.debug = raw->debug, .metrics = raw->metrics, .live = raw->live};
    take_string(&checks, "host", text(raw, TEXT_HOST), out->host, sizeof out->host);
    check_host(&checks, out->host);
    take_string(&checks, "app", text(raw, TEXT_APP), out->app, sizeof out->app);
    take_string(&checks, "pin", text(raw, TEXT_PIN), out->pin, sizeof out->pin);
    take_string(&checks, "trace", text(raw, TEXT_TRACE), out->trace_file, sizeof out->trace_file);
    out->stats = text(raw, TEXT_STATS) != not_given;
    if (out->stats)
        take_string(&checks, "stats", text(raw, TEXT_STATS), out->stats_file,
                    sizeof out->stats_file);
    out->port = (int)take(&checks, "port", raw->port, 0, 65535);
    out->http.backlog = (int)take(&checks, "backlog", raw->backlog, 1, 65535);
    out->http.max_connections =
        (unsigned)take(&checks, "max-connections", raw->max_connections, 1, 1000000);
    out->http.max_in_flight =
        (unsigned)take(&checks, "max-in-flight", raw->max_in_flight, 1, 1000000);
    out->http.pipeline_window =
        (unsigned)take(&checks, "pipeline-window", raw->pipeline_window, 1, 1024);
    out->http.max_request_line =
        (size_t)take(&checks, "max-request-line", raw->max_request_line, 64, 1 << 20);
    out->http.max_header_bytes =
        (size_t)take(&checks, "max-header-bytes", raw->max_header_bytes, 64, 1 << 20);
    out->http.max_headers = (unsigned)take(&checks, "max-headers", raw->max_headers, 1, 10000);
    out->http.max_body = (size_t)take(&checks, "max-body", raw->max_body, 0, 1 << 30);
    out->http.header_timeout_ms = take_ms(&checks, "header-timeout", raw->header_timeout, 0.01);
    out->http.body_timeout_ms = take_ms(&checks, "body-timeout", raw->body_timeout, 0.01);
    out->http.keepalive_timeout_ms =
        take_ms(&checks, "keepalive-timeout", raw->keepalive_timeout, 0.01);
    out->http.write_timeout_ms = take_ms(&checks, "write-timeout", raw->write_timeout, 0.01);
    out->http.request_timeout_ms = take_ms(&checks, "request-timeout", raw->request_timeout, 0);
    out->drain_timeout_ms = take_ms(&checks, "drain-timeout", raw->drain_timeout, 0);
    out->workers = (unsigned)take(&checks, "workers", raw->workers, 1, 256);
    out->pool = (unsigned)take(&checks, "pool", raw->pool, 0, 256);
    out->worker_queue = (unsigned)take(&checks, "worker-queue", raw->worker_queue, 1, 1000000);
    out->isolation = take_isolation(&checks, text(raw, TEXT_ISOLATION));
    take_string(&checks, "worker", text(raw, TEXT_WORKER), out->worker, sizeof out->worker);
    out->bench_seconds = take_bench(&checks, text(raw, TEXT_BENCH));
    take_access_log(&checks, raw, out);
    out->log_level = take_log_level(&checks, text(raw, TEXT_LOG_LEVEL));
    return !checks.failed;
}

static void free_texts(const raw_t *raw)
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
static void own(text_t *text)
{
    free((void *)(uintptr_t)text->owned);
    text->owned = text->value;
}

/* Go through the command line. returns OPTIONS_RUN if all of it was understood */
static options_result_t read_options(poptContext context, raw_t *raw, const lab_info_t *info)
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
    raw_t             raw;
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
    if (result == OPTIONS_RUN && !check(out, &raw, info))
        result = OPTIONS_BAD;
    free_texts(&raw);
    return result;
}
