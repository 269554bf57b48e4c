/*
 * What each lab is about: which thread runs a handler, and who can be served while one waits. No
 * clocks: a handler waits at a gate that the test holds, and the order of events is the assertion.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/lab_client.h"
#include "tests/support/text.h"

TestSuite(concurrency, .fini = lab_processes_end, .timeout = 150);

#define HOST "HTTP/1.1\r\nHost: test\r\n"

/* Not lab 3, whose threads of a pool are in pool.c: await gives the loop back, so whoever comes meanwhile is served. */
Test(concurrency, others_are_served_while_a_handler_awaits)
{
    client_t parked, other;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = lab_start(number, "park", NULL);

        lab_connect_get(lab, &parked, "/park/0?name=A");
        lab_expect_event(lab, "start A");
        lab_connect_get(lab, &other, "/fast?name=B");
        lab_expect_answer(lab, &other, 200, "B");
        lab_expect_event(lab, "start B");
        lab_open_gate(lab, 0);
        lab_expect_event(lab, "end A");
        lab_expect_answer(lab, &parked, 200, "\"park\":\"A\"");
        client_close(&parked);
        client_close(&other);
        lab_finish(lab);
    }
}

/*
 * Lab 3's lesson: while a handler waits the server can't even read. B's bytes lie in the kernel
 * although every thread of the lab has nothing to do.
 */
Test(concurrency, lab3_serves_nobody_while_a_handler_waits)
{
    lab_process_t *lab = lab_start(3, "park", NULL);
    client_t       first, other, native;

    client_connect(&other, lab->port);
    lab_connect_get(lab, &first, "/park/0?name=A");
    lab_expect_event(lab, "start A");
    lab_send_get(&other, "/fast?name=B");
    lab_connect_get(lab, &native, "/native");
    lab_wait_asleep(lab);
    lab_assert(lab, lab_unread(lab, client_port(&other)) > 0, "B's request has been read");
    lab_assert(lab, lab_unread(lab, client_port(&native)) > 0, "/native's request has been read");
    lab_expect_silence(lab);
    lab_open_gate(lab, 0);
    lab_expect_event(lab, "end A");
    lab_expect_event(lab, "start B");
    lab_expect_answer(lab, &first, 200, "\"park\":\"A\"");
    lab_expect_answer(lab, &other, 200, "B");
    lab_expect_answer(lab, &native, 200, "Hello, World!");
    client_close(&first);
    client_close(&other);
    client_close(&native);
    lab_finish(lab);
}

/*
 * Lab 4 has one thread as well, and so has a worker of lab 5: a handler that blocks it, where it should
 * await, blocks everyone there.
 */
static void check_blocked(int number)
{
    lab_process_t *lab = lab_start(number, "park", NULL);
    client_t       blocking, awaiting, other, native;

    client_connect(&other, lab->port);
    lab_connect_get(lab, &awaiting, "/park/1?name=A");
    lab_expect_event(lab, "start A");
    lab_connect_get(lab, &blocking, "/block/0");
    lab_expect_event(lab, "blocking");
    lab_open_gate(lab, 1); /* what A waits for */
    lab_send_get(&other, "/fast?name=B");
    lab_connect_get(lab, &native, "/native");
    lab_wait_asleep(lab);
    lab_assert(lab, lab_unread(lab, client_port(&other)) > 0, "B's request has been read");
    lab_assert(lab, lab_unread(lab, client_port(&native)) > 0, "/native's request has been read");
    lab_expect_silence(lab);
    lab_open_gate(lab, 0);
    lab_expect_events(lab, (const char *[]){"end A", "start B"}, 2);
    lab_expect_answer(lab, &blocking, 200, "released");
    lab_expect_answer(lab, &awaiting, 200, "\"park\":\"A\"");
    lab_expect_answer(lab, &other, 200, "B");
    lab_expect_answer(lab, &native, 200, "Hello, World!");
    client_close(&blocking);
    client_close(&awaiting);
    client_close(&other);
    client_close(&native);
    lab_finish(lab);
}

