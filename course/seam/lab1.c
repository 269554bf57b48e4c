/* Lab 1, steps 2 to 5: lab1_single_loop/dispatch.c; its loop, tasks and queue are fakes. */
#include "course/seam/python.h"

#include "course/seam/blocking.h"

/* NOLINTNEXTLINE(bugprone-suspicious-include): the file under test, static functions and all. */
#include "lab1_single_loop/dispatch.c"

static completions_t queue; /* never looked into */

/* A lab as lab_open() leaves it, but for the loop, which is a fake. */
static lab_t *open_lab(void)
{
    static lab_t lab;

    seam_python_open();
    bridge_detach(&seam_thread);
    if (bridge_asyncio_open(&lab.asyncio, &seam_thread) != 0)
        seam_fail("asyncio is there", "it isn't", "");
    bridge_attach(&seam_thread);
    lab.python = &seam_thread;
    lab.completions = &queue;
    lab.loop.loop = Py_NewRef(seam_py_get("loop"));
    lab.loop.call_soon_threadsafe = PyObject_GetAttrString(lab.loop.loop, "call_soon_threadsafe");
    lab.loop.create_task = PyObject_GetAttrString(lab.loop.loop, "create_task");
    return &lab;
}

static void expect_refs(const http_request_t *req, const char *cause)
{
    unsigned refs = seam_references(req);

    SEAM_EXPECT(refs == 1, "one reference to the request, the one that travels", cause,
                "%u references", refs);
}

/*
 * HTTP thread: hand these requests to the lab, as the server does once a turn. returns how often
 * the lab has attached
 */
static unsigned submit_all(lab_t *lab, http_request_list_t *ready)
{
    unsigned attaches;

    bridge_detach(&seam_thread);
    seam_attaches = 0;
    lab_on_ready(lab, ready);
    attaches = seam_attaches;
    SEAM_EXPECT(!PyGILState_Check(), "lab_on_ready() leaves the thread detached",
                "who keeps the GIL while it polls keeps the loop's thread from running",
                "still attached");
    bridge_attach(&seam_thread);
    return attaches;
}

static void submit(lab_t *lab, http_request_t *req)
{
    submit_all(lab, seam_ready(req));
}

static void leave(lab_t *lab, http_request_t *req)
{
    bridge_detach(&seam_thread);
    lab_on_client_gone(lab, req);
    SEAM_EXPECT(!PyGILState_Check(), "lab_on_client_gone() leaves the thread detached",
                "attach and detach in the same function", "still attached");
    bridge_attach(&seam_thread);
}

/* ---- Step 2 ---------------------------------------------------------------------------------- */

static void submit_reaches_the_loop(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("hello");

    submit(lab, req);
    seam_expect_calls(
        "call_soon_threadsafe",
        "from another thread only call_soon_threadsafe() wakes the loop: call_soon() is a "
        "lost wake-up");
    SEAM_EXPECT(seam_record.answered + seam_record.posted == 0, "no answer yet",
                "the loop's thread has the request now: touch it no more", "%d answered, %d posted",
                seam_record.answered, seam_record.posted);
    seam_expect_no_error("lab_on_ready()");
}

static void submit_keeps_no_reference(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("hello");

    submit(lab, req);
    seam_expect_calls("call_soon_threadsafe", "");
    seam_expect_alive("Handle",
                      "what call_soon_threadsafe() returns is a new reference: Py_DECREF it");
    seam_py_run("calls.clear()"); /* as the loop does once it has called it */
    expect_refs(req, "the callable is yours too (new): the loop has a reference of its own, so "
                     "Py_DECREF it once it is handed over");
}

static void submit_that_fails_is_a_500(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("hello");

    seam_py_run("fail.add('call_soon_threadsafe')");
    submit(lab, req);
    SEAM_EXPECT(seam_record.answered == 1 && seam_record.status == 500,
                "the loop refuses the call: the request is answered 500",
                "NULL means: not handed over. Answer with bridge_response(req, NULL)",
                "%d answered, the last with status %d", seam_record.answered, seam_record.status);
    seam_expect_no_error("lab_on_ready()");
    seam_py_run("calls.clear()");
    expect_refs(req, "the callable is released on the way of failure as well");
}

static void submit_gives_the_gil_back(void)
{
    lab_t               *lab = open_lab();
    http_request_list_t *ready = seam_ready(seam_request("hello"));
    unsigned             attaches;

    http_request_list_push(ready, seam_request("hello"));
    attaches = submit_all(lab, ready);
    seam_expect_calls("call_soon_threadsafe call_soon_threadsafe", "each request is handed over");
    SEAM_EXPECT(attaches == 1, "two requests in one turn: attached once",
                "each attach waits for the GIL: once a turn, not once a request", "%u times",
                attaches);
}

