/*
 * Lab 5, steps 2 to 4: the team between workers that are fakes: a test holds a fake worker's end of the
 * pair of sockets, says there what a worker would say, and reads what it is told.
 */
#include <string.h>
#include <sys/socket.h>

#include "common/log/log.h"

#include "course/seam/blocking.h"

/* NOLINTNEXTLINE(bugprone-suspicious-include): the file under test, static functions and all. */
#include "lab5_loop_per_core/team.c"

enum { WORKERS = 3, ROUNDS = 500 };

/* ---- Fakes ----------------------------------------------------------------------------------- */

static struct {
    worker_page_t pages[WORKERS];
    book_t        books[WORKERS];
    board_t       board;
    lab_options_t options;
    lab_info_t    info;
    uv_loop_t     loop;
    team_t        team;
    int           theirs[WORKERS]; /* each worker's end */
    unsigned      begun, serving, lost, ended;
    unsigned      refused; /* from this one on none can be begun; 0: all can */
    bool          one_ends;
    bool          have_threads;  /* each fake worker is a thread, which does what it is told */
    unsigned      told[WORKERS]; /* such a thread's own */
} fake;

int isolation_connect(worker_handle_t *self)
{
    int pair[2];

    if (fake.refused != 0 && fake.begun >= fake.refused)
        return UV_EAGAIN;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
        return UV_EMFILE;
    self->control = pair[0];
    self->setup.control = pair[1];
    return 0;
}

/* What worker.c does with its page and its socket, without a server. */
static void fake_worker_main(void *arg)
{
    const worker_setup_t *setup = arg;
    worker_page_t        *page = &setup->board->pages[setup->index];
    unsigned             *told = &fake.told[setup->index];
    char                  bytes[64];

    fcntl(setup->control, F_SETFL, 0); /* it has nothing else to wait for */
    page->gil = true;
    atomic_store(&page->state, WORKER_SERVING);
    send(setup->control, "", 1, 0);
    while ((*told & COMMAND_DRAIN) == 0 && recv(setup->control, bytes, sizeof bytes, 0) > 0)
        *told |= atomic_exchange(&page->due, 0);
    page->cpu_us = 1;
    atomic_store(&page->state, WORKER_DONE);
    close(setup->control);
}

int isolation_begin(worker_handle_t *self, char **argv)
{
    (void)argv;
    fake.theirs[fake.begun++] = self->setup.control;
    return fake.have_threads ? (uv_thread_create)(&self->thread, fake_worker_main, &self->setup)
                             : 0;
}

void isolation_join(worker_handle_t *self)
{
    if (fake.have_threads)
        (uv_thread_join)(&self->thread);
}

bool isolation_has_ended(worker_handle_t *self)
{
    (void)self;
    return false;
}

static void on_all_serving(void *owner)
{
    (void)owner;
    fake.serving++;
}

static void on_one_lost(void *owner)
{
    (void)owner;
    fake.lost++;
    if (fake.one_ends)
        team_drain(&fake.team);
}

static void on_all_ended(void *owner)
{
    (void)owner;
    fake.ended++;
}

static team_t *open_team(isolation_t isolation)
{
    signal(SIGPIPE, SIG_IGN); /* as in the lab */
    fake.info.name = "lab5";
    fake.options.workers = WORKERS;
    fake.options.isolation = isolation;
    fake.board = (board_t){.pages = fake.pages, .books = fake.books, .count = WORKERS};
    uv_loop_init(&fake.loop);
    fake.team = (team_t){
        .loop = &fake.loop,
        .setup = {.info = &fake.info, .options = &fake.options, .board = &fake.board},
        .events = {.on_serving = on_all_serving, .on_lost = on_one_lost, .on_ended = on_all_ended}};
    if (team_open(&fake.team) != 0 || team_begin(&fake.team) != 0)
        seam_fail("a team with its first worker begun", "none", "");
    return &fake.team;
}

/* What is on the sockets by now is taken from them, and what was closed meanwhile is gone. */
static void turn(void)
{
    uv_run(&fake.loop, UV_RUN_NOWAIT);
    uv_run(&fake.loop, UV_RUN_NOWAIT);
}

/* Worker `index` says that it serves. */
static void serve(unsigned index)
{
    atomic_store(&fake.pages[index].state, WORKER_SERVING);
    if (send(fake.theirs[index], "", 1, 0) != 1)
        seam_fail("a worker's byte is sent", "it isn't", "");
    turn();
}

/* A team of threads, all of which serve, whatever was written of step 2. */
static team_t *open_serving(void)
{
    team_t *team = open_team(ISOLATION_THREADS);

    while (team->begun < WORKERS)
        if (begin(team) != 0)
            seam_fail("a worker can be begun", "it can't", "");
    for (unsigned i = 0; i < WORKERS; i++) {
        team->members[i].serves = true;
        atomic_store(&fake.pages[i].state, WORKER_SERVING);
    }
    team->serving = WORKERS;
    return team;
}

