/*
 * Memory: after a warm-up, thousands of requests of every kind leave Python with as many blocks as
 * before. Counted by Python itself (sys.getallocatedblocks()), which finds what a leak checker
 * can't: objects that the garbage collector still knows; and in the kernel's count of resident
 * memory, where a C struct per request shows. With an allocator that doesn't count, as in
 * debugging builds, there is nothing to see and the tests are skipped; the leak checker is at work
 * there.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/lab_client.h"

TestSuite(growth, .fini = lab_processes_end, .timeout = 150);

#define HOST "HTTP/1.1\r\nHost: test\r\n"

enum {
    ROUNDS = 2000,
    PASSES = 24,           /* tracebacks fill some pool for ten and more */
    ROUNDS_PER_BLOCK = 20, /* a leak is at least a block in so many requests */
    BYTES_PER_ROUND = 256, /* or so much memory in each: the struct of a request is larger */
};

typedef struct {
    long blocks, bytes;
} memory_t;

static long resident_bytes(const lab_process_t *lab)
{
    FILE *file = fopen(lab_message("/proc/%d/statm", (int)lab_worker_pid(lab)), "re");
    long  pages = -1;

    cr_assert_not_null(file, "/proc/%d/statm can't be read", (int)lab->pid);
    cr_assert(fscanf(file, "%*d %ld", &pages) == 1, "/proc/%d/statm", (int)lab->pid);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* What the lab holds now; skips the test where nobody counts blocks. */
static memory_t memory_of(lab_process_t *lab)
{
    client_t client;
    answer_t answer;
    long     count;

    client_connect(&client, lab->port);
    answer = client_get(&client, "/blocks");
    lab_assert(lab, sscanf(answer.body, "{\"blocks\":%ld}", &count) == 1, "body '%s'", answer.body);
    answer_free(&answer);
    client_close(&client);
    if (count == 0) {
        lab_finish(lab);
        cr_skip_test("this build's allocator doesn't count blocks");
    }
    return (memory_t){.blocks = count, .bytes = resident_bytes(lab)};
}

typedef struct {
    const char *name, *request;
    int         status;
} growth_case_t;

static const growth_case_t growth_cases[] = {
    {"plain", "GET /users/1?a=b " HOST "A: b\r\n\r\n", 200},
    {"with a body", "POST /echo " HOST "Content-Length: 5\r\n\r\n12345", 200},
    {"suspending", "GET /suspends " HOST "\r\n", 200},
    {"raising", "GET /error " HOST "\r\n", 500},
    {"of the wrong type", "GET /none " HOST "\r\n", 500},
    {"for nowhere", "GET /nowhere " HOST "\r\n", 404},
    {"by the wrong method", "POST /none " HOST "Content-Length: 0\r\n\r\n", 405},
    {"native", "GET /native " HOST "\r\n", 200},
};

/* `count` requests, eight in the pipeline at a time. */
static void send_many(lab_process_t *lab, const growth_case_t *growth, int count)
{
    client_t client;

    client_connect(&client, lab->port);
    for (int done = 0; done < count; done += 8) {
        for (int i = 0; i < 8; i++)
            client_send(&client, growth->request);
        for (int i = 0; i < 8; i++)
            lab_expect_answer(lab, &client, growth->status, NULL);
    }
    client_close(&client);
}

/*
 * Free lists, pools and caches fill up for a while, a leak grows for ever: so one pass without
 * growth acquits, and the first passes are the warm-up.
 */
static void check_growth(lab_process_t *lab, const char *name, int rounds,
                         void (*pass)(lab_process_t *, const growth_case_t *, int),
                         const growth_case_t *growth)
{
    char     seen[PASSES * 48] = "";
    memory_t before = memory_of(lab), after;

    for (int i = 0; i < PASSES; i++) {
        size_t len = strlen(seen);

        pass(lab, growth, rounds);
        after = memory_of(lab);
        snprintf(seen + len, sizeof seen - len, " %ld (%ld)", after.blocks - before.blocks,
                 after.bytes - before.bytes);
        if (after.blocks - before.blocks <= rounds / ROUNDS_PER_BLOCK &&
            after.bytes - before.bytes <= rounds * BYTES_PER_ROUND)
            return;
        before = after;
    }
    lab_assert(lab, false, "each pass of %d requests %s leaves more blocks (bytes):%s", rounds,
               name, seen);
}

static void check_all(int number)
{
    lab_process_t *lab = lab_start(number, "growth", "--log-level=error", NULL);

    for (size_t i = 0; i < sizeof growth_cases / sizeof growth_cases[0]; i++) {
        const growth_case_t *growth = &growth_cases[i];

        check_growth(lab, growth->name, growth->status == 500 ? ROUNDS / 4 : ROUNDS, send_many,
                     growth);
    }
    lab_finish(lab);
}

Test(growth, requests_leave_nothing_behind_lab1)
{
    check_all(1);
}

Test(growth, requests_leave_nothing_behind_lab2)
{
    check_all(2);
}

Test(growth, requests_leave_nothing_behind_lab3)
{
    check_all(3);
}

Test(growth, requests_leave_nothing_behind_lab4)
{
    check_all(4);
}

Test(growth, requests_leave_nothing_behind_lab5)
{
    check_all(5);
}

Test(growth, requests_leave_nothing_behind_lab3_with_a_pool)
{
    check_all(LAB_POOL);
}

/* Clients that leave while their handler waits. */
static void leave(lab_process_t *lab, const growth_case_t *unused, int count)
{
    client_t client;

    (void)unused;
    for (int i = 0; i < count; i++) {
        lab_connect_get(lab, &client, "/parked");
        lab_expect_event(lab, "start");
        client_reset(&client);
        if (!lab_is_sync(lab->number))
            lab_expect_event(lab, "cancelled");
    }
    lab_wait_asleep(lab);
}

Test(growth, clients_that_leave_leave_nothing_behind)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "growth", NULL);

        lab_open_gate(lab, 0); /* lab 3's handler returns: only its client is gone */
        check_growth(lab, "that were left", 300, leave, NULL);
        lab_finish(lab);
    }
}
