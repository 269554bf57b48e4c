/*
 * common/bridge/loop_thread.c: a thread that runs an asyncio loop, from the thread that starts it.
 * Waiting is done on threading.Event objects, attached code on the loop's side setting them.
 */
#include "tests/support/text.h"
#include "tests/unit/bridge/fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bridge/loop_thread.h"

static void open_with_names(void)
{
    fixture_open();
    py_run("import asyncio, threading, os\n"
           "log = []\n"
           "def within_reach(event):\n"
           "    assert event.wait(20), 'nobody set the event'\n");
}

TestSuite(bridge_loop_thread, .init = open_with_names, .fini = fixture_close, .timeout = 60);

/* Start a loop, for the test as __main__.loop. All of these leave the test attached. */
static int start(loop_thread_t *self, bridge_app_t *app, const char *name)
{
    int err;

    fixture_detach();
    err = loop_thread_start(self, fixture.bridge, app, name);
    fixture_attach();
    if (err == 0)
        py_set("loop", Py_NewRef(self->loop));
    return err;
}

static void stop(loop_thread_t *self)
{
    fixture_detach();
    loop_thread_stop(self, &fixture.python);
    fixture_attach();
}

static bridge_app_t *load(const char *source)
{
    bridge_app_t *app;

    py_module("hooked", source);
    cr_assert_eq(bridge_app_load(fixture.bridge, "hooked:app", BRIDGE_ASYNC, &app), 0);
    return app;
}

static int threads_of_process(void)
{
    DIR *folder = opendir("/proc/self/task");
    int  count = 0;

    cr_assert_not_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* ---- Running --------------------------------------------------------------------------------- */

Test(bridge_loop_thread, runs_callbacks_on_a_thread_of_its_own)
{
    loop_thread_t self;

    cr_assert_eq(start(&self, NULL, "loop-7"), 0);
    py_run("called = threading.Event()\n"
           "def callback():\n"
           "    log.append((threading.get_ident(), threading.current_thread().name,\n"
           "        open('/proc/thread-self/comm').read(), asyncio.get_running_loop() is loop))\n"
           "    called.set()\n"
           "loop.call_soon_threadsafe(callback)\n"
           "within_reach(called)\n");
    PY_CHECK("the callback's thread", ((py_case_t[]){
                                          {"log[0][0] == threading.get_ident()", "False"},
                                          {"log[0][1:]", "('loop-7', 'loop-7\\n', True)"},
                                          {"loop.get_debug()", "False"},
                                      }));
    stop(&self);
    PY_CHECK("stopped", ((py_case_t[]){{"loop.is_closed()", "True"}}));
    cr_expect(self.loop == NULL && self.create_task == NULL && self.call_soon_threadsafe == NULL);
}

Test(bridge_loop_thread, hands_out_the_loops_methods)
{
    loop_thread_t self;

    cr_assert_eq(start(&self, NULL, "loop"), 0);
    py_set("call_soon_threadsafe", Py_NewRef(self.call_soon_threadsafe));
    py_set("create_task", Py_NewRef(self.create_task));
    PY_CHECK("looked up once", ((py_case_t[]){
                                   {"call_soon_threadsafe == loop.call_soon_threadsafe", "True"},
                                   {"create_task == loop.create_task", "True"},
                               }));
    stop(&self);
}

Test(bridge_loop_thread, cuts_a_name_that_is_too_long)
{
    loop_thread_t self;

    cr_assert_eq(start(&self, NULL, "a-name-of-more-than-15-bytes"), 0);
    stop(&self);
    cr_expect_str_eq(self.name, "a-name-of-more-");
}

Test(bridge_loop_thread, is_in_debug_mode_if_the_bridge_is)
{
    loop_thread_t self;

    fixture.bridge->debug = true;
    cr_assert_eq(start(&self, NULL, "loop"), 0);
    PY_CHECK("--debug", ((py_case_t[]){{"loop.get_debug()", "True"}}));
    stop(&self);
}

Test(bridge_loop_thread, eight_run_side_by_side)
{
    loop_thread_t *threads = calloc(8, sizeof *threads);

    cr_assert_not_null(threads);
    py_run("gate = threading.Barrier(9)\n"
           "async def meet():\n"
           "    log.append(threading.get_ident())\n"
           "    gate.wait(20)\n");
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(start(&threads[i], NULL, "loop"), 0);
        py_run("asyncio.run_coroutine_threadsafe(meet(), loop)");
    }
    py_run("gate.wait(20)"); /* all eight are parked at once, each on a thread of its own */
    PY_CHECK("threads", ((py_case_t[]){{"len(set(log))", "8"}}));
    for (int i = 7; i >= 0; i--)
        stop(&threads[i]);
    free(threads);
}

