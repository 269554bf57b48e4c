/*
 * asyncio in handlers: the same answers on every lab that has a loop, however it starts a handler.
 * One table of situations (tests/apps/semantics/), each in the first step, behind a sleep(0) and
 * behind a wait.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "tests/support/lab_client.h"
#include "tests/support/text.h"

TestSuite(semantics, .fini = lab_processes_end, .timeout = 150);

typedef struct {
    const char *name;
    int         status;
    const char *body; /* the whole of it */
} situation_t;

#define UNAVAILABLE "503 Service Unavailable\n"
#define ERROR       "500 Internal Server Error\n"

static const situation_t situations[] = {
    {"returns", 200, "at once"},
    {"running_loop", 200, "{\"running\":true,\"same\":true}"},
    {"no_loop_in_a_loop", 200, "This event loop is already running"},
    {"no_run_in_a_loop", 200, "asyncio.run() cannot be called from a running event loop"},
    {"current_task", 200, "{\"task\":true,\"again\":true,\"still\":true}"},
    {"task_in_the_end", 200, "watched"},
    {"the_watched_one", 200, "{\"result\":\"watched\"}"},
    {"all_tasks", 200, "{\"among\":true,\"of_the_loop\":true}"},
    {"all_tasks_alone", 200, "{\"mine\":1}"},
    {"named_task", 200, "mine"},
    {"task_callbacks", 200, "called back"},
    {"the_called_back", 200, "called back"},
    {"task_of_a_thread", 200,
     "[\"no running event loop\",\"no running event loop\",\"no running event loop\"]"},
    {"task_of_another_loop", 200, "{\"other\":true}"},

    {"sleep_zero", 200, "[\"before\",\"callback\",\"behind\"]"},
    {"sleep_zero_of_a_task", 200, "[\"callback\",\"behind\"]"},
    {"sleep_little", 200, "[0,1,2]"},
    {"future_that_is_done", 200, "done before"},
    {"future_that_fails", 200, "of the future"},
    {"future_of_another_loop", 200, "{\"refused\":true}"},
    {"bad_yield", 200, "Task got bad yield: 7"},
    {"future_that_is_not_awaited", 200, "{\"refused\":true}"},
    {"nested", 200, "bottom"},
    {"event_and_lock", 200, "{\"locked\":true}"},
    {"queue", 200, "through the queue"},
    {"thread_calls_back", 200, "from a thread"},
    {"socket_pair", 200, "over a socket"},
    {"streams", 200, "LINE\n"},
    {"subprocess", 200, "from a child\n"},

    {"create_task", 200, "child"},
    {"create_task_and_leave", 200, "gone"},
    {"the_left_one", 200, "left behind"},
    {"call_soon_and_leave", 200, "gone"},
    {"the_called_one", 200, "was called"},
    {"gather", 200, "[0,1,2]"},
    {"gather_with_exceptions", 200, "[\"1\",\"LookupError('asked for')\"]"},
    {"as_completed", 200, "[1,2]"},
    {"wait", 200, "[2,0]"},
    {"task_group", 200, "[0,1,2]"},
    {"empty_task_group", 200, "{\"cancelling\":0}"},
    {"task_group_that_fails", 200, "{\"errors\":[\"asked for\"],\"other\":true,\"cancelling\":0}"},

    {"timeout", 200, "{\"expired\":true,\"cancelling\":0}"},
    {"timeout_in_time", 200, "in time"},
    {"timeout_that_never_waits", 200, "did not wait"},
    {"timeout_zero", 200, "at once"},
    {"timeouts_in_each_other", 200, "[\"outer\"]"},
    {"wait_for", 200, "waited for"},
    {"wait_for_in_vain", 200, "{\"cancelling\":0}"},
    {"wait_with_timeout", 200, "[0,1]"},

    {"cancels_itself", 503, UNAVAILABLE},
    {"cancels_itself_and_returns", 503, UNAVAILABLE},
    {"cancels_itself_and_raises", 500, ERROR},
    {"cancels_itself_and_catches", 200, "{\"why\":[\"why\"],\"cancelling\":1,\"left\":0}"},
    {"cancels_itself_before_a_future", 200, "{\"why\":[\"why\"],\"future\":true}"},
    {"cancels_itself_before_a_stubborn_task", 200, "stubborn"},
    {"cancels_itself_soon", 200, "cancelled by a callback"},
    {"raises_cancelled", 503, UNAVAILABLE},
    {"shield", 200, "survived"},
    {"cancels_a_child", 200, "{\"child\":true,\"cancelling\":0}"},

    {"context_of_its_own", 200, "[\"unset\",\"changed\",\"unset\"]"},
    {"context_that_is_kept", 200, "unset"},
    {"the_kept_context", 200, "{\"refused\":true}"},
    {"context_of_children", 200, "[\"parent's\",\"parent's\"]"},
    {"context_of_callbacks", 200, "[\"caller's\",\"changed\"]"},
    {"context_of_the_task", 200, "the task's"},

    {"raises", 500, ERROR},
    {"raises_with_a_task", 500, ERROR},
    {"raises_later", 500, ERROR},
    {"raises_stop_iteration", 500, ERROR},
    {"catches_a_childs_exception", 200, "asked for"},
    {"returns_an_exception", 500, ERROR},
    {"returns_a_tuple", 500, ERROR},
    {"generator", 200, "[0,1,2]"},
    {"stepped", 200, "stepped"},
    {"a_value", 500, ERROR},
    {"a_future", 500, ERROR},
    {"thrown_into_itself", 200, "coroutine already executing"},
    {"inspected", 200, "{\"coroutine\":true,\"name\":\"handler\",\"stack\":true,\"repr\":true}"},
};

