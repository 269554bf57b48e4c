/* Lab 2: lab2_threadpool/dispatch.c between loops, futures and a queue that record. */
#include "course/seam/python.h"

#include <stdlib.h>
#include <string.h>

#include "common/bridge/loop_thread.h"

/* The lab here is static, and has no threads: what lab_close() frees and stops is a fake. */
static void stop_recorded(loop_thread_t *self, bridge_thread_t *me);
#define loop_thread_stop stop_recorded
#define free(memory)     ((void)(memory))

/* Whose callbacks they are shows in no call, only once the future is done. */
static PyObject *callable_recorded(bridge_fn fn, void *owner, http_request_t *req);
#define bridge_callable(fn, owner, req) callable_recorded(fn, owner, req)

/* Where a thread of the test's takes what is posted, the queue is a real one. */
static int post_to_either(completions_t *to, http_request_t *req, http_response_t *resp);
#undef completions_post
#define completions_post post_to_either

#include "course/seam/blocking.h"

/* NOLINTNEXTLINE(bugprone-suspicious-include): the file under test, static functions and all. */
#include "lab2_threadpool/dispatch.c"

#undef completions_post
#undef completions_take

enum { WORKERS = 3, ROOM = 4, IN_FLIGHT = 8, HANDED_OVER = 400 };

static completions_t queue; /* never looked into */

/*
 * asyncio's two functions as fakes. A wrapped future is a Task (seam/python.c), which is all that a
 * done callback needs to know of it.
 */
static const char fakes[] =
    "class Future(Counted):\n"
    "    alive = 0\n"
    "    done, result = Task.done, waiting('future.result()')\n"
    "def run_coroutine_threadsafe(coroutine, loop):\n"
    "    note('run_coroutine_threadsafe', (coroutine, loop)); return Future()\n"
    "def wrap_future(future, *, loop=None):\n"
    "    note('wrap_future', (type(future).__name__, loop)); return Task()\n"
    "main_loop, worker_loops = loop, [Loop(), Loop(), Loop()]\n";

/* A lab as lab_open() leaves it, but for its loops and asyncio, which are fakes. */
static lab_t *open_lab(void)
{
    static lab_t    lab;
    static worker_t workers[WORKERS];

    seam_python_open();
    seam_py_run(fakes);
    bridge_detach(&seam_thread);
    if (bridge_asyncio_open(&lab.asyncio, &seam_thread) != 0)
        seam_fail("asyncio is there", "it isn't", "");
    bridge_attach(&seam_thread);
    lab.asyncio.run_coroutine_threadsafe = Py_NewRef(seam_py_get("run_coroutine_threadsafe"));
    lab.asyncio.wrap_future = Py_NewRef(seam_py_get("wrap_future"));
    lab.python = &seam_thread;
    lab.completions = &queue;
    lab.loop.loop = Py_NewRef(seam_py_get("main_loop"));
    lab.loop.call_soon_threadsafe = PyObject_GetAttrString(lab.loop.loop, "call_soon_threadsafe");
    lab.workers = workers;
    lab.worker_count = WORKERS;
    lab.worker_queue = ROOM;
    for (int i = 0; i < WORKERS; i++) {
        workers[i].lab = &lab;
        workers[i].thread.loop = PyList_GetItem(seam_py_get("worker_loops"), i); /* borrowed */
    }
    return &lab;
}

/* ---- Given code: it stays as it is ----------------------------------------------------------- */

static lab_t *closing;
static char   stopped[8]; /* "012m": the workers in their order, then the main loop */

static void stop_recorded(loop_thread_t *self, bridge_thread_t *me)
{
    size_t len = strlen(stopped);

    (void)me;
    SEAM_EXPECT(!PyGILState_Check(), "a thread is stopped, and joined, detached",
                "it needs the GIL to come to its end", "attached");
    for (int i = 0; i < WORKERS; i++)
        if (self == &closing->workers[i].thread)
            stopped[len] = (char)('0' + i);
    if (self == &closing->loop)
        stopped[len] = 'm';
}

static void close_stops_workers_then_the_main_loop(void)
{
    closing = open_lab();
    bridge_detach(&seam_thread);
    lab_close(closing);
    SEAM_EXPECT(
        strcmp(stopped, "012m") == 0, "stopped and joined: each worker, then the main loop",
        "what workers cancel still resolves futures on the main loop; and Python must not be "
        "finalized under a thread that runs",
        "%s", *stopped ? stopped : "none");
    bridge_attach(&seam_thread);
}

/* ---- Step 2 ---------------------------------------------------------------------------------- */

