/*
 * A lab as a child process of a test: started on a port that the kernel picks, spoken to over
 * sockets, ended by a signal, judged by its exit status and by what it said.
 *
 * A lab and the processes that it starts are a process group, as at a terminal.
 *
 * A lab never outlives its test: it dies with the test's process (PR_SET_PDEATHSIG), and
 * lab_processes_end(), every suite's .fini, kills what still runs. What still runs then is what a
 * failed test has left behind, so its standard error is shown.
 *
 * The working directory of a test is the repository's root (tools/run_tests sees to it); a lab's is
 * tests/apps, so `--app park:async_app` finds tests/apps/park.py. Apps there talk to the test
 * through two kinds of pipes that the lab inherits (tests/apps/harness.py):
 *   events  the app writes lines, the test reads them in the order in which they were written;
 *   gates   a handler waits until the test opens its gate.
 * So a test needs no clock to know what runs, what waits and what came first.
 *
 * Every wait has a deadline that only turns a hang into a failure. thread: the test's own.
 */
#ifndef LOOPLAB_TESTS_LAB_PROCESS_H
#define LOOPLAB_TESTS_LAB_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
    LAB_FIRST = 1, /* for loops over all labs */
    LAB_POOL = 6,  /* lab 3 once more, with --pool */
    LAB_LAST = LAB_POOL,
    LAB_GATES = 4,
    LAB_DEADLINE_MS = 60 * 1000, /* a sanitized Python on a busy machine takes seconds to start */
};

/* For loops over those labs in which others are served while a handler waits: all but lab 3 alone. */
static inline int lab_next_concurrent(int number)
{
    return number == 2 ? 4 : number + 1;
}

/* For loops over those labs whose handlers are coroutines: all but lab 3. */
static inline int lab_next_async(int number)
{
    return number + 1 == LAB_POOL ? LAB_LAST + 1 : lab_next_concurrent(number);
}

/* Lab 3, with a pool or without: its handlers are plain functions, and can't be cancelled. */
static inline bool lab_is_sync(int number)
{
    return number == 3 || number == LAB_POOL;
}

typedef struct lab_process {
    struct lab_process *next;     /* of those that this test has started and not freed */
    char                name[32]; /* as messages call it: its program, and for LAB_POOL an option */
    int                 number;   /* 0: a rung of the ladder */
    bool                ended;
    pid_t               pid;
    int                 port;
    int status; /* once ended: the exit status, or 128 + the signal that killed it */

    /* Standard output: a pipe, and what was read from it. */
    int    out_fd;
    char  *out;
    size_t out_len;

    /* Standard error: a file, since nobody reads it while the lab runs. */
    int   err_fd;
    char *err; /* the last answer of lab_stderr() */

    /* Pipes to the app. A closed gate's end is -1. */
    int    events_fd;
    char   events[4096]; /* read, but not expected yet */
    size_t events_len;
    int    gates[LAB_GATES];
} lab_process_t;

/*
 * Run lab `number` with these arguments, NULL behind the last, and nothing else; don't wait for it.
 * Lab 5 has one worker unless they say another number: with one it does all that the others do; and
 * LAB_POOL four threads.
 * `app` is a module of tests/apps of which the lab serves async_app or sync_app, whatever it can
 * serve; NULL gives no --app.
 */
__attribute__((sentinel)) lab_process_t *lab_spawn(int number, const char *app, ...);

/* How messages call lab `number`: "lab1", "lab3 --pool"; valid until the next call. */
const char *lab_name(int number);

/* The process that serves: the lab's own, or where that only supervises its first worker. Linux only. */
pid_t lab_worker_pid(const lab_process_t *lab);

/* Labs that are started from now on may have so many descriptors; 0: as many as the test may. */
void lab_limit_descriptors(unsigned count);

/* The same with --port 0; returns once it listens. The test fails if it doesn't. */
__attribute__((sentinel)) lab_process_t *lab_start(int number, const char *app, ...);

/* The same for a rung of the ladder, by its program's name; it serves async_app. */
__attribute__((sentinel)) lab_process_t *lab_start_rung(const char *name, const char *app, ...);

/* Read `lab->port` from the line that says where it listens. */
void lab_wait_listening(lab_process_t *lab);

/* Wait until the lab has said `text` on standard output (or error). */
void lab_wait_stdout(lab_process_t *lab, const char *text);
void lab_wait_stderr(lab_process_t *lab, const char *text);

/* Wait until the process has ended. returns its status */
int lab_wait(lab_process_t *lab);

/* Send a signal, then wait for the end. returns the status */
int lab_stop(lab_process_t *lab, int signal);

/* SIGTERM to a healthy lab: it drains and exits with 0, without a word of sanitizers. Frees it. */
void lab_finish(lab_process_t *lab);

/* Forget a lab that has ended. */
void lab_free(lab_process_t *lab);

/* All that it has said so far on standard error; valid until the next call. */
const char *lab_stderr(lab_process_t *lab);

/* ---- Apps that talk to the test -------------------------------------------------------------- */

/* The next event is `expected`; waits for it. */
void lab_expect_event(lab_process_t *lab, const char *expected);

/* The next `count` events are these, in whatever order. */
void lab_expect_events(lab_process_t *lab, const char *const *expected, size_t count);

/* The app has written nothing since. Means something only where nothing can be on its way. */
void lab_expect_silence(lab_process_t *lab);

/* All further events of a lab that has ended, a line each; it keeps the text. */
const char *lab_rest_of_events(lab_process_t *lab);

/* From now on nobody waits at this gate. */
void lab_open_gate(lab_process_t *lab, int gate);

/* Wait until every thread of the lab sleeps: whatever it can do by itself is done. Linux only. */
void lab_wait_asleep(lab_process_t *lab);

/*
 * Bytes of the connection from `client_port` that the lab hasn't read, or -1 if it has closed its
 * side. Linux only.
 */
long lab_unread(const lab_process_t *lab, int client_port);

/* Wait until the lab has closed its side of that connection. Linux only. */
void lab_wait_closed(lab_process_t *lab, int client_port);

/* ---- Judging --------------------------------------------------------------------------------- */

/* For .fini of every suite. */
void lab_processes_end(void);

/* printf into a static buffer, for lab_assert(). */
__attribute__((format(printf, 1, 2))) const char *lab_message(const char *format, ...);

/* The end of its standard error, for messages; valid until the next call. */
const char *lab_tail(lab_process_t *lab);

/* cr_assert() that names the lab and shows what it had to say. */
#define lab_assert(lab, condition, ...) \
    cr_assert((condition), "%s: %s\n%s", (lab)->name, lab_message(__VA_ARGS__), lab_tail(lab))

#endif