enum { SITUATIONS = sizeof situations / sizeof situations[0] };

/* With one loop: some situations are about what another request has left on it. */
static lab_process_t *start(int number)
{
    return number == 2 || number == 5 ? lab_start(number, "semantics", "--workers=1", NULL)
                                      : lab_start(number, "semantics", NULL);
}

static const char *const when[] = {"", "?later", "?waited"};

enum { WHEN = sizeof when / sizeof when[0], ROUNDS = 2 * WHEN };

static void check(lab_process_t *lab, client_t *client, const situation_t *situation,
                  const char *query)
{
    answer_t answer = client_get(client, lab_message("/%s%s", situation->name, query));

    lab_assert(lab, answer.status == situation->status, "/%s%s: status %d, expected %d: %s",
               situation->name, query, answer.status, situation->status, answer.body);
    lab_assert(lab, strcmp(answer.body, situation->body) == 0, "/%s%s: '%s', expected '%s'",
               situation->name, query, answer.body, situation->body);
    answer_free(&answer);
}

/* Every situation on one connection, all in the first step, all in a later one, and all again. */
static void check_all(lab_process_t *lab)
{
    client_t client;

    client_connect(&client, lab->port);
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < SITUATIONS; i++)
            check(lab, &client, &situations[i], when[round % WHEN]);
    client_close(&client);
}

/* What goes wrong in a handler is logged once, as a 500; asyncio itself has nothing to say. */
static void check_log(lab_process_t *lab)
{
    static const char *const never[] = {"never retrieved", "never awaited",     "was destroyed",
                                        "Exception in",    "Exception ignored", "nsafe operation"};
    int                      errors = 0;

    for (int i = 0; i < SITUATIONS; i++)
        errors += situations[i].status == 500 ? ROUNDS : 0;
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        lab_assert(lab, strstr(lab_stderr(lab), never[i]) == NULL, "the log says '%s'", never[i]);
    lab_assert(lab, count_of(lab_stderr(lab), ": 500, raised in ") == errors,
               "%d handlers are logged as failed, expected %d",
               count_of(lab_stderr(lab), ": 500, raised in "), errors);
}

