/*
 * common/bridge/interpreter.c: what of its surroundings the interpreter takes over (nothing but the
 * working directory), and that threads come and go. Also asyncio.c, which belongs to no other test.
 */
#include "tests/unit/bridge/fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 200 };

/* ---- Surroundings ---------------------------------------------------------------------------- */

Test(bridge_interpreter, ignores_python_variables)
{
    setenv("PYTHONPATH", "/looplab-from-pythonpath", 1);
    setenv("PYTHONHOME", "/looplab-from-pythonhome", 1);
    setenv("PYTHONWARNINGS", "error", 1);
    setenv("PYTHONOPTIMIZE", "2", 1);
    setenv("PYTHONUNBUFFERED", "1", 1);
    fixture_open();
    py_run("import sys");
    PY_CHECK("with PYTHON* set",
             ((py_case_t[]){
                 {"[p for p in sys.path if 'looplab-from' in p]", "[]"},
                 {"'looplab-from' in sys.prefix", "False"},
                 {"sys.warnoptions", "[]"},
                 {"sys.flags.optimize", "0"},
                 {"(sys.flags.isolated, sys.flags.ignore_environment)", "(1, 1)"},
                 {"sys.flags.no_user_site", "1"},
             }));
    fixture_close();
}

Test(bridge_interpreter, is_utf8_whatever_the_locale)
{
    setenv("LC_ALL", "C", 1);
    fixture_open();
    py_run("import sys");
    PY_CHECK("with LC_ALL=C", ((py_case_t[]){
                                  {"sys.flags.utf8_mode", "1"},
                                  {"sys.getfilesystemencoding()", "'utf-8'"},
                                  {"sys.stderr.encoding", "'utf-8'"},
                              }));
    fixture_close();
}

Test(bridge_interpreter, looks_in_the_working_directory_first_and_in_handlers_last)
{
    char *seen, *expected, cwd[4096];

    cr_assert_not_null(getcwd(cwd, sizeof cwd));
    fixture_open();
    py_run("import sys, os");
    seen = py_show("sys.path[0]");
    cr_assert(asprintf(&expected, "'%s'", cwd) > 0);
    cr_expect_str_eq(seen, expected, "sys.path[0]: expected %s, seen %s", expected, seen);
    free(expected);
    free(seen);
    PY_CHECK("the last folder",
             ((py_case_t[]){
                 {"os.path.basename(sys.path[-1])", "'handlers'"},
                 {"sorted(n for n in os.listdir(sys.path[-1]) if n.endswith('_app.py'))",
                  "['async_app.py', 'sync_app.py']"},
                 {"len([p for p in sys.path if p == sys.path[0]])", "1"},
             }));
    fixture_close();
}

Test(bridge_interpreter, a_module_of_the_working_directory_hides_a_bundled_one)
{
    char *seen, folder[] = "/tmp/looplab-cwd-XXXXXX";
    FILE *file;

    cr_assert(mkdtemp(folder) != NULL && chdir(folder) == 0);
    file = fopen("work.py", "w");
    cr_assert_not_null(file);
    fputs("here = 'the working directory'\n", file);
    fclose(file);
    fixture_open();
    py_run("import work");
    seen = py_show("work.here");
    cr_expect_str_eq(seen, "'the working directory'", "work.here: seen %s", seen);
    free(seen);
    fixture_close();
    unlink("work.py");
    cr_expect_eq(access("__pycache__", F_OK), -1, "no bytecode is written beside a student's code");
    rmdir(folder);
}

static void on_signal(int number)
{
    (void)number;
}

Test(bridge_interpreter, leaves_signal_dispositions_alone)
{
    static const int signals[] = {SIGINT, SIGPIPE, SIGTERM};
    struct sigaction seen;

    for (size_t i = 0; i < 3; i++)
        signal(signals[i], on_signal);
    fixture_open();
    py_run("import signal, asyncio, threading");
    for (size_t i = 0; i < 3; i++) {
        sigaction(signals[i], NULL, &seen);
        cr_expect(seen.sa_handler == on_signal, "after bridge_open: the handler of %s changed",
                  strsignal(signals[i]));
    }
    fixture_close();
    for (size_t i = 0; i < 3; i++) {
        sigaction(signals[i], NULL, &seen);
        cr_expect(seen.sa_handler == on_signal, "after bridge_close: the handler of %s changed",
                  strsignal(signals[i]));
    }
}

