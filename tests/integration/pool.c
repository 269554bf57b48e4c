/*
 * Lab 3 with --pool: handlers that block hold up their own threads, and nobody else. As in
 * concurrency.c a handler waits at a gate that the test holds, and the order of events is the
 * assertion.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/lab_client.h"
#include "tests/support/text.h"

TestSuite(pool, .fini = lab_processes_end, .timeout = 150);

Test(pool, others_are_served_while_a_handler_waits)
{
    lab_process_t *lab = lab_start(3, "park", "--pool=2", NULL);
    client_t       parked, other;

    lab_connect_get(lab, &parked, "/park/0?name=A");
    lab_expect_event(lab, "start A");
    for (int i = 0; i < 10; i++) {
        lab_connect_get(lab, &other, "/fast?name=B%d", i);
        lab_expect_answer(lab, &other, 200, lab_message("B%d", i));
        lab_expect_event(lab, lab_message("start B%d", i));
        client_close(&other);
    }
    lab_open_gate(lab, 0);
    lab_expect_event(lab, "end A");
    lab_expect_answer(lab, &parked, 200, "\"park\":\"A\"");
    client_close(&parked);
    lab_finish(lab);
}

/* The third handler isn't begun, but a route in C needs no thread of the pool. */
Test(pool, what_is_more_than_its_threads_waits_in_line)
{
    lab_process_t *lab = lab_start(3, "park", "--pool=2", NULL);
    client_t       first, second, third;

    lab_connect_get(lab, &first, "/park/0?name=A");
    lab_connect_get(lab, &second, "/park/0?name=B");
    lab_expect_events(lab, (const char *[]){"start A", "start B"}, 2);
    lab_connect_get(lab, &third, "/fast?name=C");
    lab_check(lab, "/native", 200, "Hello, World!");
    lab_wait_asleep(lab);
    lab_assert(lab, lab_unread(lab, client_port(&third)) == 0, "C's request hasn't been read");
    lab_expect_silence(lab);
    lab_open_gate(lab, 0);
    lab_expect_answer(lab, &third, 200, "C");
    lab_expect_answer(lab, &first, 200, "\"park\":\"A\"");
    lab_expect_answer(lab, &second, 200, "\"park\":\"B\"");
    client_close(&first);
    client_close(&second);
    client_close(&third);
    lab_finish(lab);
}

/* "\"thread\":123," in the answer of a parked handler, which the caller frees */
static char *thread_of(lab_process_t *lab, client_t *client)
{
    answer_t    answer = client_read_answer(client);
    const char *thread = strstr(answer.body, "\"thread\":");
    char       *copy;

    lab_assert(lab, answer.status == 200 && thread != NULL, "status %d: %s", answer.status,
               answer.body);
    lab_assert(lab, strstr(answer.body, "\"main\":false") != NULL, "on the HTTP thread: %s",
               answer.body);
    copy = strndup(thread, strcspn(thread, ","));
    answer_free(&answer);
    return copy;
}

Test(pool, each_of_its_threads_runs_one_handler_at_a_time)
{
    enum { THREADS = 3 };
    lab_process_t *lab = lab_start(3, "park", "--pool=3", NULL);
    client_t       clients[THREADS];
    char          *threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        lab_connect_get(lab, &clients[i], "/park/0?name=%d", i);
        lab_expect_event(lab, lab_message("start %d", i)); /* all of them are in a handler */
    }
    lab_open_gate(lab, 0);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = thread_of(lab, &clients[i]);
        for (int k = 0; k < i; k++)
            lab_assert(lab, strcmp(threads[k], threads[i]) != 0, "two ran on %s", threads[i]);
        client_close(&clients[i]);
    }
    for (int i = 0; i < THREADS; i++)
        free(threads[i]);
    lab_finish(lab);
}

Test(pool, what_stands_in_line_gets_its_answer_when_told_to_stop)
{
    lab_process_t *lab = lab_start(3, "park", "--pool=1", NULL);
    client_t       parked, queued;

    lab_connect_get(lab, &parked, "/park/0?name=A");
    lab_expect_event(lab, "start A");
    lab_connect_get(lab, &queued, "/fast?name=B");
    lab_wait_asleep(lab);
    lab_assert(lab, lab_unread(lab, client_port(&queued)) == 0, "B's request hasn't been read");
    kill(lab->pid, SIGTERM);
    lab_wait_stderr(lab, "stopping: 2 requests in flight get their answers");
    lab_open_gate(lab, 0);
    lab_expect_last_answer(lab, &parked, 200, "\"park\":\"A\"");
    lab_expect_last_answer(lab, &queued, 200, "B");
    lab_assert(lab, lab_wait(lab) == 0, "exit status %d, expected 0", lab->status);
    lab_assert(lab, strstr(lab->out, "cut off 0\n") != NULL, "summary:\n%s", lab->out);
    client_close(&parked);
    client_close(&queued);
    lab_free(lab);
}

Test(pool, a_handler_whose_client_has_left_is_not_begun)
{
    lab_process_t *lab = lab_start(3, "park", "--pool=1", NULL);
    client_t       parked, gone;
    int            port;

    lab_connect_get(lab, &parked, "/park/0?name=A");
    lab_expect_event(lab, "start A");
    lab_connect_get(lab, &gone, "/fast?name=B");
    port = client_port(&gone);
    lab_wait_asleep(lab);
    client_reset(&gone);
    lab_wait_closed(lab, port);
    lab_open_gate(lab, 0);
    lab_expect_event(lab, "end A");
    lab_expect_answer(lab, &parked, 200, "\"park\":\"A\"");
    lab_send_get(&parked, "/fast?name=C");
    lab_expect_event(lab, "start C"); /* and not B, which came before */
    lab_expect_answer(lab, &parked, 200, "C");
    client_close(&parked);
    lab_finish(lab);
}

/* Its thread can't be joined, so the watchdog ends the process. */
Test(pool, a_handler_that_blocks_can_not_hold_up_the_end)
{
    lab_process_t *lab = lab_start(3, "park", "--pool=2", "--drain-timeout=0.1", NULL);
    client_t       parked;

    lab_connect_get(lab, &parked, "/park/0?name=A");
    lab_expect_event(lab, "start A");
    lab_assert(lab, lab_stop(lab, SIGTERM) == 3, "exit status %d, expected 3", lab->status);
    lab_assert(lab, client_at_eof(&parked), "an answer came");
    client_close(&parked);
    lab_free(lab);
}

Test(pool, is_said_in_the_banner)
{
    lab_process_t *lab = lab_start(3, NULL, "--pool=5", NULL);

    lab_assert(lab, strstr(lab->out, "handlers on 5 threads") != NULL, "banner:\n%s", lab->out);
    lab_finish(lab);
}
