/*
 * Lab 5's supervisor: what one worker's trouble means for the others, and how all of them end.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/integration/cores.h"
#include "tests/support/text.h"

TestSuite(supervisor, .fini = lab_processes_end, .timeout = 150);

/* ---- One worker's trouble -------------------------------------------------------------------- */

Test(supervisor, a_handler_that_blocks_its_worker_leaves_the_others_unharmed)
{
    static cores_t pair;

    for (int isolation = 0; isolation < ISOLATIONS; isolation = cores_next(isolation)) {
        lab_process_t *lab = cores_start(isolation);
        client_t      *blocked = &pair.clients[0], *other = &pair.clients[1];

        cores_connect_started(lab, &pair);
        lab_send_get(blocked, "/block/0");
        lab_expect_event(lab, "blocking");
        for (int i = 0; i < 10; i++)
            lab_assert(lab, cores_ask(lab, other).worker == pair.who[1].worker, "another worker");
        lab_open_gate(lab, 0);
        lab_expect_answer(lab, blocked, 200, "released");
        cores_close(&pair);
        lab_finish(lab);
    }
}

/* What is left isn't what was asked for: it is said, and the lab drains and ends. */
Test(supervisor, a_worker_that_is_killed_ends_the_lab_after_the_others_answers)
{
    static cores_t pair;
    lab_process_t *lab = cores_start(PROCESSES);

    cores_connect_started(lab, &pair);
    lab_send_get(&pair.clients[1], "/park/0");
    lab_expect_event(lab, "parked");
    cr_assert_eq(kill(pair.who[0].process, SIGKILL), 0);
    lab_wait_stderr(lab, lab_message("(process %d) was ended by signal 9", pair.who[0].process));
    lab_assert(lab, client_at_eof(&pair.clients[0]), "its connection stays open");
    lab_wait_asleep(lab); /* the other one has been told */
    lab_open_gate(lab, 0);
    lab_expect_last_answer(lab, &pair.clients[1], 200, "went on");
    lab_assert(lab, lab_wait(lab) == 1, "exit status %d, expected 1", lab->status);
    lab_assert(lab, strstr(lab->out, "served for ") != NULL, "no summary:\n%s", lab->out);
    client_close(&pair.clients[0]);
    lab_free(lab);
}

/* A worker that drains without being told to by its supervisor is no better. */
Test(supervisor, a_worker_that_ends_by_itself_ends_the_lab)
{
    static cores_t pair;
    lab_process_t *lab = cores_start(PROCESSES);

    cores_connect(lab, &pair);
    cr_assert_eq(kill(pair.who[0].process, SIGTERM), 0);
    lab_assert(lab, lab_wait(lab) == 1, "exit status %d, expected 1", lab->status);
    lab_assert(lab, strstr(lab_stderr(lab), "has stopped: the lab stops") != NULL, "isn't said");
    cores_close(&pair);
    lab_free(lab);
}

Test(supervisor, workers_do_not_outlive_a_supervisor_that_is_killed)
{
    static cores_t pair;
    lab_process_t *lab = cores_start(PROCESSES);

    cores_connect(lab, &pair);
    lab_stop(lab, SIGKILL);
    lab_assert(lab, client_at_eof(&pair.clients[0]) && client_at_eof(&pair.clients[1]),
               "a worker serves on");
    cores_close(&pair);
    lab_free(lab);
}

/* Its socket is open still: what shows the end is the process. */
Test(supervisor, a_worker_is_missed_though_its_children_live_on)
{
    static cores_t pair;
    lab_process_t *lab = cores_start(PROCESSES);

    cores_connect_started(lab, &pair);
    lab_send_get(&pair.clients[0], "/fork/0");
    lab_expect_answer(lab, &pair.clients[0], 200, "forked");
    cr_assert_eq(kill(pair.who[0].process, SIGKILL), 0);
    lab_wait_stderr(lab, lab_message("(process %d) was ended by signal 9", pair.who[0].process));
    lab_open_gate(lab, 0); /* the child has the lab's standard output, too */
    lab_assert(lab, lab_wait(lab) == 1, "exit status %d, expected 1", lab->status);
    cores_close(&pair);
    lab_free(lab);
}

