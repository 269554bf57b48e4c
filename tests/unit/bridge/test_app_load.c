/*
 * common/bridge/app_load.c: importing an app, telling its handlers' kinds apart, hooks and routes.
 * What is wrong is said on standard error to whoever has just typed the command, so the messages
 * are tested too.
 */
#include "tests/support/text.h"
#include "tests/unit/bridge/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/internal.h"

TestSuite(bridge_app_load, .init = fixture_open, .fini = fixture_close);
TestSuite(bridge_add_routes, .init = fixture_open, .fini = fixture_close);
TestSuite(bridge_hooks, .init = fixture_open, .fini = fixture_close);

/* Load it, expecting `expected` (0 or -1). returns what was said; the app is NULL on failure */
static char *load(const char *spec, bridge_kind_t kind, int expected, bridge_app_t **app)
{
    capture_t capture;
    char     *said;
    int       err;

    *app = NULL;
    capture_begin(&capture, 2);
    err = bridge_app_load(fixture.bridge, spec, kind, app);
    said = capture_end(&capture);
    cr_expect_eq(err, expected, "loading %s: expected %d, seen %d; said %s", spec, expected, err,
                 said);
    cr_expect(!PyErr_Occurred(), "loading %s leaves an exception", spec);
    PyErr_Clear();
    return said;
}

/* Load it and free it; what is said must contain `part` (NULL: nothing is said). */
static void check_load(const char *spec, bridge_kind_t kind, int expected, const char *part)
{
    bridge_app_t *app;
    char         *said = load(spec, kind, expected, &app);

    if (part == NULL)
        cr_expect_str_empty(said, "loading %s said %s", spec, said);
    else
        cr_expect(strstr(said, part) != NULL, "loading %s\n  expected %s\n  said     %s", spec,
                  part, said);
    bridge_app_free(app);
    free(said);
}

/* ---- Finding the app ------------------------------------------------------------------------- */

Test(bridge_app_load, a_spec_is_module_colon_object)
{
    static const char *const specs[] = {"", ":", "mymodule", "mymodule:", ":app"};
    char                    *spec, *expected;

    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        cr_assert(asprintf(&expected, "--app %s: expected MODULE:OBJECT, such as mymodule:app",
                           specs[i]) > 0);
        check_load(specs[i], BRIDGE_SYNC, -1, expected);
        free(expected);
    }
    spec = malloc(400);
    cr_assert_not_null(spec);
    memset(spec, 'm', 400);
    memcpy(spec + 300, ":app", 5);
    check_load(spec, BRIDGE_SYNC, -1, "expected MODULE:OBJECT");
    free(spec);
}