static void pick_goes_round(void)
{
    lab_t *lab = open_lab();

    for (int i = 0; i < 3 * WORKERS; i++) {
        worker_t *next = pick_worker(lab);

        SEAM_EXPECT(next != NULL, seam_text("request %d gets a worker", i),
                    "a worker has room while worker->queued < lab->worker_queue", "none");
        SEAM_EXPECT(next - lab->workers == i % WORKERS,
                    seam_text("of %d workers, request %d gets number %d", WORKERS, i, i % WORKERS),
                    "round robin: each in its turn, over all of them and no further", "number %d",
                    (int)(next - lab->workers));
    }
}

static void pick_passes_over_the_full(void)
{
    lab_t    *lab = open_lab();
    worker_t *worker;

    lab->workers[0].queued = lab->workers[1].queued = ROOM;
    for (int i = 0; i < 4; i++) {
        worker = pick_worker(lab);
        SEAM_EXPECT(worker == &lab->workers[2], "the one worker that has room is picked",
                    "go on to the next while worker->queued has reached lab->worker_queue",
                    "number %d", worker == NULL ? -1 : (int)(worker - lab->workers));
    }
    lab->workers[2].queued = ROOM;
    worker = pick_worker(lab);
    SEAM_EXPECT(worker == NULL, "no worker when all are full",
                "try each of them once, then give up: NULL", "number %d",
                (int)(worker - lab->workers));
}

/* ---- Step 3 ---------------------------------------------------------------------------------- */

static void run_reaches_the_workers_loop(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("hello");
    PyObject       *coroutine = bridge_call_handler(req);                     /* new */
    PyObject       *future = run_on_worker(&lab->workers[1], req, coroutine); /* new */

    seam_expect_calls("run_coroutine_threadsafe", "asyncio's own function does the hand-over");
    SEAM_EXPECT(future != NULL, "a new concurrent.futures.Future", "return what the call returns",
                "NULL");
    SEAM_EXPECT(seam_py_long("calls[0][1][1] is worker_loops[1]"), "on that worker's loop",
                "worker->thread.loop, not the main loop", "another one");
    SEAM_EXPECT(seam_py_long("inspect.iscoroutine(calls[0][1][0])"), "the coroutine goes there",
                "run_coroutine_threadsafe(coroutine, loop)", "%s",
                seam_py_show("repr(calls[0][1][0])"));
    Py_DECREF(future);
    seam_expect_alive("Future", "the future is the caller's: one reference, no more");
}

static void wrap_follows_on_the_main_loop(void)
{
    lab_t    *lab = open_lab();
    PyObject *future, *follower;

    seam_py_run("future = Future()");
    future = seam_py_get("future"); /* borrowed */
    follower = wrap_for_main_loop(lab, future);
    seam_expect_calls("wrap_future", "without it the callback would run on the worker's thread");
    SEAM_EXPECT(follower != NULL, "a new asyncio.Future", "return what the call returns", "NULL");
    SEAM_EXPECT(seam_py_long("calls[0][1][1] is main_loop"), "wrap_future(future, loop=main loop)",
                "the wrapped future is resolved on the loop that it is given, so give it the main "
                "loop: the keyword is lab->asyncio.loop_keyword",
                "loop=%s", seam_py_show("calls[0][1][1]"));
    SEAM_EXPECT(seam_py_long("calls[0][1][0] == 'Future'"), "the worker's future is wrapped", "",
                "%s", seam_py_show("calls[0][1][0]"));
}

/* ---- Step 4 ---------------------------------------------------------------------------------- */

static bridge_fn callable_fn;
static void     *callable_owner;

static PyObject *callable_recorded(bridge_fn fn, void *owner, http_request_t *req)
{
    callable_fn = fn;
    callable_owner = owner;
    return (bridge_callable)(fn, owner, req);
}

static const char chain[] = "run_coroutine_threadsafe wrap_future add_done_callback";

static void chain_is_built(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("hello");

    on_woken(lab, req, NULL);
    seam_expect_calls(
        chain,
        "coroutine, future on a worker, wrapped for this loop, done callback; no result() here, "
        "which keeps the main loop from everyone else");
    SEAM_EXPECT(
        seam_record.posted == 0, "nothing is posted before the future is done",
        "who posts here and in on_done() answers twice; who waits for the future here keeps "
        "the main loop from everyone else",
        "%d posted, status %d", seam_record.posted, seam_record.status);
    SEAM_EXPECT(callable_fn == on_done, "on_done() is the done callback",
                "bridge_callable(on_done, ...) is what add_done_callback() gets",
                "another function");
    SEAM_EXPECT(callable_owner == &lab->workers[0], "the worker that was picked owns the callback",
                "on_done() takes its owner for that worker: bridge_callable(on_done, worker, req)",
                "%s", callable_owner == lab ? "the lab does" : "another owner");
    SEAM_EXPECT(req->lab_data != NULL, "req->lab_data is the wrapped future",
                "on_cancel() will need it", "NULL");
    SEAM_EXPECT(lab->workers[0].queued == 1, "the worker that was picked has one more request",
                "worker->queued counts up here and down in on_done()", "%u",
                lab->workers[0].queued);
    seam_expect_no_error("on_woken()");
}

