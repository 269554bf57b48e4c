/*
 * Lab 3, step 3: pool.c with handlers of the test's, and answers that are recorded. Its lock, its
 * condition and its threads are fakes too: a test is the only thread there is, and what another would
 * do at that moment it does itself. So nothing here depends on who is quicker, and whatever is touched
 * without the lock shows each time.
 */
#include "course/seam/python.h"

void            seam_lock(uv_mutex_t *lock);
void            seam_unlock(uv_mutex_t *lock);
void            seam_wait(uv_cond_t *condition, uv_mutex_t *lock);
void            seam_signal(uv_cond_t *condition);
void            seam_broadcast(uv_cond_t *condition);
int             seam_join(uv_thread_t *thread);
void            seam_push(http_request_list_t *list, http_request_t *req);
http_request_t *seam_pop(http_request_list_t *list);

#define uv_mutex_lock          seam_lock
#define uv_mutex_unlock        seam_unlock
#define uv_cond_wait           seam_wait
#define uv_cond_signal         seam_signal
#define uv_cond_broadcast      seam_broadcast
#define uv_thread_join         seam_join
#define http_request_list_push seam_push
#define http_request_list_pop  seam_pop
/* NOLINTNEXTLINE(bugprone-suspicious-include): the file under test, static functions and all. */
#include "lab3_sync_handlers/pool.c"
#undef uv_mutex_lock
#undef uv_mutex_unlock
#undef uv_cond_wait
#undef uv_cond_signal
#undef uv_cond_broadcast
#undef uv_thread_join
#undef http_request_list_push
#undef http_request_list_pop

static const char handlers[] =
    "import sys\n"
    "shared, before = type('Text', (str,), {})('hello'), []\n"
    "others = [shared] * 4\n"
    "def text(request): note('text', None); return 'hello'\n"
    "def fails(request): note('fails', None); raise ValueError('no')\n"
    "def keeps(request):\n"
    "    note('keeps', request); before.append(sys.getrefcount(shared)); return shared\n";

/* ---- Its neighbours -------------------------------------------------------------------------- */

enum { THREADS = 2, LINE = 3, PATIENCE = 4 };

/* The pool under test, and what was done to it. */
static struct {
    pool_t         *pool;
    bool            locked, told; /* told: that it stops, while the lock was taken */
    int             waits, woken, joined;
    http_request_t *comes;  /* while somebody waits for the second time, this is queued */
    bool            closes; /* or the pool is closed */
} seam;

void seam_lock(uv_mutex_t *lock)
{
    (void)lock;
    SEAM_EXPECT(!seam.locked, "the lock is free when it is taken",
                "a thread that takes it twice waits for itself", "this thread has it");
    seam.locked = true;
}

void seam_unlock(uv_mutex_t *lock)
{
    (void)lock;
    SEAM_EXPECT(seam.locked, "who unlocks has the lock", "it is another thread's now",
                "it is free");
    seam.told |= seam.pool->stopping;
    seam.locked = false;
}

/* What others do while the caller waits: at first nothing, for a wait may end without a reason. */
void seam_wait(uv_cond_t *condition, uv_mutex_t *lock)
{
    (void)condition, (void)lock;
    SEAM_EXPECT(seam.locked, "who waits has the lock",
                "uv_cond_wait() gives the lock up while it waits, and has it again afterwards",
                "it is free");
    SEAM_EXPECT(++seam.waits < PATIENCE, "it ends once the pool is closed",
                "self->stopping is a reason to stop waiting", "it waits on");
    if (seam.waits < 2)
        return;
    seam.pool->stopping |= seam.closes;
    if (seam.comes != NULL)
        http_request_list_push(&seam.pool->queued, seam.comes);
    seam.comes = NULL;
}

void seam_signal(uv_cond_t *condition)
{
    (void)condition;
    seam.woken++;
}

void seam_broadcast(uv_cond_t *condition)
{
    (void)condition;
    seam.woken += 1000;
}

