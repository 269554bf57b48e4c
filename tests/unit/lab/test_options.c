/*
 * common/lab/options.c: the command line that all labs share. Each option with its default, both
 * ends of its range and just beyond; what is wrong is said in one line that names lab and option.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/lab/options.h"
#include "tests/support/capture.h"
#include "tests/support/leaks.h"
#include "tests/support/text.h"

TestSuite(lab_options, .fini = expect_no_leaks);

enum { MAX_ARGS = 16 };

static const lab_info_t plain = {.name = "lab_x",
                                 .summary = "a lab for tests",
                                 .handlers = BRIDGE_SYNC,
                                 .default_app = "sync_app:app"};
static const lab_info_t pooled = {.name = "lab_y",
                                  .summary = "a lab with workers",
                                  .handlers = BRIDGE_ASYNC,
                                  .default_app = "async_app:app",
                                  .options = LAB_HAS_WORKERS};

static const lab_info_t threaded = {.name = "lab_z",
                                    .summary = "a lab with threads for handlers",
                                    .handlers = BRIDGE_SYNC,
                                    .default_app = "sync_app:app",
                                    .options = LAB_HAS_POOL};

static const lab_info_t apart = {.name = "lab_w",
                                 .summary = "a lab with workers that share nothing",
                                 .handlers = BRIDGE_EITHER,
                                 .default_app = "async_app:app",
                                 .options = LAB_HAS_ISOLATION};

/* What came of a command line: the result, the options, and what was printed. */
typedef struct {
    options_result_t result;
    lab_options_t    options;
    char            *out, *err;
} parsed_t;

/* Parse "--a=1 --b"; arguments are separated by one space ("''" stands for an empty one). */
static parsed_t parse(const lab_info_t *info, const char *line)
{
    parsed_t    parsed;
    char       *copy = strdup(line), *rest = copy, *word;
    const char *argv[MAX_ARGS] = {info->name};
    int         argc = 1;
    capture_t   out, err;

    cr_assert_not_null(copy);
    while ((word = strsep(&rest, " ")) != NULL && argc < MAX_ARGS - 1)
        if (*word != '\0')
            argv[argc++] = strcmp(word, "''") == 0 ? "" : word;
    capture_begin(&out, 1);
    capture_begin(&err, 2);
    parsed.result = options_parse(&parsed.options, argc, argv, info);
    parsed.err = capture_end(&err);
    parsed.out = capture_end(&out);
    free(copy);
    return parsed;
}

static void parsed_free(parsed_t *parsed)
{
    free(parsed->out);
    free(parsed->err);
}

/* Parse, expecting OPTIONS_RUN and silence. */
static lab_options_t parse_good(const lab_info_t *info, const char *line)
{
    parsed_t parsed = parse(info, line);

    cr_expect(parsed.result == OPTIONS_RUN && *parsed.err == '\0' && *parsed.out == '\0',
              "%s: expected OPTIONS_RUN without a word, seen %d and %s%s", line, parsed.result,
              parsed.err, parsed.out);
    parsed_free(&parsed);
    return parsed.options;
}

/* Parse, expecting OPTIONS_BAD and one line that says `part`. */
static void parse_bad(const lab_info_t *info, const char *line, const char *part)
{
    parsed_t parsed = parse(info, line);

    cr_expect(parsed.result == OPTIONS_BAD, "%s: expected OPTIONS_BAD, seen %d", line,
              parsed.result);
    cr_expect(strstr(parsed.err, part) != NULL && count_of(parsed.err, "\n") == 1 &&
                  strncmp(parsed.err, info->name, strlen(info->name)) == 0,
              "%s\n  expected one line of %s: ...%s\n  seen %s", line, info->name, part,
              parsed.err);
    parsed_free(&parsed);
}

/* ---- Numbers --------------------------------------------------------------------------------- */

/* A numeric option: where it goes, its default and its range as one writes them, and in the struct. */
typedef struct {
    const char *name;
    size_t      at, size; /* in lab_options_t */
    const char *least, *most, *below, *beyond;
    double      default_value, least_value, most_value;
} number_t;