Test(bridge_interpreter, leaves_the_default_of_sigpipe_alone)
{
    struct sigaction seen;

    signal(SIGPIPE, SIG_DFL);
    fixture_open();
    sigaction(SIGPIPE, NULL, &seen);
    cr_expect(seen.sa_handler == SIG_DFL, "SIGPIPE isn't at its default any more");
    fixture_close();
}

Test(bridge_interpreter, says_its_version_and_whether_there_is_a_gil)
{
    char *seen, *expected;

    fixture_open();
    py_run("import sys, platform");
    seen = py_show("platform.python_version()");
    cr_assert(asprintf(&expected, "'%s'", bridge_python_version()) > 0);
    cr_expect_str_eq(expected, seen, "bridge_python_version(): %s, Python says %s", expected, seen);
    free(expected);
    free(seen);
    seen = py_show("getattr(sys, '_is_gil_enabled', lambda: True)()");
    cr_expect_str_eq(bridge_gil_enabled(fixture.bridge) ? "True" : "False", seen);
    free(seen);
    fixture_close();
}

Test(bridge_interpreter, the_debug_option_turns_faulthandler_on)
{
    bridge_options_t options = {.debug = true};

    cr_assert_eq(bridge_open(&fixture.bridge, &options, &fixture.python), 0);
    fixture_attach();
    py_run("import faulthandler");
    PY_CHECK("--debug", ((py_case_t[]){{"faulthandler.is_enabled()", "True"}}));
    fixture_detach();
    bridge_close(fixture.bridge, &fixture.python);
}

/* ---- Threads --------------------------------------------------------------------------------- */

typedef struct {
    uv_barrier_t *together;
    int           status;
    bool          detached_after_open, closed;
} thread_t;

static void thread_main(void *arg)
{
    thread_t       *self = arg;
    bridge_thread_t me;

    uv_barrier_wait(self->together);
    self->status = bridge_thread_open(&me, fixture.bridge);
    self->detached_after_open = compat_current_thread() != me.tstate;
    for (int i = 0; i < ROUNDS && self->status == 0; i++) {
        bridge_attach(&me);
        ASSERT_ATTACHED(&me);
        PyRun_SimpleString("with lock: total += 1");
        bridge_detach(&me);
    }
    bridge_thread_close(&me);
    self->closed = me.tstate == NULL;
}

