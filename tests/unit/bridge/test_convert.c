/*
 * common/bridge/convert.c and response.c: what a handler returns or raises, as an answer; and what
 * of it stands in the log, once. All on the thread that has the result, attached.
 */
#include "tests/support/text.h"
#include "tests/unit/bridge/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "common/http/internal.h"

TestSuite(bridge_convert, .init = fixture_open, .fini = fixture_close);
TestSuite(bridge_response_object, .init = fixture_open, .fini = fixture_close);

static const char five_hundred[] = "500 text/plain; charset=utf-8 | 500 Internal Server Error\n";

typedef struct {
    char *answer; /* response_show() of it */
    char *log;    /* what was written to standard error meanwhile */
} outcome_t;

/* The answer to a request whose handler returned this expression's value, or raised. */
static outcome_t convert(const char *expression)
{
    http_request_t *req = request_make(&(request_spec_t){.target = "/path?q=1"});
    PyObject       *globals = PyModule_GetDict(PyImport_AddModule("__main__")); /* borrowed */
    PyObject       *value;
    outcome_t       outcome;
    capture_t       capture;

    capture_begin(&capture, 2);
    value = PyRun_String(expression, Py_eval_input, globals, globals); /* new */
    outcome.answer = response_show(bridge_response(req, value));
    cr_expect(!PyErr_Occurred(), "%s: an exception is left behind", expression);
    PyErr_Clear();
    Py_XDECREF(value);
    PyGC_Collect(); /* warnings of what was forgotten are part of the outcome */
    outcome.log = capture_end(&capture);
    http_request_unref(req);
    return outcome;
}

static void outcome_free(outcome_t *outcome)
{
    free(outcome->answer);
    free(outcome->log);
}

typedef struct {
    const char *expression, *answer;
} answer_case_t;

static void check_answers(const answer_case_t *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        outcome_t seen = convert(cases[i].expression);

        cr_expect_str_eq(seen.answer, cases[i].answer, "%s\n  expected %s\n  seen     %s",
                         cases[i].expression, cases[i].answer, seen.answer);
        cr_expect_str_empty(seen.log, "%s logged: %s", cases[i].expression, seen.log);
        outcome_free(&seen);
    }
}

/* ---- Values ---------------------------------------------------------------------------------- */

Test(bridge_convert, makes_answers_of_plain_values)
{
    static const answer_case_t cases[] = {
        {"'Hello'", "200 text/plain; charset=utf-8 | Hello"},
        {"''", "200 text/plain; charset=utf-8 | "},
        {"'caf\\xe9 \\U0001F600'", "200 text/plain; charset=utf-8 | caf\xc3\xa9 \xf0\x9f\x98\x80"},
        {"b'\\x00\\xff'", "200 application/octet-stream | "},
        {"b'raw'", "200 application/octet-stream | raw"},
        {"{}", "200 application/json | {}"},
        {"[]", "200 application/json | []"},
        {"{'a': [1, None, True, 1.5], 'b': 'x'}",
         "200 application/json | {\"a\":[1,null,true,1.5],\"b\":\"x\"}"},
        {"['\\xe9', '\"', '\\n']", "200 application/json | [\"\xc3\xa9\",\"\\\"\",\"\\n\"]"},
        {"[1, (2, 3)]", "200 application/json | [1,[2,3]]"},
        {"S('sub')", "200 text/plain; charset=utf-8 | sub"},
        {"B(b'sub')", "200 application/octet-stream | sub"},
        {"D(a=1)", "200 application/json | {\"a\":1}"},
        {"L([1])", "200 application/json | [1]"},
        {"collections.OrderedDict(b=1, a=2)", "200 application/json | {\"b\":1,\"a\":2}"},
    };

    py_run("import collections\n"
           "class S(str): pass\n"
           "class B(bytes): pass\n"
           "class D(dict): pass\n"
           "class L(list): pass\n");
    check_answers(cases, sizeof cases / sizeof cases[0]);
}

