/*
 * The ladder's rungs that are no lab: whatever a rung adds, it is a server as good as the labs. One
 * table of rungs; what a rung alone has or lacks is asserted at the end.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/integration/stats.h"
#include "tests/support/lab_client.h"
#include "tests/support/text.h"

TestSuite(ladder, .fini = lab_processes_end, .timeout = 150);

#define HOST "HTTP/1.1\r\nHost: test\r\n"

static const char *const rungs[] = {
    "02_coroutine_in_place", "03_loop_same_thread", "04_hop_batched",
    "06_concurrent_future",  "07_wrap_future",      "13_thread_per_request",
};

enum {
    RUNGS = sizeof rungs / sizeof rungs[0],
    FIRST_WITH_LOOP = 1, /* from here on handlers may wait */
    MAX_HOPS = 13,
};

/* ---- Serving --------------------------------------------------------------------------------- */

Test(ladder, a_rung_serves_the_bundled_app)
{
    client_t client;

    for (int i = 0; i < RUNGS; i++) {
        lab_process_t *lab = lab_start_rung(rungs[i], NULL, NULL);

        lab_connect_get(lab, &client, "/");
        lab_expect_answer(lab, &client, 200, "Hello, World!");
        lab_send_get(&client, "/json");
        lab_expect_answer(lab, &client, 200, "{\"message\":\"Hello, World!\"}");
        lab_send_get(&client, "/users/7?a=b");
        lab_expect_answer(lab, &client, 200, "{\"user_id\":\"7\",\"query\":{\"a\":\"b\"}}");
        client_send(&client, "POST /echo " HOST "Content-Length: 5\r\n\r\n12345");
        lab_expect_answer(lab, &client, 200, "12345");
        lab_send_get(&client, "/native");
        lab_expect_answer(lab, &client, 200, "Hello, World!");
        lab_assert(lab, *lab_stderr(lab) == '\0', "something is logged");
        client_close(&client);
        lab_finish(lab);
    }
}

Test(ladder, a_handler_that_raises_is_a_500_and_logged_once)
{
    client_t client;

    for (int i = 0; i < RUNGS; i++) {
        lab_process_t *lab = lab_start_rung(rungs[i], NULL, NULL);

        lab_connect_get(lab, &client, "/error");
        lab_expect_answer(lab, &client, 500, "500 Internal Server Error");
        lab_send_get(&client, "/");
        lab_expect_answer(lab, &client, 200, "Hello, World!");
        lab_assert(lab, count_of(lab_stderr(lab), "GET /error") == 1, "no headline");
        lab_assert(lab, count_of(lab_stderr(lab), "\n  RuntimeError: this handler always") == 1,
                   "no traceback");
        client_close(&client);
        lab_finish(lab);
    }
}

