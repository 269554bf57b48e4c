/*
 * The end: what a signal does to idle connections, to requests in flight, to handlers that don't
 * return; the summary and the exit status; and --bench, which ends by itself.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/lab_client.h"
#include "tests/support/text.h"

TestSuite(lifecycle, .fini = lab_processes_end, .timeout = 150);

#define HOST "HTTP/1.1\r\nHost: test\r\n"

static void expect_in_summary(lab_process_t *lab, const char *text)
{
    lab_assert(lab, strstr(lab->out, text) != NULL, "no '%s' in the summary:\n%s", text, lab->out);
}

/* ---- Draining -------------------------------------------------------------------------------- */

Test(lifecycle, a_signal_closes_idle_connections_and_sums_up)
{
    static const int signals[] = {SIGTERM, SIGINT};
    client_t         used, unused;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++)
        for (int i = 0; i < 2; i++) {
            lab_process_t *lab = lab_start(number, NULL, NULL);

            client_connect(&unused, lab->port);
            lab_connect_get(lab, &used, "/");
            lab_expect_answer(lab, &used, 200, "Hello, World!");
            lab_send_get(&used, "/nowhere");
            lab_expect_answer(lab, &used, 404, "404");
            lab_send_get(&used, "/error");
            lab_expect_answer(lab, &used, 500, "500");
            client_send(&used, "OPTIONS / " HOST "\r\n");
            lab_expect_answer(lab, &used, 204, NULL);
            lab_assert(lab, lab_stop(lab, signals[i]) == 0, "exit status %d", lab->status);
            lab_assert(lab, client_at_eof(&used) && client_at_eof(&unused), "sends something");
            expect_in_summary(lab, ": 2 connections, 4 requests\n");
            expect_in_summary(lab, "answered 4 (2xx: 2, 3xx: 0, 4xx: 1, 5xx: 1), client left 0, "
                                   "cut off 0\n");
            expect_in_summary(lab, "us per request");
            client_close(&used);
            client_close(&unused);
            lab_free(lab);
        }
}

static bool accepts(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool               accepted;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    accepted = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return accepted;
}

/* All but lab 3 alone: who is being served is served to the end; nobody else is let in. */
Test(lifecycle, requests_in_flight_get_their_answers)
{
    client_t parked, halfway;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_concurrent(number)) {
        lab_process_t *lab = lab_start(number, "park", NULL);

        client_connect(&halfway, lab->port);
        client_send(&halfway, "GET /fast?name=C HTTP/1.1\r\nHo");
        lab_connect_get(lab, &parked, "/park/0?name=A");
        lab_send_get(&parked, "/park/0?name=B");
        lab_expect_events(lab, (const char *[]){"start A", "start B"}, 2);
        kill(lab->pid, SIGTERM);
        lab_wait_stderr(lab, "stopping: 2 requests in flight get their answers");
        lab_wait_asleep(lab);
        lab_assert(lab, !accepts(lab->port), "a new connection is accepted");
        client_send(&halfway, "st: test\r\n\r\n"); /* begun before the signal */
        lab_expect_last_answer(lab, &halfway, 200, "C");
        lab_open_gate(lab, 0);
        lab_expect_answer(lab, &parked, 200, "\"park\":\"A\"");
        lab_expect_last_answer(lab, &parked, 200, "\"park\":\"B\"");
        lab_assert(lab, lab_wait(lab) == 0, "exit status %d", lab->status);
        expect_in_summary(lab, ": 2 connections, 3 requests\n");
        expect_in_summary(lab, "client left 0, cut off 0\n");
        lab_free(lab);
    }
}

/* A handler that blocks its lab's only thread (lab 5: its one worker) until gate 0 opens. */
typedef struct {
    int         lab;
    const char *target, *begun, *answer;
} only_thread_t;

static const only_thread_t only_threads[] = {
    {3, "/park/0?name=A", "start A", "\"park\":\"A\""},
    {4, "/block/0", "blocking", "released"},
    {5, "/block/0", "blocking", "released"},
};

enum { ONLY_THREADS = sizeof only_threads / sizeof only_threads[0] };

