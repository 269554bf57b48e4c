/*
 * Lab 5 with several workers, in each isolation that this Python has. What a worker does by itself is
 * in the suites that run for all labs; here is what they do, and don't do, to each other.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/stats.h"
#include "tests/support/lab_client.h"
#include "tests/support/text.h"

TestSuite(per_core, .fini = lab_processes_end, .timeout = 150);

enum {
    THREADS,
    INTERPRETERS,
    PROCESSES,
    ISOLATIONS,
    MANY = 200, /* connections, of which not all land on the same worker */
};

static const char *const isolations[] = {"--isolation=threads", "--isolation=interpreters",
                                         "--isolation=processes"};

static bool has_own_gils(void)
{
    lab_process_t *lab = lab_spawn(5, NULL, "--version", NULL);
    const char    *version;
    bool           free_threaded;
    int            minor = 0;

    lab_assert(lab, lab_wait(lab) == 0, "exit status %d", lab->status);
    version = strstr(lab->out, "\nPython 3.");
    lab_assert(lab, version != NULL && sscanf(version, "\nPython 3.%d", &minor) == 1, "says: %s",
               lab->out);
    free_threaded = strstr(lab->out, " free-threaded, ") != NULL;
    lab_free(lab);
    return minor >= 12 && !free_threaded;
}

/* For loops over the isolations of this Python. */
static int next_isolation(int isolation)
{
    return isolation + 1 == INTERPRETERS && !has_own_gils() ? PROCESSES : isolation + 1;
}

static lab_process_t *start(int isolation)
{
    return lab_start(5, "cores", isolations[isolation], "--workers=2", NULL);
}

/* ---- Who serves ------------------------------------------------------------------------------ */

typedef struct {
    int worker, process;
} who_t;

/* The worker whose connection this is. */
static who_t ask_who(lab_process_t *lab, client_t *client)
{
    answer_t answer = client_get(client, "/who");
    who_t    who;

    lab_assert(
        lab, sscanf(answer.body, "{\"worker\":%d,\"process\":%d}", &who.worker, &who.process) == 2,
        "body '%s'", answer.body);
    answer_free(&answer);
    return who;
}

/* Connect until a worker other than `known` has the connection: the kernel spreads them. */
static who_t connect_elsewhere(lab_process_t *lab, client_t *client, int known)
{
    who_t who = {0, 0};
    int   tries = 0;

    do {
        lab_assert(lab, tries++ < MANY, "%d connections, and all landed on one worker", MANY);
        if (who.worker != 0)
            client_close(client);
        client_connect(client, lab->port);
        who = ask_who(lab, client);
    } while (who.worker == known);
    return who;
}

typedef struct {
    client_t clients[2];
    who_t    who[2];
} pair_t;

/* A connection to each of two workers. */
static void connect_both(lab_process_t *lab, pair_t *pair)
{
    pair->who[0] = connect_elsewhere(lab, &pair->clients[0], 0);
    pair->who[1] = connect_elsewhere(lab, &pair->clients[1], pair->who[0].worker);
}

/* The same once the hooks have run on both workers. */
static void connect_started(lab_process_t *lab, pair_t *pair)
{
    connect_both(lab, pair);
    lab_expect_events(lab, (const char *[]){"start", "start"}, 2);
}

static void close_both(pair_t *pair)
{
    client_close(&pair->clients[0]);
    client_close(&pair->clients[1]);
}

Test(per_core, connections_land_on_several_workers_of_one_port)
{
    static pair_t pair;

    for (int isolation = 0; isolation < ISOLATIONS; isolation = next_isolation(isolation)) {
        lab_process_t *lab = start(isolation);

        connect_both(lab, &pair);
        lab_assert(lab, (pair.who[0].process != pair.who[1].process) == (isolation == PROCESSES),
                   "%s: processes %d and %d", isolations[isolation], pair.who[0].process,
                   pair.who[1].process);
        close_both(&pair);
        lab_finish(lab);
    }
}

