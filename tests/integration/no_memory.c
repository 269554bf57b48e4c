/*
 * Labs whose own allocations fail, each time another one (tests/faults/alloc.h): while they serve, a
 * client sees a right answer, a 500, or the end of its connection, and the next client is served;
 * while they start, they say why they don't and exit with 1, or they start. What libuv and the
 * interpreter allocate isn't made to fail.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/faults/alloc.h"
#include "tests/support/lab_client.h"

TestSuite(no_memory, .fini = lab_processes_end, .timeout = 300);

enum { MANY = 300 }; /* more allocations than any conversation needs */

#define HOST "HTTP/1.1\r\nHost: test\r\n"

/* Labs started from now on are those of LAB_BIN_DIR/faulty, and share the control with the test. */
static alloc_control_t *use_faulty_labs(void)
{
    char        path[] = "/tmp/looplab-alloc-XXXXXX", folder[4096];
    const char *labs = getenv("LAB_BIN_DIR");
    int         fd = mkstemp(path);
    void       *control;

    cr_assert(fd >= 0 && ftruncate(fd, sizeof(alloc_control_t)) == 0, "no file for the control");
    control = mmap(NULL, sizeof(alloc_control_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    cr_assert(control != MAP_FAILED, "mmap");
    unlink(path); /* the descriptor, which the labs inherit, is a name of it */
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    setenv("TEST_ALLOC", path, 1);
    cr_assert_not_null(labs, "LAB_BIN_DIR isn't set: run the tests by `make integration`");
    snprintf(folder, sizeof folder, "%s/faulty", labs);
    setenv("LAB_BIN_DIR", folder, 1);
    return control;
}

/* ---- While it serves ------------------------------------------------------------------------- */

typedef struct {
    const char *request;
    int         status;
} ask_t;

/* Conversions of every kind, a body, a head and a parameter that outgrow their structs, an error. */
static const ask_t asks[] = {
    {"GET /value/str " HOST "\r\n", 200},
    {"GET /value/dict " HOST "\r\n", 200},
    {"GET /response " HOST "\r\n", 201},
    {"POST /text " HOST "Content-Length: 5\r\n\r\nhello", 200},
    {"POST /text " HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n", 200},
    {"GET /raise/oh " HOST "\r\n", 500},
    {"GET /native " HOST "\r\n", 200},
    {"GET /native/cpu?n=10 " HOST "\r\n", 200},
    {"GET /native/stream?chunks=3&size=5000 " HOST "\r\n", 200},
    {"GET /_lab " HOST "\r\n", 200},
    {"GET /nowhere " HOST "\r\n", 404},
};

/* Ask for all of it on one connection, for as long as that is open. */
static void converse(lab_process_t *lab, unsigned n)
{
    static char head[2000];
    client_t    client;

    client_connect(&client, lab->port);
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        answer_t answer;

        client_send(&client, asks[i].request);
        if (client_at_eof(&client))
            break;
        answer = client_read_answer(&client);
        lab_assert(lab, answer.status == asks[i].status || answer.status == 500,
                   "allocation %u fails: %s is answered %d", n, asks[i].request, answer.status);
        answer_free(&answer);
    }
    client_close(&client);
    memset(head, 'x', sizeof head - 1);
    client_connect(&client, lab->port);
    client_send(&client, lab_message("GET /value/str " HOST "X-Long: %.900s\r\n\r\n", head));
    client_half_close(&client);
    if (!client_at_eof(&client))
        answer_free((answer_t[]){client_read_answer(&client)});
    client_close(&client);
}

Test(no_memory, while_a_lab_serves_ends_one_request_and_no_more)
{
    alloc_control_t *control = use_faulty_labs();

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "values", "--live", NULL);
        unsigned       n = 1;
        bool           failed = true;

        for (; failed && n < MANY; n++) {
            alloc_fail_at(control, n, false);
            converse(lab, n);
            failed = alloc_has_failed(control);
            alloc_fail_at(control, 0, false);
            lab_check(lab, "/value/str", 200, "text");
        }
        lab_assert(lab, n > 10 && n < MANY, "the last allocation that failed was the %u.", n - 2);
        lab_finish(lab);
    }
}

/* All of them at once: nothing can be answered, and it is over when there is memory again. */
Test(no_memory, for_a_while_is_survived)
{
    alloc_control_t *control = use_faulty_labs();

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "values", NULL);

        for (unsigned n = 2; n <= 8; n++) {
            client_t client;

            client_connect(&client, lab->port);
            alloc_fail_at(control, n, true);
            for (int i = 0; i < 5; i++)
                lab_send_get(&client, "/value/str");
            client_half_close(&client);
            while (!client_at_eof(&client)) {
                answer_t answer = client_read_answer(&client);

                lab_assert(lab, answer.status == 200 || answer.status == 500, "status %d",
                           answer.status);
                answer_free(&answer);
            }
            client_close(&client);
            alloc_fail_at(control, 0, false);
            lab_check(lab, "/value/str", 200, "text");
        }
        lab_finish(lab);
    }
}

/* ---- While it starts ------------------------------------------------------------------------- */

/*
 * It comes to its end in any case: nobody can listen on that address, which no machine has (RFC
 * 5737). Lab 5 would see that before a worker starts, so there it is the last thing before it.
 */
static lab_process_t *spawn_in_vain(int number, const char **reason)
{
    *reason = number == 5 ? "no database" : "192.0.2.1";
    if (number == 5)
        return lab_spawn(5, NULL, "--port=0", "--workers=2", "--app=refused:async_hook", NULL);
    return lab_spawn(number, "hooks", "--live", "--host=192.0.2.1",
                     number == 2 ? "--workers=2" : NULL, NULL);
}

/* Start it with allocation n failing. returns whether the allocation has failed */
static bool start(alloc_control_t *control, int number, unsigned n)
{
    lab_process_t *lab;
    const char    *reason;
    bool           failed;

    alloc_fail_at(control, n, false);
    lab = spawn_in_vain(number, &reason);
    lab_assert(lab, lab_wait(lab) == 1, "allocation %u fails: exit status %d, expected 1", n,
               lab->status);
    failed = alloc_has_failed(control);
    lab_assert(lab, *lab_stderr(lab) != '\0', "allocation %u fails, and it doesn't say why", n);
    lab_assert(lab, failed || strstr(lab_stderr(lab), reason) != NULL,
               "nothing has failed, and yet it has another reason");
    lab_free(lab);
    return failed;
}

Test(no_memory, while_a_lab_starts_is_said_and_ends_it)
{
    alloc_control_t *control = use_faulty_labs();

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        unsigned n = 1;

        while (n < MANY && start(control, number, n))
            n++;
        cr_assert(n > 10 && n < MANY, "%s: the last allocation that failed was the %u.",
                  lab_name(number), n - 1);
    }
}
