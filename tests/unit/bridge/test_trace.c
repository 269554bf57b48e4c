/*
 * common/bridge/trace.c: a traced handler's coroutine behaves as the coroutine inside, and marks its
 * first step and its end; a worker's task and a resolved future mark theirs.
 */
#include "common/trace/internal.h"
#include "tests/unit/bridge/fixture.h"

static http_request_t *req;
static trace_record_t  record;

/* A traced request, and asyncio; `ended` is set to the names of what has been marked so far. */
static void open_traced(void)
{
    fixture_open();
    fixture.route.kind = BRIDGE_ASYNC;
    req = request_make(&(request_spec_t){.target = "/"});
    record = (trace_record_t){.id = 1};
    req->trace = &record;
    py_run("import asyncio, collections.abc, concurrent.futures, gc, inspect, sys, warnings\n"
           "async def returns(value):\n"
           "    return value\n"
           "async def suspends(value):\n"
           "    await asyncio.sleep(0)\n"
           "    return value\n"
           "async def raises(error):\n"
           "    await asyncio.sleep(0)\n"
           "    raise error\n"
           "async def forever():\n"
           "    await asyncio.get_running_loop().create_future()\n"
           "async def awaits(inner):\n"
           "    return await inner\n"
           "def outcome(call, *args):\n"
           "    try:\n"
           "        return call(*args)\n"
           "    except BaseException as error:\n"
           "        return repr(error)\n");
}

static void close_traced(void)
{
    py_run("traced = None\n"
           "gc.collect()\n");
    cr_expect(atomic_load(&req->refs) == 1, "%u references to the request, expected the test's own",
              atomic_load(&req->refs));
    req->trace = NULL;
    http_request_unref(req);
    fixture_close();
}

TestSuite(bridge_trace, .init = open_traced, .fini = close_traced, .timeout = 60);

/* __main__.traced = a traced coroutine around the expression's. */
static void trace(const char *coroutine)
{
    record = (trace_record_t){.id = 1};
    py_set("traced", bridge_traced_new(req, py_eval(coroutine)));
}

static void expect_marked(const char *when, bool started, bool finished)
{
    bool has_started = record.at_ns[TRACE_STARTED] != 0;
    bool has_finished = record.at_ns[TRACE_FINISHED] != 0;

    cr_expect(has_started == started && has_finished == finished,
              "%s: expected started %d, finished %d; marked %d, %d", when, started, finished,
              has_started, has_finished);
}

Test(bridge_trace, is_a_coroutine_for_whoever_asks)
{
    trace("suspends(1)");
    PY_CHECK("a traced coroutine",
             ((py_case_t[]){
                 {"asyncio.iscoroutine(traced)", "True"},
                 {"isinstance(traced, collections.abc.Coroutine)", "True"},
                 {"inspect.isawaitable(traced)", "True"},
                 {"traced.__qualname__", "'suspends'"},
                 {"traced.cr_code is suspends.__code__", "True"},
                 {"traced.cr_frame.f_locals", "{'value': 1}"},
                 {"outcome(getattr, traced, 'nothing')[:14]", "'AttributeError'"},
                 {"traced.close()", "None"},
             }));
    expect_marked("closed before it began", false, false);
}

Test(bridge_trace, marks_the_first_step_and_the_end)
{
    trace("suspends('done')");
    expect_marked("made", false, false);
    py_run("traced.send(None)");
    expect_marked("suspended", true, false);
    PY_CHECK("last step", ((py_case_t[]){
                              {"outcome(traced.send, None)", "\"StopIteration('done')\""},
                              {"outcome(traced.send, None)",
                               "\"RuntimeError('cannot reuse already awaited coroutine')\""},
                          }));
    expect_marked("ended", true, true);
}

/* What comes between two steps is the loop's; a step in the middle passes no hop. */
Test(bridge_trace, every_step_is_this_requests_time)
{
    trace_t      *tracing;
    trace_lane_t *lane;

    lane = fixture_lane_open(&tracing);
    py_run("async def three_steps():\n"
           "    await asyncio.sleep(0)\n"
           "    await asyncio.sleep(0)\n");
    trace("three_steps()");
    for (int step = 1; step <= 2; step++) {
        trace_lane_state(lane, TRACE_RUNNING);
        py_run("traced.send(None)");
        cr_expect_eq(lane->doing, record.id, "after step %d the thread does %#x", step,
                     lane->doing);
    }
    py_run("traced.close()");
    trace_lane_close(lane);
    trace_close(tracing);
}