/* Given code: it stays as it is. */
static void completions_are_all_taken(void)
{
    lab_t *lab = open_lab();

    seam_completed = seam_ready(seam_request("hello"));
    http_request_list_push(seam_completed, seam_request("hello"));
    http_request_list_push(seam_completed, seam_request("hello"));
    bridge_detach(&seam_thread);
    lab_on_completions(lab);
    SEAM_EXPECT(seam_record.answered == 3, "three completions in one wake-up: three answers",
                "libuv merges wake-ups: take until the queue is empty", "%d answered",
                seam_record.answered);
}

/* ---- Step 3 ---------------------------------------------------------------------------------- */

static void start_makes_a_task(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("hello");

    on_woken(lab, req, NULL);
    seam_expect_calls("create_task add_done_callback",
                      "the handler's coroutine becomes a task, and the task gets on_done() as its "
                      "callback; on the loop's own thread, where create_task() is allowed");
    SEAM_EXPECT(seam_py_long("inspect.iscoroutine(calls[0][1])"), "create_task(coroutine)",
                "bridge_call_handler() returns the coroutine", "%s",
                seam_py_show("repr(calls[0][1])"));
    SEAM_EXPECT(seam_record.posted == 0, "nothing is posted before the task is done",
                "who posts here and in on_done() answers twice", "%d posted, status %d",
                seam_record.posted, seam_record.status);
    SEAM_EXPECT(req->lab_data != NULL, "req->lab_data is the task", "on_cancel() will need it",
                "NULL");
    seam_expect_no_error("on_woken()");
}

/* What on_done() does with lab_data is done by the test; then nothing may be left. */
static void start_keeps_only_the_task(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("hello");

    on_woken(lab, req, NULL);
    seam_expect_calls("create_task add_done_callback", "");
    seam_py_run("coroutine = weakref.ref(calls[0][1])\ncalls[0][1].close()");
    SEAM_EXPECT(seam_py_long("Task.alive") == 1, "the task lives on in req->lab_data",
                "lab_data needs a reference of its own: Py_NewRef()", "it is gone");
    Py_XDECREF((PyObject *)req->lab_data);
    seam_py_run("calls.clear()");
    seam_expect_alive("Task", "create_task() returns a new reference: Py_DECREF it. One more is "
                              "lab_data's, which on_done() drops");
    SEAM_EXPECT(seam_py_long("coroutine() is None"), "the coroutine is gone with its task",
                "bridge_call_handler() returns a new reference: Py_DECREF it", "it is left");
    expect_refs(req, "the callback holds a reference to the request until it dies: Py_DECREF it");
}

static http_request_t *start_that_fails_is_a_500(const char *handler, const char *failing)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request(handler);

    seam_py_run(failing);
    on_woken(lab, req, NULL);
    SEAM_EXPECT(seam_record.posted == 1 && seam_record.status == 500,
                "the request is answered 500, once, through completions_post()",
                "test what each call returns: NULL means that a Python exception is set, and "
                "bridge_response(req, NULL) makes a 500 of it. Only the HTTP thread may answer",
                "%d posted, %d answered, the last with status %d", seam_record.posted,
                seam_record.answered, seam_record.status);
    seam_expect_no_error("on_woken()");
    return req;
}

static void start_that_fails_leaves_no_task(const char *handler, const char *failing)
{
    http_request_t *req = start_that_fails_is_a_500(handler, failing);

    SEAM_EXPECT(req->lab_data == NULL, "req->lab_data stays NULL", "there is no task to cancel",
                "it is set");
}

static void start_with_a_handler_that_raises(void)
{
    start_that_fails_leaves_no_task("raises", "");
    seam_expect_calls("", "there is no coroutine, so there is nothing to start");
}

static void start_without_a_task(void)
{
    start_that_fails_leaves_no_task("hello", "fail.add('create_task')");
}

static void start_hands_over_for_good(void)
{
    seam_guard_requests();
    start_that_fails_is_a_500("raises", "");
}

/* ---- Step 4 ---------------------------------------------------------------------------------- */

typedef struct {
    const char *outcome; /* of the task, in Python */
    int         status;
    const char *cause;
    bool        client_left;
} done_case_t;

static void expect_one_post(const done_case_t *c)
{
    SEAM_EXPECT(
        seam_record.posted == 1 && seam_record.answered == 0,
        "one answer, through completions_post()",
        c->client_left
            ? "also when nobody waits for it any more: the HTTP thread drops the answer and "
              "gives the request back, which is in flight for ever otherwise"
            : "one task, one answer; and only the HTTP thread calls "
              "http_respond_transfer()",
        "%d posted, %d answered", seam_record.posted, seam_record.answered);
}

