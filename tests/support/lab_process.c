/* Starting, watching and ending a lab: lab_process.h says what for. */
#include "tests/support/lab_process.h"
#include "tests/support/deadline.h"
#include "tests/support/proc.h"
#include "tests/support/text.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MAX_ARGS = 32,
    POLL_MS = 2, /* between looks at what has no event of its own */
    TAIL_BYTES = 3000,
};

/* Started by this test and not freed; the newest first. */
static lab_process_t *started;

/* ---- Text ------------------------------------------------------------------------------------ */

const char *lab_message(const char *format, ...)
{
    static char text[2048];
    va_list     args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return text;
}

const char *lab_stderr(lab_process_t *lab)
{
    struct stat info;
    ssize_t     len = 0;

    free(lab->err);
    cr_assert(fstat(lab->err_fd, &info) == 0, "%s: fstat: %s", lab->name, strerror(errno));
    lab->err = malloc((size_t)info.st_size + 1);
    cr_assert_not_null(lab->err, "no memory");
    len = pread(lab->err_fd, lab->err, (size_t)info.st_size, 0);
    lab->err[len > 0 ? len : 0] = '\0';
    return lab->err;
}

const char *lab_tail(lab_process_t *lab)
{
    static char text[TAIL_BYTES + 100];
    const char *err = lab_stderr(lab);
    size_t      len = strlen(err);

    snprintf(text, sizeof text, "--- standard error of %s, its end:\n%s---", lab->name,
             err + (len > TAIL_BYTES ? len - TAIL_BYTES : 0));
    return text;
}

/* ---- Starting -------------------------------------------------------------------------------- */

static void make_pipe(int fds[2])
{
    cr_assert(pipe2(fds, O_CLOEXEC) == 0, "pipe2: %s", strerror(errno));
}

/* The ends of the pipes that the lab inherits. */
typedef struct {
    int out, err, events, gates[LAB_GATES];
} inherited_t;

/* Make all pipes and say their numbers in the environment, where tests/apps/harness.py looks. */
static void make_pipes(lab_process_t *lab, inherited_t *theirs)
{
    char   gates[LAB_GATES * 12] = "", number[12];
    size_t len = 0;
    int    fds[2];

    make_pipe(fds);
    lab->out_fd = fds[0];
    theirs->out = fds[1];
    make_pipe(fds);
    lab->events_fd = fds[0];
    theirs->events = fds[1];
    for (int i = 0; i < LAB_GATES; i++) {
        make_pipe(fds);
        theirs->gates[i] = fds[0];
        lab->gates[i] = fds[1];
        len += (size_t)snprintf(gates + len, sizeof gates - len, "%d ", fds[0]);
    }
    snprintf(number, sizeof number, "%d", theirs->events);
    setenv("TEST_EVENTS", number, 1);
    setenv("TEST_GATES", gates, 1);
}

static void make_error_file(lab_process_t *lab, inherited_t *theirs)
{
    char path[] = "/tmp/looplab-stderr-XXXXXX";

    lab->err_fd = theirs->err = mkostemp(path, O_CLOEXEC);
    cr_assert(lab->err_fd >= 0, "mkostemp: %s", strerror(errno));
    unlink(path);
}

static unsigned max_descriptors;

void lab_limit_descriptors(unsigned count)
{
    max_descriptors = count;
}

/* In the child, between fork() and exec(): nothing here allocates. */
static _Noreturn void become_lab(const char *program, char *const *args, const inherited_t *fds,
                                 pid_t test)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    signal(SIGINT, SIG_DFL); /* ignored in what a shell has started in the background */
    if (getppid() != test)
        _exit(125);
    if (max_descriptors > 0 &&
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){max_descriptors, max_descriptors}) != 0)
        _exit(124);
    fcntl(fds->events, F_SETFD, 0);
    for (int i = 0; i < LAB_GATES; i++)
        fcntl(fds->gates[i], F_SETFD, 0);
    if (dup2(fds->out, STDOUT_FILENO) < 0 || dup2(fds->err, STDERR_FILENO) < 0 ||
        chdir("tests/apps") != 0)
        _exit(126);
    execv(program, args);
    _exit(127);
}