Test(bridge_app_load, says_what_is_wrong_with_module_or_object)
{
    static const struct {
        const char *spec, *part;
    } cases[] = {
        {"no_such_module:app", "ModuleNotFoundError: No module named 'no_such_module'\n--app "
                               "no_such_module:app: importing no_such_module failed (see above); "
                               "it is looked for in the working directory first\n"},
        {"broken:app", "ZeroDivisionError: division by zero\n--app broken:app"},
        {"broken:app", "/broken.py\", line 2, in <module>\n"},
        {"syntax:app", "SyntaxError"},
        {"exits:app", "SystemExit: 0\n--app exits:app: importing exits failed"},
        {"stopped:app", "KeyboardInterrupt\n--app stopped:app"},
        {"garbled:app", "ValueError: \\udc80\n--app garbled:app"},
        {"objects:none", "objects.none doesn't exist; expected a looplab.App, such as `app = "
                         "App()`\n"},
        {"objects:text", "objects.text is something else; expected a looplab.App"},
        {"objects:kind", "objects.kind is something else"},
        {"objects:app.x", "objects.app.x doesn't exist"},
    };

    py_module("broken", "import os\n1 / 0\n");
    py_module("syntax", "def\n");
    py_module("exits", "import sys; sys.exit(0)\n");
    py_module("stopped", "raise KeyboardInterrupt\n");
    py_module("garbled", "raise ValueError('\\udc80')\n");
    py_module("objects", "from looplab import App\napp = App()\ntext = 'app'\nkind = App\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_load(cases[i].spec, BRIDGE_SYNC, -1, cases[i].part);
    check_load("objects:app", BRIDGE_SYNC, 0, NULL);
}

Test(bridge_app_load, freezes_the_app)
{
    bridge_app_t *app;

    py_module("frozen", "from looplab import App\napp = App()\n");
    free(load("frozen:app", BRIDGE_SYNC, 0, &app));
    py_run("import frozen");
    PY_CHECK("afterwards", ((py_case_t[]){
                               {"frozen.app.get('/')(len)",
                                "RuntimeError: the app is serving already: add routes and hooks "
                                "while its module is imported"},
                           }));
    bridge_app_free(app);
    bridge_app_free(NULL);
}

Test(bridge_app_load, the_bundled_apps_are_found_and_right)
{
    check_load("sync_app:app", BRIDGE_SYNC, 0, NULL);
    check_load("async_app:app", BRIDGE_ASYNC, 0, NULL);
}

/* ---- Kinds ----------------------------------------------------------------------------------- */

/* Python that adds one handler at "/"; its name in the message, its kind, its line (0: none). */
typedef struct {
    const char   *source, *name;
    bridge_kind_t kind;
    int           line;
} kind_case_t;

static const char kinds_head[] = "import functools, inspect\n"
                                 "from looplab import App\n"
                                 "app = App()\n"
                                 "def sync(request): pass\n"
                                 "async def coro(request): pass\n"
                                 "async def agen(request): yield 1\n"
                                 "async def two(extra, request): pass\n"
                                 "class Called:\n"
                                 "    async def __call__(self, request): pass\n"
                                 "class SyncCalled:\n"
                                 "    def __call__(self, request): pass\n"
                                 "class Methods:\n"
                                 "    async def coro(self, request): pass\n"
                                 "    def sync(self, request): pass\n"
                                 "    @staticmethod\n"
                                 "    async def static(request): pass\n"
                                 "    @classmethod\n"
                                 "    async def cls(cls, request): pass\n"
                                 "def wrapped(f):\n"
                                 "    @functools.wraps(f)\n"
                                 "    def wrapper(request): return f(request)\n"
                                 "    return wrapper\n"
                                 "def async_wrapped(f):\n"
                                 "    @functools.wraps(f)\n"
                                 "    async def wrapper(request): return f(request)\n"
                                 "    return wrapper\n";

static const kind_case_t kinds[] = {
    {"app.get('/')(sync)", "sync", BRIDGE_SYNC, 4},
    {"app.get('/')(coro)", "coro", BRIDGE_ASYNC, 5},
    {"app.get('/')(agen)", "agen", BRIDGE_SYNC, 6},
    {"app.get('/')(lambda request: 'x')", "<lambda>", BRIDGE_SYNC, 28},
    {"app.get('/')(lambda request: coro(request))", "<lambda>", BRIDGE_SYNC, 28},
    {"app.get('/')(functools.partial(two, 1))", "two", BRIDGE_ASYNC, 7},
    {"app.get('/')(functools.partial(sync))", "sync", BRIDGE_SYNC, 4},
    {"app.get('/')(functools.partial(functools.partial(two), 1))", "two", BRIDGE_ASYNC, 7},
    {"app.get('/')(wrapped(coro))", "coro", BRIDGE_ASYNC, 5},
    {"app.get('/')(wrapped(sync))", "sync", BRIDGE_SYNC, 4},
    {"app.get('/')(wrapped(wrapped(coro)))", "coro", BRIDGE_ASYNC, 5},
    {"app.get('/')(async_wrapped(sync))", "sync", BRIDGE_ASYNC, 24},
    {"app.get('/')(wrapped(functools.partial(two, 1)))", "two", BRIDGE_ASYNC, 7},
    {"app.get('/')(Called())", "Called.__call__", BRIDGE_ASYNC, 9},
    {"app.get('/')(SyncCalled())", "SyncCalled.__call__", BRIDGE_SYNC, 11},
    {"app.get('/')(functools.partial(Called()))", "Called.__call__", BRIDGE_ASYNC, 9},
    {"app.get('/')(Methods().coro)", "Methods.coro", BRIDGE_ASYNC, 13},
    {"app.get('/')(Methods().sync)", "Methods.sync", BRIDGE_SYNC, 14},
    {"app.get('/')(Methods().static)", "Methods.static", BRIDGE_ASYNC, 15},
    {"app.get('/')(Methods.cls)", "Methods.cls", BRIDGE_ASYNC, 17},
    {"app.get('/')(len)", "<built-in function len>", BRIDGE_SYNC, 0},
    {"app.get('/')(str)", "<class 'str'>", BRIDGE_SYNC, 0},
    {"app.get('/')(functools.lru_cache(sync))", "sync", BRIDGE_SYNC, 4},
};

/* What is said of it where the other kind is wanted begins with name, file and line, and advises. */
static void check_message(const kind_case_t *test, const char *said)
{
    char *line;

    cr_assert(asprintf(&line, test->line == 0 ? " is " : "/kinds.py:%d) is ", test->line) > 0);
    cr_expect(strncmp(said, test->name, strlen(test->name)) == 0 && count_of(said, line) == 1 &&
                  count_of(said, "\n") == 1,
              "%s\n  expected a line %s...%s\n  said %s", test->source, test->name, line, said);
    cr_expect(strstr(said, test->kind == BRIDGE_SYNC
                               ? "make it `async def`, or serve it with lab3"
                               : "make it `def`, or serve it with lab1") != NULL,
              "%s: the message says what to do: %s", test->source, said);
    free(line);
}

static void check_kind(const kind_case_t *test, bridge_kind_t lab)
{
    bridge_app_t *app;
    char         *source, *said;

    cr_assert(asprintf(&source, "%s\n%s\n", kinds_head, test->source) > 0);
    py_module("kinds", source);
    free(source);
    said = load("kinds:app", lab, lab == BRIDGE_EITHER || test->kind == lab ? 0 : -1, &app);
    if (lab == BRIDGE_EITHER || test->kind == lab)
        cr_expect_str_empty(said, "%s: said %s", test->source, said);
    else
        check_message(test, said);
    bridge_app_free(app);
    free(said);
    py_run("import sys; sys.modules.pop('kinds', None)");
}

Test(bridge_app_load, tells_async_handlers_from_sync_ones)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        check_kind(&kinds[i], BRIDGE_SYNC);
        check_kind(&kinds[i], BRIDGE_ASYNC);
        check_kind(&kinds[i], BRIDGE_EITHER);
    }
}

