/* The report: the text is what a reader is promised, the JSON has the shape that scripts rely on. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/leaks.h"
#include "tests/unit/trace/fixture.h"

enum { REQUESTS = 50, COLUMNS = 100 };

static const trace_run_t bench_run = {
    .lab = "lab2_threadpool",
    .python = "3.11.2",
    .gil = true,
    .cpu_us_per_request = 80,
    .bench_rps = 3000,
    .bench_mean_us = 33000,
    .bench_p50_us = 32000,
    .bench_p99_us = 50000,
    .bench_connections = 100,
};

typedef int report_fn(trace_t *trace, const trace_run_t *run, FILE *out);

/* What `report` writes of some requests like each other: heap memory, terminated. */
static char *report_of(report_fn *report, const trace_run_t *run, int requests, bool schedstat)
{
    gap_plan_t plan[TRACE_HOPS];
    fixture_t  f;
    char      *text = NULL;
    size_t     size;
    FILE      *out = open_memstream(&text, &size);

    fixture_plan(plan);
    fixture_open(&f, 1, NULL);
    for (int i = 0; i < LANES; i++)
        f.lanes[i]->clock.has_delay = schedstat;
    f.trace->no_delay = !schedstat;
    for (int i = 0; i < requests; i++)
        fixture_request(&f, plan, 0);
    cr_assert_eq(report(f.trace, run, out), 0);
    fclose(out);
    fixture_close(&f);
    return text;
}

/* Columns, not bytes: a continuation byte takes none. */
static int width_of(const char *line, size_t len)
{
    int width = 0;

    for (size_t i = 0; i < len; i++)
        width += ((unsigned char)line[i] & 0xC0) != 0x80;
    return width;
}

static void expect_contains(const char *text, const char *part)
{
    cr_expect(strstr(text, part) != NULL, "expected \"%s\" in:\n%s", part, text);
}

Test(trace_report, text_has_a_row_for_each_gap_and_fits_the_page)
{
    char *text = report_of(trace_report_text, &bench_run, REQUESTS, true);

    for (int to = 1; to < TRACE_HOPS; to++) {
        char name[64];

        snprintf(name, sizeof name, "\n%s > %s ", trace_hop_name((trace_hop_t)(to - 1), true),
                 trace_hop_name((trace_hop_t)to, true));
        expect_contains(text, name);
    }
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
        cr_expect_leq(width_of(line, strcspn(line, "\n")), COLUMNS, "too wide: %.*s",
                      (int)strcspn(line, "\n"), line);
    expect_contains(text, "50 requests counted, 50 sampled, 0 dropped");
    expect_contains(text, "Of a sampled request's time 0.0% is unattributed");
    expect_contains(text, "kernel + client");
    expect_contains(text, "= 99.0; there were 100 connections");
    free(text);
    expect_no_leaks();
}

/* The numbers of the gap from woken_worker to started: running 0.70, GIL 1.4 us, sum 2.1. */
Test(trace_report, text_shows_a_gap_with_what_it_was_spent_on)
{
    char *text = report_of(trace_report_text, &bench_run, REQUESTS, true);

    expect_contains(text, "woken_worker > started               2.1    2.1    2.1   6.2% |"
                          "  0.70   1.4  0.00  0.00  0.00  0.00\n");
    free(text);
}

Test(trace_report, text_leaves_out_what_is_not_known)
{
    trace_run_t none = {0};
    char       *text = report_of(trace_report_text, &none, REQUESTS, false);

    cr_expect_null(strstr(text, "kernel + client"), "no client, but:\n%s", text);
    expect_contains(text, "this system has no schedstat");
    /* A hand-off is known from the history, what happens on one thread isn't. */
    expect_contains(text, "woken_worker > started               2.1    2.1    2.1   6.2% |"
                          "  0.70  0.00   n/a  0.00  0.00   1.4\n");
    expect_contains(text, "locks");
    free(text);
}

