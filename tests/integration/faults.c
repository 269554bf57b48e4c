/*
 * Bad days: clients that reset the connection at every stage of a request, handlers that try to end
 * the process, a callback that is lost. Each costs its own request and no other. What else handlers
 * and clients do wrong is in handlers.c, connections.c, concurrency.c and limits.c; what the system
 * refuses is in no_memory.c.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "tests/support/lab_client.h"
#include "tests/support/text.h"

TestSuite(faults, .fini = lab_processes_end, .timeout = 150);

#define HOST "HTTP/1.1\r\nHost: test\r\n"

/* ---- Resets ---------------------------------------------------------------------------------- */

/* What the client does before it resets. */
typedef struct {
    const char *sent;
    bool        reads;       /* one answer first */
    bool        half_closes; /* first */
} reset_t;

static const reset_t resets[] = {
    {"", false, false},
    {"", false, true},
    {"G", false, false},
    {"GET /fa", false, false},
    {"GET /fast HTTP/1.1\r\nHo", false, false},
    {"GET /fast HTTP/1.1\r\nHo", false, true},
    {"GET /fast " HOST, false, false},
    {"GET /fast " HOST "\r\n", false, false},
    {"GET /fast " HOST "\r\n", false, true},
    {"GET /fast " HOST "\r\n", true, false},
    {"GET /fast " HOST "\r\nGET /fast " HOST "\r\nGET /fa", true, false},
    {"POST /echo " HOST "Content-Length: 10\r\n\r\nhello", false, false},
    {"POST /echo " HOST "Content-Length: 10\r\n\r\nhello", false, true},
    {"POST /echo " HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", false, false},
    {"POST /echo " HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nTrail", false, false},
    {"POST /echo " HOST "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n", true, false},
    {"GET /native/stream?chunks=100000&size=65536 " HOST "\r\n", false, false},
    {"GET /native/cpu?n=1000 " HOST "\r\n", false, false},
    {"no request\r\n\r\n", false, false},
    {"no request\r\n\r\n", true, false},
};

Test(faults, a_reset_at_any_stage_costs_nobody_else_anything)
{
    client_t leaver, stayer;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "faults", NULL);

        client_connect(&stayer, lab->port);
        for (size_t i = 0; i < sizeof resets / sizeof resets[0]; i++) {
            const reset_t *reset = &resets[i];

            client_connect(&leaver, lab->port);
            client_send(&leaver, reset->sent);
            if (reset->reads)
                answer_free((answer_t[]){client_read_answer(&leaver)});
            if (reset->half_closes)
                client_half_close(&leaver);
            client_reset(&leaver);
            lab_send_get(&stayer, "/fast");
            lab_expect_answer(lab, &stayer, 200, "fast");
        }
        client_close(&stayer);
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        lab_assert(lab, strstr(lab->out, "cut off 0") != NULL, "summary:\n%s", lab->out);
        lab_assert(lab, *lab_stderr(lab) == '\0' || count_of(lab_stderr(lab), "error") == 0,
                   "something is logged as an error");
        lab_free(lab);
    }
}

/* ---- Handlers that want to end the process --------------------------------------------------- */

static const char *const leavings[] = {
    "/leave/exit",       "/leave/interrupt",       "/leave/raise",
    "/leave/exit?later", "/leave/interrupt?later", "/leave/raise?later"};

/* All but lab 3 alone: whoever waits meanwhile, on the same loop, gets an answer. */
Test(faults, a_handler_that_exits_takes_no_other_with_it)
{
    client_t parked;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_concurrent(number)) {
        lab_process_t *lab = number == 2 ? lab_start(2, "faults", "--workers=1", NULL)
                                         : lab_start(number, "faults", NULL);

        lab_connect_get(lab, &parked, "/park/0");
        lab_expect_event(lab, "start");
        for (size_t i = 0; i < sizeof leavings / sizeof leavings[0]; i++) {
            lab_check(lab, leavings[i], 500, "500 Internal Server Error");
            lab_check(lab, "/fast", 200, "fast");
        }
        lab_open_gate(lab, 0);
        lab_expect_answer(lab, &parked, 200, "parked");
        client_close(&parked);
        lab_finish(lab);
    }
}

Test(faults, lab3_goes_on_after_a_handler_that_exits)
{
    lab_process_t *lab = lab_start(3, "faults", NULL);

    for (size_t i = 0; i < sizeof leavings / sizeof leavings[0]; i++) {
        lab_check(lab, leavings[i], 500, "500 Internal Server Error");
        lab_check(lab, "/fast", 200, "fast");
    }
    lab_finish(lab);
}

/* ---- A callback that is lost ----------------------------------------------------------------- */

/*
 * Lab 1: the handler has run, and nobody is told. The request's deadline answers it; others don't
 * notice. (In lab 2 the callback is the concurrent future's, which a handler doesn't get hold of.)
 */
Test(faults, a_lost_callback_ends_by_the_request_timeout)
{
    lab_process_t *lab = lab_start(1, "faults", "--request-timeout=0.2", NULL);
    client_t       lost;

    lab_connect_get(lab, &lost, "/lose");
    lab_expect_event(lab, "lost");
    lab_check(lab, "/fast", 200, "fast");
    lab_expect_answer(lab, &lost, 504, "504 Gateway Timeout");
    lab_send_get(&lost, "/fast");
    lab_expect_answer(lab, &lost, 200, "fast");
    client_close(&lost);
    lab_stop(lab, SIGKILL); /* not SIGTERM: the handler has made the server lose that request */
    lab_free(lab);
}

/* Labs 4 and 5: there is none. The answer goes out in the task's own last step. */
Test(faults, labs_4_and_5_have_no_callback_to_lose)
{
    for (int number = 4; number <= 5; number++) {
        lab_process_t *lab = lab_start(number, "faults", NULL);

        lab_check(lab, "/lose", 200, "nobody will know");
        lab_expect_event(lab, "lost");
        lab_finish(lab);
    }
}