Test(bridge_app_load, says_everything_that_is_wrong_at_once)
{
    bridge_app_t *app;
    char         *said;

    py_module("wrong", "from looplab import App\n"
                       "app = App()\n"
                       "@app.get('/a')\n"
                       "async def first(request): pass\n"
                       "@app.get('/b')\n"
                       "def right(request): pass\n"
                       "@app.get('/c')\n"
                       "async def second(request): pass\n"
                       "app.route('/d', methods=['BREW'])(right)\n"
                       "app.route('/d', methods=['get'])(right)\n"
                       "app.route('/d', methods=[1])(right)\n"
                       "app.route('/d', methods=['GET\\0'])(right)\n"
                       "app.get('/\\ud800')(right)\n"
                       "app.get('/e\\0f')(right)\n");
    said = load("wrong:app", BRIDGE_SYNC, -1, &app);
    cr_expect(count_of(said, "first (") == 1 && count_of(said, "second (") == 1,
              "both `async def` handlers: %s", said);
    cr_expect(count_of(said, "wrong.py:3)") == 1 && count_of(said, "wrong.py:7)") == 1,
              "with file and line: %s", said);
    cr_expect(count_of(said, "BREW is no method this server implements") == 1 &&
                  count_of(said, "get is no method this server implements") == 1 &&
                  count_of(said, "is no method this server implements") == 4,
              "the methods: %s", said);
    cr_expect(count_of(said, "right (") == 6 && count_of(said, "\n") == 8,
              "two paths and four methods by the name of their handler, a line each: %s", said);
    free(said);
}

/* ---- Routes ---------------------------------------------------------------------------------- */

/* Load a sync app with these lines and add its routes. returns what was said */
static char *add_routes(const char *lines, int expected, bridge_app_t **app)
{
    char     *source, *said;
    capture_t capture;
    int       err;

    cr_assert(asprintf(&source,
                       "from looplab import App\napp = App()\n"
                       "def f(request): pass\ndef g(request): pass\n%s\n",
                       lines) > 0);
    py_module("routes", source);
    free(source);
    free(load("routes:app", BRIDGE_SYNC, 0, app));
    capture_begin(&capture, 2);
    err = bridge_app_add_routes(*app, fixture.router);
    said = capture_end(&capture);
    cr_expect_eq(err, expected, "%s: expected %d, seen %d; said %s", lines, expected, err, said);
    return said;
}