#define AT(field) offsetof(lab_options_t, field), sizeof(((lab_options_t *)0)->field)

static const number_t numbers[] = {
    {"port", AT(port), "0", "65535", "-1", "65536", 8000, 0, 65535},
    {"backlog", AT(http.backlog), "1", "65535", "0", "65536", 1024, 1, 65535},
    {"max-connections", AT(http.max_connections), "1", "1000000", "0", "1000001", 10000, 1, 1e6},
    {"max-in-flight", AT(http.max_in_flight), "1", "1000000", "0", "1000001", 10000, 1, 1e6},
    {"pipeline-window", AT(http.pipeline_window), "1", "1024", "0", "1025", 32, 1, 1024},
    {"max-request-line", AT(http.max_request_line), "64", "1048576", "63", "1048577", 8192, 64,
     1048576},
    {"max-header-bytes", AT(http.max_header_bytes), "64", "1048576", "63", "1048577", 16384, 64,
     1048576},
    {"max-headers", AT(http.max_headers), "1", "10000", "0", "10001", 100, 1, 10000},
    {"max-body", AT(http.max_body), "0", "1073741824", "-1", "1073741825", 1048576, 0, 1073741824},
    {"header-timeout", AT(http.header_timeout_ms), "0.01", "86400", "0", "86400.1", 10000, 10,
     86400000},
    {"body-timeout", AT(http.body_timeout_ms), "0.01", "86400", "0.009", "86401", 30000, 10,
     86400000},
    {"keepalive-timeout", AT(http.keepalive_timeout_ms), "0.01", "86400", "0", "86401", 60000, 10,
     86400000},
    {"write-timeout", AT(http.write_timeout_ms), "0.01", "86400", "-1", "1e9", 30000, 10, 86400000},
    {"request-timeout", AT(http.request_timeout_ms), "0", "86400", "-0.1", "86401", 0, 0, 86400000},
    {"drain-timeout", AT(drain_timeout_ms), "0", "86400", "-1", "inf", 10000, 0, 86400000},
};

enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

static double field(const lab_options_t *options, const number_t *number)
{
    const char *at = (const char *)options + number->at;
    uint32_t    small;
    size_t      large;

    if (number->size == sizeof small) {
        memcpy(&small, at, sizeof small);
        return small;
    }
    memcpy(&large, at, sizeof large);
    return (double)large;
}

static void check_field(const lab_options_t *options, const number_t *number, const char *line,
                        double expected)
{
    cr_expect(field(options, number) == expected, "%s: --%s expected as %.0f, seen %.0f", line,
              number->name, expected, field(options, number));
}

Test(lab_options, have_the_promised_defaults)
{
    lab_options_t options = parse_good(&plain, "");

    for (int i = 0; i < NUMBERS; i++)
        check_field(&options, &numbers[i], "no options", numbers[i].default_value);
    cr_expect_str_eq(options.host, "127.0.0.1");
    cr_expect_str_eq(options.app, "sync_app:app");
    cr_expect_str_eq(options.pin, "");
    cr_expect(!options.debug && options.bench_seconds == 0 && options.log_level == LOG_INFO);
    cr_expect(!options.access_log && options.access_log_format == ACCESS_LOG_COMMON &&
              !options.metrics && !options.live);
}

Test(lab_options, numbers_reach_both_ends_of_their_range)
{
    char line[100];

    for (int i = 0; i < NUMBERS; i++) {
        const number_t *number = &numbers[i];
        lab_options_t   options;

        for (int end = 0; end < 2; end++) {
            snprintf(line, sizeof line, "--%s%s%s", number->name, end == 0 ? "=" : " ",
                     end == 0 ? number->least : number->most);
            options = parse_good(&plain, line);
            check_field(&options, number, line,
                        end == 0 ? number->least_value : number->most_value);
            for (int other = 0; other < NUMBERS; other++)
                if (other != i)
                    check_field(&options, &numbers[other], line, numbers[other].default_value);
        }
    }
}

