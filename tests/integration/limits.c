/*
 * Limits and time-outs, each set by its option to something small: what goes beyond is refused with
 * the right status, what is just inside isn't, and others are served as before.
 *
 * Time-outs are waited for, never measured.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "tests/support/lab_client.h"
#include "tests/support/text.h"

TestSuite(limits, .fini = lab_processes_end, .timeout = 150);

#define HOST "HTTP/1.1\r\nHost: test\r\n"

/* 1234567890 times 6 */
#define SIXTY "123456789012345678901234567890123456789012345678901234567890"

typedef struct {
    const char *name, *request;
    int         status; /* 4xx: and the connection ends */
} limit_case_t;

static const limit_case_t limit_cases[] = {
    {"short line", "GET /users/1 " HOST "\r\n", 200},
    {"long line", "GET /users/" SIXTY " " HOST "\r\n", 414},
    {"three fields", "GET / " HOST "A: b\r\nC: d\r\n\r\n", 200},
    {"four fields", "GET / " HOST "A: b\r\nC: d\r\nE: f\r\n\r\n", 431},
    {"large field", "GET / " HOST "A: " SIXTY "\r\n\r\n", 431},
    {"large field's name", "GET / " HOST "A" SIXTY ": b\r\n\r\n", 431},
    {"body inside", "POST /echo " HOST "Content-Length: 10\r\n\r\n1234567890", 200},
    {"body beyond", "POST /echo " HOST "Content-Length: 11\r\n\r\n12345678901", 413},
    {"body beyond, not sent", "POST /echo " HOST "Content-Length: 99999999999\r\n\r\n", 413},
    {"body beyond, asked first",
     "POST /echo " HOST "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n", 413},
    {"chunks inside",
     "POST /echo " HOST "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n5\r\n67890\r\n0\r\n\r\n",
     200},
    {"chunks beyond",
     "POST /echo " HOST "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n6\r\n678901\r\n0\r\n\r\n",
     413},
};

static void check_limit(lab_process_t *lab, const limit_case_t *limit)
{
    client_t client;
    answer_t answer;

    client_connect(&client, lab->port);
    client_send(&client, limit->request);
    answer = client_read_answer(&client);
    lab_assert(lab, answer.status == limit->status, "%s: status %d, expected %d", limit->name,
               answer.status, limit->status);
    lab_assert(lab, answer.close == (limit->status >= 400), "%s: Connection: close is %s",
               limit->name, answer.close ? "there" : "missing");
    if (answer.close)
        lab_assert(lab, client_at_eof(&client), "%s: stays open", limit->name);
    answer_free(&answer);
    client_close(&client);
}

Test(limits, what_is_too_large_is_refused)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, "--max-request-line=64", "--max-headers=3",
                                       "--max-header-bytes=64", "--max-body=10", NULL);

        for (size_t i = 0; i < sizeof limit_cases / sizeof limit_cases[0]; i++)
            check_limit(lab, &limit_cases[i]);
        lab_check(lab, "/", 200, "Hello, World!");
        lab_finish(lab);
    }
}

/* ---- Counts ---------------------------------------------------------------------------------- */

Test(limits, requests_beyond_those_in_flight_are_told_to_come_back)
{
    client_t parked, refused;
    answer_t answer;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_concurrent(number)) {
        lab_process_t *lab = lab_start(number, "park", "--max-in-flight=1", NULL);

        lab_connect_get(lab, &parked, "/park/0?name=A");
        lab_expect_event(lab, "start A");
        lab_connect_get(lab, &refused, "/fast?name=B");
        answer = client_read_answer(&refused);
        lab_assert(lab, answer.status == 503, "status %d, expected 503", answer.status);
        lab_assert(lab, answer_field(&answer, "Retry-After") != NULL, "no Retry-After");
        lab_assert(lab, !answer.close, "the connection is closed for it");
        answer_free(&answer);
        lab_expect_silence(lab);
        lab_open_gate(lab, 0);
        lab_expect_answer(lab, &parked, 200, "\"park\":\"A\"");
        lab_send_get(&refused, "/fast?name=C");
        lab_expect_answer(lab, &refused, 200, "C");
        client_close(&parked);
        client_close(&refused);
        lab_finish(lab);
    }
}

/* Pipelined in one segment, lab 3's requests are all in flight before the first handler runs. */
Test(limits, lab3_refuses_what_is_in_flight_within_one_turn)
{
    lab_process_t *lab = lab_start(3, "park", "--max-in-flight=2", NULL);
    client_t       client;

    client_connect(&client, lab->port);
    client_send(&client, "GET /fast?name=A " HOST "\r\nGET /fast?name=B " HOST "\r\n"
                         "GET /fast?name=C " HOST "\r\n");
    lab_expect_answer(lab, &client, 200, "A");
    lab_expect_answer(lab, &client, 200, "B");
    lab_expect_answer(lab, &client, 503, "503 Service Unavailable");
    lab_send_get(&client, "/fast?name=D");
    lab_expect_answer(lab, &client, 200, "D");
    client_close(&client);
    lab_finish(lab);
}

