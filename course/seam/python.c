/* An interpreter for seam tests, and fakes of asyncio's loop and task that record what they get. */
#include "course/seam/python.h"

#include <stdio.h>
#include <string.h>

#include "common/bridge/compat.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

seam_record_t        seam_record;
bridge_thread_t      seam_thread;
unsigned             seam_attaches;
http_request_list_t *seam_completed;

static bridge_t    *bridge;
static http_pool_t *pool;
static bool         guarded;

/* Tests end without releasing their requests: these are found here, and count as no leak. */
static http_request_t *requests[8];
static unsigned        request_count;

/*
 * calls: what the code under test has called, in order, as (name, argument). alive counts objects
 * of a kind that exist, so that a reference that is lost shows.
 */
static const char fakes[] =
    "import asyncio, gc, inspect, threading, time, weakref\n"
    "calls, fail = [], set()\n"
    "class Counted:\n"
    "    alive = 0\n"
    "    def __init__(self): type(self).alive += 1\n"
    "    def __del__(self): type(self).alive -= 1\n"
    "class Handle(Counted): alive = 0\n"
    "def note(name, argument):\n"
    "    calls.append((name, argument))\n"
    "    if name in fail: raise RuntimeError(name + ' fails, as this test wants')\n"
    "class Task(Counted):\n"
    "    alive = 0\n"
    "    outcome = 'hello'\n"
    "    def add_done_callback(self, callback, **kw): note('add_done_callback', callback)\n"
    "    def done(self): return False\n"
    "    def result(self):\n"
    "        note('result', None)\n"
    "        if isinstance(self.outcome, BaseException): raise self.outcome\n"
    "        return self.outcome\n"
    "    def cancel(self, *a): note('cancel', None); return True\n"
    "class Loop:\n"
    "    def call_soon_threadsafe(self, callback, *a, **kw):\n"
    "        note('call_soon_threadsafe', callback); return Handle()\n"
    "    def call_soon(self, callback, *a, **kw):\n"
    "        note('call_soon', callback); return Handle()\n"
    "    def create_task(self, coroutine, **kw):\n"
    "        note('create_task', coroutine); return Task()\n"
    "def waiting(name): return lambda *a, **kw: seam_waits(name)\n"
    "time.sleep = waiting('time.sleep()')\n"
    "threading.Thread.start = lambda thread: seam_begins_thread('threading.Thread.start()')\n"
    "loop = Loop()\n"
    "async def hello(request): return 'hello'\n"
    "def raises(request): raise ValueError('this handler fails before it is a coroutine')\n"
    "def names(): return ' '.join(name for name, _ in calls)\n";

static PyObject *on_waits(PyObject *self, PyObject *call)
{
    (void)self;
    seam_waits(PyUnicode_AsUTF8(call));
}

static PyObject *on_begins_thread(PyObject *self, PyObject *call)
{
    (void)self;
    seam_begins_thread(PyUnicode_AsUTF8(call));
}

/* For the fakes: what blocking.h says to C. */
static void add_functions(void)
{
    static PyMethodDef functions[] = {{"seam_waits", on_waits, METH_O, NULL},
                                      {"seam_begins_thread", on_begins_thread, METH_O, NULL},
                                      {NULL, NULL, 0, NULL}};

    if (PyModule_AddFunctions(PyImport_AddModule("__main__"), functions) != 0)
        seam_fail("functions of the test's are in __main__", "they aren't", "");
}

void seam_python_open(void)
{
    bridge_options_t options = {.debug = false};

    if (bridge_open(&bridge, &options, &seam_thread) != 0)
        seam_fail("Python starts", "it doesn't", "");
    pool = http_pool_new();
    bridge_attach(&seam_thread);
    add_functions();
    seam_py_run(fakes);
}

static PyObject *main_dict(void)
{
    return PyModule_GetDict(PyImport_AddModule("__main__")); /* borrowed */
}

static PyObject *run(const char *source, int start)
{
    PyObject *value = PyRun_String(source, start, main_dict(), main_dict()); /* new */

    if (value == NULL) {
        PyErr_Print();
        seam_fail("the test's own Python code runs", source, "see above");
    }
    return value;
}

void seam_py_run(const char *source)
{
    Py_DECREF(run(source, Py_file_input));
}

long seam_py_long(const char *expression)
{
    PyObject *value = run(expression, Py_eval_input); /* new */
    long      number = PyLong_AsLong(value);

    Py_DECREF(value);
    return number;
}

const char *seam_py_show(const char *expression)
{
    static char text[256];
    PyObject   *value = run(expression, Py_eval_input); /* new */
    PyObject   *shown = PyObject_Str(value);            /* new */

    snprintf(text, sizeof text, "%s", shown == NULL ? "?" : PyUnicode_AsUTF8(shown));
    Py_XDECREF(shown);
    Py_DECREF(value);
    return text;
}