Test(concurrency, lab4_serves_nobody_while_a_handler_blocks)
{
    check_blocked(4);
}

Test(concurrency, a_worker_of_lab5_serves_nobody_while_a_handler_blocks)
{
    check_blocked(5);
}

/*
 * Requests that have come in one turn are handled one after the other; an answer doesn't wait for the
 * last of them where they take long.
 */
static void check_answers_between(int number)
{
    const char    *first = number == 3 ? "start A" : "blocking";
    lab_process_t *lab = lab_start(number, "park", NULL);
    client_t       before, quick, stuck;

    client_connect(&quick, lab->port);
    client_connect(&stuck, lab->port);
    lab_connect_get(lab, &before, number == 3 ? "/park/0?name=A" : "/block/0");
    lab_expect_event(lab, first);
    lab_send_get(&quick, "/long");
    lab_send_get(&stuck, number == 3 ? "/park/1?name=A" : "/block/1");
    lab_open_gate(lab, 0);
    lab_expect_answer(lab, &quick, 200, "at last"); /* gate 1 is closed */
    lab_open_gate(lab, 1);
    lab_expect_answer(lab, &before, 200, NULL);
    lab_expect_answer(lab, &stuck, 200, NULL);
    client_close(&before);
    client_close(&quick);
    client_close(&stuck);
    lab_finish(lab);
}

Test(concurrency, an_answer_does_not_wait_for_a_handler_behind_it)
{
    for (int number = 3; number <= 5; number++)
        check_answers_between(number);
}

/* Of requests that have come in one turn the later ones don't begin before the earlier ones go on. */
static void check_begun_goes_first(int number)
{
    lab_process_t *lab = lab_start(number, "park", NULL);
    client_t       before, halves, fast;

    client_connect(&halves, lab->port);
    client_connect(&fast, lab->port);
    lab_connect_get(lab, &before, "/block/0");
    lab_expect_event(lab, "blocking");
    lab_send_get(&halves, "/halves");
    lab_send_get(&fast, "/fast?name=B");
    lab_open_gate(lab, 0);
    lab_expect_event(lab, "second half");
    lab_expect_event(lab, "start B");
    lab_expect_answer(lab, &before, 200, NULL);
    lab_expect_answer(lab, &halves, 200, "both");
    lab_expect_answer(lab, &fast, 200, "B");
    client_close(&before);
    client_close(&halves);
    client_close(&fast);
    lab_finish(lab);
}

Test(concurrency, labs_4_and_5_go_on_with_what_has_begun_first)
{
    check_begun_goes_first(4);
    check_begun_goes_first(5);
}

/* A handler that never returns: everyone else is served, and the drain cuts it off. */
Test(concurrency, a_handler_that_never_returns_harms_nobody)
{
    client_t never;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = lab_start(number, "park", "--drain-timeout=0.1", NULL);

        lab_connect_get(lab, &never, "/never");
        lab_expect_event(lab, "start never");
        for (int i = 0; i < 20; i++)
            lab_check(lab, "/fast?name=B", 200, "B");
        lab_assert(lab, lab_stop(lab, SIGTERM) == 3, "exit status %d, expected 3", lab->status);
        client_close(&never);
        lab_free(lab);
    }
}

/* Labs 1 and 2: a handler that blocks its loop's thread keeps Python from others, not C. */
Test(concurrency, a_blocked_loop_leaves_native_routes_alone)
{
    client_t blocking, waiting;

    for (int number = 1; number <= 2; number++) {
        lab_process_t *lab =
            number == 1 ? lab_start(1, "park", NULL) : lab_start(2, "park", "--workers=1", NULL);

        lab_connect_get(lab, &blocking, "/block/0");
        lab_expect_event(lab, "blocking");
        lab_connect_get(lab, &waiting, "/fast?name=B");
        lab_check(lab, "/native", 200, "Hello, World!");
        lab_check(lab, "/native/cpu?n=100", 200, "25");
        lab_wait_asleep(lab);
        lab_expect_silence(lab);
        lab_open_gate(lab, 0);
        lab_expect_event(lab, "start B");
        lab_expect_answer(lab, &blocking, 200, "released");
        lab_expect_answer(lab, &waiting, 200, "B");
        client_close(&blocking);
        client_close(&waiting);
        lab_finish(lab);
    }
}