Test(bridge_trace, ends_in_every_way_that_a_coroutine_ends)
{
    static const struct {
        const char *coroutine, *steps, *expected;
    } cases[] = {
        {"returns(1)", "asyncio.run(awaits(traced))", "1"},
        {"suspends(1)", "asyncio.run(awaits(traced))", "1"},
        {"returns(None)", "asyncio.run(awaits(traced))", "None"},
        {"returns((1, 2))", "asyncio.run(awaits(traced))", "(1, 2)"},
        {"returns(ValueError(3))", "asyncio.run(awaits(traced))", "ValueError(3)"},
        {"raises(ValueError(3))", "asyncio.run(awaits(traced))", "'ValueError(3)'"},
        {"suspends(1)", "asyncio.run(traced)", "1"},
        {"raises(KeyError(3))", "asyncio.run(traced)", "'KeyError(3)'"},
        {"forever()", "asyncio.run(asyncio.wait_for(traced, 0.01))", "'TimeoutError()'"},
        {"suspends(1)", "(traced.send(None), traced.throw(ValueError(4)))", "'ValueError(4)'"},
        {"suspends(1)", "(traced.send(None), traced.close())", "(None, None)"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char     *expression;
        py_case_t py_case = {.expected = cases[i].expected};

        trace(cases[i].coroutine);
        cr_assert(asprintf(&expression, "outcome(lambda: %s)", cases[i].steps) > 0);
        py_case.expression = expression;
        py_check(cases[i].coroutine, &py_case, 1);
        expect_marked(cases[i].steps, true, true);
        free(expression);
    }
}

Test(bridge_trace, is_collected_with_its_cycle)
{
    trace("suspends([])");
    py_run("traced.cr_frame.f_locals['value'].append(traced)\n"
           "traced.send(None)\n"
           "traced = None\n"
           "gc.collect()\n");
    cr_expect(atomic_load(&req->refs) == 1, "%u references", atomic_load(&req->refs));
}

Test(bridge_trace, wraps_only_traced_requests_and_only_async_handlers)
{
    PyObject *handler = py_eval("lambda request: returns(1)");
    PyObject *value;

    fixture.route.handler = handler; /* borrowed */
    value = bridge_call_handler(req);
    cr_expect(value != NULL && !PyCoro_CheckExact(value), "traced: wrapped");
    py_set("traced", value);
    fixture.route.kind = BRIDGE_SYNC;
    value = bridge_call_handler(req);
    cr_expect(value != NULL && PyCoro_CheckExact(value), "a sync handler's value stays as it is");
    expect_marked("a sync handler", true, true);
    py_set("plain", value);
    fixture.route.kind = BRIDGE_ASYNC;
    req->trace = NULL;
    value = bridge_call_handler(req);
    cr_expect(value != NULL && PyCoro_CheckExact(value), "not traced: not wrapped");
    py_run("traced.close(); plain.close()");
    py_set("traced", value);
    py_run("traced.close(); plain = None");
    fixture.route.handler = NULL;
    Py_DECREF(handler);
}

/* ---- Workers --------------------------------------------------------------------------------- */

Test(bridge_trace, a_workers_task_is_the_one_that_its_loop_would_make)
{
    trace_options_t options = {0};

    cr_assert_eq(trace_open(&fixture.bridge->trace, &options), 0);
    py_run("loop = asyncio.new_event_loop()");
    PyObject *loop = py_eval("loop");
    fixture_detach();
    cr_assert_eq(bridge_trace_tasks(fixture.bridge, &fixture.python, loop), 0);
    fixture_attach();
    Py_DECREF(loop);
    trace("suspends(7)");
    py_run("task = loop.create_task(traced, name='seven')");
    cr_expect(record.at_ns[TRACE_WOKEN_WORKER] != 0, "its making is marked");
    expect_marked("not begun", false, false);
    PY_CHECK("the task", ((py_case_t[]){
                             {"type(task) is asyncio.Task", "True"},
                             {"task.get_name()", "'seven'"},
                             {"task.get_loop() is loop", "True"},
                             {"loop.run_until_complete(task)", "7"},
                             {"loop.run_until_complete(loop.create_task(returns(8)))", "8"},
                             {"loop.close()", "None"},
                         }));
    py_run("task = None");
    trace_close(fixture.bridge->trace);
    fixture.bridge->trace = NULL;
}

Test(bridge_trace, a_future_marks_when_it_is_resolved_but_not_when_it_is_cancelled)
{
    py_run("future, failed, cancelled = (concurrent.futures.Future() for _ in range(3))");
    PyObject *future = bridge_trace_future(req, py_eval("future"));

    cr_expect(record.at_ns[TRACE_CONVERTED_WORKER] == 0, "still pending");
    py_run("future.set_result(1)");
    cr_expect(record.at_ns[TRACE_CONVERTED_WORKER] != 0, "a result");
    Py_XDECREF(future);
    record = (trace_record_t){.id = 1};
    future = bridge_trace_future(req, py_eval("failed"));
    py_run("failed.set_exception(ValueError())");
    cr_expect(record.at_ns[TRACE_CONVERTED_WORKER] != 0, "an exception");
    Py_XDECREF(future);
    record = (trace_record_t){.id = 1};
    future = bridge_trace_future(req, py_eval("cancelled"));
    py_run("cancelled.cancel()");
    cr_expect(record.at_ns[TRACE_CONVERTED_WORKER] == 0, "cancelled");
    Py_XDECREF(future);
    cr_expect_null(bridge_trace_future(req, NULL));
    py_run("future = failed = cancelled = None");
}