/* Two workers that have little time to drain, with a connection each. */
static lab_process_t *start_hurried(int isolation, cores_t *pair)
{
    lab_process_t *lab =
        lab_start(5, "cores", cores_option[isolation], "--workers=2", "--drain-timeout=0.1", NULL);

    cores_connect_started(lab, pair);
    return lab;
}

/* One of two processes is killed while a request is under way on the other: exit status 3. */
static lab_process_t *end_beside(cores_t *pair, const char *target, const char *event)
{
    lab_process_t *lab = start_hurried(PROCESSES, pair);

    lab_send_get(&pair->clients[1], target);
    lab_expect_event(lab, event);
    cr_assert_eq(kill(pair->who[0].process, SIGKILL), 0);
    lab_assert(lab, lab_wait(lab) == 3, "exit status %d, expected 3", lab->status);
    return lab;
}

Test(supervisor, a_worker_that_died_and_one_that_is_stuck_can_not_hold_up_the_end)
{
    static cores_t pair;
    lab_process_t *lab = end_beside(&pair, "/block/0", "blocking");

    lab_assert(lab, strstr(lab_stderr(lab), "didn't return within the drain time-out") != NULL,
               "doesn't say why");
    lab_assert(lab, client_at_eof(&pair.clients[1]), "the blocked worker serves on");
    cores_close(&pair);
    lab_free(lab);
}

/* Of the two reasons not to end with 0 the loss of requests counts. */
Test(supervisor, what_is_cut_off_after_a_worker_died_is_told_by_the_exit_status)
{
    static cores_t pair;
    lab_process_t *lab = end_beside(&pair, "/park/0", "parked");

    lab_assert(lab, strstr(lab->out, "cut off 1\n") != NULL, "summary:\n%s", lab->out);
    cores_close(&pair);
    lab_free(lab);
}

/* ---- Commands -------------------------------------------------------------------------------- */

/* How many answers of a worker that has nothing to do SIGUSR1 has got. */
static int idle_answers(lab_process_t *lab)
{
    return count_of(lab_stderr(lab), ": 0 requests in flight");
}

/* So many that the socket to the worker that reads none of them has no room for more. */
Test(supervisor, a_worker_that_was_stuck_still_hears_what_it_was_told)
{
    enum { COMMANDS = 400 };
    static cores_t pair;
    lab_process_t *lab = cores_start(THREADS);

    cores_connect_started(lab, &pair);
    lab_send_get(&pair.clients[0], "/block/0");
    lab_expect_event(lab, "blocking");
    for (int i = 1; i <= COMMANDS; i++) {
        kill(lab->pid, SIGUSR1);
        for (int tries = 0; idle_answers(lab) < i; tries++) {
            lab_assert(lab, tries < 20000, "SIGUSR1 number %d isn't answered", i);
            usleep(1000);
        }
    }
    kill(lab->pid, SIGTERM);
    lab_wait_stderr(lab, "stopping: 1 requests in flight");
    lab_wait_asleep(lab);
    lab_open_gate(lab, 0);
    lab_expect_answer(lab, &pair.clients[0], 200, "released");
    lab_assert(lab, lab_wait(lab) == 0, "exit status %d", lab->status);
    cores_close(&pair);
    lab_free(lab);
}

/* ---- The end --------------------------------------------------------------------------------- */

/* Each connection asked once whose it is, and two of them for what is parked. */
static void expect_two_more_requests_than_connections(lab_process_t *lab)
{
    const char *served = strstr(lab->out, "served for ");
    int         connections = 0, requests = 0;

    lab_assert(lab,
               served != NULL && sscanf(served, "%*[^:]: %d connections, %d requests", &connections,
                                        &requests) == 2,
               "summary:\n%s", lab->out);
    lab_assert(lab, requests == connections + 2, "summary:\n%s", lab->out);
}

