/*
 * The checks on what the command line says: each value has its range, and what is wrong is said in
 * one line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/lab/options_raw.h"

static const char *text(const options_raw_t *raw, int which)
{
    return raw->texts[which].value;
}

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

/* Seconds, at most a day, as milliseconds. `min_seconds` is above 0 where 0 would mean "at once". */
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
        if (strcmp(options_isolation_name((isolation_t)i), name) == 0)
            return (isolation_t)i;
    if (!checks->failed)
        fprintf(stderr, "%s: --isolation: %s is none of threads, interpreters, processes\n",
                checks->lab, name);
    checks->failed = true;
    return ISOLATION_PROCESSES;
}

static void take_access_log(checks_t *checks, const options_raw_t *raw, lab_options_t *out)
{
    out->access_log = text(raw, TEXT_ACCESS_LOG) != options_not_given;
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

    if (seconds == options_not_given || checks->failed)
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

static void check_http(checks_t *checks, const options_raw_t *raw, http_options_t *out)
{
    out->backlog = (int)take(checks, "backlog", raw->backlog, 1, 65535);
    out->max_connections =
        (unsigned)take(checks, "max-connections", raw->max_connections, 1, 1000000);
    out->max_in_flight = (unsigned)take(checks, "max-in-flight", raw->max_in_flight, 1, 1000000);
    out->pipeline_window = (unsigned)take(checks, "pipeline-window", raw->pipeline_window, 1, 1024);
    out->max_request_line =
        (size_t)take(checks, "max-request-line", raw->max_request_line, 64, 1 << 20);
    out->max_header_bytes =
        (size_t)take(checks, "max-header-bytes", raw->max_header_bytes, 64, 1 << 20);
    out->max_headers = (unsigned)take(checks, "max-headers", raw->max_headers, 1, 10000);
    out->max_body = (size_t)take(checks, "max-body", raw->max_body, 0, 1 << 30);
    out->header_timeout_ms = take_ms(checks, "header-timeout", raw->header_timeout, 0.01);
    out->body_timeout_ms = take_ms(checks, "body-timeout", raw->body_timeout, 0.01);
    out->keepalive_timeout_ms = take_ms(checks, "keepalive-timeout", raw->keepalive_timeout, 0.01);
    out->write_timeout_ms = take_ms(checks, "write-timeout", raw->write_timeout, 0.01);
    out->request_timeout_ms = take_ms(checks, "request-timeout", raw->request_timeout, 0);
}

bool options_check(lab_options_t *out, const options_raw_t *raw, const lab_info_t *info)
{
    checks_t checks = {.lab = info->name};

    *out = (lab_options_t){.debug = raw->debug, .metrics = raw->metrics, .live = raw->live};
    take_string(&checks, "host", text(raw, TEXT_HOST), out->host, sizeof out->host);
    check_host(&checks, out->host);
    take_string(&checks, "app", text(raw, TEXT_APP), out->app, sizeof out->app);
    take_string(&checks, "pin", text(raw, TEXT_PIN), out->pin, sizeof out->pin);
    take_string(&checks, "trace", text(raw, TEXT_TRACE), out->trace_file, sizeof out->trace_file);
    out->stats = text(raw, TEXT_STATS) != options_not_given;
    if (out->stats)
        take_string(&checks, "stats", text(raw, TEXT_STATS), out->stats_file,
                    sizeof out->stats_file);
    out->port = (int)take(&checks, "port", raw->port, 0, 65535);
    check_http(&checks, raw, &out->http);
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
