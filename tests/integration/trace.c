/*
 * --stats and --trace: the hops of each lab, the sums, where known delays show, and what becomes of
 * requests that are never answered.
 *
 * A delay is made in one of two ways: a handler of tests/apps/traced.py waits at a gate, or the lab
 * is one of BIN/delayed, which sleeps at a hop (tests/delayed/mark.c). What is asserted is where the
 * time shows, not how exactly it was kept.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/integration/stats.h"
#include "tests/support/lab_client.h"
#include "tests/support/text.h"

enum {
    MAX_HOPS = 13,
    DELAY_MS = 300, /* as in tests/delayed/mark.c */
    QUICK_MS = 150, /* everything else together is quicker, by far */
    WAIT_MS = 200,  /* how long a handler waits at its gate, at least */
};

/* ---- Files ----------------------------------------------------------------------------------- */

static char folder[] = "/tmp/looplab-trace-XXXXXX";
static char stats_option[64], trace_option[64];

static const char *file_of(const char *option)
{
    return strchr(option, '=') + 1;
}

static void open_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
    snprintf(stats_option, sizeof stats_option, "--stats=%s/stats.json", folder);
    snprintf(trace_option, sizeof trace_option, "--trace=%s/trace.json", folder);
}

static void remove_folder(void)
{
    lab_processes_end();
    unlink(file_of(stats_option));
    unlink(file_of(trace_option));
    rmdir(folder);
}

TestSuite(trace, .init = open_folder, .fini = remove_folder, .timeout = 150);

/* Have the lab end well, and read what it has written. The caller drops it. */
static json_t *finish_and_load(lab_process_t *lab, const char *option)
{
    json_t *root;

    lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
    root = stats_load(lab, file_of(option));
    lab_free(lab);
    return root;
}

/* ---- Hops ------------------------------------------------------------------------------------ */

/* In the order in which a request passes them; lab 2 with its two loops. */
static const char *const hops_of[][MAX_HOPS + 1] = {
    [1] = {"parsed", "attached", "scheduled", "woken", "started", "finished", "converted", "posted",
           "received", "written"},
    [2] = {"parsed", "attached", "scheduled_main", "woken_main", "scheduled_worker", "woken_worker",
           "started", "finished", "converted_worker", "converted_main", "posted", "received",
           "written"},
    [3] = {"parsed", "attached", "started", "finished", "written"},
    [4] = {"parsed", "attached", "started", "finished", "written"},
    [5] = {"parsed", "attached", "started", "finished", "written"},
    [LAB_POOL] = {"parsed", "scheduled", "woken", "started", "finished", "posted", "received",
                  "written"},
};

/* trace_hop_t of each */
static const int numbers_of[][MAX_HOPS] = {
    [1] = {0, 1, 2, 3, 6, 7, 9, 10, 11, 12},
    [2] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
    [3] = {0, 1, 6, 7, 12},
    [4] = {0, 1, 6, 7, 12},
    [5] = {0, 1, 6, 7, 12},
    [LAB_POOL] = {0, 2, 3, 6, 7, 10, 11, 12},
};

/* Every one of `count` requests has passed all hops of this lab, and no others; and it adds up. */
static void expect_all(const json_t *root, int number, int count)
{
    stats_expect_hops(root, lab_name(number), hops_of[number], count);
    stats_expect_sums(root, lab_name(number));
}

/* ---- Load ------------------------------------------------------------------------------------ */

static void get_times(lab_process_t *lab, client_t *client, const char *target, int times)
{
    for (int i = 0; i < times; i++) {
        lab_send_get(client, "%s", target);
        lab_expect_answer(lab, client, 200, NULL);
    }
}

/* Not to wait for anything: it is how long something lasts. */
static void let_time_pass(void)
{
    static const struct timespec time = {.tv_nsec = WAIT_MS * 1000000L};

    nanosleep(&time, NULL);
}

Test(trace, every_answered_request_passes_every_hop)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "traced", stats_option, NULL);
        client_t       clients[4];
        json_t        *root;

        for (int i = 0; i < 4; i++)
            client_connect(&clients[i], lab->port);
        for (int round = 0; round < 50; round++) {
            for (int i = 0; i < 4; i++)
                for (int deep = 0; deep < 3; deep++)
                    lab_send_get(&clients[i], "/fast");
            for (int i = 0; i < 12; i++)
                lab_expect_answer(lab, &clients[i / 3], 200, "fast");
        }
        for (int i = 0; i < 4; i++)
            client_close(&clients[i]);
        lab_check(lab, "/error", 500, NULL);
        lab_check(lab, "/nowhere", 404, NULL); /* these two never reach a handler */
        lab_check(lab, "/native", 200, NULL);
        root = finish_and_load(lab, stats_option);
        expect_all(root, number, 601);
        cr_expect(stats_number(root, "requests") == 601, "%s: %g requests", lab_name(number),
                  stats_number(root, "requests"));
        cr_expect(stats_number(root, "dropped") == 0, "%s: %g dropped", lab_name(number),
                  stats_number(root, "dropped"));
        json_decref(root);
    }
}