Test(bridge_add_routes, refuses_reserved_double_and_malformed_paths)
{
    static const struct {
        const char *lines, *part;
    } cases[] = {
        {"app.get('/native')(g)", ": /native is the lab's own: choose another path\n"},
        {"app.get('/native/x')(g)", ": /native/x is the lab's own"},
        {"app.post('/metrics')(g)", ": /metrics is the lab's own"},
        {"app.get('/_lab/{x}')(g)", ": /_lab/{x} is the lab's own"},
        {"app.get('/a')(f); app.get('/a')(g)", ": GET /a has a handler already\n"},
        {"app.get('/a/{x}')(f); app.get('/a/{x}')(g)", ": GET /a/{x} has a handler already\n"},
        {"app.get('')(g)", ": GET  is no path such as /users/{user_id}: segments are text or one "
                           "{name}\n"},
        {"app.get('a')(g)", ": GET a is no path such as"},
        {"app.get('/{a}b')(g)", ": GET /{a}b is no path such as"},
        {"app.get('/{}')(g)", "is no path such as"},
        {"app.get('/a b')(g)", "is no path such as"},
        {"app.get('/a?b')(g)", "is no path such as"},
        {"app.get('/1/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}')(g)", "is no path such as"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bridge_app_t *app;
        char         *said = add_routes(cases[i].lines, -1, &app);

        cr_expect(strstr(said, cases[i].part) != NULL && strncmp(said, "g (", 3) == 0 &&
                      strstr(said, "routes.py:4)") != NULL,
                  "%s\n  expected g (...routes.py:4)%s  said %s", cases[i].lines, cases[i].part,
                  said);
        free(said);
        bridge_app_free(app);
        http_router_free(fixture.router);
        fixture.router = http_router_new();
        py_run("import sys; del sys.modules['routes']");
    }
}

Test(bridge_add_routes, takes_paths_that_only_look_reserved)
{
    bridge_app_t *app;
    char         *said =
        add_routes("app.get('/natively')(f); app.get('/_labs')(f); app.get('/x/native')(f)\n"
                   "app.get('/a')(f); app.post('/a')(f); app.get('/a/')(f)\n"
                   "app.get('/\\xe9')(f)",
                   0, &app);

    cr_expect_str_empty(said, "said %s", said);
    free(said);
    bridge_app_free(app);
}

Test(bridge_add_routes, a_request_finds_its_handler)
{
    http_request_t     *req = request_make(&(request_spec_t){.method = "PUT", .target = "/u/7"});
    const http_route_t *route;
    bridge_app_t       *app;
    bool                known;
    int                 err;

    free(add_routes("@app.route('/u/{id}', methods=('GET', 'PUT'))\n"
                    "def h(request): return request.path_params\n",
                    0, &app));
    route = http_router_match(fixture.router, req, &known, &err);
    cr_assert_not_null(route);
    req->route_arg = route->arg;
    py_set("value", bridge_call_handler(req));
    PY_CHECK("PUT /u/7", ((py_case_t[]){{"value", "{'id': '7'}"}}));
    cr_expect(strncmp(bridge_route(req)->where, "h (", 3) == 0 &&
                  strstr(bridge_route(req)->where, "routes.py:5)") != NULL,
              "where: %s", bridge_route(req)->where);
    http_request_unref(req);
    bridge_app_free(app);
}

/* ---- Hooks ----------------------------------------------------------------------------------- */

static const char hooks_source[] = "from looplab import App\n"
                                   "import asyncio\n"
                                   "app, log = App(), []\n"
                                   "@app.on_startup\n"
                                   "def one(): log.append('up 1')\n"
                                   "@app.on_startup\n"
                                   "def two(): log.append('up 2')\n"
                                   "@app.on_shutdown\n"
                                   "def three(): log.append('down 1')\n"
                                   "@app.on_shutdown\n"
                                   "def four(): log.append('down 2')\n";

Test(bridge_hooks, run_in_order_and_end_in_reverse)
{
    bridge_app_t *app;

    py_module("hooks", hooks_source);
    free(load("hooks:app", BRIDGE_SYNC, 0, &app));
    py_run("from hooks import log");
    PY_CHECK("after loading", ((py_case_t[]){{"log", "[]"}}));
    cr_expect_eq(bridge_app_startup(app, NULL), 0);
    cr_expect_eq(bridge_app_shutdown(app, NULL), 0);
    PY_CHECK("in the end", ((py_case_t[]){{"log", "['up 1', 'up 2', 'down 2', 'down 1']"}}));
    bridge_app_free(app);
}

Test(bridge_hooks, async_hooks_run_to_their_end_on_the_loop)
{
    bridge_app_t *app;
    PyObject     *loop;

    py_module("hooks", "from looplab import App\n"
                       "import asyncio\n"
                       "app, log = App(), []\n"
                       "async def up():\n"
                       "    await asyncio.sleep(0)\n"
                       "    log.append(asyncio.get_running_loop())\n"
                       "app.on_startup(up)\n"
                       "app.on_shutdown(lambda: log.append('sync'))\n"
                       "app.on_shutdown(up)\n");
    free(load("hooks:app", BRIDGE_ASYNC, 0, &app));
    py_run("import asyncio; from hooks import log; loop = asyncio.new_event_loop()");
    loop = py_eval("loop"); /* new */
    cr_expect_eq(bridge_app_startup(app, loop), 0);
    cr_expect_eq(bridge_app_shutdown(app, loop), 0);
    PY_CHECK("hooks on a loop", ((py_case_t[]){{"log == [loop, loop, 'sync']", "True"}}));
    Py_DECREF(loop);
    py_run("loop.close()");
    bridge_app_free(app);
}

Test(bridge_hooks, an_async_hook_is_refused_where_there_is_no_loop)
{
    static const char *const decorators[] = {"on_startup", "on_shutdown"};

    for (size_t i = 0; i < 2; i++) {
        char *source;

        cr_assert(asprintf(&source,
                           "from looplab import App\napp = App()\n"
                           "@app.%s\nasync def hook(): pass\n",
                           decorators[i]) > 0);
        py_module("hooks", source);
        free(source);
        check_load("hooks:app", BRIDGE_SYNC, -1,
                   "hooks.py:3) is an `async def` hook, and this lab has no event loop: make it "
                   "`def`\n");
        py_run("import sys; del sys.modules['hooks']");
        py_module("hooks", "from looplab import App\napp = App()\n"
                           "@app.on_startup\nasync def hook(): pass\n");
        check_load("hooks:app", BRIDGE_ASYNC, 0, NULL);
        py_run("import sys; del sys.modules['hooks']");
    }
}

Test(bridge_hooks, a_start_up_hook_that_raises_ends_the_start_and_is_logged)
{
    bridge_app_t *app;
    capture_t     capture;
    char         *said;
    int           err;

    py_module("hooks", "from looplab import App\n"
                       "app, log = App(), []\n"
                       "app.on_startup(lambda: log.append(1))\n"
                       "app.on_startup(lambda: 1 / 0)\n"
                       "app.on_startup(lambda: log.append(3))\n");
    free(load("hooks:app", BRIDGE_SYNC, 0, &app));
    capture_begin(&capture, 2);
    err = bridge_app_startup(app, NULL);
    said = capture_end(&capture);
    cr_expect(err == -1 && !PyErr_Occurred());
    cr_expect(count_of(said, "ZeroDivisionError") == 1, "logged %s", said);
    free(said);
    py_run("from hooks import log");
    PY_CHECK("those after it don't run", ((py_case_t[]){{"log", "[1]"}}));
    bridge_app_free(app);
}

Test(bridge_hooks, every_shut_down_hook_gets_its_turn)
{
    bridge_app_t *app;
    capture_t     capture;
    char         *said;
    int           err;

    py_module("hooks", "from looplab import App\n"
                       "import sys\n"
                       "app, log = App(), []\n"
                       "app.on_shutdown(lambda: log.append(1))\n"
                       "app.on_shutdown(lambda: sys.exit(3))\n"
                       "app.on_shutdown(lambda: 1 / 0)\n"
                       "app.on_shutdown(lambda: log.append(4))\n");
    free(load("hooks:app", BRIDGE_SYNC, 0, &app));
    capture_begin(&capture, 2);
    err = bridge_app_shutdown(app, NULL);
    said = capture_end(&capture);
    cr_expect(err == -1 && !PyErr_Occurred());
    cr_expect(count_of(said, "ZeroDivisionError") == 1 && count_of(said, "SystemExit: 3") == 1,
              "logged %s", said);
    free(said);
    py_run("from hooks import log");
    PY_CHECK("the others", ((py_case_t[]){{"log", "[4, 1]"}}));
    bridge_app_free(app);
}