Test(trace_report, without_a_request_there_is_nothing_to_show)
{
    char *text = report_of(trace_report_text, &bench_run, 0, true);

    cr_expect_str_eq(text, "\nWhere the time goes: no request was answered, 0 were dropped\n");
    free(text);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *json_of(const trace_run_t *run, int requests, bool schedstat)
{
    char        *text = report_of(trace_report_json, run, requests, schedstat);
    json_error_t error;
    json_t      *root = json_loads(text, 0, &error);

    cr_assert(root != NULL, "line %d: %s in:\n%s", error.line, error.text, text);
    free(text);
    return root;
}

/* Members that must be there: `types` has a letter each, "snio", numbers as r, null as 0. */
static void expect_members(const json_t *object, const char *const *names, const char *types)
{
    for (int i = 0; names[i] != NULL; i++) {
        const json_t *member = json_object_get(object, names[i]);
        bool          right = types[i] == 's'   ? json_is_string(member)
                              : types[i] == 'i' ? json_is_integer(member)
                              : types[i] == 'r' ? json_is_real(member)
                              : types[i] == 'b' ? json_is_boolean(member)
                              : types[i] == 'a' ? json_is_array(member)
                                                : json_is_object(member);

        cr_expect(right, "\"%s\": expected type '%c', seen %s", names[i], types[i],
                  member == NULL ? "nothing" : json_dumps(member, JSON_ENCODE_ANY));
    }
}

Test(trace_report, json_has_the_members_that_scripts_read)
{
    static const char *const root_names[] = {"lab",           "python",
                                             "gil",           "requests",
                                             "end_to_end_us", "cpu_us_per_request",
                                             "hops",          "unattributed_share",
                                             "bench",         NULL};
    static const char *const hop_names[] = {
        "from",       "to",          "count",        "mean_us",  "p50_us",          "p99_us",
        "running_us", "gil_wait_us", "core_wait_us", "queue_us", "unattributed_us", NULL};
    static const char *const end_names[] = {"mean", "p50", "p99", NULL};
    static const char *const bench_names[] = {"rps", "p50_us", "p99_us", "connections", NULL};
    json_t                  *root = json_of(&bench_run, REQUESTS, true), *hops;

    expect_members(root, root_names, "ssbioraro");
    expect_members(json_object_get(root, "end_to_end_us"), end_names, "rrr");
    expect_members(json_object_get(root, "bench"), bench_names, "rrri");
    hops = json_object_get(root, "hops");
    cr_expect_eq(json_array_size(hops), TRACE_HOPS - 1);
    for (size_t i = 0; i < json_array_size(hops); i++)
        expect_members(json_array_get(hops, i), hop_names, "ssirrrrrrrr");
    json_decref(root);
}

Test(trace_report, json_sums_match_the_end_to_end_mean)
{
    json_t *root = json_of(&bench_run, REQUESTS, true), *hop;
    double  end_to_end =
        json_real_value(json_object_get(json_object_get(root, "end_to_end_us"), "mean"));
    double sum = 0, categories = 0;
    size_t i;

    json_array_foreach(json_object_get(root, "hops"), i, hop) sum +=
        json_real_value(json_object_get(hop, "mean_us"));
    json_array_foreach(json_object_get(root, "categories"), i, hop) categories +=
        json_real_value(json_object_get(hop, "mean_us"));
    cr_expect(fabs(sum - end_to_end) < 1e-5, "sum %g, end to end %g", sum, end_to_end);
    cr_expect(fabs(categories - end_to_end) < 1e-5, "categories %g, end to end %g", categories,
              end_to_end);
    json_decref(root);
}

Test(trace_report, json_says_null_for_what_is_not_known)
{
    trace_run_t none = {0};
    json_t     *root = json_of(&none, REQUESTS, false);
    json_t     *row = json_array_get(json_object_get(root, "hops"), TRACE_STARTED - 1);

    cr_expect(json_is_null(json_object_get(root, "bench")));
    cr_expect(json_is_null(json_object_get(root, "lab")));
    cr_expect(json_is_null(json_object_get(root, "cpu_us_per_request")));
    cr_expect(json_is_null(json_object_get(row, "core_wait_us")));
    json_decref(root);
    root = json_of(&none, 0, true);
    cr_expect(json_is_null(json_object_get(root, "unattributed_share")));
    cr_expect_eq(json_array_size(json_object_get(root, "hops")), 0);
    json_decref(root);
}

Test(trace_report, json_stays_json_whatever_the_strings_are)
{
    trace_run_t run = {.lab = "\"quoted\"\n\\", .python = "not UTF-8: \xff"};
    json_t     *root = json_of(&run, 1, true);

    cr_expect_str_eq(json_string_value(json_object_get(root, "lab")), run.lab);
    cr_expect(json_is_null(json_object_get(root, "python")));
    json_decref(root);
}

Test(trace_report, a_full_disk_is_an_error)
{
    gap_plan_t plan[TRACE_HOPS];
    fixture_t  f;
    FILE      *full = fopen("/dev/full", "w");

    cr_assert(full != NULL);
    fixture_plan(plan);
    fixture_open(&f, 1, NULL);
    fixture_request(&f, plan, 0);
    cr_expect_lt(trace_report_text(f.trace, &bench_run, full), 0);
    cr_expect_lt(trace_report_json(f.trace, &bench_run, full), 0);
    fclose(full);
    fixture_close(&f);
}