/* ---- Step 2 ---------------------------------------------------------------------------------- */

static void others_begin_when_the_first_serves(void)
{
    open_team(ISOLATION_THREADS);
    SEAM_EXPECT(fake.begun == 1, "the first is begun alone",
                "what it can't do none of them can, and it is said once", "%u begun", fake.begun);
    serve(0);
    SEAM_EXPECT(fake.begun == WORKERS, "all the others are begun once the first serves",
                "on_serving() begins more, begin_more() as many as are missing", "%u of %d",
                fake.begun, WORKERS);
}

static void interpreters_begin_one_after_the_other(void)
{
    open_team(ISOLATION_INTERPRETERS);
    for (unsigned i = 0; i < WORKERS; i++) {
        SEAM_EXPECT(fake.begun == i + 1, seam_text("%u begun when %u serve", i + 1, i),
                    "each interpreter begins once the one before it serves", "%u", fake.begun);
        serve(i);
    }
    SEAM_EXPECT(fake.begun == WORKERS, "no more than --workers are begun", "", "%u", fake.begun);
}

static void the_owner_learns_once_that_all_serve(void)
{
    open_team(ISOLATION_THREADS);
    for (unsigned i = 0; i < WORKERS; i++) {
        SEAM_EXPECT(fake.serving == 0, "events.on_serving when all serve, not before",
                    "the banner would say that the lab listens while workers are missing",
                    "called when %u of %d serve", i, WORKERS);
        if (i < fake.begun)
            serve(i);
    }
    SEAM_EXPECT(fake.serving == 1, "events.on_serving once all serve",
                "count them in self->serving", "called %u times", fake.serving);
}

static void none_begins_once_they_drain(void)
{
    team_t *team = open_team(ISOLATION_INTERPRETERS);

    serve(0);
    SEAM_EXPECT(fake.begun == 2, "the second is begun when the first serves", "", "%u begun",
                fake.begun);
    team->draining = true;
    serve(1);
    SEAM_EXPECT(fake.begun == 2, "none is begun once the team drains",
                "nobody would tell it: it would serve for ever", "%u begun", fake.begun);
    SEAM_EXPECT(fake.serving == 0, "no events.on_serving once the team drains", "", "called");
}

static void one_that_cannot_be_begun_ends_all(void)
{
    team_t *team = open_team(ISOLATION_THREADS);

    fake.refused = 2;
    fake.one_ends = true;
    serve(0);
    SEAM_EXPECT(fake.lost == 1 && team->status == 1,
                "a worker that can't be begun: status 1, and events.on_lost, once",
                "what is left would not be what was asked for", "status %d, on_lost %u times",
                team->status, fake.lost);
}

/* ---- Step 3 ---------------------------------------------------------------------------------- */

static bool has_byte(unsigned index)
{
    char byte;

    return recv(fake.theirs[index], &byte, 1, 0) == 1;
}

static void every_worker_is_told(void)
{
    team_t *team = open_serving();

    team_tell(team, COMMAND_REOPEN);
    for (unsigned i = 0; i < WORKERS; i++) {
        SEAM_EXPECT(atomic_load(&fake.pages[i].due) == COMMAND_REOPEN,
                    seam_text("on worker %u's page: COMMAND_REOPEN", i + 1),
                    "all have to hear it, not only the first", "%u",
                    atomic_load(&fake.pages[i].due));
        SEAM_EXPECT(has_byte(i), seam_text("a byte for worker %u", i + 1),
                    "it sleeps in its loop, and reads its page when its socket is readable",
                    "none");
    }
}

static void what_was_told_before_stays(void)
{
    team_t *team = open_serving();

    team_tell(team, COMMAND_REOPEN);
    team_tell(team, COMMAND_DRAIN);
    SEAM_EXPECT(atomic_load(&fake.pages[0].due) == (COMMAND_REOPEN | COMMAND_DRAIN),
                "both commands on the page of a worker that has read neither",
                "a page holds several: add to what is there", "%u",
                atomic_load(&fake.pages[0].due));
}

static void a_full_socket_loses_nothing(void)
{
    team_t *team = open_serving();

    while (send(team->members[0].handle.control, "", 1, 0) == 1) {
        /* a worker that has been stuck for long */
    }
    team_tell(team, COMMAND_DRAIN);
    SEAM_EXPECT(atomic_load(&fake.pages[0].due) == COMMAND_DRAIN,
                "the command on the page, though the socket has no room for its byte",
                "there is a byte in it that isn't read yet, which is enough", "%u",
                atomic_load(&fake.pages[0].due));
}

