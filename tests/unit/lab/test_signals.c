/*
 * common/lab/signals.c: the first signal begins the drain, a second one or a handler that never
 * returns ends the process. What ends a process is tested in a child, whose status and last words
 * the test reads.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/lab/signals.h"

/* One time-out for all: Criterion 2.4.1 leaks where tests with different ones run side by side. */
TestSuite(lab_signals, .timeout = 60);

/* A loop with signals open, and what on_stop saw. */
typedef struct {
    uv_loop_t   loop;
    signals_t   signals;
    uv_thread_t thread; /* that ran on_stop */
    int         stops;
} program_t;

static void on_stop(void *owner)
{
    program_t *program = owner;

    program->stops++;
    program->thread = uv_thread_self();
    uv_stop(&program->loop);
}

static void program_open_for(program_t *program, uint32_t drain_timeout_ms,
                             const signals_events_t *events)
{
    *program = (program_t){0};
    cr_assert_eq(uv_loop_init(&program->loop), 0);
    cr_assert_eq(signals_open(&program->signals, &program->loop, drain_timeout_ms, events, program),
                 0);
}

static void program_open(program_t *program, uint32_t drain_timeout_ms, void (*stop)(void *))
{
    const signals_events_t events = {.on_stop = stop};

    program_open_for(program, drain_timeout_ms, &events);
}

static void program_close(program_t *program)
{
    signals_close(&program->signals);
    uv_run(&program->loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&program->loop), 0, "a handle is left open");
}

/* ---- The first signal ------------------------------------------------------------------------ */

Test(lab_signals, the_first_signal_runs_on_stop_on_the_loop)
{
    static const int numbers[] = {SIGTERM, SIGINT};

    for (size_t i = 0; i < 2; i++) {
        program_t   program;
        uv_thread_t here = uv_thread_self();

        program_open(&program, 10000, on_stop);
        raise(numbers[i]);
        cr_expect_eq(program.stops, 0, "on_stop ran before the loop did");
        uv_run(&program.loop, UV_RUN_DEFAULT);
        cr_expect(program.stops == 1 && uv_thread_equal(&program.thread, &here),
                  "%s: %d calls of on_stop", strsignal(numbers[i]), program.stops);
        program_close(&program);
    }
}

Test(lab_signals, sigpipe_is_ignored)
{
    program_t program;

    program_open(&program, 10000, on_stop);
    raise(SIGPIPE);
    program_close(&program);
    cr_expect_eq(program.stops, 0);
}

Test(lab_signals, close_without_a_signal_ends_the_watchdog)
{
    program_t program;

    for (int i = 0; i < 20; i++) {
        program_open(&program, 10000, on_stop);
        program_close(&program);
        cr_expect_eq(program.stops, 0);
    }
}

/* More than the pipe holds: a signal handler must not wait for room. */
Test(lab_signals, signals_after_close_are_without_effect)
{
    program_t program;

    program_open(&program, 10000, on_stop);
    program_close(&program);
    for (int i = 0; i < 100000; i++)
        raise(i % 2 ? SIGTERM : SIGINT);
    cr_expect_eq(program.stops, 0);
}

/* ---- Looking in ------------------------------------------------------------------------------ */

static _Atomic int reopened, inspected, claimed, interrupted, passed_on;

static void on_reopen(void *owner)
{
    reopened++;
    on_stop(owner);
}

static void on_inspect(void *owner)
{
    inspected++;
    claimed += signals_claim_inspection(&((program_t *)owner)->signals);
    on_stop(owner);
}

static void on_stuck(void *owner)
{
    program_t  *program = owner;
    uv_thread_t here = uv_thread_self();

    interrupted += uv_thread_equal(&program->thread, &here);
}

static void on_earlier(int number)
{
    passed_on += number == SIGUSR1;
}

static const signals_events_t looking = {
    .on_stop = on_stop, .on_reopen = on_reopen, .on_inspect = on_inspect, .on_stuck = on_stuck};