Test(bridge_convert, keeps_every_byte_of_a_body)
{
    http_request_t  *req = request_make(&(request_spec_t){.target = "/"});
    PyObject        *value = py_eval("bytes(range(256)) * 400"); /* new: 102,400 bytes */
    http_response_t *resp = bridge_response(req, value);
    const char      *body;

    cr_assert(resp != NULL && resp->body_len == 102400, "%zu bytes",
              resp == NULL ? 0 : resp->body_len);
    body = http_response_body(resp);
    for (size_t i = 0; i < resp->body_len; i++)
        cr_assert(body[i] == (char)(i % 256), "byte %zu is %d", i, body[i]);
    http_response_free(resp);
    Py_DECREF(value);
    http_request_unref(req);
}

Test(bridge_convert, makes_answers_of_response_objects)
{
    static const answer_case_t cases[] = {
        {"Response()", "200 application/octet-stream | "},
        {"Response('text')", "200 text/plain; charset=utf-8 | text"},
        {"Response({'a': 1}, 201)", "201 application/json | {\"a\":1}"},
        {"Response([1], status=404, content_type='application/problem+json')",
         "404 application/problem+json | [1]"},
        {"Response(b'x', headers={'X-A': '1', 'x-b': 'two'})",
         "200 application/octet-stream | X-A: 1 | x-b: two | x"},
        {"Response('x', headers=[('Set-Cookie', 'a'), ('Set-Cookie', 'b')])",
         "200 text/plain; charset=utf-8 | Set-Cookie: a | Set-Cookie: b | x"},
        {"Response('x', headers=(p for p in (['A', '']  ,)))",
         "200 text/plain; charset=utf-8 | A:  | x"},
        {"Response('x', headers={'A': 'caf\\xe9\\t'})",
         "200 text/plain; charset=utf-8 | A: caf\xe9\t | x"},
        {"Response('x', 599, None, None)", "599 text/plain; charset=utf-8 | x"},
        {"Response(body='x', status=200, headers={}, content_type='')", "200  | x"},
    };

    py_run("from looplab import Response");
    check_answers(cases, sizeof cases / sizeof cases[0]);
}

Test(bridge_response_object, mistakes_raise_where_they_are_made)
{
    py_run("from looplab import Response");
    PY_CHECK(
        "mistakes",
        ((py_case_t[]){
            {"Response(status=199)", "ValueError: status 199 is not in 200..599"},
            {"Response(status=600)", "ValueError: status 600 is not in 200..599"},
            {"Response(status=-1)", "ValueError: status -1 is not in 200..599"},
            {"Response(status='200')",
             "TypeError: 'str' object cannot be interpreted as an integer"},
            {"Response(1)", "TypeError: a body is str, bytes, dict or list, not int"},
            {"Response(None)", "TypeError: a body is str, bytes, dict or list, not NoneType"},
            {"Response(bytearray(b'x'))",
             "TypeError: a body is str, bytes, dict or list, not bytearray"},
            {"Response('x', content_type=1)",
             "TypeError: header names and values are str, not int"},
            {"Response('x', content_type='a\\r\\nB: c')",
             "ValueError: content_type 'a\\r\\nB: c' is no header value"},
            {"Response('x', headers={'A': 'b\\nC: d'})",
             "ValueError: 'b\\nC: d' is no header value"},
            {"Response('x', headers={'A': 'b\\0'})", "ValueError: 'b\\x00' is no header value"},
            {"Response('x', headers={'A B': 'c'})", "ValueError: 'A B' is no header name"},
            {"Response('x', headers={'': 'c'})", "ValueError: '' is no header name"},
            {"Response('x', headers={'A:': 'c'})", "ValueError: 'A:' is no header name"},
            {"Response('x', headers={'\\xe9': 'c'})", "ValueError: '\xc3\xa9' is no header name"},
            {"Response('x', headers={'A': 1})",
             "TypeError: header names and values are str, not int"},
            {"Response('x', headers={b'A': 'c'})",
             "TypeError: header names and values are str, not bytes"},
            {"Response('x', headers=[('A', 'b', 'c')])",
             "ValueError: headers are a dict or pairs of (name, value)"},
            {"Response('x', headers=[1])", "TypeError: 'int' object is not iterable"},
            {"Response('x', headers=1)", "TypeError: 'int' object is not iterable"},
        }));
    PY_CHECK("names and text that Latin-1 can't carry",
             ((py_case_t[]){
                 {"Response('x', headers={'A': '\\u20ac'})",
                  "UnicodeEncodeError: 'latin-1' codec can't encode character '\\u20ac' in "
                  "position 0: ordinal not in range(256)"},
                 {"Response('x', content_type='\\u20ac')",
                  "UnicodeEncodeError: 'latin-1' codec can't encode character '\\u20ac' in "
                  "position 0: ordinal not in range(256)"},
             }));
}

