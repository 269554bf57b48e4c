/* wrk_parse() of common/lab/self_bench.c: wrk's report, whole, with errors, odd, and damaged. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/lab/self_bench.h"

static const char whole[] = "Running 5s test @ http://127.0.0.1:8000\n"
                            "  1 threads and 100 connections\n"
                            "  Thread Stats   Avg      Stdev     Max   +/- Stdev\n"
                            "    Latency     1.53ms  218.21us   5.68ms   85.21%\n"
                            "    Req/Sec    65.32k     2.11k   70.10k    72.00%\n"
                            "  Latency Distribution\n"
                            "     50%    1.49ms\n"
                            "     75%    1.60ms\n"
                            "     90%    1.75ms\n"
                            "     99%    2.20ms\n"
                            "  325123 requests in 5.01s, 41.24MB read\n"
                            "Requests/sec:  64894.12\n"
                            "Transfer/sec:      8.23MB\n";

static void check_number(const char *name, double seen, double expected)
{
    cr_expect(seen > expected - 0.001 && seen < expected + 0.001, "%s: expected %g, seen %g", name,
              expected, seen);
}

Test(lab_wrk_parse, reads_a_whole_report)
{
    wrk_result_t seen;

    cr_assert(wrk_parse(whole, &seen));
    check_number("requests", seen.requests, 325123);
    check_number("per_second", seen.per_second, 64894.12);
    check_number("mean_us", seen.mean_us, 1530);
    check_number("p50_us", seen.p50_us, 1490);
    check_number("p99_us", seen.p99_us, 2200);
    check_number("bad_answers", seen.bad_answers, 0);
    check_number("socket_errors", seen.socket_errors, 0);
}

/* The report with `old` replaced, on the heap. */
static char *with(const char *old, const char *new)
{
    const char *at = strstr(whole, old);
    char       *text;

    cr_assert_not_null(at, "%s isn't in the report", old);
    cr_assert(asprintf(&text, "%.*s%s%s", (int)(at - whole), whole, new, at + strlen(old)) > 0);
    return text;
}

Test(lab_wrk_parse, reads_every_unit_of_time)
{
    static const struct {
        const char *median, *tail;
        double      p50_us, p99_us;
    } cases[] = {
        {"  50%  812.00us", "  99%    1.00ms", 812, 1000},
        {"  50%    1.49s ", "  99%    2.00s ", 1490000, 2000000},
        {"  50%    1.02m ", "  99%    1.50m ", 61200000, 90000000},
        {"  50%    0.00us", "  99%    0.00us", 0, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char        *text = with("  50%    1.49ms", cases[i].median), *tail;
        wrk_result_t seen;

        tail = strstr(text, "  99%    2.20ms");
        memcpy(tail, cases[i].tail, strlen(cases[i].tail));
        cr_expect(wrk_parse(text, &seen), "%s", text);
        check_number(cases[i].median, seen.p50_us, cases[i].p50_us);
        check_number(cases[i].tail, seen.p99_us, cases[i].p99_us);
        free(text);
    }
}

/* Shares of the "+/- Stdev" column look like percentiles. */
Test(lab_wrk_parse, is_not_misled_by_other_percentages)
{
    static const char *const shares[] = {"85.50%", "85.99%", "50%", "99%", "150%"};

    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        char        *text = with("85.21%", shares[i]);
        wrk_result_t seen;

        cr_expect(wrk_parse(text, &seen), "with %s in the column of deviations", shares[i]);
        check_number(shares[i], seen.p50_us, 1490);
        check_number(shares[i], seen.p99_us, 2200);
        free(text);
    }
}

Test(lab_wrk_parse, counts_errors)
{
    char *text = with("Requests/sec:", "  Socket errors: connect 1, read 20, write 300, timeout "
                                       "4000\n  Non-2xx or 3xx responses: 17\nRequests/sec:");
    wrk_result_t seen;

    cr_assert(wrk_parse(text, &seen));
    check_number("socket_errors", seen.socket_errors, 4321);
    check_number("bad_answers", seen.bad_answers, 17);
    check_number("requests", seen.requests, 325123);
    free(text);
}

Test(lab_wrk_parse, refuses_what_is_no_report)
{
    static const char *const texts[] = {"", "\n",
                                        "unable to connect to 127.0.0.1:8000 Connection refused\n",
                                        " requests in ", "50% 99% Requests/sec: requests in"};
    wrk_result_t             seen;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        cr_expect_not(wrk_parse(texts[i], &seen), "'%s' is no report", texts[i]);
}

Test(lab_wrk_parse, refuses_a_report_with_a_line_missing_or_without_its_number)
{
    static const struct {
        const char *old, *new;
    } cases[] = {
        {"     50%    1.49ms\n", ""},
        {"     99%    2.20ms\n", ""},
        {"50%    1.49ms", "50%    ms"},
        {"50%    1.49ms", "50%    1.49"},
        {"50%    1.49ms", "50%    -"},
        {"325123 requests in", "many requests in"},
        {"  325123 requests in 5.01s, 41.24MB read\n", ""},
        {"Requests/sec:  64894.12\n", ""},
        {"64894.12", "?"},
    };
    wrk_result_t seen;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = with(cases[i].old, cases[i].new);

        cr_expect_not(wrk_parse(text, &seen), "with '%s' in place of '%s'", cases[i].new,
                      cases[i].old);
        free(text);
    }
}

/* Cut at every byte, in memory that ends there: nothing is read beyond it. */
Test(lab_wrk_parse, refuses_a_report_that_ends_too_early)
{
    size_t needed = (size_t)(strstr(whole, "Requests/sec:") - whole) + strlen("Requests/sec:  6");

    for (size_t len = 0; len < sizeof whole; len++) {
        char        *text = strndup(whole, len);
        wrk_result_t seen;

        cr_assert_not_null(text);
        cr_expect_eq(wrk_parse(text, &seen), len >= needed, "cut after %zu bytes of %zu", len,
                     sizeof whole - 1);
        free(text);
    }
}
