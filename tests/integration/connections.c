/*
 * What happens on connections: kept alive, pipelined, half closed, closed by the wrong kind of
 * request, left by the client while a handler runs. The same on every lab, whatever runs behind.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/lab_client.h"
#include "tests/support/text.h"

TestSuite(connections, .fini = lab_processes_end, .timeout = 150);

#define HOST "HTTP/1.1\r\nHost: test\r\n"

Test(connections, one_connection_serves_many_requests)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, NULL);

        client_connect(&client, lab->port);
        for (int i = 0; i < 100; i++) {
            lab_send_get(&client, i % 2 == 0 ? "/" : "/native");
            lab_expect_answer(lab, &client, 200, "Hello, World!");
        }
        client_close(&client);
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        lab_assert(lab, strstr(lab->out, " 1 connections, 100 requests\n") != NULL, "summary:\n%s",
                   lab->out);
        lab_free(lab);
    }
}

/* ---- Who closes ------------------------------------------------------------------------------ */

typedef struct {
    const char *name, *request;
    int         status;
} closing_case_t;

/* Each is answered, says `Connection: close`, and the connection ends. */
static const closing_case_t closing_cases[] = {
    {"asked to close", "GET / " HOST "Connection: close\r\n\r\n", 200},
    {"asked to close in capitals", "GET / " HOST "Connection: CLOSE\r\n\r\n", 200},
    {"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 200},
    {"HTTP/1.0 to a route in C", "GET /native HTTP/1.0\r\n\r\n", 200},
    {"asked to close, nowhere", "GET /nowhere " HOST "Connection: close\r\n\r\n", 404},
    {"a method that nobody has", "HELLO / HTTP/1.1\r\nHost: test\r\n\r\n", 501},
    {"no request at all", "<html>\r\n\r\n", 400},
    {"TLS to a plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},
    {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
    {"two Hosts", "GET / " HOST "Host: test\r\n\r\n", 400},
    {"blank before a colon", "GET / " HOST "A : b\r\n\r\n", 400},
    {"folded field", "GET / " HOST "A: b\r\n c\r\n\r\n", 400},
    {"CONNECT is no method of ours", "CONNECT test:80 " HOST "\r\n", 501},
    {"a target without a slash", "GET here " HOST "\r\n", 400},
    {"an unknown version", "GET / HTTP/3.0\r\nHost: test\r\n\r\n", 505},
    {"two lengths", "POST /echo " HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
    {"a length that is none", "POST /echo " HOST "Content-Length: 1x\r\n\r\na", 400},
    {"length and chunks",
     "POST /echo " HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"a coding that we don't know", "POST /echo " HOST "Transfer-Encoding: gzip\r\n\r\n", 501},
    {"a chunk's size that is none", "POST /echo " HOST "Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
     400},
    {"an expectation that we don't know", "POST /echo " HOST "Expect: coffee\r\n\r\n", 417},
};

Test(connections, some_requests_are_a_connections_last)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, NULL);

        for (size_t i = 0; i < sizeof closing_cases / sizeof closing_cases[0]; i++) {
            const closing_case_t *closing = &closing_cases[i];
            answer_t              answer;

            client_connect(&client, lab->port);
            client_send(&client, closing->request);
            answer = client_read_answer(&client);
            lab_assert(lab, answer.status == closing->status, "%s: status %d, expected %d",
                       closing->name, answer.status, closing->status);
            lab_assert(lab, answer.close, "%s: no Connection: close", closing->name);
            lab_assert(lab, client_at_eof(&client), "%s: stays open", closing->name);
            answer_free(&answer);
            client_close(&client);
        }
        lab_check(lab, "/", 200, "Hello, World!");
        lab_finish(lab);
    }
}

Test(connections, what_came_before_a_malformed_request_is_answered_first)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, NULL);

        client_connect(&client, lab->port);
        client_send(&client, "GET /wait?ms=5 " HOST "\r\nGET /json " HOST "\r\n"
                             "GET / HTTP/1.1\r\nHost test\r\n\r\nGET / " HOST "\r\n");
        lab_expect_answer(lab, &client, 200, "waited_ms");
        lab_expect_answer(lab, &client, 200, "message");
        lab_expect_last_answer(lab, &client, 400, "400 Bad Request");
        lab_finish(lab);
    }
}