Test(bridge_response_object, shows_its_status_and_body_read_only)
{
    py_run("from looplab import Response\nbody = {'a': 1}\nr = Response(body, 201)");
    PY_CHECK("attributes",
             ((py_case_t[]){
                 {"(r.status, r.body is body)", "(201, True)"},
                 {"(Response().status, Response().body)", "(200, b'')"},
                 {"setattr(r, 'status', 1)", "AttributeError: attribute 'status' of "
                                             "'looplab.Response' objects is not writable"},
             }));
}

Test(bridge_response_object, takes_a_content_type_of_255_bytes_and_no_more)
{
    outcome_t seen;

    py_run("from looplab import Response");
    seen = convert("Response('x', content_type='t' * 255)");
    cr_expect_eq(strlen(seen.answer), strlen("200  | x") + 255, "255 bytes: %s", seen.answer);
    outcome_free(&seen);
    seen = convert("Response('x', content_type='\\xe9' * 255)");
    cr_expect(count_of(seen.answer, "\xe9") == 255,
              "255 characters beyond ASCII, as the Latin-1 bytes that were checked; seen %s",
              seen.answer);
    outcome_free(&seen);
    py_run("try: Response('x', content_type='t' * 256); refused = False\n"
           "except ValueError: refused = True\n");
    PY_CHECK("256 bytes", ((py_case_t[]){{"refused", "True"}}));
}

/* ---- Exceptions ------------------------------------------------------------------------------ */

typedef struct {
    const char *expression, *logged;
} error_case_t;

/* Each is a 500 that tells the client nothing and the log everything, once. */
static void check_errors(const error_case_t *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        outcome_t seen = convert(cases[i].expression);

        cr_expect_str_eq(seen.answer, five_hundred, "%s: seen %s", cases[i].expression,
                         seen.answer);
        cr_expect(count_of(seen.log, cases[i].logged) == 1, "%s\n  expected once %s\n  logged %s",
                  cases[i].expression, cases[i].logged, seen.log);
        cr_expect(
            count_of(seen.log, " error GET /path?q=1: 500, raised in handler (test.py:1)\n") == 1,
            "%s: the headline, once, in %s", cases[i].expression, seen.log);
        cr_expect(count_of(seen.log, "Warning") == 0, "%s: a warning in %s", cases[i].expression,
                  seen.log);
        outcome_free(&seen);
    }
}

Test(bridge_convert, what_cannot_be_an_answer_is_a_500)
{
    static const error_case_t cases[] = {
        {"None", "TypeError: a handler returns str, bytes, dict, list or Response, not NoneType"},
        {"42", "TypeError: a handler returns str, bytes, dict, list or Response, not int"},
        {"(1, 2)", "TypeError: a handler returns str, bytes, dict, list or Response, not tuple"},
        {"bytearray()", "not bytearray"},
        {"iter([])", "not list_iterator"},
        {"agen()", "not async_generator"},
        {"[object()]", "TypeError: Object of type object is not JSON serializable"},
        {"{1, 2}", "not set"},
        {"{(1, 2): 3}", "TypeError: keys must be str, int, float, bool or None, not tuple"},
        {"cycle", "ValueError: Circular reference detected"},
        {"'\\ud800'", "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800'"},
        {"{'a': '\\ud800'}", "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800'"},
        {"Response('\\ud800')", "UnicodeEncodeError"},
        {"Response([object()])", "TypeError: Object of type object is not JSON serializable"},
        {"Response('x', headers={'Content-Length': '1'})",
         "ValueError: header b'Content-Length' is the server's to set"},
        {"Response('x', headers={'transfer-encoding': 'chunked'})",
         "ValueError: header b'transfer-encoding' is the server's to set"},
        {"Response('x', headers={'A': 'x' * 40000})",
         "ValueError: header b'A': the headers are larger than 32 KiB"},
    };

    py_run("from looplab import Response\n"
           "cycle = []; cycle.append(cycle)\n"
           "async def agen(): yield 1\n");
    check_errors(cases, sizeof cases / sizeof cases[0]);
}