/* ---- Starting -------------------------------------------------------------------------------- */

Test(bridge_loop_thread, runs_start_up_hooks_before_start_returns)
{
    loop_thread_t self;
    bridge_app_t *app = load("from looplab import App\n"
                             "import asyncio, threading\n"
                             "app = App()\n"
                             "@app.on_startup\n"
                             "async def up():\n"
                             "    await asyncio.sleep(0)\n"
                             "    app_log.append((asyncio.get_running_loop(),\n"
                             "        threading.current_thread().name))\n"
                             "app_log = []\n");

    cr_assert_eq(start(&self, app, "loop"), 0);
    py_run("from hooked import app_log");
    PY_CHECK("the hook", ((py_case_t[]){{"app_log == [(loop, 'loop')]", "True"}}));
    stop(&self);
    bridge_app_free(app);
}

Test(bridge_loop_thread, a_start_up_hook_that_raises_fails_the_start_and_leaves_nothing)
{
    loop_thread_t self;
    capture_t     capture;
    char         *said;
    int           before = threads_of_process(), err;
    bridge_app_t *app = load("from looplab import App\n"
                             "import asyncio, weakref\n"
                             "app, log = App(), []\n"
                             "async def forever():\n"
                             "    try: await asyncio.sleep(3600)\n"
                             "    finally: log.append('cancelled')\n"
                             "@app.on_startup\n"
                             "async def up():\n"
                             "    global task, loop\n"
                             "    loop = asyncio.get_running_loop()\n"
                             "    task = asyncio.create_task(forever())\n"
                             "    await asyncio.sleep(0)\n"
                             "    raise RuntimeError('no database')\n"
                             "@app.on_shutdown\n"
                             "def down(): log.append('down')\n");

    capture_begin(&capture, 2);
    err = start(&self, app, "loop");
    said = capture_end(&capture);
    cr_expect_eq(err, -1);
    cr_expect(count_of(said, "RuntimeError: no database") == 1, "logged once: %s", said);
    free(said);
    cr_expect_eq(threads_of_process(), before, "%d threads, before it %d", threads_of_process(),
                 before);
    cr_expect(self.loop == NULL && self.create_task == NULL && self.call_soon_threadsafe == NULL &&
              !self.started);
    py_run("import hooked");
    PY_CHECK("what it had begun", ((py_case_t[]){
                                      {"hooked.log", "['cancelled']"},
                                      {"hooked.loop.is_closed()", "True"},
                                  }));
    stop(&self); /* allowed: there is nothing to stop */
    bridge_app_free(app);
}

/* ---- Stopping -------------------------------------------------------------------------------- */

Test(bridge_loop_thread, stop_of_a_zeroed_struct_does_nothing)
{
    loop_thread_t self = {0};

    stop(&self);
    cr_expect(self.loop == NULL && !self.started);
}

Test(bridge_loop_thread, stop_runs_shut_down_hooks_in_reverse_and_cancels_tasks)
{
    loop_thread_t self;
    bridge_app_t *app = load("from looplab import App\n"
                             "import asyncio\n"
                             "app, log = App(), []\n"
                             "@app.on_shutdown\n"
                             "async def first():\n"
                             "    await asyncio.sleep(0)\n"
                             "    log.append('first')\n"
                             "@app.on_shutdown\n"
                             "def second(): log.append('second')\n");

    cr_assert_eq(start(&self, app, "loop"), 0);
    py_run("from hooked import log\n"
           "waiting = threading.Event()\n"
           "async def forever():\n"
           "    waiting.set()\n"
           "    try: await asyncio.sleep(3600)\n"
           "    except asyncio.CancelledError:\n"
           "        await asyncio.sleep(0)\n"
           "        log.append('cancelled')\n"
           "        raise\n"
           "future = asyncio.run_coroutine_threadsafe(forever(), loop)\n"
           "within_reach(waiting)\n");
    stop(&self);
    PY_CHECK("in the end", ((py_case_t[]){
                               {"sorted(log)", "['cancelled', 'first', 'second']"},
                               {"log.index('second') < log.index('first')", "True"},
                               {"loop.is_closed()", "True"},
                           }));
    bridge_app_free(app);
}