PyObject *seam_py_get(const char *name)
{
    return PyDict_GetItemString(main_dict(), name); /* borrowed */
}

/* A GET of "/", for this route. */
static void fill(http_request_t *req, bridge_route_t *route)
{
    if (http_request_head_append(req, "/", 1) != 0)
        seam_fail("memory for a request", "none", "");
    req->method = HTTP_METHOD_GET;
    req->version_minor = 1;
    req->target_len = req->path_len = req->query_at = 1;
    req->route_arg = route;
}

http_request_t *seam_request(const char *handler)
{
    static bridge_route_t route;
    http_request_t       *req = http_pool_take(pool);

    route = (bridge_route_t){.bridge = bridge,
                             .handler = seam_py_get(handler),
                             .method = HTTP_METHOD_GET,
                             .pattern = "/",
                             .where = "handler (seam test)"};
    if (req == NULL || request_count == SEAM_COUNT(requests)) {
        seam_fail("memory for a request", "none", "");
    } else {
        requests[request_count++] = req;
        http_request_ref(req);
        fill(req, &route);
    }
    return req;
}

unsigned seam_references(const http_request_t *req)
{
    return atomic_load(&req->refs) - 1;
}

http_request_list_t *seam_ready(http_request_t *req)
{
    static http_request_list_t list;

    list = (http_request_list_t){0};
    http_request_list_push(&list, req);
    return &list;
}

void seam_expect_no_error(const char *after)
{
    PyObject   *exception = PyErr_Occurred() == NULL ? NULL : compat_take_exception(); /* new */
    PyObject   *words;                                                                 /* new */
    const char *text;

    if (exception == NULL)
        return;
    words = PyObject_Str(exception);
    text = words == NULL ? NULL : PyUnicode_AsUTF8(words);
    seam_fail(seam_text("no Python exception is set after %s", after),
              seam_text("%s: %s", Py_TYPE(exception)->tp_name, text == NULL ? "?" : text),
              "an error is handled in one place, which clears it: bridge_response(req, NULL), "
              "PyErr_Clear()");
}

void seam_expect_calls(const char *expected, const char *cause)
{
    const char *seen;

    seam_expect_no_error("what the test has called");
    seen = seam_py_show("names()");
    SEAM_EXPECT(strcmp(seen, expected) == 0, seam_text("calls, in order: %s", expected), cause,
                "%s; %d answered, %d posted, the last with status %d", *seen ? seen : "none",
                seam_record.answered, seam_record.posted, seam_record.status);
}

void seam_expect_alive(const char *type, const char *cause)
{
    long alive;

    seam_py_run("gc.collect()"); /* an exception and its traceback hold each other */
    alive = seam_py_long(seam_text("%s.alive", type));
    SEAM_EXPECT(alive == 0, seam_text("no %s is left in memory", type), cause, "%ld", alive);
}

Py_ssize_t seam_hold(PyObject *object)
{
    Py_INCREF(object);
    Py_INCREF(object);
    return Py_REFCNT(object);
}

void seam_let_go(PyObject *object, Py_ssize_t held, int released, const char *cause)
{
    Py_ssize_t missing = held - Py_REFCNT(object) - released;

    SEAM_EXPECT(
        missing <= 0,
        seam_text("nobody else's reference to the %s is released", Py_TYPE(object)->tp_name), cause,
        "%zd more %s released", missing, missing == 1 ? "is" : "are");
    Py_DECREF(object);
    Py_DECREF(object);
}

/* Take note; keep the request's reference, which the test looks at. */
static void record(http_response_t *resp)
{
    seam_record.attached = PyGILState_Check() != 0;
    seam_record.error_set = seam_record.attached && PyErr_Occurred() != NULL;
    seam_record.status = resp == NULL ? 0 : http_response_status(resp);
    http_response_free(resp);
}

void seam_guard_requests(void)
{
    guarded = true;
}

/* It is somebody else's now, but for the eight bytes around its references. */
static void hand_over(http_request_t *req)
{
    char  *refs = (char *)&req->refs - (uintptr_t)&req->refs % 8;
    size_t before = (size_t)(refs - (char *)req);

    if (!guarded)
        return;
    ASAN_POISON_MEMORY_REGION(req, before);
    ASAN_POISON_MEMORY_REGION(refs + 8, sizeof *req - before - 8);
}

void seam_respond(http_request_t *req, http_response_t *resp)
{
    seam_record.answered++;
    record(resp);
    hand_over(req);
}

int seam_post(completions_t *queue, http_request_t *req, http_response_t *resp)
{
    (void)queue;
    seam_record.posted++;
    record(resp);
    hand_over(req);
    return 0;
}

bool seam_take(completions_t *queue, http_request_t **req, http_response_t **resp)
{
    (void)queue;
    *resp = NULL;
    *req = seam_completed == NULL ? NULL : http_request_list_pop(seam_completed);
    return *req != NULL;
}