Test(bridge_convert, an_exception_is_a_500_with_its_traceback_in_the_log_once)
{
    static const error_case_t cases[] = {
        {"fail(RuntimeError('secret'))", "RuntimeError: secret"},
        {"fail(KeyError('k'))", "KeyError: 'k'"},
        {"fail(Chained())", "During handling of the above exception"},
        {"fail(SystemExit(3))", "SystemExit: 3"},
        {"fail(KeyboardInterrupt())", "KeyboardInterrupt"},
        {"fail(GeneratorExit())", "GeneratorExit"},
        {"fail(BaseException('base'))", "BaseException: base"},
        {"fail(ExceptionGroup('g', [ValueError('inner')]))", "ValueError: inner"},
        {"fail(ValueError('\\udc80'))", "ValueError: \\udc80"},
        {"fail(BadStr())", "BadStr: <exception str() failed>"},
    };
    outcome_t seen;

    py_run("def fail(e):\n"
           "    if isinstance(e, Chained):\n"
           "        try: 1 / 0\n"
           "        except ZeroDivisionError: raise KeyError('second')\n"
           "    raise e\n"
           "class Chained(Exception): pass\n"
           "class BadStr(Exception):\n"
           "    def __str__(self): raise ValueError\n");
    check_errors(cases, sizeof cases / sizeof cases[0]);
    seen = convert("fail(RuntimeError('secret'))");
    cr_expect(count_of(seen.log, "Traceback (most recent call last)") == 1 &&
                  count_of(seen.log, "in fail") == 1,
              "one traceback, with the function that raised: %s", seen.log);
    cr_expect(strstr(seen.answer, "secret") == NULL, "the client is told nothing: %s", seen.answer);
    outcome_free(&seen);
}

/* The text of an exception may come from a client: it can't begin a line of its own in the log. */
Test(bridge_convert, an_exception_cannot_forge_a_line_of_the_log)
{
    outcome_t seen;

    py_run("def fail(e): raise e");
    seen = convert("fail(ValueError('a\\n2026-01-01T00:00:00.000Z error forged\\r\\x1b[2J'))");
    cr_expect(count_of(seen.log, "\n2026-01-01T00") == 0 && count_of(seen.log, "\x1b") == 0 &&
                  count_of(seen.log, "\r") == 0,
              "logged %s", seen.log);
    outcome_free(&seen);
}

Test(bridge_convert, a_cancelled_handler_is_a_503_and_no_error)
{
    py_run("import asyncio\n"
           "class Mine(asyncio.CancelledError): pass\n"
           "def fail(e): raise e\n");
    check_answers(
        (answer_case_t[]){
            {"fail(asyncio.CancelledError())",
             "503 text/plain; charset=utf-8 | 503 Service Unavailable\n"},
            {"fail(Mine('by hand'))", "503 text/plain; charset=utf-8 | 503 Service Unavailable\n"},
        },
        2);
}

Test(bridge_convert, an_exception_without_a_traceback_is_logged_all_the_same)
{
    PyObject *format_exception = fixture.bridge->state->format_exception;

    py_run("def fail(e): raise e");
    fixture.bridge->state->format_exception = py_eval("fail"); /* raises what it is to format */
    check_errors((error_case_t[]){{"fail(ValueError('x'))", "(no traceback could be made)"}}, 1);
    Py_DECREF(fixture.bridge->state->format_exception);
    fixture.bridge->state->format_exception = format_exception;
}