static void chain_keeps_only_the_wrapped_future(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("hello");

    on_woken(lab, req, NULL);
    seam_expect_calls(chain, "");
    seam_py_run("coroutine = weakref.ref(calls[0][1][0])\ncalls[0][1][0].close()");
    seam_expect_alive("Future", "run_on_worker() returns a new reference: Py_DECREF it");
    SEAM_EXPECT(seam_py_long("Task.alive") == 1, "the wrapped future lives on in req->lab_data",
                "lab_data needs a reference of its own: Py_NewRef()", "%ld are alive",
                seam_py_long("Task.alive"));
    Py_XDECREF((PyObject *)req->lab_data);
    seam_py_run("calls.clear()");
    seam_expect_alive("Task", "wrap_for_main_loop() returns a new reference: Py_DECREF it");
    SEAM_EXPECT(seam_py_long("coroutine() is None"), "the coroutine is gone with its task",
                "bridge_call_handler() returns a new reference: Py_DECREF it", "it is left");
    SEAM_EXPECT(seam_references(req) == 1, "one reference to the request",
                "the callback holds one until it dies: Py_DECREF it", "%u", seam_references(req));
}

/* What fails, and as what it is answered. */
static void check_failure(const char *handler, const char *failing, int status)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request(handler);

    seam_py_run(seam_text("fail.add('%s')", failing));
    for (int i = 0; i < WORKERS && status == 503; i++)
        lab->workers[i].queued = ROOM;
    on_woken(lab, req, NULL);
    SEAM_EXPECT(seam_record.posted == 1 && seam_record.status == status,
                seam_text("the request is answered %d, once, through completions_post()", status),
                "every NULL means that an exception is set: bridge_response(req, NULL) is the 500. "
                "No worker with room: http_response_busy()",
                "%d posted, %d answered, the last with status %d", seam_record.posted,
                seam_record.answered, seam_record.status);
    SEAM_EXPECT(req->lab_data == NULL, "req->lab_data stays NULL", "there is nothing to cancel",
                "it is set");
    for (int i = 0; i < WORKERS && status == 500; i++)
        SEAM_EXPECT(lab->workers[i].queued == 0, "no worker counts a request that it hasn't got",
                    "count only once the whole chain stands", "worker %d: %u", i,
                    lab->workers[i].queued);
    seam_expect_no_error("on_woken()");
}

static void chain_with_a_handler_that_raises(void)
{
    check_failure("raises", "nothing", 500);
}

static void chain_without_a_worker_future(void)
{
    check_failure("hello", "run_coroutine_threadsafe", 500);
}

static void chain_with_all_workers_full(void)
{
    check_failure("hello", "nothing", 503);
}

/* ---- Step 5 ---------------------------------------------------------------------------------- */

static void check_done(const char *outcome, int status, const char *cause)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("hello");
    PyObject       *task;
    Py_ssize_t      held;

    seam_py_run(seam_text("task = Task(); task.outcome = %s", outcome));
    task = seam_py_get("task"); /* borrowed */
    Py_INCREF(task);
    req->lab_data = task;
    lab->workers[1].queued = 1;
    held = seam_hold(task);
    on_done(&lab->workers[1], req, task);
    SEAM_EXPECT(seam_record.posted == 1 && seam_record.answered == 0,
                "one answer, through completions_post()", "only the HTTP thread answers",
                "%d posted, %d answered", seam_record.posted, seam_record.answered);
    SEAM_EXPECT(seam_record.status == status,
                seam_text("a future with %s is answered %d", outcome, status), cause, "status %d",
                seam_record.status);
    seam_expect_no_error("on_done()");
    SEAM_EXPECT(req->lab_data == NULL, "req->lab_data is NULL again",
                "on_cancel() must not find a future that is done", "it is set");
    SEAM_EXPECT(lab->workers[1].queued == 0, "the worker has room again",
                "worker->queued counts down here", "%u", lab->workers[1].queued);
    seam_let_go(task, held, 1,
                "`future` is borrowed: only the reference in req->lab_data is yours");
    seam_py_run("del task");
    seam_expect_alive("Task", "req->lab_data holds a reference to the future: Py_DECREF it");
}

static void done_with_a_result(void)
{
    check_done("'hello'", 200, "future.result() is what the handler has returned");
}