Test(bridge_thread, eight_at_once_open_attach_detach_and_close, .init = fixture_open,
     .fini = fixture_close)
{
    thread_t     threads[THREADS] = {{0}};
    uv_thread_t  ids[THREADS];
    uv_barrier_t together;

    py_run("import threading; lock = threading.Lock(); total = 0");
    fixture_detach();
    cr_assert_eq(uv_barrier_init(&together, THREADS), 0);
    for (int i = 0; i < THREADS; i++) {
        threads[i].together = &together;
        cr_assert_eq(uv_thread_create(&ids[i], thread_main, &threads[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        uv_thread_join(&ids[i]);
    uv_barrier_destroy(&together);
    fixture_attach();
    for (int i = 0; i < THREADS; i++)
        cr_expect(threads[i].status == 0 && threads[i].detached_after_open && threads[i].closed,
                  "thread %d: status %d, detached after open %d, closed %d", i, threads[i].status,
                  threads[i].detached_after_open, threads[i].closed);
    PY_CHECK("8 threads, 200 rounds each", ((py_case_t[]){{"total", "1600"}}));
}

Test(bridge_thread, the_main_thread_is_left_detached_by_open, .init = fixture_open,
     .fini = fixture_close)
{
    fixture_detach();
    cr_expect(compat_current_thread() == NULL);
    fixture_attach();
    cr_expect(compat_current_thread() == fixture.python.tstate);
    PY_CHECK("the thread of bridge_open()", ((py_case_t[]){
                                                {"(__import__('threading').current_thread() is "
                                                 "__import__('threading').main_thread())",
                                                 "True"},
                                            }));
}

/* ---- Further interpreters -------------------------------------------------------------------- */

#if PY_VERSION_HEX >= 0x030C0000 && !defined(Py_GIL_DISABLED)

/* In a thread of its own: an interpreter in which `shared`, a module of the first one, isn't known. */
typedef struct {
    int  opened;
    bool known, detached_after_open, loaded;
} isolated_t;

static void isolated_main(void *arg)
{
    const bridge_options_t options = {.ask_for_tasks = true};
    isolated_t            *self = arg;
    bridge_thread_t        python;
    bridge_t              *bridge = NULL;

    self->opened = bridge_open_isolated(&bridge, fixture.bridge, &options, &python);
    if (self->opened != 0)
        return;
    self->detached_after_open = compat_current_thread() == NULL;
    bridge_attach(&python);
    self->known = PyDict_GetItemString(PyImport_GetModuleDict(), "shared") != NULL;
    self->loaded =
        bridge->module != fixture.bridge->module && bridge->state != fixture.bridge->state;
    bridge_detach(&python);
    bridge_close(bridge, &python);
}

Test(bridge_isolated, knows_nothing_of_the_first_interpreter, .init = fixture_open,
     .fini = fixture_close)
{
    py_module("shared", "value = 1\n");
    py_run("import shared");
    for (int i = 0; i < 3; i++) {
        isolated_t  isolated = {.opened = -1};
        uv_thread_t thread;

        fixture_detach();
        cr_assert_eq(uv_thread_create(&thread, isolated_main, &isolated), 0);
        uv_thread_join(&thread);
        fixture_attach();
        cr_expect(isolated.opened == 0 && isolated.detached_after_open && !isolated.known &&
                      isolated.loaded,
                  "time %d: opened %d, detached %d, knows the other's modules %d, has its own %d",
                  i, isolated.opened, isolated.detached_after_open, isolated.known,
                  isolated.loaded);
    }
    cr_expect_null(bridge_no_isolation());
    PY_CHECK("the first one afterwards", ((py_case_t[]){{"shared.value", "1"}}));
}

#else

Test(bridge_isolated, is_refused_with_the_reason, .init = fixture_open, .fini = fixture_close)
{
    bridge_options_t options = {0};
    bridge_thread_t  thread;
    bridge_t        *bridge;
    capture_t        capture;
    char            *said;

    cr_assert_not_null(bridge_no_isolation());
    fixture_detach();
    capture_begin(&capture, STDERR_FILENO);
    cr_expect_eq(bridge_open_isolated(&bridge, fixture.bridge, &options, &thread), -1);
    said = capture_end(&capture);
    cr_expect_not_null(strstr(said, bridge_no_isolation()), "said %s", said);
    free(said);
    fixture_attach();
}

#endif

/* ---- asyncio --------------------------------------------------------------------------------- */

Test(bridge_asyncio, is_looked_up_once_and_can_be_closed_unopened, .init = fixture_open,
     .fini = fixture_close)
{
    bridge_asyncio_t names = {0};

    fixture_detach();
    bridge_asyncio_close(&names, &fixture.python);
    cr_assert_eq(bridge_asyncio_open(&names, &fixture.python), 0);
    fixture_attach();
    cr_expect(PyUnicode_CHECK_INTERNED(names.add_done_callback) &&
              PyUnicode_CHECK_INTERNED(names.result) && PyUnicode_CHECK_INTERNED(names.cancel));
    py_set("names", Py_BuildValue("[OOO]", names.add_done_callback, names.result, names.cancel));
    py_set("functions", Py_BuildValue("[OO]", names.run_coroutine_threadsafe, names.wrap_future));
    py_set("keyword", Py_NewRef(names.loop_keyword));
    py_run("import asyncio");
    PY_CHECK("what was found",
             ((py_case_t[]){
                 {"names", "['add_done_callback', 'result', 'cancel']"},
                 {"functions == [asyncio.run_coroutine_threadsafe, asyncio.wrap_future]", "True"},
                 {"keyword", "('loop',)"},
             }));
    fixture_detach();
    bridge_asyncio_close(&names, &fixture.python);
    cr_expect(names.add_done_callback == NULL && names.result == NULL && names.cancel == NULL &&
              names.wrap_future == NULL && names.loop_keyword == NULL);
}