/* ---- Delays ---------------------------------------------------------------------------------- */

/* Run a lab that sleeps after one mark, and see which gap is longer for it. */
static void check_delay_after(int number, int hop)
{
    const char    *name = hops_of[number][hop];
    double         others = 0;
    lab_process_t *lab;
    json_t        *root, *row;
    size_t         i;

    setenv("TEST_DELAY_AFTER", lab_message("%d", numbers_of[number][hop]), 1);
    lab = lab_start(number, "traced", stats_option, number == 2 ? "--workers=1" : NULL, NULL);
    lab_check(lab, "/fast", 200, "fast");
    root = finish_and_load(lab, stats_option);
    expect_all(root, number, 1);
    json_array_foreach(json_object_get(root, "hops"), i, row)
    {
        double mean = stats_number(row, "mean_us");

        if ((int)i != hop)
            others += mean;
        else
            cr_expect(mean >= DELAY_MS * 1e3, "%s: %d ms after %s: its gap is %g us",
                      lab_name(number), DELAY_MS, name, mean);
    }
    cr_expect(others < QUICK_MS * 1e3, "%s: %d ms after %s: the other gaps are %g us",
              lab_name(number), DELAY_MS, name, others);
    json_decref(root);
}

static void check_delays(int number)
{
    char delayed[4096];

    snprintf(delayed, sizeof delayed, "%s/delayed", getenv("LAB_BIN_DIR"));
    setenv("LAB_BIN_DIR", delayed, 1);
    for (int hop = 0; hops_of[number][hop + 1] != NULL; hop++)
        check_delay_after(number, hop);
}

Test(trace, a_delay_at_a_hop_shows_there_and_nowhere_else_lab1)
{
    check_delays(1);
}

Test(trace, a_delay_at_a_hop_shows_there_and_nowhere_else_lab2)
{
    check_delays(2);
}

Test(trace, a_delay_at_a_hop_shows_there_and_nowhere_else_lab3)
{
    check_delays(3);
}

Test(trace, a_delay_at_a_hop_shows_there_and_nowhere_else_lab3_with_a_pool)
{
    check_delays(LAB_POOL);
}

Test(trace, a_delay_at_a_hop_shows_there_and_nowhere_else_lab4)
{
    check_delays(4);
}

Test(trace, a_delay_at_a_hop_shows_there_and_nowhere_else_lab5)
{
    check_delays(5);
}

/* ---- What a gap was spent on ----------------------------------------------------------------- */

/* The first request whose gaps are split; its predecessors only pass through. */
static const int sample_every[] = {
    [1] = 499, [2] = 127, [3] = 499, [4] = 499, [5] = 499, [LAB_POOL] = 499};

/* Of the sampled request's gap from `hop`, most was spent on `part`. */
static void expect_spent_on(const json_t *root, int number, const char *hop, const char *part)
{
    const json_t *row = stats_gap_from(root, hop);
    char         *shown = json_dumps(row, JSON_COMPACT);

    cr_assert(stats_number(root, "sample_every") == sample_every[number],
              "%s: one in %g is sampled, expected one in %d", lab_name(number),
              stats_number(root, "sample_every"), sample_every[number]);
    cr_assert(row != NULL && stats_number(row, "sampled") == 1, "%s: from %s: %s", lab_name(number),
              hop, shown);
    cr_expect(stats_number(row, part) > WAIT_MS * 1e3 / 2,
              "%s: from %s, %d ms should be in %s:\n%s", lab_name(number), hop, WAIT_MS, part,
              shown);
    free(shown);
}

/* So many requests that the next one is sampled, less those that the test itself adds. */
static lab_process_t *start_before_sample(int number, client_t *client, int left)
{
    lab_process_t *lab = lab_start(number, "traced", stats_option, NULL);

    client_connect(client, lab->port);
    get_times(lab, client, "/fast", sample_every[number] - 1 - left);
    return lab;
}