Test(lab_options, numbers_beyond_their_range_are_refused)
{
    char line[100], part[100];

    for (int i = 0; i < NUMBERS; i++)
        for (int end = 0; end < 2; end++) {
            snprintf(line, sizeof line, "--%s=%s", numbers[i].name,
                     end == 0 ? numbers[i].below : numbers[i].beyond);
            snprintf(part, sizeof part, ": --%s: ", numbers[i].name);
            parse_bad(&plain, line, part);
            parse_bad(&plain, line, " is not in ");
        }
}

Test(lab_options, what_is_no_number_is_refused)
{
    static const char *const values[] = {"x", "1x", "1e99", "1,000"};
    char                     line[100];

    for (int i = 0; i < NUMBERS; i++)
        for (size_t j = 0; j < sizeof values / sizeof values[0]; j++) {
            snprintf(line, sizeof line, "--%s %s", numbers[i].name, values[j]);
            parse_bad(&plain, line, strcmp(values[j], "1e99") == 0 ? "1e" : values[j]);
        }
    parse_bad(&plain, "--header-timeout nan",
              "--header-timeout: nan is not in 0.01..86400 seconds");
}

Test(lab_options, seconds_may_be_fractions)
{
    lab_options_t options = parse_good(&plain, "--header-timeout 1.5 --drain-timeout=0.2509");

    cr_expect_eq(options.http.header_timeout_ms, 1500u);
    cr_expect_eq(options.drain_timeout_ms, 251u);
}

/* ---- The others ------------------------------------------------------------------------------ */

Test(lab_options, takes_strings_and_flags)
{
    lab_options_t options = parse_good(&plain, "--host ::1 --app=m:o --pin 0,2-3 --debug");

    cr_expect_str_eq(options.host, "::1");
    cr_expect_str_eq(options.app, "m:o");
    cr_expect_str_eq(options.pin, "0,2-3");
    cr_expect(options.debug);
}

Test(lab_options, the_last_of_equal_options_counts)
{
    lab_options_t options = parse_good(&plain, "--port 1 --max-body=7 --port 2 --max-body 8");

    cr_expect_eq(options.port, 2);
    cr_expect_eq(options.http.max_body, 8u);
}

/* libpopt makes a copy of each; those of the others must not be left behind. */
Test(lab_options, the_last_of_equal_texts_counts)
{
    lab_options_t options =
        parse_good(&plain, "--app=a:b --app=c:d --host=::1 --host 127.0.0.2 --stats=x --stats "
                           "--bench=3 --bench=4 --access-log --access-log=y --app=e:f");

    cr_expect_str_eq(options.app, "e:f");
    cr_expect_str_eq(options.host, "127.0.0.2");
    cr_expect_str_eq(options.stats_file, "");
    cr_expect_eq(options.bench_seconds, 4);
    cr_expect_str_eq(options.access_log_file, "y");
}

Test(lab_options, strings_are_refused_where_they_would_be_cut)
{
    static const struct {
        const char *name;
        size_t      longest;
    } cases[] = {{"app", 255}, {"pin", 255}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t extra = 0; extra < 2; extra++) {
            char line[400];
            int  len = snprintf(line, sizeof line, "--%s=", cases[i].name);

            memset(line + len, 'a', cases[i].longest + extra);
            line[(size_t)len + cases[i].longest + extra] = '\0';
            if (extra == 0)
                parse_good(&plain, line);
            else
                parse_bad(&plain, line, ": longer than ");
        }
}

Test(lab_options, log_levels_have_four_names)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    char                     line[40];

    for (int i = 0; i < 4; i++) {
        lab_options_t options;

        snprintf(line, sizeof line, "--log-level=%s", levels[i]);
        options = parse_good(&plain, line);
        cr_expect_eq((int)options.log_level, i, "%s is %d", line, (int)options.log_level);
    }
    parse_bad(&plain, "--log-level=INFO",
              "--log-level: INFO is none of debug, info, warning, error");
    parse_bad(&plain, "--log-level=", "--log-level:  is none of");
}

