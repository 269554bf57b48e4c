/* common/bridge/callable.c: a C function as a Python callable, and the reference that it holds. */
#include "tests/unit/bridge/fixture.h"

#include "common/http/internal.h"

TestSuite(bridge_callable, .init = fixture_open, .fini = fixture_close);

/* What the C function saw: the owner. */
typedef struct {
    int             calls;
    http_request_t *req;
    PyObject       *arg; /* owned; the last call's, NULL if there was none */
    uv_thread_t     thread;
} seen_t;

static void on_call(void *owner, http_request_t *req, PyObject *arg)
{
    seen_t *seen = owner;

    seen->calls++;
    seen->req = req;
    seen->thread = uv_thread_self();
    Py_XINCREF(arg);
    Py_XSETREF(seen->arg, arg);
}

Test(bridge_callable, passes_owner_request_and_first_argument)
{
    seen_t          seen = {0};
    http_request_t *req = request_make(&(request_spec_t){.target = "/"});

    py_set("callable", bridge_callable(on_call, &seen, req));
    PY_CHECK("without an argument", ((py_case_t[]){{"callable()", "None"}}));
    cr_expect(seen.calls == 1 && seen.req == req && seen.arg == NULL, "%d calls, argument %p",
              seen.calls, (void *)seen.arg);
    PY_CHECK("with one, with two", ((py_case_t[]){{"callable('one')", "None"}}));
    cr_assert(seen.calls == 2 && seen.arg != NULL && PyUnicode_Check(seen.arg));
    cr_expect_str_eq(PyUnicode_AsUTF8(seen.arg), "one");
    PY_CHECK("two arguments, and the slow way of calling",
             ((py_case_t[]){
                 {"callable(1, 2)", "None"},
                 {"callable.__call__(3)", "None"},
                 {"callable(*[4], **{})", "None"},
                 {"type(callable).__name__", "'Callable'"},
             }));
    cr_expect_eq(seen.calls, 5, "%d calls", seen.calls);
    py_run("del callable");
    Py_CLEAR(seen.arg);
    http_request_unref(req);
}

Test(bridge_callable, holds_one_reference_to_its_request_until_it_dies)
{
    seen_t          seen = {0};
    http_request_t *req = request_make(&(request_spec_t){.target = "/"});
    unsigned        held, called;

    py_set("callable", bridge_callable(on_call, &seen, req));
    held = atomic_load(&req->refs);
    py_run("callable(); callable()");
    called = atomic_load(&req->refs);
    py_run("del callable");
    cr_expect(held == 2 && called == 2 && atomic_load(&req->refs) == 1,
              "references: %u while it lives, %u after calls, %u in the end; expected 2, 2, 1",
              held, called, atomic_load(&req->refs));
    http_request_unref(req);
}

Test(bridge_callable, is_all_that_keeps_its_request_if_need_be)
{
    seen_t          seen = {0};
    http_request_t *req = request_make(&(request_spec_t){.target = "/last"});

    py_set("callable", bridge_callable(on_call, &seen, req));
    http_request_unref(req);
    py_run("callable()");
    cr_expect(seen.req == req && http_request_target(seen.req).len == 5);
    py_run("del callable");
    cr_expect(http_pool_take(fixture.pool) == req, "the struct is back in its pool");
    http_request_unref(req);
}

Test(bridge_callable, runs_on_the_thread_that_calls_it)
{
    seen_t          seen = {0};
    uv_thread_t     here = uv_thread_self();
    http_request_t *req = request_make(&(request_spec_t){.target = "/"});

    py_set("callable", bridge_callable(on_call, &seen, req));
    py_run("import threading\n"
           "box = [callable]; del callable\n"
           "def other(): box[0]('there'); box.clear()\n"
           "t = threading.Thread(target=other); t.start(); t.join()\n");
    cr_expect(seen.calls == 1 && !uv_thread_equal(&seen.thread, &here));
    cr_expect_eq(atomic_load(&req->refs), 1u, "%u references after it died there",
                 atomic_load(&req->refs));
    Py_CLEAR(seen.arg);
    http_request_unref(req);
}

Test(bridge_callable, can_be_the_done_callback_of_a_future)
{
    seen_t          seen = {0};
    http_request_t *req = request_make(&(request_spec_t){.target = "/"});

    py_set("callable", bridge_callable(on_call, &seen, req));
    py_run("import asyncio\n"
           "async def main():\n"
           "    future = asyncio.get_running_loop().create_future()\n"
           "    future.add_done_callback(callable)\n"
           "    future.set_result('done')\n"
           "    await asyncio.sleep(0)\n"
           "    return future\n"
           "future = asyncio.run(main())\n"
           "del callable\n");
    cr_assert(seen.calls == 1 && seen.arg != NULL);
    py_set("arg", seen.arg);
    PY_CHECK("its argument", ((py_case_t[]){{"arg is future", "True"}}));
    cr_expect_eq(atomic_load(&req->refs), 1u);
    http_request_unref(req);
}

Test(bridge_callable, objects_give_back_the_references_to_their_types)
{
    seen_t          seen = {0};
    http_request_t *req = request_make(&(request_spec_t){.target = "/"});
    Py_ssize_t      callables = Py_REFCNT(fixture.bridge->state->callable_type);
    Py_ssize_t      requests = Py_REFCNT(fixture.bridge->state->request_type);

    for (int i = 0; i < 100; i++) {
        Py_DECREF(bridge_callable(on_call, &seen, req));
        Py_DECREF(bridge_request_new(req));
    }
    cr_expect_eq(Py_REFCNT(fixture.bridge->state->callable_type), callables,
                 "references to looplab.Callable: %zd, before it %zd",
                 Py_REFCNT(fixture.bridge->state->callable_type), callables);
    cr_expect_eq(Py_REFCNT(fixture.bridge->state->request_type), requests,
                 "references to looplab.Request: %zd, before it %zd",
                 Py_REFCNT(fixture.bridge->state->request_type), requests);
    http_request_unref(req);
}