/* Many at once: each is answered, in the order in which its connection sent it. */
Test(ladder, pipelined_requests_of_many_clients_are_answered_in_order)
{
    enum { CLIENTS = 8, REQUESTS = 32 };
    client_t *clients = calloc(CLIENTS, sizeof *clients);

    cr_assert_not_null(clients, "no memory");
    for (int i = 0; i < RUNGS; i++) {
        lab_process_t *lab = lab_start_rung(rungs[i], NULL, NULL);

        for (int c = 0; c < CLIENTS; c++) {
            client_connect(&clients[c], lab->port);
            for (int k = 0; k < REQUESTS; k++)
                lab_send_get(&clients[c], "/users/%d-%d", c, k);
        }
        for (int c = 0; c < CLIENTS; c++) {
            for (int k = 0; k < REQUESTS; k++)
                lab_expect_answer(lab, &clients[c], 200,
                                  lab_message("{\"user_id\":\"%d-%d\"", c, k));
            client_close(&clients[c]);
        }
        lab_finish(lab);
    }
    free(clients);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

Test(ladder, others_are_served_while_a_handler_awaits)
{
    client_t parked, other;

    for (int i = FIRST_WITH_LOOP; i < RUNGS; i++) {
        lab_process_t *lab = lab_start_rung(rungs[i], "park", NULL);

        lab_connect_get(lab, &parked, "/park/0?name=A");
        lab_expect_event(lab, "start A");
        lab_connect_get(lab, &other, "/fast?name=B");
        lab_expect_answer(lab, &other, 200, "B");
        lab_expect_event(lab, "start B");
        lab_wait_asleep(
            lab); /* what wakes it now is the gate's descriptor, which asyncio watches */
        lab_open_gate(lab, 0);
        lab_expect_event(lab, "end A");
        lab_expect_answer(lab, &parked, 200, "\"park\":\"A\"");
        client_close(&parked);
        client_close(&other);
        lab_finish(lab);
    }
}

/* Of a timer nothing tells the server but its own clock. */
Test(ladder, asyncio_works_in_handlers)
{
    for (int i = FIRST_WITH_LOOP; i < RUNGS; i++) {
        lab_process_t *lab = lab_start_rung(rungs[i], "loops", NULL);

        for (int twice = 0; twice < 2; twice++) {
            lab_check(lab, "/executor", 200, "{\"elsewhere\":true}");
            lab_check(lab, "/gather", 200, "[0,1,2]");
            lab_check(lab, "/stop", 200, "stopped");
            lab_check(lab, "/cancel-itself", 503, "503 Service Unavailable");
        }
        lab_assert(lab, *lab_stderr(lab) == '\0', "something is logged");
        lab_finish(lab);
        lab = lab_start_rung(rungs[i], NULL, NULL);
        lab_check(lab, "/wait?ms=20", 200, "{\"waited_ms\":20}");
        lab_finish(lab);
    }
}

/* What arrives while the loop is busy waits in line, and none of it is forgotten there. */
Test(ladder, requests_that_come_while_the_loop_is_blocked_are_served_afterwards)
{
    enum { WAITING = 20 };
    client_t blocking, waiting;

    for (int i = FIRST_WITH_LOOP; i < RUNGS; i++) {
        lab_process_t *lab = lab_start_rung(rungs[i], "park", NULL);

        client_connect(&waiting, lab->port);
        lab_connect_get(lab, &blocking, "/block/0");
        lab_expect_event(lab, "blocking");
        for (int k = 0; k < WAITING; k++) {
            lab_send_get(&waiting, "/fast?name=%d", k);
            if (k % 5 == 0)
                lab_wait_asleep(lab); /* several turns of the HTTP thread, if it can turn */
        }
        lab_expect_silence(lab);
        lab_open_gate(lab, 0);
        lab_expect_answer(lab, &blocking, 200, "released");
        for (int k = 0; k < WAITING; k++)
            lab_expect_answer(lab, &waiting, 200, lab_message("%d", k));
        client_close(&blocking);
        client_close(&waiting);
        lab_finish(lab);
    }
}

/* ---- The end --------------------------------------------------------------------------------- */

Test(ladder, a_client_that_leaves_cancels_its_handler)
{
    client_t leaver;

    for (int i = FIRST_WITH_LOOP; i < RUNGS; i++) {
        lab_process_t *lab = lab_start_rung(rungs[i], "park", NULL);

        lab_connect_get(lab, &leaver, "/park/0?name=A");
        lab_send_get(&leaver, "/park/0?name=B");
        lab_expect_events(lab, (const char *[]){"start A", "start B"}, 2);
        client_reset(&leaver);
        lab_expect_events(lab, (const char *[]){"cancelled A", "cancelled B"}, 2);
        lab_check(lab, "/fast?name=C", 200, "C");
        lab_expect_event(lab, "start C");
        lab_assert(lab, *lab_stderr(lab) == '\0', "something is logged");
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        lab_assert(lab, strstr(lab->out, "client left 2, cut off 0\n") != NULL, "summary:\n%s",
                   lab->out);
        lab_expect_silence(lab);
        lab_free(lab);
    }
}

Test(ladder, a_signal_lets_requests_in_flight_finish)
{
    client_t parked, idle;

    for (int i = FIRST_WITH_LOOP; i < RUNGS; i++) {
        lab_process_t *lab = lab_start_rung(rungs[i], "park", NULL);

        client_connect(&idle, lab->port);
        lab_connect_get(lab, &parked, "/park/0?name=A");
        lab_expect_event(lab, "start A");
        kill(lab->pid, SIGTERM);
        lab_wait_stderr(lab, "stopping: 1 requests in flight get their answers");
        lab_assert(lab, client_at_eof(&idle), "an idle connection stays open");
        lab_open_gate(lab, 0);
        lab_expect_last_answer(lab, &parked, 200, "\"park\":\"A\"");
        lab_assert(lab, lab_wait(lab) == 0, "exit status %d", lab->status);
        client_close(&idle);
        lab_free(lab);
    }
}

Test(ladder, the_drain_timeout_cuts_off_and_cancels_what_is_left)
{
    client_t parked;

    for (int i = FIRST_WITH_LOOP; i < RUNGS; i++) {
        lab_process_t *lab = lab_start_rung(rungs[i], "park", "--drain-timeout=0.1", NULL);

        lab_connect_get(lab, &parked, "/park/0?name=A");
        lab_send_get(&parked, "/park/0?name=B");
        lab_expect_events(lab, (const char *[]){"start A", "start B"}, 2);
        lab_assert(lab, lab_stop(lab, SIGTERM) == 3, "exit status %d, expected 3", lab->status);
        lab_assert(lab, client_at_eof(&parked), "an answer came");
        lab_assert(lab, count_of(lab_rest_of_events(lab), "cancelled ") == 2,
                   "the handlers aren't told; events:\n%s", lab->events);
        lab_assert(lab, count_of(lab_stderr(lab), "Traceback") == 0, "Python complains");
        client_close(&parked);
        lab_free(lab);
    }
}

/* Hooks have the loop of the handlers, and a task that one has left behind ends with it. */
Test(ladder, hooks_run_and_what_is_left_on_the_loop_is_cancelled)
{
    for (int i = FIRST_WITH_LOOP; i < RUNGS; i++) {
        lab_process_t *lab = lab_start_rung(rungs[i], "hooks", NULL);
        const char    *rest;

        lab_check(lab, "/background", 200, "left behind");
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        rest = lab_rest_of_events(lab);
        lab_assert(lab, strncmp(rest, "first start on ", 15) == 0, "events:\n%s", rest);
        lab_assert(lab, count_of(rest, "second start on ") == 1, "events:\n%s", rest);
        lab_assert(lab, count_of(rest, "second stop, same loop, on ") == 1, "events:\n%s", rest);
        lab_assert(lab, count_of(rest, "background cancelled\n") == 1, "events:\n%s", rest);
        lab_assert(lab, count_of(lab_stderr(lab), "Traceback") == 0, "Python complains");
        lab_free(lab);
    }
}

/* ---- Traced requests ------------------------------------------------------------------------- */

/* The same hops as in the labs, as far as the rung has them. */
static const char *const hops_of[RUNGS][MAX_HOPS + 1] = {
    {"parsed", "attached", "started", "finished", "written"},
    {"parsed", "attached", "scheduled", "started", "finished", "converted", "written"},
    {"parsed", "scheduled", "woken", "started", "finished", "converted", "posted", "received",
     "written"},
    {"parsed", "attached", "scheduled", "woken", "scheduled_worker", "woken_worker", "started",
     "finished", "converted", "posted", "received", "written"},
    {"parsed", "attached", "scheduled", "woken", "scheduled_worker", "woken_worker", "started",
     "finished", "converted_worker", "converted", "posted", "received", "written"},
    {"parsed", "scheduled", "woken", "scheduled_worker", "woken_worker", "started", "finished",
     "converted", "posted", "received", "written"},
};

static char folder[] = "/tmp/looplab-ladder-XXXXXX";
static char stats_option[64], trace_option[64];

/* Start a rung that traces into files of the test's own. */
static lab_process_t *start_traced(const char *rung)
{
    if (stats_option[0] == '\0') {
        cr_assert_not_null(mkdtemp(folder));
        snprintf(stats_option, sizeof stats_option, "--stats=%s/stats.json", folder);
        snprintf(trace_option, sizeof trace_option, "--trace=%s/trace.json", folder);
    }
    return lab_start_rung(rung, "traced", stats_option, trace_option, NULL);
}

static void remove_files(void)
{
    unlink(strchr(stats_option, '=') + 1);
    unlink(strchr(trace_option, '=') + 1);
    rmdir(folder);
}

/* End it, and see that of so many requests each has passed every hop, and so many were dropped. */
static void expect_traced(lab_process_t *lab, int rung, int counted, int dropped)
{
    json_t *root;

    lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
    root = stats_load(lab, strchr(stats_option, '=') + 1);
    stats_expect_hops(root, rungs[rung], hops_of[rung], counted);
    stats_expect_sums(root, rungs[rung]);
    cr_expect(stats_number(root, "requests") == counted && stats_number(root, "dropped") == dropped,
              "%s: expected %d answered and %d dropped, seen %g and %g", rungs[rung], counted,
              dropped, stats_number(root, "requests"), stats_number(root, "dropped"));
    json_decref(root);
    stats_expect_trace(strchr(trace_option, '=') + 1, rungs[rung], counted);
    lab_free(lab);
}

Test(ladder, traced_requests_pass_the_hops_of_their_rung_and_add_up)
{
    enum { CLIENTS = 4, ROUNDS = 50, DEEP = 3 };
    client_t clients[CLIENTS];

    for (int i = 0; i < RUNGS; i++) {
        lab_process_t *lab = start_traced(rungs[i]);

        for (int c = 0; c < CLIENTS; c++)
            client_connect(&clients[c], lab->port);
        for (int round = 0; round < ROUNDS; round++) {
            for (int k = 0; k < CLIENTS * DEEP; k++)
                lab_send_get(&clients[k % CLIENTS], "/fast");
            for (int k = 0; k < CLIENTS * DEEP; k++)
                lab_expect_answer(lab, &clients[k % CLIENTS], 200, "fast");
        }
        for (int c = 0; c < CLIENTS; c++)
            client_close(&clients[c]);
        lab_check(lab, "/error", 500, NULL);
        lab_check(lab, "/native", 200, NULL); /* reaches no handler */
        expect_traced(lab, i, CLIENTS * ROUNDS * DEEP + 1, 0);
    }
    remove_files();
}

/* Its handler goes on after its cancellation, and passes its last hop when nobody has it any more. */
Test(ladder, a_traced_request_whose_client_left_is_dropped)
{
    enum { AFTERWARDS = 200 }; /* more than there are records: one in use isn't used again */
    client_t leaver;

    for (int i = FIRST_WITH_LOOP; i < RUNGS; i++) {
        lab_process_t *lab = start_traced(rungs[i]);

        lab_connect_get(lab, &leaver, "/stubborn/0");
        lab_expect_event(lab, "start");
        client_reset(&leaver);
        lab_expect_event(lab, "cancelled");
        for (int k = 0; k < AFTERWARDS; k++)
            lab_check(lab, "/fast", 200, "fast");
        lab_open_gate(lab, 1);
        lab_expect_event(lab, "end");
        expect_traced(lab, i, AFTERWARDS, 1);
    }
    remove_files();
}

/* ---- One rung's own -------------------------------------------------------------------------- */

/* Without a loop there is nobody to wait with. */
Test(ladder, rung_2_says_that_a_handler_cannot_wait)
{
    lab_process_t *lab = lab_start_rung("02_coroutine_in_place", "park", NULL);

    lab_check(lab, "/yield", 500, "500 Internal Server Error");
    lab_expect_event(lab, "finally");
    lab_assert(lab, count_of(lab_stderr(lab), "RuntimeError: the handler awaits something") == 1,
               "doesn't say why");
    lab_check(lab, "/fast?name=A", 200, "A");
    lab_finish(lab);
}

/* Everything is on the main thread: the handler's thread is the HTTP thread. */
Test(ladder, rung_3_runs_handlers_on_the_http_thread)
{
    lab_process_t *lab = lab_start_rung("03_loop_same_thread", "park", NULL);

    lab_open_gate(lab, 0);
    lab_check(lab, "/park/0?name=A", 200, "\"main\":true");
    lab_finish(lab);
}

/* As many requests as threads are under way; one more waits until a thread is free. */
Test(ladder, rung_13_serves_no_more_requests_than_it_has_threads)
{
    enum { CLIENTS = 4, REQUESTS = 32 }; /* 128 in all */
    lab_process_t *lab = lab_start_rung("13_thread_per_request", "park", NULL);
    client_t      *parked = calloc(CLIENTS, sizeof *parked), other;

    cr_assert_not_null(parked, "no memory");
    for (int c = 0; c < CLIENTS; c++) {
        client_connect(&parked[c], lab->port);
        for (int k = 0; k < REQUESTS; k++)
            lab_send_get(&parked[c], "/park/0?name=A");
    }
    for (int n = 0; n < CLIENTS * REQUESTS; n++)
        lab_expect_event(lab, "start A");
    lab_connect_get(lab, &other, "/fast?name=B");
    lab_wait_asleep(lab);
    lab_assert(lab, lab_unread(lab, client_port(&other)) == 0, "B's request isn't read");
    lab_expect_silence(lab);
    lab_open_gate(lab, 0);
    lab_expect_answer(lab, &other, 200, "B");
    for (int c = 0; c < CLIENTS; c++) {
        for (int k = 0; k < REQUESTS; k++)
            lab_expect_answer(lab, &parked[c], 200, "\"park\":\"A\"");
        client_close(&parked[c]);
    }
    client_close(&other);
    free(parked);
    lab_finish(lab);
}
