/*
 * Looking at a lab from outside while it runs: the access log, and what SIGUSR1 shows. (The figures
 * of --metrics are checked in tests/python, with Prometheus' own parser.)
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/lab_client.h"
#include "tests/support/text.h"

TestSuite(watching, .fini = lab_processes_end, .timeout = 150);

/* ---- The access log -------------------------------------------------------------------------- */

static void expect_in(lab_process_t *lab, const char *text, const char *part, int times)
{
    lab_assert(lab, count_of(text, part) == times, "'%s' occurs %d times, expected %d, in:\n%s",
               part, count_of(text, part), times, text);
}

Test(watching, the_access_log_has_a_line_for_each_request)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, "--access-log", NULL);

        lab_check(lab, "/json", 200, NULL);
        lab_check(lab, "/error", 500, NULL);
        lab_check(lab, "/native", 200, NULL);
        client_connect(&client, lab->port);
        client_send(&client, "GET /\"nowhere HTTP/1.1\r\nHost: a\r\n\r\n\x01\r\n\r\n");
        lab_expect_answer(lab, &client, 404, NULL);
        lab_expect_last_answer(lab, &client, 400, NULL);
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        expect_in(lab, lab->out, "127.0.0.1 - - [", 5);
        expect_in(lab, lab->out, "+0000] \"GET /json HTTP/1.1\" 200 27 0.0", 1);
        expect_in(lab, lab->out, "+0000] \"GET /error HTTP/1.1\" 500 ", 1);
        expect_in(lab, lab->out, "+0000] \"GET /native HTTP/1.1\" 200 13 0.0", 1);
        expect_in(lab, lab->out, "+0000] \"GET /\\x22nowhere HTTP/1.1\" 404 ", 1);
        expect_in(lab, lab->out, "+0000] \"-\" 400 ", 1);
        expect_in(lab, lab->out, "lines lost", 0);
        lab_free(lab);
    }
}

Test(watching, the_access_log_tells_who_left_and_who_was_cut_off)
{
    client_t leaves, stays;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = lab_start(number, "park", "--access-log", "--drain-timeout=0.1",
                                       "--access-log-format=json", NULL);

        lab_connect_get(lab, &leaves, "/park/0?name=A");
        lab_expect_event(lab, "start A");
        client_reset(&leaves);
        lab_expect_event(lab, "cancelled A");
        lab_connect_get(lab, &stays, "/park/0?name=B");
        lab_expect_event(lab, "start B");
        lab_assert(lab, lab_stop(lab, SIGTERM) == 3, "exit status %d", lab->status);
        expect_in(lab, lab->out,
                  "\"target\":\"/park/0?name=A\",\"version\":\"HTTP/1.1\",\"status\":499,", 1);
        expect_in(lab, lab->out,
                  "\"target\":\"/park/0?name=B\",\"version\":\"HTTP/1.1\",\"status\":444,", 1);
        expect_in(lab, lab->out, "\"end\":\"", 2);
        client_close(&stays);
        lab_free(lab);
    }
}

static const char *file_text(const char *path)
{
    static char text[4096];
    FILE       *file = fopen(path, "r");

    text[0] = '\0';
    if (file != NULL) {
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
    }
    return text;
}

/* As logrotate does it: move the file away, send SIGHUP, and wait until the new one is there. */
Test(watching, sighup_opens_the_access_log_again)
{
    char           folder[] = "/tmp/looplab-test-XXXXXX", path[64], moved[64], option[96];
    lab_process_t *lab;

    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/log", folder);
    snprintf(moved, sizeof moved, "%s/log.1", folder);
    snprintf(option, sizeof option, "--access-log=%s", path);
    lab = lab_start(3, NULL, option, NULL);
    lab_check(lab, "/json", 200, NULL);
    lab_assert(lab, rename(path, moved) == 0, "no file %s", path);
    kill(lab->pid, SIGHUP);
    for (int i = 0; access(path, F_OK) != 0; i++) {
        lab_assert(lab, i < 20000, "no new file");
        usleep(1000);
    }
    lab_check(lab, "/native", 200, NULL);
    lab_finish(lab);
    cr_expect(count_of(file_text(moved), "GET /json ") == 1 &&
                  count_of(file_text(moved), "GET /native ") == 0,
              "old file:\n%s", file_text(moved));
    cr_expect(count_of(file_text(path), "GET /native ") == 1, "new file:\n%s", file_text(path));
    unlink(path);
    unlink(moved);
    rmdir(folder);
}