static void who_has_ended_is_told_nothing(void)
{
    team_t *team = open_serving();

    team->members[1].runs = false;
    team_tell(team, COMMAND_DRAIN);
    SEAM_EXPECT(!has_byte(1), "no byte for a worker that doesn't run",
                "its descriptor is closed, and may be somebody else's by now", "one");
    SEAM_EXPECT(has_byte(2), "a byte for the one behind it", "", "none");
}

static bool all_serve(const team_t *team)
{
    for (unsigned i = 0; i < WORKERS; i++)
        if (!team->members[i].serves)
            return false;
    return true;
}

/* Each of them a thread; ThreadSanitizer looks on. */
static void threads_are_told_while_they_run(void)
{
    static const unsigned all = COMMAND_REOPEN | COMMAND_MEASURE | COMMAND_DRAIN;
    team_t               *team;

    fake.have_threads = true;
    team = open_team(ISOLATION_THREADS);
    while (team->begun < WORKERS)
        if (begin(team) != 0)
            seam_fail("a worker can be begun", "it can't", "");
    while (!all_serve(team))
        uv_run(&fake.loop, UV_RUN_ONCE);
    for (int i = 0; i < ROUNDS; i++)
        team_tell(team, i % 2 == 0 ? COMMAND_REOPEN : COMMAND_MEASURE);
    team_drain(team);
    while (fake.ended == 0)
        uv_run(&fake.loop, UV_RUN_ONCE);
    for (unsigned i = 0; i < WORKERS; i++)
        SEAM_EXPECT(fake.told[i] == all, seam_text("worker %u has heard each command", i + 1),
                    "a page holds several: add to what is there, in one piece", "0x%x of 0x%x",
                    fake.told[i], all);
}

/* ---- Step 4 ---------------------------------------------------------------------------------- */

static void end(unsigned index, worker_state_t state)
{
    atomic_store(&fake.pages[index].state, state);
    close(fake.theirs[index]);
    turn();
}

static void an_end_that_was_planned_is_0(void)
{
    team_t *team = open_serving();

    fake.one_ends = true;
    team_drain(team);
    for (unsigned i = 0; i < WORKERS; i++)
        end(i, WORKER_DONE);
    SEAM_EXPECT(fake.ended == 1, "events.on_ended after the last one", "", "%u times", fake.ended);
    SEAM_EXPECT(fake.lost == WORKERS, "events.on_lost for each end, planned or not",
                "once is enough for team_drain(), but notice() doesn't know that", "%u times",
                fake.lost);
    SEAM_EXPECT(team->status == 0, "status 0: all were told, and have drained", "", "%d",
                team->status);
}

static void an_end_that_was_not_planned_ends_all(void)
{
    team_t *team = open_serving();

    fake.one_ends = true;
    end(1, WORKER_DONE);
    SEAM_EXPECT(
        fake.lost == 1, "events.on_lost when one ends that nobody has told to",
        "the others go on as if nothing had happened, and clients of that one get no answer",
        "%u times", fake.lost);
    SEAM_EXPECT(team->draining, "the others drain", "", "they serve on");
    end(0, WORKER_DONE);
    end(2, WORKER_DONE);
    SEAM_EXPECT(
        team->status == 1, "status 1: one has ended by itself, the others as they were told",
        "was it planned? That has to be kept when its end is noticed, before events.on_lost "
        "has all of them drained",
        "%d", team->status);
}

static void a_worker_that_failed_is_1(void)
{
    team_t *team = open_serving();

    fake.one_ends = true;
    end(1, WORKER_FAILED);
    end(0, WORKER_DONE);
    end(2, WORKER_DONE);
    SEAM_EXPECT(team->status == 1, "status 1: one couldn't start", "judge() has a case for it",
                "%d", team->status);
}

/* ---------------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    static const seam_test_t tests[] = {
        {"others_begin_when_the_first_serves", others_begin_when_the_first_serves},
        {"interpreters_begin_one_after_the_other", interpreters_begin_one_after_the_other},
        {"the_owner_learns_once_that_all_serve", the_owner_learns_once_that_all_serve},
        {"none_begins_once_they_drain", none_begins_once_they_drain},
        {"one_that_cannot_be_begun_ends_all", one_that_cannot_be_begun_ends_all},
        {"every_worker_is_told", every_worker_is_told},
        {"what_was_told_before_stays", what_was_told_before_stays},
        {"a_full_socket_loses_nothing", a_full_socket_loses_nothing},
        {"who_has_ended_is_told_nothing", who_has_ended_is_told_nothing},
        {"threads_are_told_while_they_run", threads_are_told_while_they_run},
        {"an_end_that_was_planned_is_0", an_end_that_was_planned_is_0},
        {"an_end_that_was_not_planned_ends_all", an_end_that_was_not_planned_ends_all},
        {"a_worker_that_failed_is_1", a_worker_that_failed_is_1},
    };

    return seam_main(argc, argv, tests, SEAM_COUNT(tests));
}