/* The handler waits at a gate: alone, so nobody else has a part in it. */
static void check_handler(int number, const char *target, const char *part)
{
    client_t       client;
    lab_process_t *lab = start_before_sample(number, &client, 0);
    json_t        *root;

    lab_send_get(&client, "%s", target);
    lab_expect_event(lab, "start");
    let_time_pass();
    lab_open_gate(lab, 0);
    lab_expect_answer(lab, &client, 200, NULL);
    client_close(&client);
    root = finish_and_load(lab, stats_option);
    expect_spent_on(root, number, "started", part);
    json_decref(root);
}

Test(trace, a_handler_that_awaits_is_suspended)
{
    check_handler(1, "/await/0", "suspended_us");
    check_handler(2, "/await/0", "suspended_us");
    check_handler(4, "/await/0", "suspended_us");
    check_handler(5, "/await/0", "suspended_us");
}

Test(trace, a_handler_that_blocks_is_blocked_while_attached)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++)
        check_handler(number, "/block/0", "gil_wait_us");
}

/* Two requests at once; the first one's handler blocks the thread that the second one needs. */
static void check_line(int number, const char *hop)
{
    client_t       client;
    lab_process_t *lab = start_before_sample(number, &client, 1);
    json_t        *root;

    client_send(&client, "GET /block/0 HTTP/1.1\r\nHost: a\r\n\r\n"
                         "GET /fast HTTP/1.1\r\nHost: a\r\n\r\n");
    lab_expect_event(lab, "start");
    let_time_pass();
    lab_open_gate(lab, 0);
    lab_expect_answer(lab, &client, 200, "blocked");
    lab_expect_answer(lab, &client, 200, "fast");
    client_close(&client);
    root = finish_and_load(lab, stats_option);
    expect_spent_on(root, number, hop, "queue_us");
    json_decref(root);
}

Test(trace, who_waits_for_anothers_handler_waits_in_line)
{
    check_line(3, "parsed");
    check_line(4, "parsed");
    check_line(5, "parsed");
}

/*
 * The loop's thread has the GIL and doesn't let go; meanwhile a request comes. The handler has been
 * suspended until the HTTP thread is back in its poll: the call that hands a request over lets go of
 * the GIL and waits for it too, but that wait isn't an attach.
 */
Test(trace, the_http_thread_waits_for_the_gil)
{
    client_t       client, other;
    lab_process_t *lab = start_before_sample(1, &client, 1);
    json_t        *root;

    client_connect(&other, lab->port);
    lab_send_get(&client, "/hold/0");
    lab_expect_event(lab, "start");
    lab_send_get(&other, "/native"); /* answered in a turn after the one that handed over */
    lab_expect_answer(lab, &other, 200, NULL);
    lab_open_gate(lab, 0);
    lab_expect_event(lab, "holds");
    lab_send_get(&other, "/fast");
    let_time_pass();
    lab_open_gate(lab, 1);
    lab_expect_answer(lab, &client, 200, "held");
    lab_expect_answer(lab, &other, 200, "fast");
    client_close(&client);
    client_close(&other);
    root = finish_and_load(lab, stats_option);
    if (json_is_true(json_object_get(root, "gil")))
        expect_spent_on(root, 1, "parsed", "gil_wait_us");
    json_decref(root);
}

/* ---- Requests that are never answered -------------------------------------------------------- */

/* Cancelled, the handler runs on, on another thread than the one that has given its request up. */
Test(trace, a_request_whose_client_left_is_dropped_however_long_its_handler_runs)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = lab_start(number, "traced", stats_option, trace_option, NULL);
        client_t       client;
        json_t        *root;

        lab_connect_get(lab, &client, "/stubborn/0");
        lab_expect_event(lab, "start");
        client_reset(&client);
        lab_expect_event(lab, "cancelled");
        for (int i = 0; i < 200; i++) /* more than there are records: one in use isn't used again */
            lab_check(lab, "/fast", 200, "fast");
        lab_open_gate(lab, 1);
        lab_expect_event(lab, "end");
        root = finish_and_load(lab, stats_option);
        cr_expect(stats_number(root, "requests") == 200 && stats_number(root, "dropped") == 1,
                  "%s: 200 answered and 1 dropped, seen %g and %g", lab_name(number),
                  stats_number(root, "requests"), stats_number(root, "dropped"));
        expect_all(root, number, 200);
        json_decref(root);
        unlink(file_of(trace_option));
    }
}

/* ---- Files that can't be written ------------------------------------------------------------- */