Test(lab_signals, sighup_and_sigusr1_are_the_loops_to_answer)
{
    program_t program;

    program_open_for(&program, 10000, &looking);
    raise(SIGHUP);
    uv_run(&program.loop, UV_RUN_DEFAULT);
    cr_expect(reopened == 1 && inspected == 0);
    for (int i = 1; i <= 2; i++) {
        raise(SIGUSR1);
        uv_run(&program.loop, UV_RUN_DEFAULT);
        cr_expect(inspected == i && claimed == i, "signal %d: %d calls of on_inspect, %d claims", i,
                  inspected, claimed);
    }
    cr_expect(reopened == 1 && interrupted == 0);
    program_close(&program);
}

/* Whoever had the signal before, such as Python's faulthandler, has its say after on_stuck. */
Test(lab_signals, a_thread_that_does_not_come_round_is_interrupted)
{
    program_t program;

    signal(SIGUSR1, on_earlier);
    program_open_for(&program, 10000, &looking);
    program.thread = uv_thread_self();
    raise(SIGUSR1);
    while (passed_on == 0) /* what it is stuck in; the suite's time-out ends it */
        uv_sleep(1);
    cr_expect(interrupted == 1 && passed_on == 1 && inspected == 0,
              "%d calls of on_stuck on its thread, %d of the earlier handler, %d of on_inspect",
              interrupted, passed_on, inspected);
    raise(SIGTERM);
    uv_run(&program.loop, UV_RUN_DEFAULT);
    cr_expect(claimed == 0, "it is said twice");
    program_close(&program);
}

/* A second thread that tells of itself: by itself, or interrupted. */
typedef struct {
    program_t      *program;
    signals_watch_t watch;
    bool            stuck;
    uv_sem_t        watched, told;
} watched_t;

static void on_watched_stuck(void *owner)
{
    interrupted++;
    uv_sem_post(&((watched_t *)owner)->told);
}

static void watched_main(void *arg)
{
    watched_t *self = arg;

    signals_watch(&self->program->signals, &self->watch, on_watched_stuck, self);
    uv_sem_post(&self->watched);
    while (!self->stuck && !signals_claim(&self->watch))
        uv_sleep(1);
    if (self->stuck)
        while (interrupted == 0) /* what it is stuck in */
            uv_sleep(1);
    else
        uv_sem_post(&self->told);
    signals_unwatch(&self->program->signals, &self->watch);
}

static void check_watched(bool stuck)
{
    static const signals_events_t events = {.on_stop = on_stop, .on_inspect = on_inspect};
    program_t                     program;
    watched_t                     other = {.program = &program, .stuck = stuck};
    uv_thread_t                   thread;

    cr_assert(uv_sem_init(&other.watched, 0) == 0 && uv_sem_init(&other.told, 0) == 0);
    interrupted = passed_on = 0;
    signal(SIGUSR1, on_earlier);
    program_open_for(&program, 10000, &events);
    cr_assert_eq(uv_thread_create(&thread, watched_main, &other), 0);
    uv_sem_wait(&other.watched);
    raise(SIGUSR1);
    uv_sem_wait(&other.told);
    uv_thread_join(&thread);
    uv_run(&program.loop, UV_RUN_DEFAULT); /* on_inspect stops it */
    cr_expect(interrupted == stuck && passed_on == stuck && claimed == 0,
              "%d calls of on_stuck, %d of the earlier handler, %d claims of the loop's own",
              interrupted, passed_on, claimed);
    program_close(&program);
    uv_sem_destroy(&other.watched);
    uv_sem_destroy(&other.told);
}

Test(lab_signals, a_further_thread_tells_by_itself_or_is_interrupted)
{
    check_watched(false);
    check_watched(true);
}

/* Its memory is there still, and no signal goes to a thread that has ended. */
Test(lab_signals, a_thread_that_has_ended_is_left_alone)
{
    check_watched(false);
    raise(SIGUSR1);
}

/* ---- The end of the process ------------------------------------------------------------------ */

