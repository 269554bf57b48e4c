/*
 * More than a lab can take, and clients that take their time: others don't notice, and what waits is
 * served once there is room.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/support/lab_client.h"

TestSuite(overload, .fini = lab_processes_end, .timeout = 150);

#define HOST "HTTP/1.1\r\nHost: test\r\n"

/* Requests that don't come to an end, each cut at another place. */
static const char *const unfinished[] = {
    "",
    "G",
    "GET / HT",
    "GET / " HOST "A: ",
    "GET / " HOST "A: b\r\n",
    "POST /echo " HOST "Content-Length: 100000\r\n\r\nab",
    "POST /echo " HOST "Transfer-Encoding: chunked\r\n\r\nfffff\r\nhel",
    "POST /echo " HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b",
};

enum { SLOW = 8 * sizeof unfinished / sizeof unfinished[0], ROUNDS = 20 };

/* They send a byte now and then, among all that the others get served. */
Test(overload, slow_heads_and_slow_bodies_leave_others_alone)
{
    static client_t slow[SLOW];
    client_t        client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, NULL);

        for (size_t i = 0; i < SLOW; i++) {
            client_connect(&slow[i], lab->port);
            client_send(&slow[i], unfinished[i % (sizeof unfinished / sizeof unfinished[0])]);
        }
        client_connect(&client, lab->port);
        for (int round = 0; round < ROUNDS; round++) {
            for (size_t i = 0; i < SLOW; i++)
                if (i % 8 != 0) /* the first eighth says nothing at all */
                    client_send(&slow[i], i % 8 <= 2 ? "" : "a");
            lab_send_get(&client, "/users/%d", round);
            lab_expect_answer(lab, &client, 200, lab_message("{\"user_id\":\"%d\"", round));
        }
        for (size_t i = 0; i < SLOW; i++)
            client_close(&slow[i]);
        client_close(&client);
        lab_finish(lab);
    }
}

/* Descriptors that the lab has open. */
static int descriptors(const lab_process_t *lab)
{
    char           path[64];
    struct dirent *entry;
    DIR           *folder;
    int            count = 0;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)lab_worker_pid(lab));
    folder = opendir(path);
    cr_assert_not_null(folder, "%s", path);
    while ((entry = readdir(folder)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/*
 * Clients for twice the descriptors: some wait in the backlog, none is turned away, the lab sleeps
 * instead of trying on and on, and whoever waits is let in as others leave.
 */
Test(overload, without_descriptors_clients_wait_for_others_to_leave)
{
    enum { DESCRIPTORS = 64, CLIENTS = 100 };
    static client_t clients[CLIENTS];

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab;

        lab_limit_descriptors(DESCRIPTORS);
        lab = number == 2 ? lab_start(2, NULL, "--workers=2", NULL) : lab_start(number, NULL, NULL);
        for (int i = 0; i < CLIENTS; i++) {
            client_connect(&clients[i], lab->port);
            lab_send_get(&clients[i], "/users/%d", i);
        }
        lab_expect_answer(lab, &clients[0], 200, "{\"user_id\":\"0\"");
        lab_wait_asleep(lab);
        lab_assert(lab, lab_unread(lab, client_port(&clients[CLIENTS - 1])) > 0,
                   "the last one was read: there is no shortage");
        lab_assert(lab, descriptors(lab) <= DESCRIPTORS - 8, "%d descriptors of %d are taken",
                   descriptors(lab), DESCRIPTORS);
        client_close(&clients[0]);
        for (int i = 1; i < CLIENTS; i++) {
            lab_expect_answer(lab, &clients[i], 200, lab_message("{\"user_id\":\"%d\"", i));
            client_close(&clients[i]);
        }
        lab_limit_descriptors(0);
        lab_finish(lab);
    }
}

/* What the shell allows a program at first is little; how far it may go is the hard limit. */
Test(overload, a_low_soft_limit_of_descriptors_is_raised)
{
    struct rlimit before, seen;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab;

        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){64, before.rlim_max}), 0);
        lab = lab_start(number, NULL, "--max-connections=100", NULL);
        cr_assert_eq(prlimit(lab_worker_pid(lab), RLIMIT_NOFILE, NULL, &seen), 0);
        lab_assert(lab, seen.rlim_cur > 100, "%ju open files are allowed for 100 connections",
                   (uintmax_t)seen.rlim_cur);
        lab_finish(lab);
    }
    setrlimit(RLIMIT_NOFILE, &before);
}

/* Workers that are threads have the connections of all of them in one process. */
Test(overload, descriptors_are_allowed_for_the_connections_of_each_thread)
{
    struct rlimit  before, seen;
    lab_process_t *lab;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    if (before.rlim_max < 5200)
        cr_skip_test("no more than %ju open files are allowed here", (uintmax_t)before.rlim_max);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &(struct rlimit){64, before.rlim_max}), 0);
    lab = lab_start(5, NULL, "--isolation=threads", "--workers=2", "--max-connections=2000", NULL);
    cr_assert_eq(prlimit(lab->pid, RLIMIT_NOFILE, NULL, &seen), 0);
    lab_assert(lab, seen.rlim_cur > 4000, "%ju open files are allowed for 2 x 2000 connections",
               (uintmax_t)seen.rlim_cur);
    setrlimit(RLIMIT_NOFILE, &before);
    lab_finish(lab);
}

/* Lab 2: each worker has its one request, so the next one is told to come back. */
Test(overload, lab2_refuses_what_finds_all_workers_full)
{
    lab_process_t *lab = lab_start(2, "park", "--workers=2", "--worker-queue=1", NULL);
    client_t       first, second, refused;
    answer_t       answer;

    lab_connect_get(lab, &first, "/park/0?name=A");
    lab_expect_event(lab, "start A");
    lab_connect_get(lab, &second, "/park/0?name=B");
    lab_expect_event(lab, "start B");
    client_connect(&refused, lab->port);
    answer = client_get(&refused, "/fast?name=C");
    lab_assert(lab, answer.status == 503, "status %d, expected 503", answer.status);
    lab_assert(lab, answer_field(&answer, "Retry-After") != NULL, "no Retry-After");
    lab_assert(lab, !answer.close, "the connection is closed for it");
    answer_free(&answer);
    lab_expect_silence(lab);
    lab_open_gate(lab, 0);
    lab_expect_answer(lab, &first, 200, "\"park\":\"A\"");
    lab_expect_answer(lab, &second, 200, "\"park\":\"B\"");
    lab_send_get(&refused, "/fast?name=D");
    lab_expect_answer(lab, &refused, 200, "D");
    client_close(&first);
    client_close(&second);
    client_close(&refused);
    lab_finish(lab);
}
