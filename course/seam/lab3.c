/* Lab 3: lab3_sync_handlers/dispatch.c with handlers of the test's, and recorded answers. */
#include "course/seam/python.h"

/* NOLINTNEXTLINE(bugprone-suspicious-include): the file under test, static functions and all. */
#include "lab3_sync_handlers/dispatch.c"

/* The lab here has no --pool. */
int pool_open(pool_t **out, const lab_context_t *context)
{
    (void)out, (void)context;
    return -1;
}

void pool_submit(pool_t *self, http_request_list_t *ready)
{
    (void)self, (void)ready;
}

void pool_take_answers(pool_t *self)
{
    (void)self;
}

void pool_close(pool_t *self)
{
    (void)self;
}

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

int main(int argc, char **argv)
{
    static const seam_test_t tests[] = {
        {"a_result_is_the_answer", a_result_is_the_answer},
        {"one_attach_a_turn", one_attach_a_turn},
        {"the_value_is_released", the_value_is_released},
        {"nothing_is_kept", nothing_is_kept},
        {"an_exception_is_a_500", an_exception_is_a_500},
        {"a_coroutine_is_refused", a_coroutine_is_refused},
    };

    return seam_main(argc, argv, tests, SEAM_COUNT(tests));
}