/* Threads have one interpreter and one app; else each worker has imported its own. */
Test(per_core, what_an_app_keeps_is_shared_by_threads_only)
{
    static pair_t pair;

    for (int isolation = 0; isolation < ISOLATIONS; isolation = next_isolation(isolation)) {
        lab_process_t *lab = start(isolation);

        connect_both(lab, &pair);
        lab_send_get(&pair.clients[0], "/count");
        lab_expect_answer(lab, &pair.clients[0], 200, "{\"count\":1}");
        lab_send_get(&pair.clients[1], "/count");
        lab_expect_answer(lab, &pair.clients[1], 200,
                          isolation == THREADS ? "{\"count\":2}" : "{\"count\":1}");
        close_both(&pair);
        lab_finish(lab);
    }
}

Test(per_core, hooks_run_once_on_each_worker)
{
    for (int isolation = 0; isolation < ISOLATIONS; isolation = next_isolation(isolation)) {
        lab_process_t *lab = start(isolation);

        lab_expect_events(lab, (const char *[]){"start", "start"}, 2);
        lab_expect_silence(lab);
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        lab_expect_events(lab, (const char *[]){"stop", "stop"}, 2);
        lab_free(lab);
    }
}

/* A process that is pinned already would count fewer CPUs, were it to ask for --workers' default. */
Test(per_core, processes_are_as_many_as_their_supervisor_counted_before_it_was_pinned)
{
    lab_process_t *lab =
        lab_start(5, "cores", isolations[PROCESSES], lab_message("--pin=%d", sched_getcpu()), NULL);

    lab_check(lab, "/who", 200, NULL);
    lab_finish(lab);
}

/* ---- One worker's trouble -------------------------------------------------------------------- */

Test(per_core, a_handler_that_blocks_its_worker_leaves_the_others_unharmed)
{
    static pair_t pair;

    for (int isolation = 0; isolation < ISOLATIONS; isolation = next_isolation(isolation)) {
        lab_process_t *lab = start(isolation);
        client_t      *blocked = &pair.clients[0], *other = &pair.clients[1];

        connect_started(lab, &pair);
        lab_send_get(blocked, "/block/0");
        lab_expect_event(lab, "blocking");
        for (int i = 0; i < 10; i++)
            lab_assert(lab, ask_who(lab, other).worker == pair.who[1].worker, "another worker");
        lab_open_gate(lab, 0);
        lab_expect_answer(lab, blocked, 200, "released");
        close_both(&pair);
        lab_finish(lab);
    }
}