int seam_join(uv_thread_t *thread)
{
    (void)thread;
    SEAM_EXPECT(!seam.locked, "the lock is free while a thread is joined",
                "to end it needs the lock: each would wait for the other", "it is taken");
    SEAM_EXPECT(seam.told, "self->stopping is set, with the lock, before a thread is joined",
                "else one that has just looked at it goes to sleep after the wake-up", "%s",
                seam.pool->stopping ? "without the lock" : "it isn't set");
    SEAM_EXPECT(seam.woken >= THREADS, "every thread is woken before one is joined",
                "a thread that sleeps in take() looks at nothing: uv_cond_broadcast()",
                "%d of %d are", seam.woken, THREADS);
    seam.joined++;
    return 0;
}

/* What is queued is anybody's, and so behind the lock. */
static void expect_locked(const http_request_list_t *list)
{
    SEAM_EXPECT(list != &seam.pool->queued || seam.locked || seam.joined == THREADS,
                "self->queued is touched with the lock only",
                "several threads take from it, and the HTTP thread adds to it", "without");
}

void seam_push(http_request_list_t *list, http_request_t *req)
{
    expect_locked(list);
    http_request_list_push(list, req);
}

http_request_t *seam_pop(http_request_list_t *list)
{
    expect_locked(list);
    return http_request_list_pop(list);
}

/* ---- The tests ------------------------------------------------------------------------------- */

static pool_t *open_pool(const char *handler, http_request_t **line, unsigned count)
{
    seam_python_open();
    seam_py_run(handlers);
    seam.pool = calloc(1, sizeof *seam.pool);
    if (seam.pool == NULL || open_locks(seam.pool) != 0)
        seam_fail("memory for a pool", "none", "");
    for (unsigned i = 0; i < count; i++)
        line[i] = seam_request(handler);
    return seam.pool;
}

static void expect_taken(pool_t *pool, const http_request_t *expected, const char *cause)
{
    http_request_t *req = take(pool);

    SEAM_EXPECT(req == expected,
                expected == NULL ? "take() returns NULL" : "take() returns the oldest request",
                cause, "%s",
                req == NULL        ? "NULL"
                : expected == NULL ? "a request"
                                   : "another one");
    SEAM_EXPECT(!seam.locked, "the lock is free after take()",
                "a handler may take long, and the others need the queue", "it is taken");
}

static void takes_the_oldest(void)
{
    http_request_t *line[LINE];
    pool_t         *pool = open_pool("text", line, LINE);

    for (int i = 0; i < LINE; i++)
        http_request_list_push(&pool->queued, line[i]);
    for (int i = 0; i < LINE; i++)
        expect_taken(pool, line[i], "first in, first out");
    SEAM_EXPECT(seam.waits == 0, "nobody waits while a request is queued",
                "it was queued, and its wake-up sent, before this thread looked", "%d waits",
                seam.waits);
}

static void waits_for_a_request(void)
{
    http_request_t *req;
    pool_t         *pool = open_pool("text", &req, 1);

    seam.comes = req;
    expect_taken(pool, req,
                 "a wait may end without a reason, or another thread was quicker: look again, and "
                 "wait again");
}

static void ends_when_it_is_closed(void)
{
    http_request_t *req;
    pool_t         *pool = open_pool("text", &req, 1);

    seam.closes = true;
    expect_taken(pool, NULL, "stopping ends the wait");
    SEAM_EXPECT(seam.waits > 0, "until the pool is closed take() waits",
                "a thread for which take() has NULL ends, and never comes back", "it doesn't");
    http_request_list_push(&pool->queued, req);
    expect_taken(pool, NULL, "what is queued still when the pool is closed isn't begun");
}

/* Requests through answer(), as a thread of the pool calls it. */
static void answer_all(pool_t *pool, http_request_t **line, int count)
{
    bridge_detach(&seam_thread);
    for (int i = 0; i < count; i++) {
        answer(pool, &seam_thread, line[i]);
        SEAM_EXPECT(!PyGILState_Check(), "answer() leaves the thread detached",
                    "it goes on to wait for a request, and would keep Python from all the others",
                    "still attached");
    }
    bridge_attach(&seam_thread);
    SEAM_EXPECT(seam_record.answered == 0, "the answer is posted, not sent",
                "only the HTTP thread may touch connections: completions_post()",
                "http_respond_transfer() was called");
    SEAM_EXPECT(seam_record.posted == count, "one answer is posted",
                "each request comes back once: until then it is in flight", "%d of %d are",
                seam_record.posted, count);
}

