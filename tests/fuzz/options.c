/*
 * Fuzz the option parser. The input is a command line, an argument a line. Whatever it is, the
 * parser must say the same twice, and what it lets pass must lie within its documented range.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/lab/options.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_ARGS = 32, MAX_BYTES = 4096, DAY_MS = 86400 * 1000 };

static FILE *report; /* standard error, before it was taken from the parser */

/* The parser explains itself at length: into the void. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    FILE *nowhere = fopen("/dev/null", "w");

    (void)argc, (void)argv;
    if (nowhere == NULL)
        abort();
    report = stderr;
    stdout = stderr = nowhere;
    return 0;
}

static void fail(const char *what, const char *const *args, int count)
{
    stderr = report;
    fprintf(stderr, "%s\n", what);
    for (int i = 1; i < count; i++)
        fuzz_show(args[i], strlen(args[i]));
    abort();
}

/* In place of libuv's, which reads /proc for every command line. */
int uv_cpu_info(uv_cpu_info_t **infos, int *count)
{
    *infos = NULL;
    *count = 2;
    return 0;
}

void uv_free_cpu_info(uv_cpu_info_t *infos, int count)
{
    (void)infos, (void)count;
}

static bool terminated(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static const char *what_is_wrong(const lab_options_t *o)
{
    const http_options_t *http = &o->http;
    struct sockaddr_in    four;
    struct sockaddr_in6   six;

    if (!terminated(o->host, sizeof o->host) ||
        (uv_ip4_addr(o->host, 0, &four) != 0 && uv_ip6_addr(o->host, 0, &six) != 0))
        return "--host is no address";
    if (o->port < 0 || o->port > 65535)
        return "--port";
    if (!terminated(o->app, sizeof o->app) || o->app[0] == '\0')
        return "--app";
    if (!terminated(o->pin, sizeof o->pin))
        return "--pin";
    if (http->backlog < 1 || http->backlog > 65535 || http->max_connections < 1 ||
        http->max_in_flight < 1 || http->pipeline_window < 1 || http->pipeline_window > 1024)
        return "a count";
    if (http->max_request_line < 64 || http->max_header_bytes < 64 || http->max_headers < 1 ||
        http->max_headers > 10000 || http->max_body > 1 << 30)
        return "a size";
    if (http->header_timeout_ms < 1 || http->header_timeout_ms > DAY_MS ||
        http->body_timeout_ms < 1 || http->body_timeout_ms > DAY_MS ||
        http->keepalive_timeout_ms < 1 || http->keepalive_timeout_ms > DAY_MS ||
        http->write_timeout_ms < 1 || http->write_timeout_ms > DAY_MS ||
        http->request_timeout_ms > DAY_MS || o->drain_timeout_ms > DAY_MS)
        return "a time";
    if (o->workers < 1 || o->workers > 256 || o->bench_seconds < 0 || o->bench_seconds > 3600)
        return "--workers or --bench";
    return o->log_level < LOG_DEBUG || o->log_level > LOG_ERROR ? "--log-level" : NULL;
}

/* Cut `text` into arguments at its newlines. returns their number, argv[0] included */
static int cut(char *text, const char **args)
{
    int count = 0;

    args[count++] = "lab2";
    for (char *line = text; line != NULL && count < MAX_ARGS;) {
        char *end = strchr(line, '\n');

        args[count++] = line;
        if (end != NULL)
            *end++ = '\0';
        line = end;
    }
    args[count] = NULL;
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const lab_info_t info = {"lab2", "fuzzed", BRIDGE_ASYNC, "async_app:app",
                                    LAB_HAS_WORKERS};
    char                    text[MAX_BYTES];
    const char             *args[MAX_ARGS + 1], *wrong;
    lab_options_t           first, second;
    options_result_t        result;
    int                     count;

    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    count = cut(text, args);
    memset(&first, 0, sizeof first);
    memset(&second, 0, sizeof second);
    result = options_parse(&first, count, args, &info);
    if (options_parse(&second, count, args, &info) != result)
        fail("parsed again, it means something else", args, count);
    if (result != OPTIONS_RUN)
        return 0;
    if (strcmp(first.app, second.app) != 0 || strcmp(first.host, second.host) != 0 ||
        first.port != second.port || first.http.max_body != second.http.max_body ||
        first.http.header_timeout_ms != second.http.header_timeout_ms ||
        first.workers != second.workers)
        fail("parsed again, it has other values", args, count);
    wrong = what_is_wrong(&first);
    if (wrong != NULL)
        fail(wrong, args, count);
    return 0;
}
