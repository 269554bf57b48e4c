/*
 * Handlers that start threads. Without a GIL these really run at once: with the HTTP thread, with
 * the loops, with each other. tests/apps/threads.py has the handlers; every lab serves the same.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "tests/support/lab_client.h"
#include "tests/support/text.h"

TestSuite(threads, .fini = lab_processes_end, .timeout = 150);

#define HOST "HTTP/1.1\r\nHost: test\r\n"

enum { ROUNDS = 50 };

/* What a request's parts are to all of its threads. */
static const char *const touched[] = {
    "\"same\":true",     "\"equal\":true",   "\"id\":\"a b\"",      "\"q\":\"1\"",
    "\"host\":\"test\"", "\"body\":\"[7]\"", "\"method\":\"POST\"", "\"json\":[7]",
};

Test(threads, that_touch_one_request_at_once_see_the_same_objects)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "threads", NULL);

        client_connect(&client, lab->port);
        for (int round = 0; round < ROUNDS; round++) {
            answer_t answer;

            client_send(&client, "POST /touch/a%20b?q=1 " HOST "Content-Length: 3\r\n\r\n[7]");
            answer = client_read_answer(&client);
            lab_assert(lab, answer.status == 200, "round %d: status %d", round, answer.status);
            for (size_t i = 0; i < sizeof touched / sizeof touched[0]; i++)
                lab_assert(lab, strstr(answer.body, touched[i]) != NULL, "round %d: no %s in %s",
                           round, touched[i], answer.body);
            answer_free(&answer);
        }
        client_close(&client);
        lab_finish(lab);
    }
}

/* 50 times each of 5 ways, from each of 4 threads: not one gets through. */
Test(threads, that_add_routes_while_the_app_serves_are_refused_and_harm_nobody)
{
    client_t other;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "threads", NULL);

        client_connect(&other, lab->port);
        for (int round = 0; round < 5; round++) {
            lab_send_get(&other, "/added");
            lab_check(lab, "/mutate", 200, "{\"refused\":[250,250,250,250]}");
            lab_expect_answer(lab, &other, 404, NULL);
        }
        client_close(&other);
        lab_finish(lab);
    }
}

Test(threads, a_handler_that_adds_a_route_gets_a_runtime_error)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "threads", NULL);

        lab_check(lab, "/mutate-unguarded", 500, "500 Internal Server Error");
        lab_assert(lab, strstr(lab_stderr(lab), "RuntimeError: the app is serving already") != NULL,
                   "the log doesn't say why");
        lab_check(lab, "/added", 404, NULL);
        lab_check(lab, "/mutate", 200, "250");
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        lab_free(lab);
    }
}

/* The request belongs to whoever holds it: its client has its answer, and has gone. */
Test(threads, a_thread_may_keep_the_request_beyond_its_answer)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "threads", NULL);

        client_connect(&client, lab->port);
        client_send(&client, "GET /leave/0?n=1 " HOST "X-Late: \xe4 still\r\n\r\n");
        lab_expect_answer(lab, &client, 200, "answered");
        lab_expect_event(lab, "left");
        client_reset(&client);
        for (int i = 0; i < ROUNDS; i++) /* others take the memory that it would have left */
            lab_check(lab, "/native", 200, "Hello, World!");
        lab_open_gate(lab, 0);
        lab_expect_event(lab, "late GET /leave/0?n=1 \xC3\xA4 still");
        lab_finish(lab);
    }
}

/* Python waits for ordinary threads at its end, and not for daemons. */
Test(threads, a_daemon_that_still_has_a_request_does_not_hold_up_the_end)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "threads", NULL);

        if (strstr(lab->out, "(interpreters") != NULL) {
            lab_finish(lab);
            continue; /* a sub-interpreter starts no daemon */
        }
        client_connect(&client, lab->port);
        client_send(&client, "GET /leave/0?daemon=1 " HOST "X-Late: never\r\n\r\n");
        lab_expect_answer(lab, &client, 200, "answered");
        lab_expect_event(lab, "left");
        client_close(&client);
        lab_finish(lab);
    }
}

Test(threads, a_loop_and_threads_work_for_each_other)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = lab_start(number, "threads", NULL);

        client_connect(&client, lab->port);
        for (int round = 0; round < ROUNDS; round++) {
            lab_send_get(&client, "/to-thread?q=%d", round);
            lab_expect_answer(lab, &client, 200, lab_message("%d from a thread", round));
            lab_send_get(&client, "/call-back");
            lab_expect_answer(lab, &client, 200, "called back");
        }
        client_close(&client);
        lab_finish(lab);
    }
}