Test(limits, a_connection_too_many_waits_for_one_to_close)
{
    client_t first, second;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "park", "--max-connections=1", NULL);

        lab_connect_get(lab, &first, "/fast?name=A");
        lab_expect_answer(lab, &first, 200, "A");
        lab_expect_event(lab, "start A");
        lab_connect_get(lab, &second, "/fast?name=B");
        lab_wait_asleep(lab);
        lab_expect_silence(lab);
        lab_assert(lab, lab_unread(lab, client_port(&second)) > 0, "the second one was read");
        client_close(&first);
        lab_expect_event(lab, "start B");
        lab_expect_answer(lab, &second, 200, "B");
        client_close(&second);
        lab_finish(lab);
    }
}

/* All but lab 3 alone: of a connection's requests no more run at once than the window allows. */
Test(limits, the_pipeline_window_bounds_what_one_connection_runs)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_concurrent(number)) {
        lab_process_t *lab = lab_start(number, "park", "--pipeline-window=2", NULL);

        client_connect(&client, lab->port);
        for (int i = 0; i < 4; i++)
            lab_send_get(&client, "/park/%d?name=%c", i, 'A' + i);
        lab_expect_events(lab, (const char *[]){"start A", "start B"}, 2);
        lab_wait_asleep(lab);
        lab_expect_silence(lab);
        lab_open_gate(lab, 1); /* B's: its answer waits behind A's, so it still counts */
        lab_expect_event(lab, "end B");
        lab_wait_asleep(lab);
        lab_expect_silence(lab);
        lab_open_gate(lab, 0);
        lab_expect_event(lab, "end A");
        lab_expect_events(lab, (const char *[]){"start C", "start D"}, 2);
        lab_open_gate(lab, 3);
        lab_open_gate(lab, 2);
        for (int i = 0; i < 4; i++)
            lab_expect_answer(lab, &client, 200, lab_message("\"park\":\"%c\"", 'A' + i));
        client_close(&client);
        lab_finish(lab);
    }
}

/* ---- Time-outs ------------------------------------------------------------------------------- */

Test(limits, a_head_that_does_not_end_is_408)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, "--header-timeout=0.1", NULL);

        client_connect(&client, lab->port);
        client_send(&client, "GET / HTTP/1.1\r\nHost: te");
        lab_expect_last_answer(lab, &client, 408, "408 Request Timeout");
        lab_finish(lab);
    }
}

Test(limits, a_body_that_does_not_end_is_408)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, "--body-timeout=0.1", NULL);

        client_connect(&client, lab->port);
        client_send(&client, "POST /echo " HOST "Content-Length: 5\r\n\r\nab");
        lab_expect_last_answer(lab, &client, 408, "408 Request Timeout");
        lab_finish(lab);
    }
}

Test(limits, idle_connections_are_closed_without_a_word)
{
    client_t used, unused;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab =
            lab_start(number, NULL, "--keepalive-timeout=0.1", "--header-timeout=0.1", NULL);

        client_connect(&unused, lab->port);
        lab_connect_get(lab, &used, "/");
        lab_expect_answer(lab, &used, 200, "Hello, World!");
        lab_assert(lab, client_at_eof(&used), "something was sent to a used connection");
        lab_assert(lab, client_at_eof(&unused), "something was sent to an unused connection");
        client_close(&used);
        client_close(&unused);
        lab_finish(lab);
    }
}

Test(limits, a_client_that_takes_nothing_is_dropped)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, "--write-timeout=0.1", NULL);

        /* ~6 GB: nothing ends it but the time-out. Lab and kernel hold a few MB of it. */
        lab_connect_get(lab, &client, "/native/stream?chunks=100000&size=65536");
        lab_wait_closed(lab, client_port(&client));
        client_close(&client);
        lab_finish(lab);
    }
}

/*
 * Not lab 3 alone: the client gets its 504, the next one is served, and the handler gets its
 * cancellation. On a thread of a pool it can't, and runs on: its answer is dropped.
 */
Test(limits, a_handler_that_takes_too_long_is_504)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_concurrent(number)) {
        lab_process_t *lab = lab_start(number, "park", "--request-timeout=0.1", NULL);

        lab_connect_get(lab, &client, "/park/0?name=A");
        lab_expect_answer(lab, &client, 504, "504 Gateway Timeout");
        lab_expect_event(lab, "start A");
        if (!lab_is_sync(number))
            lab_expect_event(lab, "cancelled A");
        lab_send_get(&client, "/fast?name=B");
        lab_expect_answer(lab, &client, 200, "B");
        client_close(&client);
        lab_open_gate(lab, 0);
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        lab_assert(lab, count_of(lab_stderr(lab), "error") == 0, "it is logged as an error");
        lab_free(lab);
    }
}

static void check_late(int number, const char *target, const char *begun, const char *answer)
{
    lab_process_t *lab = lab_start(number, "park", "--request-timeout=0.02", NULL);
    client_t       client;

    lab_connect_get(lab, &client, "%s", target);
    lab_expect_event(lab, begun);
    lab_wait_asleep(lab);
    lab_open_gate(lab, 0);
    lab_expect_answer(lab, &client, 200, answer);
    client_close(&client);
    lab_finish(lab);
}

/* With one thread nobody looks at the clock while a handler blocks: its answer comes, however late. */
Test(limits, labs_3_to_5_answer_late_rather_than_504_where_a_handler_blocks)
{
    check_late(3, "/park/0?name=A", "start A", "\"park\":\"A\"");
    check_late(4, "/block/0", "blocking", "released");
    check_late(5, "/block/0", "blocking", "released");
}