Test(bridge_loop_thread, stop_right_after_start_lets_async_hooks_finish)
{
    bridge_app_t *app = load("from looplab import App\n"
                             "import asyncio\n"
                             "app, log = App(), []\n"
                             "@app.on_shutdown\n"
                             "async def down():\n"
                             "    for _ in range(20): await asyncio.sleep(0)\n"
                             "    log.append('down')\n");

    for (int i = 0; i < 20; i++) {
        loop_thread_t self;

        fixture_detach();
        cr_assert_eq(loop_thread_start(&self, fixture.bridge, app, "loop"), 0);
        loop_thread_stop(&self, &fixture.python);
        fixture_attach();
    }
    py_run("from hooked import log");
    PY_CHECK("after 20 rounds", ((py_case_t[]){{"len(log)", "20"}}));
    bridge_app_free(app);
}

static const char *const ends[] = {"SystemExit(3)", "KeyboardInterrupt()"};

Test(bridge_loop_thread, a_task_that_raises_systemexit_does_not_end_the_loop)
{
    for (size_t i = 0; i < 2; i++) {
        loop_thread_t self;
        capture_t     capture;
        char         *source, *said;

        cr_assert(asprintf(&source,
                           "called = threading.Event()\n"
                           "async def leave(): raise %s\n"
                           "task = None\n"
                           "def begin():\n"
                           "    global task\n"
                           "    task = loop.create_task(leave())\n"
                           "    task.add_done_callback(lambda t: called.set())\n"
                           "loop.call_soon_threadsafe(begin)\n"
                           "within_reach(called)\n"
                           "kind = type(task.exception()).__name__\n"
                           "again = threading.Event()\n"
                           "loop.call_soon_threadsafe(again.set)\n"
                           "within_reach(again)\n",
                           ends[i]) > 0);
        capture_begin(&capture, 2);
        cr_assert_eq(start(&self, NULL, "loop"), 0);
        py_run(source);
        stop(&self);
        said = capture_end(&capture);
        cr_expect(count_of(said, "raised through the event loop; it goes on with the other "
                                 "requests") == 1,
                  "%s: logged %s", ends[i], said);
        PY_CHECK(ends[i], ((py_case_t[]){{"kind in ('SystemExit', 'KeyboardInterrupt')", "True"}}));
        free(said);
        free(source);
    }
}

/*
 * The loop is told to stop while a callback runs that then raises SystemExit: the order to stop is
 * still queued when run_forever() ends. It must not end what runs on the loop after that.
 */
Test(bridge_loop_thread, a_stop_that_meets_systemexit_lets_async_hooks_finish)
{
    loop_thread_t self;
    capture_t     capture;
    char         *said;
    bridge_app_t *app = load("from looplab import App\n"
                             "import asyncio\n"
                             "app, log = App(), []\n"
                             "@app.on_shutdown\n"
                             "async def down():\n"
                             "    for _ in range(20): await asyncio.sleep(0)\n"
                             "    log.append('down')\n");

    capture_begin(&capture, 2);
    cr_assert_eq(start(&self, app, "loop"), 0);
    py_run("import time\n"
           "from hooked import log\n"
           "def leave():\n"
           "    until = time.monotonic() + 20\n"
           "    while not loop._ready and time.monotonic() < until: time.sleep(0.001)\n"
           "    raise SystemExit\n"
           "loop.call_soon_threadsafe(leave)\n");
    stop(&self);
    said = capture_end(&capture);
    PY_CHECK("the hook", ((py_case_t[]){{"log", "['down']"}}));
    cr_expect(count_of(said, "Event loop stopped before") == 0, "logged %s", said);
    free(said);
    bridge_app_free(app);
}

Test(bridge_loop_thread, can_be_started_again_after_a_stop)
{
    loop_thread_t self;

    for (int i = 0; i < 3; i++) {
        cr_assert_eq(start(&self, NULL, "loop"), 0);
        py_run("called = threading.Event()\n"
               "loop.call_soon_threadsafe(called.set)\n"
               "within_reach(called)\n");
        stop(&self);
    }
    stop(&self); /* a second stop: nothing to do */
}