Test(watching, an_access_log_that_can_not_be_written_is_a_failed_start)
{
    lab_process_t *lab = lab_spawn(3, NULL, "--port=0", "--access-log=/nonexistent/log", NULL);

    lab_assert(lab, lab_wait(lab) == 1, "exit status %d", lab->status);
    expect_in(lab, lab_stderr(lab),
              "--access-log: cannot write to /nonexistent/log: no such file or directory\n", 1);
    lab_free(lab);
}

Test(watching, a_full_disk_does_not_stop_a_lab)
{
    lab_process_t *lab = lab_start(3, NULL, "--access-log=/dev/full", NULL);

    for (int i = 0; i < 3; i++)
        lab_check(lab, "/json", 200, NULL);
    lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
    expect_in(lab, lab_stderr(lab), "access log: /dev/full: No space left on device", 1);
    expect_in(lab, lab->out, "access log: 3 lines lost\n", 1);
    lab_free(lab);
}

Test(watching, a_lab_that_others_can_reach_says_so)
{
    lab_process_t *lab = lab_spawn(3, NULL, "--port=0", "--host=0.0.0.0", NULL);

    lab_wait_stderr(lab, "warning 0.0.0.0 can be reached from other machines");
    lab_finish(lab);
    lab = lab_start(3, NULL, NULL);
    expect_in(lab, lab_stderr(lab), "warning", 0);
    lab_finish(lab);
}

/* ---- SIGUSR1 --------------------------------------------------------------------------------- */

typedef struct {
    int         lab;
    const char *target, *event;
    const char *handler;   /* of the line of the request */
    const char *traceback; /* on the stack of some thread, or NULL */
} look_case_t;

/* Awaiting, blocking the loop's thread, blocking the HTTP thread itself. */
static const look_case_t look_cases[] = {
    {1, "/park/0?name=A", "start A", "in park (", NULL},
    {2, "/park/0?name=A", "start A", "in park (", NULL},
    {1, "/block/0", "blocking", "in block (", " in block\n"},
    {2, "/block/0", "blocking", "in block (", " in block\n"},
    {3, "/park/0?name=A", "start A", "in park_blocking (", " in park_blocking\n"},
    {4, "/park/0?name=A", "start A", "in park (", NULL},
    {4, "/block/0", "blocking", "in block (", " in block\n"},
};

Test(watching, sigusr1_shows_requests_and_tracebacks)
{
    client_t client;

    for (size_t i = 0; i < sizeof look_cases / sizeof look_cases[0]; i++) {
        const look_case_t *look = &look_cases[i];
        lab_process_t     *lab = lab_start(look->lab, "park", NULL);

        lab_connect_get(lab, &client, "%s", look->target);
        lab_expect_event(lab, look->event);
        for (int times = 1; times <= 2; times++) {
            kill(lab->pid, SIGUSR1);
            while (count_of(lab_stderr(lab), "hread 0x") < times)
                usleep(1000); /* the suite's time-out ends it */
            lab_wait_stderr(lab, "SIGUSR1: 1 request in flight\n");
            lab_wait_stderr(lab, lab_message(" s  GET %s  %s", look->target, look->handler));
            lab_wait_stderr(lab, "(most recent call first):\n");
            if (look->traceback != NULL)
                lab_wait_stderr(lab, look->traceback);
            lab_wait_stderr(lab, "(with --stats or --trace also the last hop of each)\n");
            expect_in(lab, lab_stderr(lab), ", last hop: ", 0);
        }
        lab_open_gate(lab, 0);
        lab_expect_answer(lab, &client, 200, NULL);
        client_close(&client);
        lab_finish(lab);
    }
}