Test(trace, a_stats_file_that_cannot_be_written_is_said_before_anything_starts)
{
    lab_process_t *lab = lab_spawn(3, "traced", "--port=0", "--stats=/nowhere/stats.json", NULL);

    lab_assert(lab, lab_wait(lab) == 1, "exit status %d, expected 1", lab->status);
    lab_wait_stderr(lab, "--stats: cannot write /nowhere/stats.json: No such file or directory");
    lab_free(lab);
}

Test(trace, a_disk_that_is_full_is_said_at_the_end)
{
    lab_process_t *lab = lab_start(3, "traced", "--stats=/dev/full", NULL);

    lab_check(lab, "/fast", 200, "fast");
    lab_assert(lab, lab_stop(lab, SIGTERM) == 1, "exit status %d, expected 1", lab->status);
    lab_wait_stderr(lab, "--stats: cannot write /dev/full: ");
    lab_wait_stdout(lab, "served for ");
    lab_free(lab);
}

Test(trace, without_a_trace_file_the_lab_serves_all_the_same)
{
    static const char *const options[] = {"--trace=/nowhere/trace.json", "--trace=/dev/full"};

    for (int i = 0; i < 2; i++) {
        lab_process_t *lab = lab_start(1, "traced", options[i], NULL);
        const char    *first;

        lab_check(lab, "/fast", 200, "fast");
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        first = strstr(lab_stderr(lab), file_of(options[i]));
        lab_assert(lab, first != NULL && strstr(first + 1, file_of(options[i])) == NULL,
                   "%s should be named once", options[i]);
        lab_free(lab);
    }
}

/* ---- The trace file -------------------------------------------------------------------------- */

static size_t count_events(const json_t *events, const char *phase)
{
    json_t *event;
    size_t  i, count = 0;

    json_array_foreach(events, i, event)
    {
        count += strcmp(json_string_value(json_object_get(event, "ph")), phase) == 0;
    }
    return count;
}

static bool names_thread(const json_t *events, const char *name)
{
    json_t *event;
    size_t  i;

    json_array_foreach(events, i, event)
    {
        const char *kind = json_string_value(json_object_get(event, "name"));
        json_t     *args = json_object_get(event, "args");

        if (kind != NULL && strcmp(kind, "thread_name") == 0 &&
            strcmp(json_string_value(json_object_get(args, "name")), name) == 0)
            return true;
    }
    return false;
}

Test(trace, the_trace_file_shows_threads_and_requests_travelling_between_them)
{
    static const char *const threads[][4] = {
        [1] = {"http", "loop"}, [2] = {"http", "main-loop", "worker-0", "worker-1"},
        [3] = {"http"},         [4] = {"http"},
        [5] = {"http 1"},       [LAB_POOL] = {"http", "pool-0", "pool-3"}};
    static const size_t hand_offs[] = {
        [1] = 2, [2] = 4, [3] = 0, [4] = 0, [5] = 0, [LAB_POOL] = 2}; /* of each */

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "traced", trace_option, NULL);
        client_t       client;
        json_t        *root, *events;

        client_connect(&client, lab->port);
        get_times(lab, &client, "/fast", 10);
        client_close(&client);
        root = finish_and_load(lab, trace_option);
        events = json_object_get(root, "traceEvents");
        for (int i = 0; i < 4 && threads[number][i] != NULL; i++)
            cr_expect(names_thread(events, threads[number][i]), "%s: no thread %s",
                      lab_name(number), threads[number][i]);
        cr_expect(count_events(events, "s") == 10 * hand_offs[number] &&
                      count_events(events, "f") == 10 * hand_offs[number],
                  "%s: %zu flows begin and %zu end, expected %zu", lab_name(number),
                  count_events(events, "s"), count_events(events, "f"), 10 * hand_offs[number]);
        cr_expect(count_events(events, "b") > 0 &&
                      count_events(events, "b") == count_events(events, "e"),
                  "%s: %zu requests' spans begin and %zu end", lab_name(number),
                  count_events(events, "b"), count_events(events, "e"));
        json_decref(root);
    }
}

/* ---- Where the report goes ------------------------------------------------------------------- */

Test(trace, without_a_file_the_breakdown_is_text_after_the_summary)
{
    lab_process_t *lab = lab_start(2, "traced", "--stats", NULL);
    const char    *summary, *table;

    lab_check(lab, "/fast", 200, "fast");
    lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
    summary = strstr(lab->out, "served for ");
    table = strstr(lab->out, "scheduled_worker > woken_worker");
    lab_assert(lab, summary != NULL && table != NULL && summary < table, "standard output:\n%s",
               lab->out);
    lab_free(lab);
}