/* ---- Awaitables ------------------------------------------------------------------------------ */

Test(bridge_convert, an_awaitable_is_refused_closed_and_explained)
{
    static const error_case_t cases[] = {
        {"coroutine()", "TypeError: the handler returned an awaitable (coroutine)"},
        {"Awaitable()", "TypeError: the handler returned an awaitable (Awaitable)"},
        {"future", "TypeError: the handler returned an awaitable (_asyncio.Future)"},
        {"stubborn()", "TypeError: the handler returned an awaitable (coroutine)"},
    };
    outcome_t seen;

    py_run("import asyncio, warnings\n"
           "warnings.simplefilter('always')\n"
           "async def coroutine(): return 'x'\n"
           "class Awaitable:\n"
           "    def __await__(self): yield\n"
           "loop = asyncio.new_event_loop()\n"
           "future = loop.create_future()\n"
           "import types\n"
           "@types.coroutine\n"
           "def suspend(): yield\n"
           "async def holds_on():\n"
           "    try: await suspend()\n"
           "    except GeneratorExit: raise ValueError('while closing')\n"
           "def stubborn():\n"
           "    c = holds_on(); c.send(None); return c\n");
    check_errors(cases, sizeof cases / sizeof cases[0]);
    seen = convert("coroutine()");
    cr_expect(count_of(seen.log, "never awaited") == 0 && count_of(seen.log, "`async def`") == 1,
              "says what to do, and nobody warns: %s", seen.log);
    outcome_free(&seen);
    py_run("kept = coroutine()");
    seen = convert("kept");
    outcome_free(&seen);
    PY_CHECK("it is closed", ((py_case_t[]){{"kept.cr_frame", "None"}}));
    py_run("loop.close()");
}

/* ---- Calling --------------------------------------------------------------------------------- */

Test(bridge_convert, calls_the_handler_with_a_request_that_dies_with_it)
{
    http_request_t *req = request_make(&(request_spec_t){.target = "/called"});
    PyObject       *value;

    py_run("seen = []\n"
           "def handler(request):\n"
           "    seen.append(request.target)\n"
           "    return 'x'\n");
    fixture.route.handler = py_eval("handler");
    value = bridge_call_handler(req); /* new */
    cr_assert(value != NULL && PyUnicode_Check(value));
    Py_DECREF(value);
    PY_CHECK("the handler", ((py_case_t[]){{"seen", "['/called']"}}));
    cr_expect_eq(atomic_load(&req->refs), 1u, "references left: %u", atomic_load(&req->refs));
    Py_CLEAR(fixture.route.handler);
    http_request_unref(req);
}

Test(bridge_convert, a_handler_that_raises_or_takes_no_request_is_a_null)
{
    http_request_t          *req = request_make(&(request_spec_t){.target = "/"});
    static const char *const handlers[] = {"lambda request: 1 / 0", "lambda: 1"};

    for (size_t i = 0; i < 2; i++) {
        fixture.route.handler = py_eval(handlers[i]);
        cr_expect(bridge_call_handler(req) == NULL && PyErr_Occurred(), "%s", handlers[i]);
        PyErr_Clear();
        Py_CLEAR(fixture.route.handler);
    }
    cr_expect_eq(atomic_load(&req->refs), 1u, "references left: %u", atomic_load(&req->refs));
    http_request_unref(req);
}

Test(bridge_convert, a_request_that_the_handler_keeps_outlives_the_servers_reference)
{
    http_request_t *req = request_make(&(request_spec_t){.target = "/kept"});
    PyObject       *value;

    py_run("kept = []\ndef handler(request): kept.append(request); return 'x'");
    fixture.route.handler = py_eval("handler");
    value = bridge_call_handler(req); /* new */
    Py_XDECREF(value);
    cr_expect_eq(atomic_load(&req->refs), 2u);
    http_request_unref(req);
    PY_CHECK("kept", ((py_case_t[]){{"kept[0].target", "'/kept'"}}));
    Py_CLEAR(fixture.route.handler);
}