/* What is left isn't what was asked for: it is said, and the lab drains and ends. */
Test(per_core, a_worker_that_is_killed_ends_the_lab_after_the_others_answers)
{
    static pair_t  pair;
    lab_process_t *lab = start(PROCESSES);

    connect_started(lab, &pair);
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
Test(per_core, a_worker_that_ends_by_itself_ends_the_lab)
{
    static pair_t  pair;
    lab_process_t *lab = start(PROCESSES);

    connect_both(lab, &pair);
    cr_assert_eq(kill(pair.who[0].process, SIGTERM), 0);
    lab_assert(lab, lab_wait(lab) == 1, "exit status %d, expected 1", lab->status);
    lab_assert(lab, strstr(lab_stderr(lab), "has stopped: the lab stops") != NULL, "isn't said");
    close_both(&pair);
    lab_free(lab);
}

Test(per_core, workers_do_not_outlive_a_supervisor_that_is_killed)
{
    static pair_t  pair;
    lab_process_t *lab = start(PROCESSES);

    connect_both(lab, &pair);
    lab_stop(lab, SIGKILL);
    lab_assert(lab, client_at_eof(&pair.clients[0]) && client_at_eof(&pair.clients[1]),
               "a worker serves on");
    close_both(&pair);
    lab_free(lab);
}

/* ---- The end --------------------------------------------------------------------------------- */

Test(per_core, all_workers_drain)
{
    static pair_t pair;

    for (int isolation = 0; isolation < ISOLATIONS; isolation = next_isolation(isolation)) {
        lab_process_t *lab = lab_start(5, "park", isolations[isolation], "--workers=2", NULL);

        /* That app doesn't say whose it is: so many that each worker has some. */
        for (int i = 0; i < 2; i++)
            lab_connect_get(lab, &pair.clients[i], "/park/0?name=%c", 'A' + i);
        lab_expect_events(lab, (const char *[]){"start A", "start B"}, 2);
        kill(lab->pid, SIGTERM);
        lab_wait_stderr(lab, "stopping: 2 requests in flight");
        lab_wait_asleep(lab); /* each worker has been told */
        lab_open_gate(lab, 0);
        for (int i = 0; i < 2; i++)
            lab_expect_last_answer(lab, &pair.clients[i], 200, "\"park\":");
        lab_assert(lab, lab_wait(lab) == 0, "exit status %d", lab->status);
        lab_assert(lab, strstr(lab->out, ": 2 connections, 2 requests\n") != NULL, "summary:\n%s",
                   lab->out);
        lab_free(lab);
    }
}

Test(per_core, the_drain_timeout_cuts_off_what_is_left_on_each)
{
    static pair_t pair;

    for (int isolation = 0; isolation < ISOLATIONS; isolation = next_isolation(isolation)) {
        lab_process_t *lab = lab_start(5, "cores", isolations[isolation], "--workers=2",
                                       "--drain-timeout=0.1", NULL);

        connect_started(lab, &pair);
        lab_send_get(&pair.clients[0], "/park/0");
        lab_expect_event(lab, "parked");
        lab_send_get(&pair.clients[1], "/park/0");
        lab_expect_event(lab, "parked");
        lab_assert(lab, lab_stop(lab, SIGTERM) == 3, "exit status %d, expected 3", lab->status);
        lab_assert(lab, strstr(lab->out, "cut off 2\n") != NULL, "summary:\n%s", lab->out);
        close_both(&pair);
        lab_free(lab);
    }
}

Test(per_core, a_blocked_worker_can_not_hold_up_the_end)
{
    static pair_t pair;

    for (int isolation = 0; isolation < ISOLATIONS; isolation = next_isolation(isolation)) {
        lab_process_t *lab = lab_start(5, "cores", isolations[isolation], "--workers=2",
                                       "--drain-timeout=0.1", NULL);

        connect_started(lab, &pair);
        lab_send_get(&pair.clients[0], "/block/0");
        lab_expect_event(lab, "blocking");
        lab_assert(lab, lab_stop(lab, SIGTERM) == 3, "exit status %d, expected 3", lab->status);
        lab_assert(lab, strstr(lab_stderr(lab), "didn't return within the drain time-out") != NULL,
                   "doesn't say why");
        lab_assert(lab, client_at_eof(&pair.clients[0]), "the blocked worker serves on");
        close_both(&pair);
        lab_free(lab);
    }
}

/* ---- What is told of all --------------------------------------------------------------------- */

Test(per_core, metrics_add_up_all_workers)
{
    static pair_t pair;

    for (int isolation = 0; isolation < ISOLATIONS; isolation = next_isolation(isolation)) {
        lab_process_t *lab =
            lab_start(5, "values", isolations[isolation], "--workers=2", "--metrics", NULL);
        answer_t answer;

        for (int i = 0; i < 20; i++)
            lab_check(lab, "/value/str", 200, "text");
        lab_check(lab, "/value/none", 500, NULL);
        lab_wait_asleep(lab); /* a worker counts an answer once it is out */
        client_connect(&pair.clients[0], lab->port);
        answer = client_get(&pair.clients[0], "/metrics");
        lab_assert(lab,
                   strstr(answer.body,
                          "looplab_requests_total{code=\"200\",end=\"answered\"} 20\n") != NULL,
                   "metrics:\n%s", answer.body);
        lab_assert(lab, strstr(answer.body, "looplab_handler_errors_total 1\n") != NULL,
                   "metrics:\n%s", answer.body);
        answer_free(&answer);
        client_close(&pair.clients[0]);
        lab_finish(lab);
    }
}

/* A lab that has served at least two requests and left these two files is as it should be. */
static void check_files(lab_process_t *lab, const char *isolation, const char *stats,
                        const char *trace)
{
    static const char *const hops[] = {"parsed",   "attached", "started",
                                       "finished", "written",  NULL};
    json_t                  *root = stats_load(lab, stats);
    size_t                   threads = json_array_size(json_object_get(root, "threads"));
    int                      count = (int)stats_number(root, "requests");

    lab_assert(lab, count >= 2, "%d requests are counted", count);
    stats_expect_hops(root, isolation, hops, count);
    stats_expect_sums(root, isolation);
    lab_assert(lab, threads == 2, "%zu threads", threads);
    stats_expect_trace(trace, isolation, count);
    json_decref(root);
}

Test(per_core, the_breakdown_and_the_trace_file_have_every_worker)
{
    char          stats[] = "--stats=/tmp/looplab-per-core-XXXXXX";
    char          trace[] = "--trace=/tmp/looplab-per-core-XXXXXX";
    const char   *stats_path = strchr(stats, '/'), *trace_path = strchr(trace, '/');
    static pair_t pair;

    close(mkstemp(strchr(stats, '/')));
    close(mkstemp(strchr(trace, '/')));
    for (int isolation = 0; isolation < ISOLATIONS; isolation = next_isolation(isolation)) {
        lab_process_t *lab =
            lab_start(5, "cores", isolations[isolation], "--workers=2", stats, trace, NULL);

        connect_both(lab, &pair);
        close_both(&pair);
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        check_files(lab, isolations[isolation], stats_path, trace_path);
        lab_free(lab);
    }
    unlink(stats_path);
    unlink(trace_path);
}

Test(per_core, lines_of_the_access_log_stay_whole)
{
    for (int isolation = 0; isolation < ISOLATIONS; isolation = next_isolation(isolation)) {
        char           path[] = "/tmp/looplab-access-XXXXXX", line[256];
        int            fd = mkstemp(path), lines = 0;
        FILE          *file = fdopen(fd, "r");
        lab_process_t *lab = lab_start(5, "values", isolations[isolation], "--workers=2",
                                       lab_message("--access-log=%s", path), NULL);

        for (int i = 0; i < 40; i++)
            lab_check(lab, "/value/str", 200, "text");
        lab_finish(lab);
        while (fgets(line, sizeof line, file) != NULL) {
            cr_expect_not_null(strstr(line, "] \"GET /value/str HTTP/1.1\" 200 "), "%s", line);
            lines++;
        }
        cr_expect_eq(lines, 40, "%s: %d lines for 40 requests", isolations[isolation], lines);
        fclose(file);
        unlink(path);
    }
}

/* A terminal that hangs up tells the whole group; only the supervisor tells its workers. */
Test(per_core, a_process_takes_sighup_as_its_supervisor_does)
{
    char           path[] = "/tmp/looplab-access-XXXXXX";
    lab_process_t *lab;

    close(mkstemp(path));
    lab = lab_start(5, NULL, isolations[PROCESSES], lab_message("--access-log=%s", path), NULL);
    unlink(path);
    kill(lab_worker_pid(lab), SIGHUP);
    for (int i = 0; access(path, F_OK) != 0; i++) {
        lab_assert(lab, i < 20000, "no new file");
        usleep(1000);
    }
    lab_finish(lab);
    unlink(path);
}

Test(per_core, sigusr1_shows_what_each_worker_does)
{
    static pair_t pair;

    for (int isolation = 0; isolation < ISOLATIONS; isolation = next_isolation(isolation)) {
        lab_process_t *lab = start(isolation);

        connect_started(lab, &pair);
        lab_send_get(&pair.clients[0], "/block/0");
        lab_expect_event(lab, "blocking");
        lab_send_get(&pair.clients[1], "/park/0");
        lab_expect_event(lab, "parked");
        kill(lab->pid, SIGUSR1);
        lab_wait_stderr(lab, "SIGUSR1, worker 1: 1 request in flight");
        lab_wait_stderr(lab, "SIGUSR1, worker 2: 1 request in flight");
        lab_wait_stderr(lab, " s  GET /park/0  in park (");
        lab_wait_stderr(lab, " s  GET /block/0  in block (");
        lab_wait_stderr(lab, " in block\n"); /* the traceback of who is stuck */
        lab_open_gate(lab, 0);
        lab_expect_answer(lab, &pair.clients[0], 200, "released");
        lab_expect_answer(lab, &pair.clients[1], 200, "went on");
        close_both(&pair);
        lab_finish(lab);
    }
}

/* In the import there is no handler for it yet: nothing is shown, and nobody ends of it. */
Test(per_core, sigusr1_while_a_process_starts_is_no_end_of_it)
{
    lab_process_t *lab =
        lab_spawn(5, "starts", "--port=0", isolations[PROCESSES], "--workers=1", NULL);

    lab_expect_event(lab, "in the import");
    kill(lab->pid, SIGUSR1);
    lab_wait_asleep(lab);
    lab_open_gate(lab, 0);
    lab_expect_event(lab, "in the hook");
    kill(lab->pid, SIGUSR1);
    lab_wait_stderr(lab, " in hook\n");
    lab_open_gate(lab, 1);
    lab_wait_listening(lab);
    lab_finish(lab);
}

/* ---- Refusals -------------------------------------------------------------------------------- */

Test(per_core, what_this_python_can_not_do_is_refused_with_the_reason)
{
    lab_process_t *lab = lab_spawn(5, NULL, "--port=0", isolations[INTERPRETERS], NULL);

    if (has_own_gils()) {
        lab_wait_listening(lab);
        lab_finish(lab);
        return;
    }
    lab_assert(lab, lab_wait(lab) == 2, "exit status %d, expected 2", lab->status);
    lab_assert(lab,
               strstr(lab_stderr(lab), "from CPython 3.12 on") != NULL ||
                   strstr(lab_stderr(lab), "without a GIL threads compute in parallel") != NULL,
               "doesn't say why");
    lab_assert(lab, strstr(lab_stderr(lab), "--isolation=processes") != NULL, "or what to do");
    lab_free(lab);
}

/* They are of use for comparing, so they are allowed where there is a GIL; and it is said. */
Test(per_core, the_banner_says_that_threads_share_a_gil)
{
    lab_process_t *lab = start(THREADS);

    lab_assert(lab,
               (strstr(lab->out, " free-threaded, ") == NULL) ==
                   (strstr(lab->out, "2 workers (threads that share one GIL, ") != NULL),
               "banner:\n%s", lab->out);
    lab_finish(lab);
}

/* With SO_REUSEPORT the kernel would let it listen beside a stranger who has set it too. */
Test(per_core, a_port_is_busy_though_who_has_it_would_share_it)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t          size = sizeof address;
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    lab_process_t     *lab;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 &&
              bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, 1) == 0 &&
              getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    lab = lab_spawn(5, NULL, lab_message("--port=%d", ntohs(address.sin_port)), NULL);
    lab_assert(lab, lab_wait(lab) == 1, "exit status %d, expected 1", lab->status);
    lab_assert(lab, strstr(lab_stderr(lab), " is in use") != NULL, "doesn't say why");
    lab_free(lab);
    close(fd);
}

/* The first worker is begun alone: what it can't do is said once. */
Test(per_core, a_failed_start_is_said_once)
{
    for (int isolation = 0; isolation < ISOLATIONS; isolation = next_isolation(isolation)) {
        lab_process_t *lab = lab_spawn(5, NULL, "--port=0", "--workers=4", isolations[isolation],
                                       "--app=raises:app", NULL);

        lab_assert(lab, lab_wait(lab) == 1, "exit status %d, expected 1", lab->status);
        lab_assert(lab, count_of(lab_stderr(lab), "division by zero") == 1, "not once");
        lab_assert(lab, strstr(lab->out, "listening") == NULL, "says: %s", lab->out);
        lab_free(lab);
    }
}