/* ---- Threads --------------------------------------------------------------------------------- */

/* Park `count` requests, each on a connection of its own, then release them. returns the bodies */
static char **park_many(lab_process_t *lab, int count)
{
    client_t *clients = calloc((size_t)count, sizeof *clients);
    char    **bodies = calloc((size_t)count, sizeof *bodies);

    cr_assert(clients != NULL && bodies != NULL, "no memory");
    for (int i = 0; i < count; i++) {
        lab_connect_get(lab, &clients[i], "/park/0?name=%d", i);
        lab_expect_event(lab, lab_message("start %d", i));
    }
    lab_open_gate(lab, 0);
    for (int i = 0; i < count; i++) {
        answer_t answer = client_read_answer(&clients[i]);

        lab_assert(lab, answer.status == 200, "parked request %d: status %d", i, answer.status);
        bodies[i] = answer.body;
        answer.body = NULL;
        answer_free(&answer);
        client_close(&clients[i]);
    }
    free(clients);
    return bodies;
}

static void free_bodies(char **bodies, int count)
{
    for (int i = 0; i < count; i++)
        free(bodies[i]);
    free(bodies);
}

/* The number behind "thread": in a body of tests/apps/harness.py's where(). */
static long thread_of(lab_process_t *lab, const char *body)
{
    const char *at = strstr(body, "\"thread\":");

    lab_assert(lab, at != NULL, "no thread in '%s'", body);
    return strtol(at + strlen("\"thread\":"), NULL, 10);
}

Test(concurrency, lab1_runs_all_handlers_on_one_thread_that_is_not_the_http_thread)
{
    enum { COUNT = 8 };
    lab_process_t *lab = lab_start(1, "park", NULL);
    char         **bodies = park_many(lab, COUNT);

    for (int i = 0; i < COUNT; i++) {
        lab_assert(lab, thread_of(lab, bodies[i]) == thread_of(lab, bodies[0]),
                   "request %d ran on another thread: %s, not %s", i, bodies[i], bodies[0]);
        lab_assert(lab, strstr(bodies[i], "\"main\":false") != NULL,
                   "request %d ran on the HTTP thread: %s", i, bodies[i]);
        lab_assert(lab, strstr(bodies[i], "\"name\":\"loop\"") != NULL, "thread's name: %s",
                   bodies[i]);
    }
    free_bodies(bodies, COUNT);
    lab_finish(lab);
}

/* Round robin: N parked requests sit on N threads, the next N again on the same ones. */
static void check_workers(int workers)
{
    lab_process_t *lab = lab_start(2, "park", lab_message("--workers=%d", workers), NULL);
    char         **bodies = park_many(lab, 2 * workers);

    for (int i = 0; i < 2 * workers; i++) {
        for (int k = 0; k < i; k++)
            lab_assert(lab,
                       (thread_of(lab, bodies[i]) == thread_of(lab, bodies[k])) ==
                           (i % workers == k % workers),
                       "of %d workers, requests %d and %d ran on: %s, %s", workers, k, i, bodies[k],
                       bodies[i]);
        lab_assert(lab,
                   strstr(bodies[i], lab_message("\"name\":\"worker-%d\"", i % workers)) != NULL,
                   "request %d ran on: %s", i, bodies[i]);
    }
    free_bodies(bodies, 2 * workers);
    lab_finish(lab);
}

