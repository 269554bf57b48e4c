/*
 * common/lab/options.c, continued: the options that are no numbers, those that only some labs have, and
 * what isn't understood. What is wrong is said in one line that names lab and option.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/leaks.h"
#include "tests/unit/lab/parsing.h"

TestSuite(lab_option_words, .fini = expect_no_leaks);

Test(lab_option_words, takes_strings_and_flags)
{
    lab_options_t options = parse_good(&plain_lab, "--host ::1 --app=m:o --pin 0,2-3 --debug");

    cr_expect_str_eq(options.host, "::1");
    cr_expect_str_eq(options.app, "m:o");
    cr_expect_str_eq(options.pin, "0,2-3");
    cr_expect(options.debug);
}

Test(lab_option_words, the_last_of_equal_options_counts)
{
    lab_options_t options = parse_good(&plain_lab, "--port 1 --max-body=7 --port 2 --max-body 8");

    cr_expect_eq(options.port, 2);
    cr_expect_eq(options.http.max_body, 8u);
}

/* libpopt makes a copy of each; those of the others must not be left behind. */
Test(lab_option_words, the_last_of_equal_texts_counts)
{
    lab_options_t options =
        parse_good(&plain_lab, "--app=a:b --app=c:d --host=::1 --host 127.0.0.2 --stats=x --stats "
                               "--bench=3 --bench=4 --access-log --access-log=y --app=e:f");

    cr_expect_str_eq(options.app, "e:f");
    cr_expect_str_eq(options.host, "127.0.0.2");
    cr_expect_str_eq(options.stats_file, "");
    cr_expect_eq(options.bench_seconds, 4);
    cr_expect_str_eq(options.access_log_file, "y");
}

Test(lab_option_words, strings_are_refused_where_they_would_be_cut)
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
                parse_good(&plain_lab, line);
            else
                parse_bad(&plain_lab, line, ": longer than ");
        }
}

Test(lab_option_words, log_levels_have_four_names)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    char                     line[40];

    for (int i = 0; i < 4; i++) {
        lab_options_t options;

        snprintf(line, sizeof line, "--log-level=%s", levels[i]);
        options = parse_good(&plain_lab, line);
        cr_expect_eq((int)options.log_level, i, "%s is %d", line, (int)options.log_level);
    }
    parse_bad(&plain_lab, "--log-level=INFO",
              "--log-level: INFO is none of debug, info, warning, error");
    parse_bad(&plain_lab, "--log-level=", "--log-level:  is none of");
}

Test(lab_option_words, stats_takes_a_file_or_none)
{
    static char   too_long[1100] = "--stats=";
    lab_options_t options = parse_good(&plain_lab, "");

    cr_expect(!options.stats && options.stats_file[0] == '\0' && options.trace_file[0] == '\0',
              "neither is on unless asked for");
    options = parse_good(&plain_lab, "--stats --trace=t.json");
    cr_expect(options.stats && options.stats_file[0] == '\0', "text");
    cr_expect_str_eq(options.trace_file, "t.json");
    options = parse_good(&plain_lab, "--stats=s.json");
    cr_expect(options.stats && strcmp(options.stats_file, "s.json") == 0, "a file");
    memset(too_long + 8, 'x', 1024);
    parse_bad(&plain_lab, too_long, "--stats: longer than 1023 characters");
    parse_bad(&plain_lab, "--stats=", "--stats: empty");
    parse_bad(&plain_lab, "--trace=", "--trace: empty");
    parse_bad(&plain_lab, "--trace", "--trace");
}

Test(lab_option_words, bench_takes_seconds_or_none)
{
    cr_expect_eq(parse_good(&plain_lab, "--bench").bench_seconds, 5);
    cr_expect_eq(parse_good(&plain_lab, "--bench --debug").bench_seconds, 5);
    cr_expect_eq(parse_good(&plain_lab, "--bench=1").bench_seconds, 1);
    cr_expect_eq(parse_good(&plain_lab, "--bench=3600").bench_seconds, 3600);
    parse_bad(&plain_lab, "--bench=0", "--bench: 0 is not in 1..3600");
    parse_bad(&plain_lab, "--bench=3601", "--bench: 3601 is not in 1..3600");
    parse_bad(&plain_lab, "--bench=1.5", "--bench: 1.5 is no whole number of seconds");
    parse_bad(&plain_lab, "--bench=x", "--bench: x is no whole number of seconds");
    parse_bad(&plain_lab, "--bench=", "--bench:  is no whole number of seconds");
}

