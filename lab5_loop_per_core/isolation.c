/* Threads and interpreters are begun here as the same thing; what differs for them is in worker.c. */
#include "lab5_loop_per_core/isolation.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/lab/platform.h"

enum { MAX_ARGS = 128 };

const char *isolation_refusal(isolation_t isolation)
{
    return isolation == ISOLATION_INTERPRETERS ? bridge_no_isolation() : NULL;
}

const char *isolation_remark(isolation_t isolation, bool gil)
{
    return isolation == ISOLATION_THREADS && gil
               ? " that share one GIL, so that one at a time runs Python"
               : "";
}

/* ---- Threads and interpreters ---------------------------------------------------------------- */

static void thread_main(void *arg)
{
    worker_run(arg);
}

/* ---- Processes ------------------------------------------------------------------------------- */

/* The supervisor's, which until exec() would tell it of a signal that it gets as well. */
static void drop_handlers(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD};
    struct sigaction action;

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            signal(numbers[i], SIG_DFL);
}

/* Between fork() and exec(): nothing here allocates. Signals are blocked; `mask`: those before. */
static _Noreturn void become_worker(const worker_setup_t *setup, const char *program, char **args,
                                    pid_t supervisor, const sigset_t *mask)
{
    platform_end_with_parent(supervisor);
    drop_handlers();
    pthread_sigmask(SIG_SETMASK, mask, NULL);
    fcntl(setup->control, F_SETFD, 0);
    fcntl(setup->board->fd, F_SETFD, 0);
    fcntl(setup->traced, F_SETFD, 0);
    execv(program, args);
    _exit(127);
}

/*
 * The program again, with its own options and one more: a forked Python would share locks. That one
 * says how many workers there are: where CPUs are pinned already the default is another.
 */
static int begin_process(worker_handle_t *self, char **argv)
{
    const worker_setup_t *setup = &self->setup;
    char                  program[4096], which[64], *args[MAX_ARGS + 2];
    size_t                size = sizeof program;
    pid_t                 supervisor = getpid();
    sigset_t              all, mask;
    int                   count = 1, err = 0;

    if (uv_exepath(program, &size) != 0)
        return UV_ENOENT;
    snprintf(which, sizeof which, "--worker=%u:%u:%d:%d:%d:%d", setup->index, setup->board->count,
             setup->control, setup->board->fd, setup->traced, setup->port);
    args[0] = argv[0];
    args[1] = which; /* before a "--", which would end the options */
    for (; argv[count] != NULL; count++) {
        if (count == MAX_ARGS)
            return UV_E2BIG;
        args[count + 1] = argv[count];
    }
    args[count + 1] = NULL;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    self->pid = fork();
    if (self->pid == 0)
        become_worker(setup, program, args, supervisor, &mask);
    if (self->pid < 0)
        err = uv_translate_sys_error(errno);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return err;
}

int isolation_run_process(const lab_info_t *info, const lab_options_t *options)
{
    worker_setup_t setup = {.info = info, .options = options};
    board_t        board;
    int            board_fd;
    unsigned       workers;

    if (sscanf(options->worker, "%u:%u:%d:%d:%d:%d", &setup.index, &workers, &setup.control,
               &board_fd, &setup.traced, &setup.port) != 6 ||
        setup.index >= workers || board_map(&board, board_fd, workers) != 0) {
        fprintf(stderr, "%s: --worker is for the lab's own use\n", info->name);
        return 2;
    }
    fcntl(setup.control, F_SETFD, FD_CLOEXEC); /* commands that handlers start have no part in it */
    fcntl(board_fd, F_SETFD, FD_CLOEXEC);
    fcntl(setup.traced, F_SETFD, FD_CLOEXEC);
    setup.board = &board;
    worker_run(&setup);
    return atomic_load(&board.pages[setup.index].state) == WORKER_DONE ? 0 : 1;
}

bool isolation_has_ended(worker_handle_t *self)
{
    int status = 0;

    if (waitpid(self->pid, &status, WNOHANG) != self->pid)
        return false;
    self->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (WIFSIGNALED(status))
        snprintf(self->ended, sizeof self->ended, "was ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (atomic_load(&self->setup.board->pages[self->setup.index].state) < WORKER_DONE)
        snprintf(self->ended, sizeof self->ended, "has ended with status %d", self->status);
    return true;
}

/* ---- Either ---------------------------------------------------------------------------------- */

/* Closed by exec() from the start: a command that had one would hide the end of its worker. */
int isolation_connect(worker_handle_t *self)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return uv_translate_sys_error(errno);
    self->control = fds[0];
    self->setup.control = fds[1];
    return 0;
}

int isolation_begin(worker_handle_t *self, char **argv)
{
    bool process = self->setup.options->isolation == ISOLATION_PROCESSES;
    int  err;

    err = process ? begin_process(self, argv)
                  : uv_thread_create(&self->thread, thread_main, &self->setup);
    if (process || err != 0)
        close(self->setup.control); /* a process has its own copy */
    return err;
}

void isolation_join(worker_handle_t *self)
{
    uv_thread_join(&self->thread);
}