static void check_done(const done_case_t *c)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("hello");
    PyObject       *task;
    Py_ssize_t      held;

    seam_py_run(seam_text("task = Task(); task.outcome = %s", c->outcome));
    task = seam_py_get("task"); /* borrowed */
    Py_INCREF(task);
    req->lab_data = task;
    atomic_store(&req->abandoned, c->client_left);
    held = seam_hold(task);
    on_done(lab, req, task);
    expect_one_post(c);
    SEAM_EXPECT(seam_record.status == c->status,
                seam_text("a task with %s is answered %d", c->outcome, c->status), c->cause,
                "status %d", seam_record.status);
    SEAM_EXPECT(!seam_record.error_set, "no Python exception is set at completions_post()",
                "bridge_response(req, NULL) takes it and clears it", "one is");
    seam_expect_no_error("on_done()");
    SEAM_EXPECT(req->lab_data == NULL, "req->lab_data is NULL again",
                "on_cancel() must not find a task that is done", "it is set");
    seam_let_go(task, held, 1, "`task` is borrowed: only the reference in req->lab_data is yours");
    seam_py_run("del task");
    seam_expect_alive("Task", "req->lab_data holds a reference to the task: Py_DECREF it");
}

static void done_with_a_result(void)
{
    check_done(&(done_case_t){.outcome = "'hello'",
                              .status = 200,
                              .cause = "task.result() is what the handler has returned"});
}

static void done_with_an_exception(void)
{
    check_done(&(done_case_t){.outcome = "ValueError('no')",
                              .status = 500,
                              .cause = "task.result() raises what the handler has raised: NULL"});
}

static void done_with_a_cancellation(void)
{
    check_done(&(done_case_t){.outcome = "asyncio.CancelledError()",
                              .status = 503,
                              .cause =
                                  "task.result() raises CancelledError if the task was cancelled: "
                                  "bridge_response(req, NULL) knows it"});
}

static void done_after_the_client_left(void)
{
    check_done(&(done_case_t){.outcome = "asyncio.CancelledError()",
                              .status = 503,
                              .cause = "the task was cancelled",
                              .client_left = true});
}

/* ---- Step 5 ---------------------------------------------------------------------------------- */

static void gone_cancels_on_the_loop(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("hello");
    Py_ssize_t      held;

    seam_py_run("task = Task()");
    req->lab_data = Py_NewRef(seam_py_get("task"));
    held = seam_hold(req->lab_data);
    leave(lab, req);
    seam_expect_calls("call_soon_threadsafe",
                      "task.cancel() isn't thread-safe: have the loop's thread call on_cancel()");
    seam_py_run("calls.pop()[1]()"); /* the loop's turn */
    seam_expect_calls("cancel", "on_cancel() cancels req->lab_data");
    seam_let_go(seam_py_get("task"), held, 0,
                "on_cancel() borrows req->lab_data: on_done() will release it");
    SEAM_EXPECT(seam_record.posted + seam_record.answered == 0, "no answer from here",
                "the task is cancelled, so on_done() will post: one task, one answer",
                "%d posted, %d answered", seam_record.posted, seam_record.answered);
    expect_refs(req, "`req` is borrowed here; the callable takes a reference of its own, and gives "
                     "it back when it dies");
}

static void gone_after_the_end_is_harmless(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("hello");

    leave(lab, req);
    seam_expect_calls("call_soon_threadsafe", "have the loop's thread call on_cancel()");
    seam_py_run("calls.pop()[1]()"); /* lab_data is NULL: done meanwhile, or never begun */
    seam_expect_no_error("on_cancel() without a task");
}

static void gone_with_the_loop_closed_is_quiet(void)
{
    lab_t          *lab = open_lab();
    http_request_t *req = seam_request("hello");

    seam_py_run("fail.add('call_soon_threadsafe')");
    leave(lab, req);
    seam_expect_calls("call_soon_threadsafe", "have the loop's thread call on_cancel()");
    seam_expect_no_error("lab_on_client_gone() with a closed loop");
}

int main(int argc, char **argv)
{
    static const seam_test_t tests[] = {
        {"completions_are_all_taken", completions_are_all_taken},
        {"submit_reaches_the_loop", submit_reaches_the_loop},
        {"submit_keeps_no_reference", submit_keeps_no_reference},
        {"submit_that_fails_is_a_500", submit_that_fails_is_a_500},
        {"submit_gives_the_gil_back", submit_gives_the_gil_back},
        {"start_makes_a_task", start_makes_a_task},
        {"start_keeps_only_the_task", start_keeps_only_the_task},
        {"start_with_a_handler_that_raises", start_with_a_handler_that_raises},
        {"start_without_a_task", start_without_a_task},
        {"start_hands_over_for_good", start_hands_over_for_good},
        {"done_with_a_result", done_with_a_result},
        {"done_with_an_exception", done_with_an_exception},
        {"done_with_a_cancellation", done_with_a_cancellation},
        {"done_after_the_client_left", done_after_the_client_left},
        {"gone_cancels_on_the_loop", gone_cancels_on_the_loop},
        {"gone_after_the_end_is_harmless", gone_after_the_end_is_harmless},
        {"gone_with_the_loop_closed_is_quiet", gone_with_the_loop_closed_is_quiet},
    };

    return seam_main(argc, argv, tests, SEAM_COUNT(tests));
}
