/*
 * Lab 5 with several workers, in each isolation that this Python has. What a worker does by itself is
 * in the suites that run for all labs; here is whose requests they serve, and what is told of all of them.
 * How they end is in supervisor.c.
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

#include "tests/integration/cores.h"
#include "tests/integration/stats.h"
#include "tests/support/text.h"

TestSuite(per_core, .fini = lab_processes_end, .timeout = 150);

/* ---- Who serves ------------------------------------------------------------------------------ */

Test(per_core, connections_land_on_several_workers_of_one_port)
{
    static cores_t pair;

    for (int isolation = 0; isolation < ISOLATIONS; isolation = cores_next(isolation)) {
        lab_process_t *lab = cores_start(isolation);

        cores_connect(lab, &pair);
        lab_assert(lab, (pair.who[0].process != pair.who[1].process) == (isolation == PROCESSES),
                   "%s: processes %d and %d", cores_option[isolation], pair.who[0].process,
                   pair.who[1].process);
        cores_close(&pair);
        lab_finish(lab);
    }
}

/* Threads have one interpreter and one app; else each worker has imported its own. */
Test(per_core, what_an_app_keeps_is_shared_by_threads_only)
{
    static cores_t pair;

    for (int isolation = 0; isolation < ISOLATIONS; isolation = cores_next(isolation)) {
        lab_process_t *lab = cores_start(isolation);

        cores_connect(lab, &pair);
        lab_send_get(&pair.clients[0], "/count");
        lab_expect_answer(lab, &pair.clients[0], 200, "{\"count\":1}");
        lab_send_get(&pair.clients[1], "/count");
        lab_expect_answer(lab, &pair.clients[1], 200,
                          isolation == THREADS ? "{\"count\":2}" : "{\"count\":1}");
        cores_close(&pair);
        lab_finish(lab);
    }
}

Test(per_core, hooks_run_once_on_each_worker)
{
    for (int isolation = 0; isolation < ISOLATIONS; isolation = cores_next(isolation)) {
        lab_process_t *lab = cores_start(isolation);

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
    lab_process_t *lab = lab_start(5, "cores", cores_option[PROCESSES],
                                   lab_message("--pin=%d", sched_getcpu()), NULL);

    lab_check(lab, "/who", 200, NULL);
    lab_finish(lab);
}

/* ---- What is told of all --------------------------------------------------------------------- */

Test(per_core, metrics_add_up_all_workers)
{
    static cores_t pair;

    for (int isolation = 0; isolation < ISOLATIONS; isolation = cores_next(isolation)) {
        lab_process_t *lab =
            lab_start(5, "values", cores_option[isolation], "--workers=2", "--metrics", NULL);
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
    char           stats[] = "--stats=/tmp/looplab-per-core-XXXXXX";
    char           trace[] = "--trace=/tmp/looplab-per-core-XXXXXX";
    const char    *stats_path = strchr(stats, '/'), *trace_path = strchr(trace, '/');
    static cores_t pair;

    close(mkstemp(strchr(stats, '/')));
    close(mkstemp(strchr(trace, '/')));
    for (int isolation = 0; isolation < ISOLATIONS; isolation = cores_next(isolation)) {
        lab_process_t *lab =
            lab_start(5, "cores", cores_option[isolation], "--workers=2", stats, trace, NULL);

        cores_connect(lab, &pair);
        cores_close(&pair);
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        check_files(lab, cores_option[isolation], stats_path, trace_path);
        lab_free(lab);
    }
    unlink(stats_path);
    unlink(trace_path);
}

Test(per_core, lines_of_the_access_log_stay_whole)
{
    for (int isolation = 0; isolation < ISOLATIONS; isolation = cores_next(isolation)) {
        char           path[] = "/tmp/looplab-access-XXXXXX", line[256];
        int            fd = mkstemp(path), lines = 0;
        FILE          *file = fdopen(fd, "r");
        lab_process_t *lab = lab_start(5, "values", cores_option[isolation], "--workers=2",
                                       lab_message("--access-log=%s", path), NULL);

        for (int i = 0; i < 40; i++)
            lab_check(lab, "/value/str", 200, "text");
        lab_finish(lab);
        while (fgets(line, sizeof line, file) != NULL) {
            cr_expect_not_null(strstr(line, "] \"GET /value/str HTTP/1.1\" 200 "), "%s", line);
            lines++;
        }
        cr_expect_eq(lines, 40, "%s: %d lines for 40 requests", cores_option[isolation], lines);
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
    lab = lab_start(5, NULL, cores_option[PROCESSES], lab_message("--access-log=%s", path), NULL);
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
    static cores_t pair;

    for (int isolation = 0; isolation < ISOLATIONS; isolation = cores_next(isolation)) {
        lab_process_t *lab = cores_start(isolation);

        cores_connect_started(lab, &pair);
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
        cores_close(&pair);
        lab_finish(lab);
    }
}

/* In the import there is no handler for it yet: nothing is shown, and nobody ends of it. */
Test(per_core, sigusr1_while_a_process_starts_is_no_end_of_it)
{
    lab_process_t *lab =
        lab_spawn(5, "starts", "--port=0", cores_option[PROCESSES], "--workers=1", NULL);

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
    lab_process_t *lab = lab_spawn(5, NULL, "--port=0", cores_option[INTERPRETERS], NULL);

    if (cores_have_own_gils()) {
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
    lab_process_t *lab = cores_start(THREADS);

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
    for (int isolation = 0; isolation < ISOLATIONS; isolation = cores_next(isolation)) {
        lab_process_t *lab = lab_spawn(5, NULL, "--port=0", "--workers=4", cores_option[isolation],
                                       "--app=raises:app", NULL);

        lab_assert(lab, lab_wait(lab) == 1, "exit status %d, expected 1", lab->status);
        lab_assert(lab, count_of(lab_stderr(lab), "division by zero") == 1, "not once");
        lab_assert(lab, strstr(lab->out, "listening") == NULL, "says: %s", lab->out);
        lab_free(lab);
    }
}