typedef struct {
    int         lab;
    const char *target, *event;
    const char *hop;    /* that it has passed last */
    const char *behind; /* that of a second request, for which the first one has left no thread */
} hop_case_t;

static const hop_case_t hop_cases[] = {
    {1, "/park/0?name=A", "start A", "started", NULL},
    {2, "/park/0?name=A", "start A", "started", NULL},
    {1, "/block/0", "blocking", "started", "scheduled"},
    {2, "/block/0", "blocking", "started", "scheduled_worker"},
    {3, "/park/0?name=A", "start A", "started", NULL},
    {4, "/park/0?name=A", "start A", "started", NULL},
};

static void expect_last_hop(lab_process_t *lab, const char *target, const char *hop)
{
    const char *line = strstr(lab_stderr(lab), lab_message("GET %s  ", target));
    const char *seen;

    lab_assert(lab, line != NULL, "no line of GET %s", target);
    seen = strstr(line, lab_message(", last hop: %s\n", hop));
    lab_assert(lab, seen != NULL && seen < strchr(line, '\n'),
               "GET %s: expected last hop %s, seen:\n%s", target, hop, line);
}

Test(watching, sigusr1_shows_the_last_hop_of_traced_requests)
{
    client_t first, second, native;

    for (size_t i = 0; i < sizeof hop_cases / sizeof hop_cases[0]; i++) {
        const hop_case_t *look = &hop_cases[i];
        lab_process_t    *lab =
            lab_start(look->lab, "park", "--stats", look->lab == 2 ? "--workers=1" : NULL, NULL);

        lab_connect_get(lab, &first, "%s", look->target);
        lab_expect_event(lab, look->event);
        if (look->behind != NULL) {
            lab_connect_get(lab, &second, "/fast?name=B");
            lab_connect_get(lab, &native, "/native"); /* behind it: so that one has been read */
            lab_expect_answer(lab, &native, 200, NULL);
            lab_wait_asleep(lab);
            client_close(&native);
        }
        kill(lab->pid, SIGUSR1);
        lab_wait_stderr(lab, "(most recent call first):\n");
        expect_last_hop(lab, look->target, look->hop);
        if (look->behind != NULL)
            expect_last_hop(lab, "/fast?name=B", look->behind);
        expect_in(lab, lab_stderr(lab), "with --stats", 0);
        lab_open_gate(lab, 0);
        lab_expect_answer(lab, &first, 200, NULL);
        client_close(&first);
        if (look->behind != NULL) {
            lab_expect_answer(lab, &second, 200, "B");
            client_close(&second);
        }
        lab_finish(lab);
    }
}

/* The HTTP thread can't get the GIL from a loop's; in labs 4 and 5 it is the one that keeps it, for ever. */
Test(watching, sigusr1_works_while_c_code_keeps_the_gil)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = lab_start(number, "park", NULL);

        if (strstr(lab->out, " free-threaded, ") != NULL) {
            lab_finish(lab);
            continue; /* nothing to keep */
        }
        lab_connect_get(lab, &client, "/hold");
        lab_expect_event(lab, "holding");
        kill(lab->pid, SIGUSR1);
        lab_wait_stderr(lab, " s  GET /hold  in hold (");
        lab_wait_stderr(lab, " in hold\n");
        lab_assert(lab, lab_stop(lab, SIGKILL) == 128 + SIGKILL, "exit status %d", lab->status);
        client_close(&client);
        lab_free(lab);
    }
}

Test(watching, sigusr1_harms_nobody)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, NULL);

        for (int i = 0; i < 50; i++) {
            lab_connect_get(lab, &client, "/users/%d", i);
            kill(lab->pid, SIGUSR1);
            lab_expect_answer(lab, &client, 200, NULL);
            client_close(&client);
        }
        lab_wait_stderr(lab, "SIGUSR1: ");
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        lab_free(lab);
    }
}