Test(lab_options, stats_takes_a_file_or_none)
{
    static char   too_long[1100] = "--stats=";
    lab_options_t options = parse_good(&plain, "");

    cr_expect(!options.stats && options.stats_file[0] == '\0' && options.trace_file[0] == '\0',
              "neither is on unless asked for");
    options = parse_good(&plain, "--stats --trace=t.json");
    cr_expect(options.stats && options.stats_file[0] == '\0', "text");
    cr_expect_str_eq(options.trace_file, "t.json");
    options = parse_good(&plain, "--stats=s.json");
    cr_expect(options.stats && strcmp(options.stats_file, "s.json") == 0, "a file");
    memset(too_long + 8, 'x', 1024);
    parse_bad(&plain, too_long, "--stats: longer than 1023 characters");
    parse_bad(&plain, "--stats=", "--stats: empty");
    parse_bad(&plain, "--trace=", "--trace: empty");
    parse_bad(&plain, "--trace", "--trace");
}

Test(lab_options, bench_takes_seconds_or_none)
{
    cr_expect_eq(parse_good(&plain, "--bench").bench_seconds, 5);
    cr_expect_eq(parse_good(&plain, "--bench --debug").bench_seconds, 5);
    cr_expect_eq(parse_good(&plain, "--bench=1").bench_seconds, 1);
    cr_expect_eq(parse_good(&plain, "--bench=3600").bench_seconds, 3600);
    parse_bad(&plain, "--bench=0", "--bench: 0 is not in 1..3600");
    parse_bad(&plain, "--bench=3601", "--bench: 3601 is not in 1..3600");
    parse_bad(&plain, "--bench=1.5", "--bench: 1.5 is no whole number of seconds");
    parse_bad(&plain, "--bench=x", "--bench: x is no whole number of seconds");
    parse_bad(&plain, "--bench=", "--bench:  is no whole number of seconds");
}

Test(lab_options, an_access_log_goes_to_a_file_or_to_standard_output)
{
    lab_options_t options = parse_good(&plain, "--access-log --debug");

    cr_expect(options.access_log && options.access_log_file[0] == '\0');
    options = parse_good(&plain, "--access-log=/tmp/log --access-log-format=json --metrics --live");
    cr_expect(options.access_log && options.access_log_format == ACCESS_LOG_JSON &&
              options.metrics && options.live);
    cr_expect_str_eq(options.access_log_file, "/tmp/log");
    cr_expect(!parse_good(&plain, "--access-log-format=common").access_log);
    parse_bad(&plain, "--access-log=", "--access-log: empty");
    parse_bad(&plain, "--access-log-format=JSON",
              "--access-log-format: JSON is none of common, json");
    parse_bad(&plain, "--metrics=1", "--metrics");
    parse_bad(&plain, "--live=1", "--live");
}

Test(lab_options, know_which_hosts_only_this_machine_can_reach)
{
    static const char *const loopback[] = {"127.0.0.1", "127.1.2.3", "::1", "0:0:0:0:0:0:0:1",
                                           "::ffff:127.0.0.1"};
    static const char *const open[] = {"0.0.0.0",     "::",  "192.0.2.1",       "128.0.0.1",
                                       "2001:db8::1", "::2", "::ffff:192.0.2.1"};

    for (size_t i = 0; i < sizeof loopback / sizeof loopback[0]; i++)
        cr_expect(options_host_is_loopback(loopback[i]), "%s", loopback[i]);
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
        cr_expect(!options_host_is_loopback(open[i]), "%s", open[i]);
}