/* Such a lab hears of the signal when its handler has returned, and not before. */
Test(lifecycle, labs_3_to_5_finish_a_handler_that_blocks_first)
{
    client_t client;

    for (int i = 0; i < ONLY_THREADS; i++) {
        lab_process_t *lab = lab_start(only_threads[i].lab, "park", NULL);

        lab_connect_get(lab, &client, "%s", only_threads[i].target);
        lab_expect_event(lab, only_threads[i].begun);
        kill(lab->pid, SIGTERM);
        lab_wait_asleep(lab);
        lab_open_gate(lab, 0);
        lab_expect_answer(lab, &client, 200, only_threads[i].answer);
        lab_assert(lab, client_at_eof(&client), "stays open");
        lab_assert(lab, lab_wait(lab) == 0, "exit status %d", lab->status);
        expect_in_summary(lab, "answered 1 (2xx: 1,");
        client_close(&client);
        lab_free(lab);
    }
}

/* ---- Before it serves ------------------------------------------------------------------------ */

Test(lifecycle, a_signal_while_the_app_is_imported_ends_the_lab)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number += number == 4 ? 2 : 1) {
        lab_process_t *lab = lab_spawn(number, "starts", "--port=0", NULL);

        lab_expect_event(lab, "in the import");
        lab_assert(lab, lab_stop(lab, SIGINT) == 128 + SIGINT, "exit status %d", lab->status);
        lab_assert(lab, *lab_stderr(lab) == '\0', "takes it for an error of the app");
        lab_free(lab);
    }
}

Test(lifecycle, a_signal_while_hooks_run_is_a_drain)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number += number == 4 ? 2 : 1) {
        lab_process_t *lab = lab_spawn(number, "starts", "--port=0", NULL);

        lab_expect_event(lab, "in the import");
        lab_open_gate(lab, 0);
        lab_expect_event(lab, "in the hook");
        kill(lab->pid, SIGINT);
        lab_open_gate(lab, 1);
        lab_assert(lab, lab_wait(lab) == 0, "exit status %d", lab->status);
        lab_free(lab);
    }
}

/* ---- The drain time-out ---------------------------------------------------------------------- */

Test(lifecycle, the_drain_timeout_cuts_off_what_is_left)
{
    client_t parked, pipelined;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number))
        for (int zero = 0; zero < 2; zero++) {
            lab_process_t *lab =
                lab_start(number, "park", zero ? "--drain-timeout=0" : "--drain-timeout=0.1", NULL);

            lab_connect_get(lab, &parked, "/park/0?name=A");
            lab_connect_get(lab, &pipelined, "/park/0?name=B");
            lab_send_get(&pipelined, "/park/0?name=C");
            lab_expect_events(lab, (const char *[]){"start A", "start B", "start C"}, 3);
            lab_assert(lab, lab_stop(lab, SIGTERM) == 3, "exit status %d, expected 3", lab->status);
            lab_assert(lab, client_at_eof(&parked) && client_at_eof(&pipelined), "an answer came");
            expect_in_summary(lab, "answered 0 (");
            expect_in_summary(lab, "client left 0, cut off 3\n");
            lab_assert(lab, count_of(lab_rest_of_events(lab), "cancelled ") == 3,
                       "the handlers aren't told; events:\n%s", lab->events);
            client_close(&parked);
            client_close(&pipelined);
            lab_free(lab);
        }
}

/* A thread that is stuck in a handler: the watchdog ends the process. */
Test(lifecycle, a_handler_that_blocks_can_not_hold_up_the_end)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "park", "--drain-timeout=0.1", NULL);

        lab_connect_get(lab, &client, lab_is_sync(number) ? "/park/0?name=A" : "/block/0");
        lab_expect_event(lab, lab_is_sync(number) ? "start A" : "blocking");
        lab_assert(lab, lab_stop(lab, SIGTERM) == 3, "exit status %d, expected 3", lab->status);
        lab_assert(lab, strstr(lab_stderr(lab), "didn't return within the drain time-out") != NULL,
                   "doesn't say why");
        lab_assert(lab, client_at_eof(&client), "an answer came");
        client_close(&client);
        lab_free(lab);
    }
}

/* ---- A second signal ------------------------------------------------------------------------- */

Test(lifecycle, a_second_signal_ends_at_once)
{
    static const int signals[] = {SIGINT, SIGTERM};
    client_t         client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_concurrent(number))
        for (int i = 0; i < 2; i++) {
            lab_process_t *lab = lab_start(number, "park", NULL);

            lab_connect_get(lab, &client, "/park/0?name=A");
            lab_expect_event(lab, "start A");
            kill(lab->pid, SIGTERM);
            lab_wait_stderr(lab, "stopping: 1 requests in flight");
            lab_assert(lab, lab_stop(lab, signals[i]) == 128 + signals[i],
                       "exit status %d, expected %d", lab->status, 128 + signals[i]);
            lab_assert(lab, strstr(lab_stderr(lab), "second signal") != NULL, "doesn't say why");
            client_close(&client);
            lab_free(lab);
        }
}

