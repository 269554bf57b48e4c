/*
 * common/lab/options.c: the command line that all labs share. Each number with its default, both ends
 * of its range and just beyond; help and version. (All other options: test_options_words.c.)
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/leaks.h"
#include "tests/support/text.h"
#include "tests/unit/lab/parsing.h"

TestSuite(lab_options, .fini = expect_no_leaks);

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
    lab_options_t options = parse_good(&plain_lab, "");

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
            options = parse_good(&plain_lab, line);
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
            parse_bad(&plain_lab, line, part);
            parse_bad(&plain_lab, line, " is not in ");
        }
}

Test(lab_options, what_is_no_number_is_refused)
{
    static const char *const values[] = {"x", "1x", "1e99", "1,000"};
    char                     line[100];

    for (int i = 0; i < NUMBERS; i++)
        for (size_t j = 0; j < sizeof values / sizeof values[0]; j++) {
            snprintf(line, sizeof line, "--%s %s", numbers[i].name, values[j]);
            parse_bad(&plain_lab, line, strcmp(values[j], "1e99") == 0 ? "1e" : values[j]);
        }
    parse_bad(&plain_lab, "--header-timeout nan",
              "--header-timeout: nan is not in 0.01..86400 seconds");
}

Test(lab_options, seconds_may_be_fractions)
{
    lab_options_t options = parse_good(&plain_lab, "--header-timeout 1.5 --drain-timeout=0.2509");

    cr_expect_eq(options.http.header_timeout_ms, 1500u);
    cr_expect_eq(options.drain_timeout_ms, 251u);
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
    parsed_t                 parsed = parse(&plain_lab, "--help");
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
    parsed_t parsed = parse(&apart_lab, "--help");

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
    parsed_t                 parsed = parse(&plain_lab, "--help");
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
    parsed_t parsed = parse(&pooled_lab, "--help");

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
        parsed_t parsed = parse(&plain_lab, cases[i].line);

        cr_expect_eq(parsed.result, cases[i].result, "%s: expected %d, seen %d", cases[i].line,
                     cases[i].result, parsed.result);
        parsed_free(&parsed);
    }
}