/* Run `body` in a child. returns its wait status; its standard error into `said`, terminated */
static int run_child(void (*body)(void), char *said, size_t size)
{
    int     ends[2], status;
    size_t  len = 0;
    ssize_t n;
    pid_t   child;

    cr_assert_eq(pipe(ends), 0);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        body();
        _exit(0);
    }
    close(ends[1]);
    while ((n = read(ends[0], said + len, size - 1 - len)) > 0)
        len += (size_t)n;
    said[len] = '\0';
    close(ends[0]);
    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

static void check_child(void (*body)(void), int expected, const char *words)
{
    char said[4096];
    int  status = run_child(body, said, sizeof said);

    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == expected,
              "expected exit status %d, seen %s %d; said %s", expected,
              WIFEXITED(status) ? "exit status" : "signal",
              WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), said);
    cr_expect_str_eq(said, words, "expected '%s', said '%s'", words, said);
}

static void never_return(void *owner)
{
    (void)owner;
    for (;;)
        pause();
}

static void second_signal(void *owner)
{
    (void)owner;
    raise(SIGINT);
    never_return(NULL);
}

static void stop_twice(void)
{
    program_t program;

    program_open(&program, 10000, second_signal);
    raise(SIGTERM);
    uv_run(&program.loop, UV_RUN_DEFAULT);
}

static void stop_once_and_hang(void)
{
    program_t program;

    program_open(&program, 0, never_return);
    raise(SIGTERM);
    uv_run(&program.loop, UV_RUN_DEFAULT);
}

static void drain_and_hang(void)
{
    program_t program;

    program_open(&program, 0, on_stop);
    signals_watch_drain(&program.signals);
    never_return(NULL);
}

/* The first signal is a first one, also while the drain is watched. */
static void drain_and_stop(void)
{
    program_t program;

    program_open(&program, 10000, on_stop);
    signals_watch_drain(&program.signals);
    raise(SIGTERM);
    signals_watch_drain(&program.signals);
    uv_run(&program.loop, UV_RUN_DEFAULT);
    program_close(&program);
}

/* Both in the pipe before the watchdog reads the first. */
static void stop_twice_at_once(void)
{
    program_t program;
    sigset_t  both;

    sigemptyset(&both);
    sigaddset(&both, SIGTERM);
    sigaddset(&both, SIGINT);
    program_open(&program, 10000, never_return);
    sigprocmask(SIG_BLOCK, &both, NULL);
    kill(getpid(), SIGINT);
    kill(getpid(), SIGTERM);
    sigprocmask(SIG_UNBLOCK, &both, NULL);
    uv_run(&program.loop, UV_RUN_DEFAULT);
}

static void stop_and_finish_in_time(void)
{
    program_t program;

    program_open(&program, 10000, on_stop);
    raise(SIGTERM);
    uv_run(&program.loop, UV_RUN_DEFAULT);
    program_close(&program);
}

Test(lab_signals, a_second_signal_ends_the_process_with_its_number)
{
    check_child(stop_twice, 128 + SIGINT,
                "stopped by a second signal: what was in flight is lost\n");
}

Test(lab_signals, two_signals_at_once_count_as_two)
{
    char said[4096];
    int  status = run_child(stop_twice_at_once, said, sizeof said);

    cr_expect(WIFEXITED(status) &&
                  (WEXITSTATUS(status) == 128 + SIGTERM || WEXITSTATUS(status) == 128 + SIGINT),
              "wait status %#x; said %s", (unsigned)status, said);
}

Test(lab_signals, a_handler_that_never_returns_is_cut_off_with_status_3)
{
    check_child(stop_once_and_hang, 3,
                "a handler didn't return within the drain time-out: what was in flight is cut "
                "off\n");
}

Test(lab_signals, a_drain_that_ends_in_time_says_nothing)
{
    check_child(stop_and_finish_in_time, 0, "");
}

Test(lab_signals, a_drain_without_a_signal_is_watched_as_well)
{
    check_child(drain_and_hang, 3,
                "a handler didn't return within the drain time-out: what was in flight is cut "
                "off\n");
    check_child(drain_and_stop, 0, "");
}
