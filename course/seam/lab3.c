/*
 * Lab 3: dispatch.c and pool.c of lab3_sync_handlers, with handlers of the test's, and answers that
 * are recorded. The pool's lock, its condition and its threads are fakes too: a test is the only
 * thread there is, and what another would do at that moment it does itself. So nothing here depends
 * on who is quicker, and whatever is touched without the lock shows each time.
 */
#include "course/seam/python.h"

/* NOLINTNEXTLINE(bugprone-suspicious-include): the file under test, static functions and all. */
#include "lab3_sync_handlers/dispatch.c"

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
/* NOLINTNEXTLINE(bugprone-suspicious-include): likewise. */
#include "lab3_sync_handlers/pool.c"
#undef uv_mutex_lock
#undef uv_mutex_unlock
#undef uv_cond_wait
#undef uv_cond_signal
#undef uv_cond_broadcast
#undef uv_thread_join
#undef http_request_list_push
#undef http_request_list_pop

static unsigned attaches; /* how often lab_on_ready() has */

static const char handlers[] =
    "import sys\n"
    "class Text(str): pass\n"
    "shared, before = Text('hello'), []\n"
    "others = [shared] * 4\n"
    "left = weakref.WeakSet()\n"
    "def text(request):\n"
    "    note('text', None); value = Text('hello'); left.add(value); return value\n"
    "def fails(request): note('fails', None); raise ValueError('no')\n"
    "def keeps(request):\n"
    "    note('keeps', request); before.append(sys.getrefcount(shared)); return shared\n"
    "kept = []\n"
    "def awaitable(request):\n"
    "    note('awaitable', None); kept.append(hello(request)); return kept[0]\n";

/*
 * So many requests for that handler through lab_on_ready(), as the server hands them over once a
 * turn. returns the last one
 */
static http_request_t *serve_some(const char *handler, int count)
{
    static lab_t         lab;
    http_request_t      *req;
    http_request_list_t *ready;

    seam_python_open();
    seam_py_run(handlers);
    lab.python = &seam_thread;
    req = seam_request(handler);
    ready = seam_ready(req);
    for (int i = 1; i < count; i++) {
        req = seam_request(handler);
        http_request_list_push(ready, req);
    }
    bridge_detach(&seam_thread);
    seam_attaches = 0;
    lab_on_ready(&lab, ready);
    attaches = seam_attaches;
    SEAM_EXPECT(!PyGILState_Check(), "lab_on_ready() leaves the thread detached",
                "who keeps the GIL while it polls keeps every other Python thread from running",
                "still attached");
    bridge_attach(&seam_thread);
    return req;
}

static http_request_t *serve(const char *handler)
{
    return serve_some(handler, 1);
}

static void expect_answer(int status, const char *cause)
{
    SEAM_EXPECT(seam_record.answered == 1, "one answer, through http_respond_transfer()",
                "one request, one answer, whatever its handler does", "%d answered",
                seam_record.answered);
    SEAM_EXPECT(seam_record.status == status, seam_text("the answer has status %d", status), cause,
                "status %d", seam_record.status);
    SEAM_EXPECT(!seam_record.error_set, "no Python exception is set as the answer goes out",
                "bridge_response(req, NULL) takes it, logs it, clears it", "one is");
}

static void a_result_is_the_answer(void)
{
    serve("text");
    seam_expect_calls("text", "bridge_call_handler() calls the handler, once");
    expect_answer(200, "bridge_response(req, value) makes the response");
}

static void one_attach_a_turn(void)
{
    serve_some("text", 2);
    seam_expect_calls("text text",
                      "bridge_call_handler() calls the handler, once for each request");
    SEAM_EXPECT(attaches == 1, "two requests in one turn: attached once",
                "each attach waits for the GIL: once a turn, not once a request", "%u times",
                attaches);
}

static void nothing_is_kept(void)
{
    http_request_t *req = serve("keeps");

    seam_expect_calls("keeps", "bridge_call_handler() calls the handler, once");
    seam_py_run("calls.clear()");
    SEAM_EXPECT(seam_references(req) == 1, "one reference to the request, the one that travels",
                "Python's request object holds another until it dies", "%u references",
                seam_references(req));
    SEAM_EXPECT(seam_py_long("before[0] - sys.getrefcount(shared)") == 0,
                "nobody else's reference to what the handler returned is released",
                "bridge_call_handler() gives you one: Py_XDECREF it once", "%ld more are",
                seam_py_long("before[0] - sys.getrefcount(shared)"));
}