Test(supervisor, all_workers_drain)
{
    static cores_t pair;

    for (int isolation = 0; isolation < ISOLATIONS; isolation = cores_next(isolation)) {
        lab_process_t *lab = cores_start(isolation);

        cores_connect_started(lab, &pair);
        for (int i = 0; i < 2; i++)
            lab_send_get(&pair.clients[i], "/park/0");
        lab_expect_events(lab, (const char *[]){"parked", "parked"}, 2);
        kill(lab->pid, SIGTERM);
        lab_wait_stderr(lab, "stopping: 2 requests in flight");
        lab_wait_asleep(lab); /* each worker has been told */
        lab_open_gate(lab, 0);
        for (int i = 0; i < 2; i++)
            lab_expect_last_answer(lab, &pair.clients[i], 200, "went on");
        lab_assert(lab, lab_wait(lab) == 0, "exit status %d", lab->status);
        expect_two_more_requests_than_connections(lab);
        lab_free(lab);
    }
}

Test(supervisor, the_drain_timeout_cuts_off_what_is_left_on_each)
{
    static cores_t pair;

    for (int isolation = 0; isolation < ISOLATIONS; isolation = cores_next(isolation)) {
        lab_process_t *lab = start_hurried(isolation, &pair);

        lab_send_get(&pair.clients[0], "/park/0");
        lab_expect_event(lab, "parked");
        lab_send_get(&pair.clients[1], "/park/0");
        lab_expect_event(lab, "parked");
        lab_assert(lab, lab_stop(lab, SIGTERM) == 3, "exit status %d, expected 3", lab->status);
        lab_assert(lab, strstr(lab->out, "cut off 2\n") != NULL, "summary:\n%s", lab->out);
        cores_close(&pair);
        lab_free(lab);
    }
}

Test(supervisor, a_blocked_worker_can_not_hold_up_the_end)
{
    static cores_t pair;

    for (int isolation = 0; isolation < ISOLATIONS; isolation = cores_next(isolation)) {
        lab_process_t *lab = start_hurried(isolation, &pair);

        lab_send_get(&pair.clients[0], "/block/0");
        lab_expect_event(lab, "blocking");
        lab_assert(lab, lab_stop(lab, SIGTERM) == 3, "exit status %d, expected 3", lab->status);
        lab_assert(lab, strstr(lab_stderr(lab), "didn't return within the drain time-out") != NULL,
                   "doesn't say why");
        lab_assert(lab, client_at_eof(&pair.clients[0]), "the blocked worker serves on");
        cores_close(&pair);
        lab_free(lab);
    }
}

/* ---- Before it serves ------------------------------------------------------------------------ */

/* It ends as the other labs do, which the signal ends while they import the app. */
Test(supervisor, a_signal_while_a_process_imports_its_app_is_its_end)
{
    lab_process_t *lab =
        lab_spawn(5, "starts", "--port=0", cores_option[PROCESSES], "--workers=2", NULL);

    lab_expect_event(lab, "in the import");
    kill(-lab->pid, SIGINT); /* as Ctrl-C at a terminal does */
    lab_assert(lab, lab_wait(lab) == 128 + SIGINT, "exit status %d", lab->status);
    lab_assert(lab, strstr(lab_stderr(lab), "was ended") == NULL, "says what everybody knows");
    lab_free(lab);
}

Test(supervisor, a_signal_while_hooks_run_drains_what_has_begun)
{
    for (int isolation = 0; isolation < ISOLATIONS; isolation = cores_next(isolation)) {
        lab_process_t *lab =
            lab_spawn(5, "starts", "--port=0", cores_option[isolation], "--workers=2", NULL);

        lab_expect_event(lab, "in the import");
        lab_open_gate(lab, 0);
        lab_expect_event(lab, "in the hook");
        kill(-lab->pid, SIGINT);
        lab_wait_stderr(lab, "stopping: 0 requests in flight");
        lab_open_gate(lab, 1);
        lab_assert(lab, lab_wait(lab) == 0, "exit status %d", lab->status);
        lab_assert(lab, strstr(lab->out, "listening") == NULL, "says: %s", lab->out);
        lab_free(lab);
    }
}