static void run(lab_process_t *lab, char *const *args)
{
    const char *folder = getenv("LAB_BIN_DIR");
    char        program[4096];
    inherited_t theirs;
    pid_t       test = getpid();

    cr_assert_not_null(folder, "LAB_BIN_DIR isn't set: run the tests by `make integration`");
    snprintf(program, sizeof program, "%s/%.*s", folder, (int)strcspn(lab->name, " "), lab->name);
    make_pipes(lab, &theirs);
    make_error_file(lab, &theirs);
    lab->pid = fork();
    if (lab->pid == 0)
        become_lab(program, args, &theirs, test);
    cr_assert(lab->pid > 0, "fork: %s", strerror(errno));
    close(theirs.out);
    close(theirs.events);
    for (int i = 0; i < LAB_GATES; i++)
        close(theirs.gates[i]);
    lab->next = started;
    started = lab;
}

const char *lab_name(int number)
{
    static char name[12];

    snprintf(name, sizeof name, "lab%d%s", number == LAB_POOL ? 3 : number,
             number == LAB_POOL ? " --pool" : "");
    return name;
}

/* `number` 0: the program `rung` of the ladder */
static lab_process_t *spawn(int number, const char *rung, const char *app, bool any_port,
                            va_list more)
{
    lab_process_t *lab = calloc(1, sizeof *lab);
    char           app_option[128], *args[MAX_ARGS + 1];
    int            count = 0;

    cr_assert_not_null(lab, "no memory");
    lab->number = number;
    snprintf(lab->name, sizeof lab->name, "%s", rung != NULL ? rung : lab_name(number));
    args[count++] = lab->name;
    if (any_port)
        args[count++] = "--port=0";
    if (number == 5)
        args[count++] = "--workers=1"; /* unless the test says another number */
    if (number == LAB_POOL)
        args[count++] = "--pool=4"; /* likewise */
    if (app != NULL) {
        snprintf(app_option, sizeof app_option, "--app=%s:%s", app,
                 lab_is_sync(number) ? "sync_app" : "async_app");
        args[count++] = app_option;
    }
    while (count < MAX_ARGS && (args[count] = va_arg(more, char *)) != NULL)
        count++;
    cr_assert(count < MAX_ARGS, "too many arguments");
    run(lab, args);
    return lab;
}

lab_process_t *lab_spawn(int number, const char *app, ...)
{
    lab_process_t *lab;
    va_list        more;

    va_start(more, app);
    lab = spawn(number, NULL, app, false, more);
    va_end(more);
    return lab;
}

lab_process_t *lab_start(int number, const char *app, ...)
{
    lab_process_t *lab;
    va_list        more;

    va_start(more, app);
    lab = spawn(number, NULL, app, true, more);
    va_end(more);
    lab_wait_listening(lab);
    return lab;
}

lab_process_t *lab_start_rung(const char *name, const char *app, ...)
{
    lab_process_t *lab;
    va_list        more;

    va_start(more, app);
    lab = spawn(0, name, app, true, more);
    va_end(more);
    lab_wait_listening(lab);
    return lab;
}

/* ---- Listening to it ------------------------------------------------------------------------- */

/* Read more of standard output. returns false at its end */
static bool read_stdout(lab_process_t *lab, long long deadline)
{
    char    buf[4096];
    ssize_t len;

    lab_assert(lab, deadline_poll(lab->out_fd, POLLIN, deadline) > 0,
               "neither said anything nor ended in %d s; so far it has said:\n%s",
               LAB_DEADLINE_MS / 1000, lab->out == NULL ? "" : lab->out);
    len = read(lab->out_fd, buf, sizeof buf);
    if (len <= 0)
        return false;
    lab->out = realloc(lab->out, lab->out_len + (size_t)len + 1);
    cr_assert_not_null(lab->out, "no memory");
    memcpy(lab->out + lab->out_len, buf, (size_t)len);
    lab->out_len += (size_t)len;
    lab->out[lab->out_len] = '\0';
    return true;
}

void lab_wait_stdout(lab_process_t *lab, const char *text)
{
    long long deadline = deadline_in(LAB_DEADLINE_MS);

    while (lab->out == NULL || strstr(lab->out, text) == NULL)
        lab_assert(lab, read_stdout(lab, deadline), "ended before it said '%s'; it said:\n%s", text,
                   lab->out == NULL ? "" : lab->out);
}

void lab_wait_listening(lab_process_t *lab)
{
    static const char begin[] = "listening on http://127.0.0.1:";
    char             *end;

    lab_wait_stdout(lab, begin);
    lab->port = (int)strtol(strstr(lab->out, begin) + sizeof begin - 1, &end, 10);
    lab_assert(lab, *end == '\n' && lab->port > 0, "no port in:\n%s", lab->out);
}