static void the_value_is_released(void)
{
    serve("text");
    seam_expect_calls("text", "bridge_call_handler() calls the handler, once");
    SEAM_EXPECT(
        seam_py_long("len(left)") == 0, "what the handler returned is gone",
        "bridge_call_handler() returns a new reference, which bridge_response() only borrows: "
        "Py_XDECREF it",
        "it is left in memory");
}

static void an_exception_is_a_500(void)
{
    serve("fails");
    seam_expect_calls("fails", "bridge_call_handler() calls the handler, once");
    expect_answer(500,
                  "NULL from bridge_call_handler(): the handler raised. bridge_response() wants "
                  "to see that NULL");
}

static void a_coroutine_is_refused(void)
{
    serve("awaitable");
    seam_expect_calls("awaitable", "bridge_call_handler() calls the handler, once");
    expect_answer(500, "nobody here awaits: bridge_response() closes the coroutine and says so");
    SEAM_EXPECT(seam_py_long("inspect.getcoroutinestate(kept[0]) == 'CORO_CLOSED'"),
                "the coroutine is closed", "bridge_response(req, value) does it, and says why",
                "%s", seam_py_show("inspect.getcoroutinestate(kept[0])"));
}

/* ---- The pool: its neighbours ---------------------------------------------------------------- */

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

/* ---- The pool -------------------------------------------------------------------------------- */

static pool_t *open_pool(const char *handler, http_request_t **line, unsigned count)
{
    seam_python_open();
    seam_py_run(handlers);
    seam.pool = calloc(1, sizeof *seam.pool);
    if (seam.pool == NULL || uv_mutex_init(&seam.pool->lock) != 0 ||
        uv_cond_init(&seam.pool->work) != 0)
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

static void pool_takes_the_oldest(void)
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

static void pool_waits_for_a_request(void)
{
    http_request_t *req;
    pool_t         *pool = open_pool("text", &req, 1);

    seam.comes = req;
    expect_taken(pool, req,
                 "a wait may end without a reason, or another thread was quicker: look again, and "
                 "wait again");
}

static void pool_ends_when_it_is_closed(void)
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

static void pool_posts_what_the_handler_returns(void)
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

static void pool_hands_over_for_good(void)
{
    seam_guard_requests();
    answer_one("text");
    seam_expect_calls("text", "bridge_call_handler() calls the handler, once");
}

static void pool_an_exception_is_a_500(void)
{
    answer_one("fails");
    seam_expect_calls("fails", "bridge_call_handler() calls the handler, once");
    SEAM_EXPECT(seam_record.status == 500 && !seam_record.error_set,
                "the answer has status 500, and no exception is set",
                "bridge_response(req, NULL) takes the exception", "status %d", seam_record.status);
}

static void pool_begins_nothing_for_nobody(void)
{
    http_request_t *line[2];
    pool_t         *pool = open_pool("text", line, 2);

    atomic_store(&line[0]->abandoned, true);
    answer_all(pool, line, 2);
    seam_expect_calls("text", "http_request_abandoned(): of two that stood in line one has left");
}

static void pool_queues_and_wakes(void)
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

static void pool_closes(void)
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
        {"a_result_is_the_answer", a_result_is_the_answer},
        {"one_attach_a_turn", one_attach_a_turn},
        {"the_value_is_released", the_value_is_released},
        {"nothing_is_kept", nothing_is_kept},
        {"an_exception_is_a_500", an_exception_is_a_500},
        {"a_coroutine_is_refused", a_coroutine_is_refused},
        {"pool_takes_the_oldest", pool_takes_the_oldest},
        {"pool_waits_for_a_request", pool_waits_for_a_request},
        {"pool_ends_when_it_is_closed", pool_ends_when_it_is_closed},
        {"pool_posts_what_the_handler_returns", pool_posts_what_the_handler_returns},
        {"pool_hands_over_for_good", pool_hands_over_for_good},
        {"pool_an_exception_is_a_500", pool_an_exception_is_a_500},
        {"pool_begins_nothing_for_nobody", pool_begins_nothing_for_nobody},
        {"pool_queues_and_wakes", pool_queues_and_wakes},
        {"pool_closes", pool_closes},
    };

    return seam_main(argc, argv, tests, SEAM_COUNT(tests));
}