Test(lab_options, workers_are_only_where_there_is_a_pool)
{
    uv_cpu_info_t *cpus;
    int            count = 0;
    lab_options_t  options = parse_good(&pooled, "");

    cr_assert_eq(uv_cpu_info(&cpus, &count), 0);
    uv_free_cpu_info(cpus, count);
    cr_expect_eq(options.workers, 2 * (unsigned)count, "by default 2 per CPU: %u for %d CPUs",
                 options.workers, count);
    cr_expect_eq(parse_good(&pooled, "--workers 1").workers, 1u);
    cr_expect_eq(parse_good(&pooled, "--workers=256").workers, 256u);
    parse_bad(&pooled, "--workers=0", "--workers: 0 is not in 1..256");
    parse_bad(&pooled, "--workers=257", "--workers: 257 is not in 1..256");
    parse_bad(&plain, "--workers=8", "--workers=8: unknown option; try --help");
    cr_expect_eq(options.worker_queue, 2500u);
    cr_expect_eq(parse_good(&pooled, "--worker-queue=1").worker_queue, 1u);
    cr_expect_eq(parse_good(&pooled, "--worker-queue=1000000").worker_queue, 1000000u);
    parse_bad(&pooled, "--worker-queue=0", "--worker-queue: 0 is not in 1..1000000");
    parse_bad(&pooled, "--worker-queue=1000001", "--worker-queue: 1000001 is not in 1..1000000");
    parse_bad(&plain, "--worker-queue=8", "--worker-queue=8: unknown option; try --help");
}

Test(lab_options, a_pool_of_threads_is_only_where_handlers_may_block)
{
    cr_expect_eq(parse_good(&threaded, "").pool, 0u, "by default there is none");
    cr_expect_eq(parse_good(&threaded, "--pool 1").pool, 1u);
    cr_expect_eq(parse_good(&threaded, "--pool=256").pool, 256u);
    parse_bad(&threaded, "--pool=257", "--pool: 257 is not in 0..256");
    parse_bad(&threaded, "--pool=-1", "--pool: -1 is not in 0..256");
    parse_bad(&threaded, "--workers=8", "--workers=8: unknown option; try --help");
    parse_bad(&plain, "--pool=8", "--pool=8: unknown option; try --help");
}

Test(lab_options, isolation_is_one_of_three)
{
    static const char *const names[] = {"threads", "interpreters", "processes"};

    for (int i = ISOLATION_THREADS; i <= ISOLATION_PROCESSES; i++) {
        char option[32];

        snprintf(option, sizeof option, "--isolation=%s", names[i]);
        cr_expect_eq((int)parse_good(&apart, option).isolation, i, "%s", option);
        cr_expect_str_eq(options_isolation_name((isolation_t)i), names[i]);
    }
    parse_bad(&apart, "--isolation=none",
              "--isolation: none is none of threads, interpreters, processes");
    cr_expect_eq(parse_good(&apart, "").workers, uv_available_parallelism());
    cr_expect_eq(parse_good(&apart, "--workers=256").workers, 256u);
    parse_bad(&apart, "--workers=0", "--workers: 0 is not in 1..256");
    cr_expect_str_eq(parse_good(&apart, "").worker, "", "nobody is a worker by default");
    parse_bad(&plain, "--isolation=threads", "--isolation");
}