static void done_with_an_exception(void)
{
    check_done("ValueError('no')", 500,
               "the exception goes through both futures, and future.result() raises it here");
}

static void done_with_a_cancellation(void)
{
    check_done("asyncio.CancelledError()", 503,
               "future.result() raises CancelledError: bridge_response(req, NULL) knows it");
}

/* ---- Step 5, with the HTTP thread beside it -------------------------------------------------- */

/* That thread: it takes answers, and looks at `queued` as /metrics does. Python isn't on it. */
typedef struct {
    const worker_t *worker; /* borrowed */
    completions_t   completions;
    uv_loop_t       loop; /* the queue wants one; nobody runs it */
    uv_thread_t     thread;
    uv_sem_t        room; /* posted for each request that may be used again */
    unsigned        taken, well_answered, most_queued; /* the thread's own */
} http_thread_t;

static http_thread_t *http_thread; /* NULL: there is none */

static int post_to_either(completions_t *to, http_request_t *req, http_response_t *resp)
{
    return http_thread == NULL ? seam_post(to, req, resp)
                               : completions_post(&http_thread->completions, req, resp);
}

/* It goes to whoever sends the next request. */
static void use_again(http_request_t *req)
{
    req->next = NULL;
    req->trace = req->lab_data = NULL;
}

static void http_thread_main(void *arg)
{
    http_thread_t   *self = arg;
    http_request_t  *req;
    http_response_t *resp;

    while (self->taken < HANDED_OVER) {
        unsigned queued = self->worker->queued;

        if (queued > self->most_queued)
            self->most_queued = queued;
        if (!completions_take(&self->completions, &req, &resp))
            continue;
        self->taken++;
        self->well_answered += resp != NULL && http_response_status(resp) == 200;
        http_response_free(resp);
        use_again(req);
        uv_sem_post(&self->room);
    }
}

static void http_thread_begin(http_thread_t *self, const worker_t *worker)
{
    self->worker = worker;
    uv_loop_init(&self->loop);
    if (completions_open(&self->completions, &self->loop, NULL, NULL) != 0 ||
        uv_sem_init(&self->room, IN_FLIGHT) != 0 ||
        (uv_thread_create)(&self->thread, http_thread_main, self) != 0)
        seam_fail("a thread of the test's own", "none", "");
    http_thread = self;
}

static void done_hands_over_for_good(void)
{
    static http_thread_t self;
    lab_t               *lab = open_lab();
    http_request_t      *requests[IN_FLIGHT];

    seam_py_run("task = Task()");
    for (int i = 0; i < IN_FLIGHT; i++)
        requests[i] = seam_request("hello");
    lab->workers[1].queued = HANDED_OVER;
    http_thread_begin(&self, &lab->workers[1]);
    for (int i = 0; i < HANDED_OVER; i++) {
        (uv_sem_wait)(&self.room);
        requests[i % IN_FLIGHT]->lab_data = Py_NewRef(seam_py_get("task"));
        on_done(&lab->workers[1], requests[i % IN_FLIGHT], seam_py_get("task"));
    }
    (uv_thread_join)(&self.thread);
    SEAM_EXPECT(self.well_answered == HANDED_OVER,
                seam_text("%d answers of status 200, taken by another thread", HANDED_OVER),
                "future.result() is what the handler has returned", "%u", self.well_answered);
    SEAM_EXPECT(lab->workers[1].queued == 0, "the worker has none of them any more",
                "worker->queued counts down here", "%u", lab->workers[1].queued);
}

int main(int argc, char **argv)
{
    static const seam_test_t tests[] = {
        {"close_stops_workers_then_the_main_loop", close_stops_workers_then_the_main_loop},
        {"pick_goes_round", pick_goes_round},
        {"pick_passes_over_the_full", pick_passes_over_the_full},
        {"run_reaches_the_workers_loop", run_reaches_the_workers_loop},
        {"wrap_follows_on_the_main_loop", wrap_follows_on_the_main_loop},
        {"chain_is_built", chain_is_built},
        {"chain_keeps_only_the_wrapped_future", chain_keeps_only_the_wrapped_future},
        {"chain_with_a_handler_that_raises", chain_with_a_handler_that_raises},
        {"chain_without_a_worker_future", chain_without_a_worker_future},
        {"chain_with_all_workers_full", chain_with_all_workers_full},
        {"done_with_a_result", done_with_a_result},
        {"done_with_an_exception", done_with_an_exception},
        {"done_with_a_cancellation", done_with_a_cancellation},
        {"done_hands_over_for_good", done_hands_over_for_good},
    };

    return seam_main(argc, argv, tests, SEAM_COUNT(tests));
}