static http_request_t *answer_one(const char *handler)
{
    http_request_t *req;
    pool_t         *pool = open_pool(handler, &req, 1);

    answer_all(pool, &req, 1);
    return req;
}

static void posts_what_the_handler_returns(void)
{
    http_request_t *req = answer_one("keeps");
    long            others;

    seam_expect_calls("keeps", "bridge_call_handler() calls the handler, once");
    others = seam_py_long("sys.getrefcount(shared) - before[0]");
    SEAM_EXPECT(seam_record.status == 200, "the answer has status 200",
                "bridge_response(req, value) makes the response", "status %d", seam_record.status);
    SEAM_EXPECT(others == 0, "what the handler returned is released, once",
                "bridge_call_handler() returns a new reference: Py_XDECREF it", "%+ld references",
                others);
    seam_py_run("calls.clear()");
    SEAM_EXPECT(seam_references(req) == 1, "one reference to the request, the one that travels",
                "Python's request object holds another until it dies", "%u references",
                seam_references(req));
}

static void hands_over_for_good(void)
{
    seam_guard_requests();
    answer_one("text");
    seam_expect_calls("text", "bridge_call_handler() calls the handler, once");
}

static void an_exception_is_a_500(void)
{
    answer_one("fails");
    seam_expect_calls("fails", "bridge_call_handler() calls the handler, once");
    SEAM_EXPECT(seam_record.status == 500 && !seam_record.error_set,
                "the answer has status 500, and no exception is set",
                "bridge_response(req, NULL) takes the exception", "status %d", seam_record.status);
}

static void begins_nothing_for_nobody(void)
{
    http_request_t *line[2];
    pool_t         *pool = open_pool("text", line, 2);

    atomic_store(&line[0]->abandoned, true);
    answer_all(pool, line, 2);
    seam_expect_calls("text", "http_request_abandoned(): of two that stood in line one has left");
}

static void queues_and_wakes(void)
{
    http_request_list_t ready = {0};
    http_request_t     *line[LINE];
    pool_t             *pool = open_pool("text", line, LINE);

    for (int i = 0; i < LINE; i++)
        http_request_list_push(&ready, line[i]);
    pool_submit(pool, &ready);
    SEAM_EXPECT(!seam.locked, "the lock is free after pool_submit()",
                "no thread of the pool can take anything", "it is taken");
    for (int i = 0; i < LINE; i++)
        SEAM_EXPECT(http_request_list_pop(&pool->queued) == line[i],
                    "three requests are queued, the oldest first",
                    "each of `ready`, pushed at the end of self->queued", "number %d isn't", i + 1);
    SEAM_EXPECT(seam.woken >= LINE, "a thread is woken for each request",
                "uv_cond_signal() wakes one: the others sleep on beside requests that wait",
                "%d for %d", seam.woken, LINE);
}

static void closes(void)
{
    http_request_t *req;
    pool_t         *pool = open_pool("text", &req, 1);

    pool->threads = calloc(THREADS, sizeof *pool->threads);
    pool->count = THREADS;
    http_request_list_push(&pool->queued, req);
    bridge_detach(&seam_thread);
    pool_close(pool);
    SEAM_EXPECT(seam.joined == THREADS, "every thread is joined",
                "self->count of them are started; Python ends next", "%d of %d", seam.joined,
                THREADS);
    SEAM_EXPECT(seam_record.posted == 1, "what is queued still is answered",
                "a request that nobody answers is in flight for ever", "%d answers",
                seam_record.posted);
}

int main(int argc, char **argv)
{
    static const seam_test_t tests[] = {
        {"pool_takes_the_oldest", takes_the_oldest},
        {"pool_waits_for_a_request", waits_for_a_request},
        {"pool_ends_when_it_is_closed", ends_when_it_is_closed},
        {"pool_posts_what_the_handler_returns", posts_what_the_handler_returns},
        {"pool_hands_over_for_good", hands_over_for_good},
        {"pool_an_exception_is_a_500", an_exception_is_a_500},
        {"pool_begins_nothing_for_nobody", begins_nothing_for_nobody},
        {"pool_queues_and_wakes", queues_and_wakes},
        {"pool_closes", closes},
    };

    return seam_main(argc, argv, tests, SEAM_COUNT(tests));
}