Test(connections, a_client_that_waits_for_leave_to_send_its_body_gets_it)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, NULL);

        client_connect(&client, lab->port);
        client_send(&client,
                    "POST /echo " HOST "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n");
        lab_expect_answer(lab, &client, 100, NULL);
        client_send(&client, "body");
        lab_expect_answer(lab, &client, 200, "body");
        client_close(&client);
        lab_finish(lab);
    }
}

/* ---- Pipelines ------------------------------------------------------------------------------- */

/* Request i of a pipeline: slow and fast ones, from Python and from C, take turns. */
static int pipelined(int i, char *request, size_t size, char *part, size_t part_size)
{
    static const char *const targets[] = {"/wait?ms=3&", "/users/", "/native/cpu?n=", "/cpu?n="};
    static const char *const parts[] = {"\"waited_ms\":3", "\"user_id\":\"%d\"", "\"n\":%d,",
                                        "\"n\":%d,"};

    snprintf(part, part_size, parts[i % 4], i);
    return snprintf(request, size, "GET %s%d " HOST "\r\n", targets[i % 4], i);
}

static void pipeline(lab_process_t *lab, int count)
{
    char     requests[100 * 64], part[64];
    size_t   len = 0;
    client_t client;

    for (int i = 0; i < count; i++)
        len += (size_t)pipelined(i, requests + len, sizeof requests - len, part, sizeof part);
    client_connect(&client, lab->port);
    client_send_bytes(&client, requests, len);
    for (int i = 0; i < count; i++) {
        pipelined(i, requests, sizeof requests, part, sizeof part);
        lab_expect_answer(lab, &client, 200, part);
    }
    client_close(&client);
}

Test(connections, pipelined_requests_are_answered_in_order)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, NULL);

        pipeline(lab, 16);
        pipeline(lab, 100);
        lab_finish(lab);
    }
}

/* All but lab 3 alone: what is ready early waits for its turn on the wire, not for its turn to run. */
Test(connections, a_parked_request_holds_back_later_answers_but_not_later_handlers)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_concurrent(number)) {
        lab_process_t *lab = lab_start(number, "park", NULL);

        client_connect(&client, lab->port);
        client_send(&client, "GET /park/0?name=A " HOST "\r\nGET /fast?name=B " HOST "\r\n"
                             "GET /fast?name=C " HOST "\r\n");
        lab_expect_events(lab, (const char *[]){"start A", "start B", "start C"}, 3);
        lab_wait_asleep(lab);
        lab_expect_silence(lab);
        lab_open_gate(lab, 0);
        lab_expect_answer(lab, &client, 200, "\"park\":\"A\"");
        lab_expect_answer(lab, &client, 200, "B");
        lab_expect_answer(lab, &client, 200, "C");
        client_close(&client);
        lab_finish(lab);
    }
}

/* RFC 9112, 9.3.2: behind a method that changes something the next request waits. */
Test(connections, nothing_overtakes_a_post)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_concurrent(number)) {
        lab_process_t *lab = lab_start(number, "park", NULL);

        client_connect(&client, lab->port);
        client_send(&client, "POST /park/0?name=A " HOST "Content-Length: 0\r\n\r\n"
                             "GET /fast?name=B " HOST "\r\n");
        lab_expect_event(lab, "start A");
        lab_wait_asleep(lab);
        lab_expect_silence(lab);
        lab_open_gate(lab, 0);
        lab_expect_event(lab, "end A");
        lab_expect_event(lab, "start B");
        lab_expect_answer(lab, &client, 200, "\"park\":\"A\"");
        lab_expect_answer(lab, &client, 200, "B");
        client_close(&client);
        lab_finish(lab);
    }
}

/* ---- Clients that leave ---------------------------------------------------------------------- */

Test(connections, a_half_closed_connection_gets_its_answers)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "park", NULL);

        lab_connect_get(lab, &client, "/park/0?name=A");
        lab_expect_event(lab, "start A");
        lab_send_get(&client, "/fast?name=B");
        client_half_close(&client);
        lab_wait_asleep(lab); /* it has seen the end of the input, where it can */
        lab_open_gate(lab, 0);
        lab_expect_answer(lab, &client, 200, "\"park\":\"A\"");
        lab_expect_answer(lab, &client, 200, "B");
        lab_assert(lab, client_at_eof(&client), "stays open");
        client_close(&client);
        lab_finish(lab);
    }
}

