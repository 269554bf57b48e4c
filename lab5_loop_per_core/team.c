/*
 * A worker's end shows twice: it closes its socket, and where it is a process the kernel tells of that
 * one's end. Of a process the second counts: children that a handler has forked may hold its socket.
 */
#include "lab5_loop_per_core/team.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_control(uv_poll_t *poll, int status, int events);
static void on_child(uv_signal_t *children, int number);

static bool are_processes(const team_t *self)
{
    return self->setup.options->isolation == ISOLATION_PROCESSES;
}

static worker_state_t state_of(const member_t *member)
{
    const worker_setup_t *setup = &member->handle.setup;

    return (worker_state_t)atomic_load(&setup->board->pages[setup->index].state);
}

/* ---- Commands -------------------------------------------------------------------------------- */

/* The command stands on the board: where the socket has no room a byte is in it that isn't read yet. */
static void tell(const member_t *member, worker_command_t command)
{
    /* LAB 5, STEP 3 { what it is told goes on its page, then a byte; who has ended is told nothing */
    const worker_setup_t *setup = &member->handle.setup;

    if (!member->runs)
        return;
    atomic_fetch_or(&setup->board->pages[setup->index].due, command);
    if (write(member->handle.control, "", 1) < 0) {
        /* or it has ended, which will be noticed */
    }
    /* } LAB 5, STEP 3; until then:
     *     (void)command;
     *     if (member != member->team->members || write(member->handle.control, "", 1) < 0)
     *         return; // the first one hears that there is something
     */
}

void team_tell(team_t *self, worker_command_t command)
{
    for (unsigned i = 0; i < self->begun; i++)
        tell(&self->members[i], command);
}

void team_drain(team_t *self)
{
    if (self->draining)
        return;
    self->draining = true;
    team_tell(self, COMMAND_DRAIN);
}

/* The signal would end a process that has no handler for it yet. */
static bool takes_signals(const member_t *member)
{
    return member->runs && member->handle.pid != 0 && state_of(member) != WORKER_STARTING;
}

/* A process has a watchdog of its own, so that it answers though it is stuck. */
void team_inspect(team_t *self)
{
    if (!are_processes(self))
        team_tell(self, COMMAND_INSPECT);
    for (unsigned i = 0; i < self->begun; i++)
        if (takes_signals(&self->members[i]))
            kill(self->members[i].handle.pid, SIGUSR1);
}

/* ---- Begin ----------------------------------------------------------------------------------- */

/* Without one its traces are lost, which it will say. */
static void open_traced(worker_handle_t *handle)
{
    handle->traced = tmpfile();
    if (handle->traced == NULL)
        return;
    handle->setup.traced = fileno(handle->traced);
    fcntl(handle->setup.traced, F_SETFD, FD_CLOEXEC);
}

static int watch_control(member_t *member)
{
    int err = uv_poll_init_socket(member->team->loop, &member->poll, member->handle.control);

    member->poll.data = member;
    if (err == 0 && (err = uv_poll_start(&member->poll, UV_READABLE, on_control)) != 0)
        uv_close((uv_handle_t *)&member->poll, NULL);
    if (err != 0) {
        close(member->handle.control);
        close(member->handle.setup.control);
    }
    return err;
}

static void unwatch_control(member_t *member)
{
    uv_close((uv_handle_t *)&member->poll, NULL);
    close(member->handle.control);
}

/* returns 0 or libuv's error: then nothing of it is left */
static int begin(team_t *self)
{
    member_t        *member = &self->members[self->begun];
    worker_handle_t *handle = &member->handle;
    int              err;

    member->team = self;
    handle->setup = self->setup;
    handle->setup.index = self->begun;
    handle->setup.traced = -1;
    handle->setup.watch = &handle->watch;
    if ((err = isolation_connect(handle)) != 0 || (err = watch_control(member)) != 0)
        return err;
    if (self->traced)
        open_traced(handle);
    err = isolation_begin(handle, self->argv);
    if (err != 0) {
        unwatch_control(member);
        if (handle->traced != NULL)
            fclose(handle->traced);
        return err;
    }
    self->begun++;
    self->running++;
    member->runs = true;
    return 0;
}

static int begin_or_say(team_t *self)
{
    int err = begin(self);

    if (err != 0)
        fprintf(stderr, "%s: cannot start worker %u: %s\n", self->setup.info->name, self->begun + 1,
                uv_strerror(err));
    return err;
}

/* All the others at once; but interpreters start one after the other, as CPython likes it best. */
static void begin_more(team_t *self)
{
    /* LAB 5, STEP 2 { as many as are missing, or one; none once they drain; one that can't: lost */
    bool all = self->setup.options->isolation != ISOLATION_INTERPRETERS;

    for (bool more = true; more && !self->draining && self->begun < self->setup.options->workers;
         more = all)
        if (begin_or_say(self) != 0) {
            self->status = 1;
            self->events.on_lost(self->owner);
        }
    /* } LAB 5, STEP 2; until then:
     *     (void)self;
     */
}