Test(concurrency, lab2_spreads_requests_over_its_workers_in_turn)
{
    check_workers(1);
    check_workers(3);
    check_workers(8);
}

/* In lab 4 those too that have waited. */
Test(concurrency, labs_3_and_4_run_handlers_on_the_main_thread)
{
    for (int number = 3; number <= 4; number++) {
        lab_process_t *lab = lab_start(number, "values", NULL);

        lab_check(lab, "/where", 200, "\"main\":true");
        lab_finish(lab);
        lab = lab_start(number, "park", NULL);
        lab_open_gate(lab, 0);
        lab_check(lab, "/park/0?name=A", 200, "\"main\":true");
        lab_finish(lab);
    }
}

/* ---- Hooks ----------------------------------------------------------------------------------- */

typedef struct {
    int         number;
    const char *events[5];
} hooks_case_t;

static const hooks_case_t hooks_cases[] = {
    {1,
     {"first start on loop", "second start on loop", "request", "second stop, same loop, on loop",
      "first stop on loop"}},
    {2,
     {"first start on main-loop", "second start on main-loop", "request",
      "second stop, same loop, on main-loop", "first stop on main-loop"}},
    {3,
     {"first start on MainThread", "second start on MainThread", "request",
      "second stop on MainThread", "first stop on MainThread"}},
    {4,
     {"first start on MainThread", "second start on MainThread", "request",
      "second stop, same loop, on MainThread", "first stop on MainThread"}},
};

Test(concurrency, hooks_run_once_before_the_first_request_and_after_the_last)
{
    for (size_t i = 0; i < sizeof hooks_cases / sizeof hooks_cases[0]; i++) {
        const hooks_case_t *hooks = &hooks_cases[i];
        lab_process_t      *lab = lab_start(hooks->number, "hooks", NULL);

        lab_expect_event(lab, hooks->events[0]);
        lab_expect_event(lab, hooks->events[1]);
        lab_check(lab, "/", 200, "hello");
        lab_expect_event(lab, hooks->events[2]);
        lab_expect_silence(lab);
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        lab_expect_event(lab, hooks->events[3]);
        lab_expect_event(lab, hooks->events[4]);
        lab_expect_silence(lab);
        lab_free(lab);
    }
}

/* A task that a handler has left on its loop ends with the loop. */
Test(concurrency, what_is_left_on_a_loop_is_cancelled_in_the_end)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = lab_start(number, "hooks", NULL);
        const char    *rest;

        lab_check(lab, "/background", 200, "left behind");
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        rest = lab_rest_of_events(lab);
        lab_assert(lab, strstr(rest, "background cancelled\n") != NULL,
                   "the task wasn't cancelled; events:\n%s", rest);
        lab_assert(lab, count_of(lab_stderr(lab), "never") == 0, "Python complains");
        lab_free(lab);
    }
}

/* Every hook has its turn, whatever the others do; the exit status speaks of requests only. */
Test(concurrency, a_shutdown_hook_that_fails_is_logged_and_keeps_no_other_from_running)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "loops", NULL);

        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        lab_expect_event(lab, "last");
        lab_assert(lab, count_of(lab_stderr(lab), "OSError: the disk is full") == 1, "not logged");
        lab_assert(lab, count_of(lab_stderr(lab), "SystemExit: 9") == 1, "not logged");
        lab_free(lab);
    }
}

/* ---- asyncio in handlers --------------------------------------------------------------------- */

Test(concurrency, handlers_may_use_what_asyncio_has)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "loops", NULL);

        for (int i = 0; i < 2; i++) {
            lab_check(lab, "/executor", 200, "{\"elsewhere\":true}");
            lab_check(lab, "/gather", 200, "[0,1,2]");
            lab_check(lab, "/stop", 200, "stopped");
            lab_check(lab, "/cancel-itself", 503, "503 Service Unavailable");
        }
        lab_assert(lab, *lab_stderr(lab) == '\0', "something is logged");
        lab_finish(lab);
    }
}