Test(lab_options, what_is_not_understood_is_refused)
{
    static const struct {
        const char *line, *part;
    } cases[] = {
        {"--no-such", "--no-such: unknown option; try --help"},
        {"--no-such=1", "--no-such"},
        {"-p 80", "-p: unknown option; try --help"},
        {"--port", "--port: missing argument; try --help"},
        {"--host", "--host: missing argument; try --help"},
        {"stray", "unexpected argument: stray; try --help"},
        {"--port 80 stray", "unexpected argument: stray"},
        {"-- --port", "unexpected argument: --port"},
        {"--debug=1", "--debug"},
        {"--host localhost", "--host: localhost is no numeric address such as 127.0.0.1 or ::1"},
        {"--host 127.0.0.256", "--host: 127.0.0.256 is no numeric address"},
        {"--host=", "--host: empty"},
        {"--host=0000000000000000000000000000000000000000000000000000000000000001",
         "--host: longer than 63 characters"},
        {"--app=", "--app: empty"},
        {"--pin=", "--pin: empty"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        parse_bad(&plain, cases[i].line, cases[i].part);
}

Test(lab_options, only_the_first_complaint_is_made)
{
    parse_bad(&plain, "--port=-1 --backlog=0 --header-timeout=0 --log-level=x --bench=x", "--port");
}

/* ---- Help and version ------------------------------------------------------------------------ */

Test(lab_options, help_lists_every_option_with_its_default)
{
    static const char *const flags[] = {"--debug",
                                        "--bench",
                                        "--pin",
                                        "--version",
                                        "--help",
                                        "--access-log[=FILE]",
                                        "--access-log-format=FORMAT",
                                        "--metrics",
                                        "--live",
                                        "USR1"};
    parsed_t                 parsed = parse(&plain, "--help");
    char                     part[100];

    cr_expect(parsed.result == OPTIONS_HELP && *parsed.err == '\0');
    for (int i = 0; i < NUMBERS; i++) {
        const char *at;

        snprintf(part, sizeof part, "--%s=", numbers[i].name);
        at = strstr(parsed.out, part);
        cr_expect(at != NULL && strstr(at, "(default: ") != NULL, "%s with its default in\n%s",
                  part, parsed.out);
    }
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        cr_expect(count_of(parsed.out, flags[i]) >= 1, "%s in\n%s", flags[i], parsed.out);
    cr_expect(strstr(parsed.out, "a lab for tests") != NULL, "the summary in\n%s", parsed.out);
    cr_expect(strstr(parsed.out, "--workers") == NULL, "no --workers in\n%s", parsed.out);
    parsed_free(&parsed);
}

Test(lab_options, help_says_which_limits_each_worker_has_for_itself)
{
    parsed_t parsed = parse(&apart, "--help");

    cr_expect(strstr(parsed.out, "limits of") != NULL && strstr(parsed.out, "viewers of") != NULL,
              "in\n%s", parsed.out);
    parsed_free(&parsed);
}

/* popt breaks lines, so the defaults are looked for in the text without its white space. */
Test(lab_options, help_shows_the_values_of_the_defaults)
{
    static const char *const defaults[] = {"--host=ADDRESS",   "(default:\"127.0.0.1\")",
                                           "(default:8000)",   "(default:1024)",
                                           "\"sync_app:app\"", "(default:\"info\")",
                                           "(default:10000)",  "(default:32)",
                                           "(default:8192)",   "(default:16384)",
                                           "(default:100)",    "(default:1048576)",
                                           "(default:10)",     "(default:30)",
                                           "(default:60)",     "(default:0)"};
    parsed_t                 parsed = parse(&plain, "--help");
    char                    *to = parsed.out;

    for (const char *from = parsed.out; *from != '\0'; from++)
        if (*from != ' ' && *from != '\n')
            *to++ = *from;
    *to = '\0';
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
        cr_expect(strstr(parsed.out, defaults[i]) != NULL, "%s in\n%s", defaults[i], parsed.out);
    parsed_free(&parsed);
}

Test(lab_options, help_of_a_pool_lists_workers)
{
    parsed_t parsed = parse(&pooled, "--help");

    cr_expect(parsed.result == OPTIONS_HELP && strstr(parsed.out, "--workers=COUNT") != NULL &&
                  strstr(parsed.out, "--worker-queue=COUNT") != NULL,
              "seen %s", parsed.out);
    parsed_free(&parsed);
}

Test(lab_options, version_and_help_win_over_what_follows)
{
    static const struct {
        const char      *line;
        options_result_t result;
    } cases[] = {
        {"--version", OPTIONS_VERSION},    {"--version --port=x", OPTIONS_VERSION},
        {"--help stray", OPTIONS_HELP},    {"--port=0 --version", OPTIONS_VERSION},
        {"--no-such --help", OPTIONS_BAD},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        parsed_t parsed = parse(&plain, cases[i].line);

        cr_expect_eq(parsed.result, cases[i].result, "%s: expected %d, seen %d", cases[i].line,
                     cases[i].result, parsed.result);
        parsed_free(&parsed);
    }
}