Test(lab_option_words, an_access_log_goes_to_a_file_or_to_standard_output)
{
    lab_options_t options = parse_good(&plain_lab, "--access-log --debug");

    cr_expect(options.access_log && options.access_log_file[0] == '\0');
    options =
        parse_good(&plain_lab, "--access-log=/tmp/log --access-log-format=json --metrics --live");
    cr_expect(options.access_log && options.access_log_format == ACCESS_LOG_JSON &&
              options.metrics && options.live);
    cr_expect_str_eq(options.access_log_file, "/tmp/log");
    cr_expect(!parse_good(&plain_lab, "--access-log-format=common").access_log);
    parse_bad(&plain_lab, "--access-log=", "--access-log: empty");
    parse_bad(&plain_lab, "--access-log-format=JSON",
              "--access-log-format: JSON is none of common, json");
    parse_bad(&plain_lab, "--metrics=1", "--metrics");
    parse_bad(&plain_lab, "--live=1", "--live");
}

Test(lab_option_words, know_which_hosts_only_this_machine_can_reach)
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

Test(lab_option_words, workers_are_only_where_there_is_a_pool)
{
    uv_cpu_info_t *cpus;
    int            count = 0;
    lab_options_t  options = parse_good(&pooled_lab, "");

    cr_assert_eq(uv_cpu_info(&cpus, &count), 0);
    uv_free_cpu_info(cpus, count);
    cr_expect_eq(options.workers, 2 * (unsigned)count, "by default 2 per CPU: %u for %d CPUs",
                 options.workers, count);
    cr_expect_eq(parse_good(&pooled_lab, "--workers 1").workers, 1u);
    cr_expect_eq(parse_good(&pooled_lab, "--workers=256").workers, 256u);
    parse_bad(&pooled_lab, "--workers=0", "--workers: 0 is not in 1..256");
    parse_bad(&pooled_lab, "--workers=257", "--workers: 257 is not in 1..256");
    parse_bad(&plain_lab, "--workers=8", "--workers=8: unknown option; try --help");
    cr_expect_eq(options.worker_queue, 2500u);
    cr_expect_eq(parse_good(&pooled_lab, "--worker-queue=1").worker_queue, 1u);
    cr_expect_eq(parse_good(&pooled_lab, "--worker-queue=1000000").worker_queue, 1000000u);
    parse_bad(&pooled_lab, "--worker-queue=0", "--worker-queue: 0 is not in 1..1000000");
    parse_bad(&pooled_lab, "--worker-queue=1000001",
              "--worker-queue: 1000001 is not in 1..1000000");
    parse_bad(&plain_lab, "--worker-queue=8", "--worker-queue=8: unknown option; try --help");
}

Test(lab_option_words, a_pool_of_threads_is_only_where_handlers_may_block)
{
    cr_expect_eq(parse_good(&threaded_lab, "").pool, 0u, "by default there is none");
    cr_expect_eq(parse_good(&threaded_lab, "--pool 1").pool, 1u);
    cr_expect_eq(parse_good(&threaded_lab, "--pool=256").pool, 256u);
    parse_bad(&threaded_lab, "--pool=257", "--pool: 257 is not in 0..256");
    parse_bad(&threaded_lab, "--pool=-1", "--pool: -1 is not in 0..256");
    parse_bad(&threaded_lab, "--workers=8", "--workers=8: unknown option; try --help");
    parse_bad(&plain_lab, "--pool=8", "--pool=8: unknown option; try --help");
}

Test(lab_option_words, isolation_is_one_of_three)
{
    static const char *const names[] = {"threads", "interpreters", "processes"};

    for (int i = ISOLATION_THREADS; i <= ISOLATION_PROCESSES; i++) {
        char option[32];

        snprintf(option, sizeof option, "--isolation=%s", names[i]);
        cr_expect_eq((int)parse_good(&apart_lab, option).isolation, i, "%s", option);
        cr_expect_str_eq(options_isolation_name((isolation_t)i), names[i]);
    }
    parse_bad(&apart_lab, "--isolation=none",
              "--isolation: none is none of threads, interpreters, processes");
    cr_expect_eq(parse_good(&apart_lab, "").workers, uv_available_parallelism());
    cr_expect_eq(parse_good(&apart_lab, "--workers=256").workers, 256u);
    parse_bad(&apart_lab, "--workers=0", "--workers: 0 is not in 1..256");
    cr_expect_str_eq(parse_good(&apart_lab, "").worker, "", "nobody is a worker by default");
    parse_bad(&plain_lab, "--isolation=threads", "--isolation");
}

Test(lab_option_words, what_is_not_understood_is_refused)
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
        parse_bad(&plain_lab, cases[i].line, cases[i].part);
}

Test(lab_option_words, only_the_first_complaint_is_made)
{
    parse_bad(&plain_lab, "--port=-1 --backlog=0 --header-timeout=0 --log-level=x --bench=x",
              "--port");
}