/* Of two signals that are pending at once either may come first. */
Test(lifecycle, a_second_signal_ends_labs_3_to_5_although_their_one_thread_is_stuck)
{
    client_t client;

    for (int i = 0; i < ONLY_THREADS; i++) {
        lab_process_t *lab = lab_start(only_threads[i].lab, "park", NULL);

        lab_connect_get(lab, &client, "%s", only_threads[i].target);
        lab_expect_event(lab, only_threads[i].begun);
        kill(lab->pid, SIGTERM);
        lab_stop(lab, SIGINT);
        lab_assert(lab, lab->status == 128 + SIGINT || lab->status == 128 + SIGTERM,
                   "exit status %d", lab->status);
        client_close(&client);
        lab_free(lab);
    }
}

/* ---- Shut-down with company ------------------------------------------------------------------ */

/* Signals under load: every request that was sent is answered, or its connection closed whole. */
Test(lifecycle, under_pipelined_load_nothing_is_torn)
{
    enum { CLIENTS = 8, REQUESTS = 32 };
    client_t *clients = calloc(CLIENTS, sizeof *clients);
    int       answered = 0;

    cr_assert_not_null(clients, "no memory");
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, NULL);

        for (int i = 0; i < CLIENTS; i++) {
            client_connect(&clients[i], lab->port);
            for (int k = 0; k < REQUESTS; k++)
                lab_send_get(&clients[i], "/users/%d", k);
        }
        lab_expect_answer(lab, &clients[CLIENTS - 1], 200, "{\"user_id\":\"0\"");
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        for (int i = answered = 0; i < CLIENTS; i++) {
            for (int k = i == CLIENTS - 1; !client_at_eof(&clients[i]); k++, answered++)
                lab_expect_answer(lab, &clients[i], 200, lab_message("{\"user_id\":\"%d\"", k));
            client_close(&clients[i]);
        }
        expect_in_summary(lab, lab_message("answered %d (", answered + 1));
        lab_free(lab);
    }
    free(clients);
}

/* ---- --bench --------------------------------------------------------------------------------- */

static void skip_without_wrk(void)
{
    if (system("command -v wrk >/dev/null") != 0) /* NOLINT(cert-env33-c): a fixed command */
        cr_skip_test("wrk isn't installed");
}

/* Instrumented builds may have errors of time: only the row counts here. */
Test(lifecycle, bench_prints_its_row_and_ends)
{
    lab_process_t *lab;
    double         per_second, p50, p99, cpu;
    char          *row;

    skip_without_wrk();
    lab = lab_start(3, NULL, "--bench=1", NULL);
    lab_assert(lab, lab_wait(lab) == 0, "exit status %d", lab->status);
    row = strstr(lab->out, "\nlab3_sync_handlers ");
    lab_assert(lab, row != NULL, "no row in:\n%s", lab->out);
    lab_assert(
        lab, sscanf(row, " lab3_sync_handlers %lf %lf %lf %lf", &per_second, &p50, &p99, &cpu) == 4,
        "row: %s", row);
    lab_assert(lab, per_second > 0 && p50 >= 0 && p99 >= p50 && cpu > 0, "row: %s", row);
    expect_in_summary(lab, "requests\n");
    lab_free(lab);
}

Test(lifecycle, a_signal_ends_a_bench)
{
    static const char *const moments[] = {"warming up", "measuring"};

    skip_without_wrk();
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        const char    *moment = moments[number % 2];
        lab_process_t *lab = lab_start(number, NULL, "--bench=3600", NULL);

        lab_wait_stdout(lab, moment);
        lab_assert(lab, lab_stop(lab, SIGINT) == 0, "%s: exit status %d", moment, lab->status);
        expect_in_summary(lab, "served for ");
        lab_free(lab);
    }
}

Test(lifecycle, bench_without_wrk_says_what_to_install)
{
    setenv("PATH", "/nonexistent", 1);
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, "--bench=1", NULL);

        lab_assert(lab, lab_wait(lab) == 1, "exit status %d, expected 1", lab->status);
        lab_assert(lab, strstr(lab_stderr(lab), "wrk isn't installed") != NULL, "doesn't say why");
        lab_free(lab);
    }
}