Test(semantics, asyncio_is_the_same_in_the_first_step_and_later_on_every_lab)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = start(number);
        check_all(lab);
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        check_log(lab);
        lab_free(lab);
    }
}

/* asyncio's debug mode looks who calls what on which thread, and says what it doesn't like. */
Test(semantics, asyncios_debug_mode_has_nothing_to_complain_of)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = number == 2 ? lab_start(2, "semantics", "--workers=1", "--debug", NULL)
                                         : lab_start(number, "semantics", "--debug", NULL);
        check_all(lab);
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        check_log(lab);
        lab_free(lab);
    }
}

/* All of them at once, in pipelines: nobody gets another's answer, time-out or cancellation. */
Test(semantics, situations_at_once_do_not_meet)
{
    enum { CLIENTS = 8 };
    static client_t clients[CLIENTS];

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = lab_start(number, "semantics", NULL);
        for (int c = 0; c < CLIENTS; c++)
            client_connect(&clients[c], lab->port);
        for (int i = 0; i < SITUATIONS; i++) {
            if (strstr(situations[i].name, "the_") != NULL || situations[i].status == 500)
                continue; /* what another has left; what fills the log */
            for (int c = 0; c < CLIENTS; c++)
                lab_send_get(&clients[c], "/%s%s", situations[i].name, when[c % WHEN]);
            for (int c = 0; c < CLIENTS; c++)
                lab_send_get(&clients[c], "/timeout");
        }
        for (int i = 0; i < SITUATIONS; i++) {
            if (strstr(situations[i].name, "the_") != NULL || situations[i].status == 500)
                continue;
            for (int c = 0; c < CLIENTS; c++)
                lab_expect_answer(lab, &clients[c], situations[i].status, situations[i].body);
            for (int c = 0; c < CLIENTS; c++)
                lab_expect_answer(lab, &clients[c], 200, "{\"expired\":true,\"cancelling\":0}");
        }
        for (int c = 0; c < CLIENTS; c++)
            client_close(&clients[c]);
        lab_finish(lab);
    }
}

/* ---- Without requests ------------------------------------------------------------------------ */

Test(semantics, what_a_hook_has_begun_goes_on_while_nobody_asks)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = start(number);

        lab_wait_asleep(lab);
        lab_open_gate(lab, 3);
        lab_expect_event(lab, "background");
        lab_finish(lab);
    }
}

/* ---- Generators ------------------------------------------------------------------------------ */

/* One that nobody finishes is finished by the loop: when it is collected, or in the end. */
Test(semantics, generators_are_finished_by_the_loop)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number))
        for (int later = 0; later < 2; later++) {
            lab_process_t *lab = start(number);
            lab_check(lab, later ? "/generator_that_is_left?later" : "/generator_that_is_left", 200,
                      "{\"first\":0}");
            lab_expect_event(lab, "closed left");
            lab_check(lab, later ? "/generator_that_is_kept?later" : "/generator_that_is_kept", 200,
                      "{\"first\":0}");
            lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
            lab_expect_event(lab, "closed kept");
            lab_free(lab);
        }
}

/* ---- Nobody waits any more ------------------------------------------------------------------- */

static const char *const parkings[] = {
    "/parked",        "/parked?task", "/parked?later", "/parked?later&task",
    "/parked?waited", "/spins",       "/spins?later",
};

enum { PARKINGS = sizeof parkings / sizeof parkings[0] };

Test(semantics, a_client_that_leaves_cancels_the_handler_once)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = start(number);
        for (int i = 0; i < PARKINGS; i++) {
            lab_connect_get(lab, &client, "%s", parkings[i]);
            lab_expect_event(lab, "start");
            client_reset(&client);
            lab_expect_event(lab, "cancelled, cancelling 1");
        }
        lab_check(lab, "/returns", 200, "at once");
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        lab_assert(lab, *lab_stderr(lab) == '\0' || strstr(lab_stderr(lab), "rror") == NULL,
                   "something is logged");
        lab_free(lab);
    }
}