void lab_wait_stderr(lab_process_t *lab, const char *text)
{
    long long deadline = deadline_in(LAB_DEADLINE_MS);

    while (strstr(lab_stderr(lab), text) == NULL) {
        lab_assert(lab, !deadline_past(deadline), "hasn't said '%s' on standard error", text);
        poll(NULL, 0, POLL_MS);
    }
}

/* ---- Ending ---------------------------------------------------------------------------------- */

/* Its standard output ends when the process does. */
int lab_wait(lab_process_t *lab)
{
    long long deadline = deadline_in(LAB_DEADLINE_MS);
    int       status;

    if (lab->ended)
        return lab->status;
    while (read_stdout(lab, deadline))
        ;
    lab_assert(lab, waitpid(lab->pid, &status, 0) == lab->pid, "waitpid: %s", strerror(errno));
    lab->ended = true;
    lab->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (lab->out == NULL)
        lab->out = calloc(1, 1);
    return lab->status;
}

int lab_stop(lab_process_t *lab, int signal)
{
    lab_assert(lab, kill(lab->pid, signal) == 0, "kill: %s", strerror(errno));
    return lab_wait(lab);
}

static void close_pipes(lab_process_t *lab)
{
    close(lab->out_fd);
    close(lab->err_fd);
    close(lab->events_fd);
    for (int i = 0; i < LAB_GATES; i++)
        lab_open_gate(lab, i);
}

void lab_free(lab_process_t *lab)
{
    lab_process_t **at = &started;

    while (*at != lab)
        at = &(*at)->next;
    *at = lab->next;
    close_pipes(lab);
    free(lab->out);
    free(lab->err);
    free(lab);
}

void lab_finish(lab_process_t *lab)
{
    int status = lab_stop(lab, SIGTERM);

    lab_assert(lab, status == 0, "ended with %d after SIGTERM, expected 0", status);
    lab_assert(lab, count_of(lab_stderr(lab), "Sanitizer") == 0, "a sanitizer found something");
    lab_free(lab);
}

/* The test is over. A lab that has a fault to show was shown by lab_assert(), if it had ended. */
void lab_processes_end(void)
{
    while (started != NULL) {
        lab_process_t *lab = started;

        if (!lab->ended) {
            fprintf(stderr, "%s was still running when its test ended\n%s\n", lab->name,
                    lab_tail(lab));
            kill(lab->pid, SIGKILL);
            waitpid(lab->pid, NULL, 0);
        }
        lab_free(lab);
    }
}

/* ---- What the kernel knows ------------------------------------------------------------------- */

enum { MAX_CHILDREN = 16 };

/* The processes that a lab has begun, of those that serve in processes. returns how many */
static int children_of(const lab_process_t *lab, pid_t *children)
{
    if (lab->out == NULL || strstr(lab->out, "(processes)") == NULL)
        return 0;
    return proc_children(lab->pid, children, MAX_CHILDREN);
}

pid_t lab_worker_pid(const lab_process_t *lab)
{
    pid_t children[MAX_CHILDREN];

    return children_of(lab, children) == 0 ? lab->pid : children[0];
}

static bool lab_asleep(const lab_process_t *lab)
{
    pid_t children[MAX_CHILDREN];
    int   count = children_of(lab, children);
    bool  asleep = proc_asleep(lab->pid);

    for (int i = 0; i < count; i++)
        asleep &= proc_asleep(children[i]);
    return asleep;
}

/* A thread that one look missed while it woke another is caught by the next: several in a row. */
void lab_wait_asleep(lab_process_t *lab)
{
    long long deadline = deadline_in(LAB_DEADLINE_MS);

    for (int in_a_row = 0; in_a_row < 5;) {
        lab_assert(lab, !deadline_past(deadline), "its threads don't come to rest");
        in_a_row = lab_asleep(lab) ? in_a_row + 1 : 0;
        poll(NULL, 0, POLL_MS);
    }
}

long lab_unread(const lab_process_t *lab, int client_port)
{
    return proc_unread(lab->port, client_port);
}

void lab_wait_closed(lab_process_t *lab, int client_port)
{
    long long deadline = deadline_in(LAB_DEADLINE_MS);

    while (lab_unread(lab, client_port) >= 0) {
        lab_assert(lab, !deadline_past(deadline), "it doesn't close the connection");
        poll(NULL, 0, POLL_MS);
    }
}