/* ---- Watch ----------------------------------------------------------------------------------- */

static void on_serving(member_t *member)
{
    /* LAB 5, STEP 2 { count it, begin more; the owner learns when all serve */
    team_t *self = member->team;

    member->serves = true;
    self->serving++;
    begin_more(self);
    if (!self->draining && self->serving == self->setup.options->workers)
        self->events.on_serving(self->owner);
    /* } LAB 5, STEP 2; until then:
     *     (void)begin_more;
     *     member->serves = true;
     *     member->team->events.on_serving(member->team->owner); // the first one is all there is
     */
}

static void notice(member_t *member)
{
    /* LAB 5, STEP 4 { once for each: was it planned? The owner has all others drained */
    if (member->noticed)
        return;
    member->noticed = true;
    member->planned = member->team->draining;
    member->team->events.on_lost(member->team->owner);
    /* } LAB 5, STEP 4; until then:
     *     member->noticed = member->planned = true;
     */
}

/* Ctrl-C at a terminal goes to every process, and one that imports its app still has no handler. */
static bool was_interrupted(const member_t *member)
{
    int status = member->handle.status;

    return state_of(member) == WORKER_STARTING &&
           (status == 128 + SIGINT || status == 128 + SIGTERM);
}

/* What its end comes to; see `status` in team.h. */
static int judge(const member_t *member)
{
    /* LAB 5, STEP 4 { 0 if it was planned and has drained; else why, in the log, and its status */
    const worker_handle_t *handle = &member->handle;
    const char            *and_now = member->planned ? "" : ": the lab stops";

    if (state_of(member) == WORKER_DONE && member->planned)
        return 0;
    if (was_interrupted(member) || handle->status == 3) /* its own watchdog has said why */
        return handle->status;
    if (state_of(member) == WORKER_FAILED)
        return 1; /* and has said why */
    if (handle->pid == 0)
        log_message(LOG_ERROR, "worker %u has stopped%s", handle->setup.index + 1, and_now);
    else
        log_message(LOG_ERROR, "worker %u (process %d) %s%s", handle->setup.index + 1,
                    (int)handle->pid, handle->ended[0] == '\0' ? "has stopped" : handle->ended,
                    and_now);
    return 1;
    /* } LAB 5, STEP 4; until then:
     *     (void)was_interrupted, (void)member;
     *     return 0;
     */
}

/* Its end is the end of all, planned or not. */
static void on_ended(member_t *member)
{
    team_t *self = member->team;
    int     verdict;

    member->runs = false;
    self->running--;
    notice(member);
    unwatch_control(member);
    verdict = judge(member);
    if (self->status == 0 || verdict == 3)
        self->status = verdict;
    if (self->running > 0)
        return;
    if (are_processes(self))
        uv_close((uv_handle_t *)&self->children, NULL);
    self->events.on_ended(self->owner);
}

/* The end of file comes last: what a thread does behind it is to return. */
static void on_end_of_file(member_t *member)
{
    notice(member);
    if (member->handle.pid != 0) {
        uv_poll_stop(&member->poll); /* on_child() will come */
        return;
    }
    isolation_join(&member->handle);
    on_ended(member);
}

static void on_control(uv_poll_t *poll, int status, int events)
{
    member_t *member = poll->data;
    char      bytes[16];
    ssize_t   n = recv(member->handle.control, bytes, sizeof bytes, 0);

    (void)status, (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        on_end_of_file(member);
    else if (!member->serves)
        on_serving(member);
}

/* One signal may stand for several. */
static void on_child(uv_signal_t *children, int number)
{
    team_t *self = children->data;

    (void)number;
    for (unsigned i = 0; i < self->begun; i++)
        if (self->members[i].runs && isolation_has_ended(&self->members[i].handle))
            on_ended(&self->members[i]);
}

/* ---- Start and end --------------------------------------------------------------------------- */

static int watch_children(team_t *self)
{
    int err = uv_signal_init(self->loop, &self->children);

    self->children.data = self;
    if (err == 0 && (err = uv_signal_start(&self->children, on_child, SIGCHLD)) != 0)
        uv_close((uv_handle_t *)&self->children, NULL);
    return err;
}

int team_open(team_t *self)
{
    self->members = calloc(self->setup.options->workers, sizeof *self->members);
    if (self->members == NULL)
        return UV_ENOMEM;
    return are_processes(self) ? watch_children(self) : 0;
}

int team_begin(team_t *self)
{
    int err = begin_or_say(self);

    if (err != 0 && are_processes(self))
        uv_close((uv_handle_t *)&self->children, NULL);
    return err;
}

void team_close(team_t *self)
{
    for (unsigned i = 0; i < self->begun; i++)
        if (self->members[i].handle.traced != NULL)
            fclose(self->members[i].handle.traced);
    free(self->members);
}