Test(semantics, a_request_that_takes_too_long_is_504_and_its_handler_cancelled)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = lab_start(number, "semantics", "--request-timeout=0.1", NULL);
        for (int i = 0; i < PARKINGS; i++) {
            lab_connect_get(lab, &client, "%s", parkings[i]);
            lab_expect_event(lab, "start");
            lab_expect_answer(lab, &client, 504, "504 Gateway Timeout");
            lab_expect_event(lab, "cancelled, cancelling 1");
            client_close(&client);
        }
        lab_finish(lab);
    }
}

Test(semantics, the_drain_timeout_cancels_what_is_left)
{
    client_t clients[PARKINGS];

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = lab_start(number, "semantics", "--drain-timeout=0.1", NULL);
        for (int i = 0; i < PARKINGS; i++) {
            lab_connect_get(lab, &clients[i], "%s", parkings[i]);
            lab_expect_event(lab, "start");
        }
        lab_assert(lab, lab_stop(lab, SIGTERM) == 3, "exit status %d, expected 3", lab->status);
        lab_assert(lab, count_of(lab_rest_of_events(lab), "cancelled, ") == PARKINGS,
                   "not all handlers are told; events:\n%s", lab->events);
        for (int i = 0; i < PARKINGS; i++)
            client_close(&clients[i]);
        lab_free(lab);
    }
}

/* Handlers that never let their loop wait: sockets have their turn all the same. */
Test(semantics, a_handler_that_gives_way_for_ever_lets_others_be_served)
{
    client_t giving_way, hardly_sleeping;

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = start(number);

        lab_connect_get(lab, &giving_way, "/spins");
        lab_expect_event(lab, "start");
        lab_connect_get(lab, &hardly_sleeping, "/spins?seconds=1e-9");
        lab_expect_event(lab, "start");
        for (int i = 0; i < 20; i++) {
            lab_check(lab, "/returns", 200, "at once");
            lab_check(lab, "/sleep_little", 200, "[0,1,2]");
            lab_check(lab, "/native", 200, NULL);
        }
        client_reset(&giving_way);
        lab_expect_event(lab, "cancelled, cancelling 1");
        client_reset(&hardly_sleeping);
        lab_expect_event(lab, "cancelled, cancelling 1");
        lab_finish(lab);
    }
}

/* They have no task in labs 4 and 5, until somebody counts. */
Test(semantics, who_gives_way_is_among_all_tasks)
{
    client_t giving_way[2];

    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = start(number);

        for (int c = 0; c < 2; c++) {
            lab_connect_get(lab, &giving_way[c], "/spins");
            lab_expect_event(lab, "start");
        }
        lab_check(lab, "/counts_tasks", 200, "[3,3,3]");
        lab_check(lab, "/counts_tasks?later", 200, "[3,3,3]");
        for (int c = 0; c < 2; c++) {
            client_reset(&giving_way[c]);
            lab_expect_event(lab, "cancelled, cancelling 1");
        }
        lab_check(lab, "/counts_tasks?waited", 200, "[1,1,1]");
        lab_finish(lab);
    }
}

/* asyncio asks a handle for more than its turn: whose it is, and where it was made. */
Test(semantics, debug_mode_says_which_handler_takes_long)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number = lab_next_async(number)) {
        lab_process_t *lab = lab_start(number, "semantics", "--debug", NULL);

        lab_check(lab, "/takes_long", 200, "took long");
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        lab_assert(lab, strstr(lab_stderr(lab), "Executing <") != NULL, "nobody took long");
        lab_assert(lab, strstr(lab_stderr(lab), "situation.<locals>.handler") != NULL,
                   "the log doesn't say which handler");
        lab_assert(lab, strstr(lab_stderr(lab), "asked for") != NULL, "no message of the app's");
        lab_free(lab);
    }
}