Test(connections, half_a_request_and_the_end_is_no_request)
{
    static const char *const halves[] = {"", "GET", "GET / HTTP/1.1\r\nHost: te",
                                         "POST /echo " HOST "Content-Length: 5\r\n\r\nab"};
    client_t                 client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, NULL);

        for (size_t i = 0; i < sizeof halves / sizeof halves[0]; i++) {
            client_connect(&client, lab->port);
            client_send(&client, halves[i]);
            client_half_close(&client);
            lab_assert(lab, client_at_eof(&client), "answered '%s'", halves[i]);
            client_close(&client);
        }
        lab_finish(lab);
    }
}

/* Labs 1, 2 and 4: the handler learns of it by asyncio.CancelledError; others don't notice. */
Test(connections, a_client_that_leaves_cancels_its_handler_and_no_other)
{
    client_t leaver, stayer;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = lab_start(number, "park", NULL);

        lab_connect_get(lab, &leaver, "/park/0?name=A");
        lab_expect_event(lab, "start A");
        lab_connect_get(lab, &stayer, "/park/0?name=B");
        lab_expect_event(lab, "start B");
        client_reset(&leaver);
        lab_expect_event(lab, "cancelled A");
        lab_check(lab, "/fast?name=C", 200, "C");
        lab_expect_event(lab, "start C");
        lab_open_gate(lab, 0);
        lab_expect_event(lab, "end B");
        lab_expect_answer(lab, &stayer, 200, "\"park\":\"B\"");
        client_close(&stayer);
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        lab_assert(lab, strstr(lab->out, "client left 1, cut off 0") != NULL, "summary:\n%s",
                   lab->out);
        lab_assert(lab, count_of(lab_stderr(lab), "error") == 0, "it is logged as an error");
        lab_free(lab);
    }
}

/* Every request of the pipeline, those that wait for their turn on the wire among them. */
Test(connections, a_client_that_leaves_cancels_all_that_it_has_asked_for)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = lab_start(number, "park", NULL);

        client_connect(&client, lab->port);
        for (int i = 0; i < 3; i++)
            lab_send_get(&client, "/park/0?name=%c", 'A' + i);
        lab_expect_events(lab, (const char *[]){"start A", "start B", "start C"}, 3);
        client_reset(&client);
        lab_expect_events(lab, (const char *[]){"cancelled A", "cancelled B", "cancelled C"}, 3);
        lab_finish(lab);
    }
}

/* A handler may swallow its cancellation: its answer goes nowhere, and nothing else happens. */
Test(connections, a_handler_that_ignores_its_cancellation_harms_nobody)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = lab_start(number, "park", NULL);

        lab_connect_get(lab, &client, "/stubborn/0");
        lab_expect_event(lab, "start");
        client_reset(&client);
        lab_expect_event(lab, "ignored");
        lab_check(lab, "/fast?name=C", 200, "C");
        lab_assert(lab, count_of(lab_stderr(lab), "error") == 0, "it is logged as an error");
        lab_finish(lab);
    }
}

/* Lab 3 can't interrupt its handler: the answer is dropped, and the next client gets its own. */
static void check_dropped(int number)
{
    lab_process_t *lab = lab_start(number, "park", NULL);
    client_t       leaver;

    lab_connect_get(lab, &leaver, "/park/0?name=A");
    lab_expect_event(lab, "start A");
    client_reset(&leaver);
    lab_open_gate(lab, 0);
    lab_expect_event(lab, "end A");
    lab_check(lab, "/fast?name=B", 200, "B");
    lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
    lab_assert(lab, count_of(lab_stderr(lab), "error") == 0, "it is logged as an error");
    lab_assert(lab, strstr(lab->out, "cut off 0") != NULL, "summary:\n%s", lab->out);
    lab_free(lab);
}

Test(connections, lab3_drops_the_answer_of_a_client_that_has_left)
{
    check_dropped(3);
    check_dropped(LAB_POOL);
}

/* A client that takes nothing of a long answer and leaves. */
Test(connections, a_client_that_leaves_a_stream_harms_nobody)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, NULL);

        for (int i = 0; i < 3; i++) {
            lab_connect_get(lab, &client, "/native/stream?chunks=100000&size=65536");
            lab_wait_asleep(lab); /* the socket is full */
            client_reset(&client);
            lab_check(lab, "/", 200, "Hello, World!");
        }
        lab_finish(lab);
    }
}
