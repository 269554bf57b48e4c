/*
 * common/bridge/request.c: what a handler sees of a request, built when it asks and once.
 */
#include "tests/unit/bridge/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/internal.h"

TestSuite(bridge_request, .init = fixture_open, .fini = fixture_close);

/* ---- Attributes ------------------------------------------------------------------------------ */

Test(bridge_request, shows_every_part_of_a_request)
{
    request_set(&(request_spec_t){.method = "POST",
                                  .target = "/users/Ann%20B?x=1&y=2",
                                  .pattern = NULL,
                                  .fields = "Host: a\nX-Tag: 1",
                                  .body = "{\"n\": 1}"});
    PY_CHECK("POST /users/Ann%20B?x=1&y=2",
             ((py_case_t[]){
                 {"request", "<Request POST /users/Ann%20B?x=1&y=2>"},
                 {"request.method", "'POST'"},
                 {"request.target", "'/users/Ann%20B?x=1&y=2'"},
                 {"request.path", "'/users/Ann%20B'"},
                 {"request.query_string", "'x=1&y=2'"},
                 {"request.query", "{'x': '1', 'y': '2'}"},
                 {"request.path_params", "{}"},
                 {"request.headers", "{'host': 'a', 'x-tag': '1'}"},
                 {"request.body", "b'{\"n\": 1}'"},
                 {"request.text()", "'{\"n\": 1}'"},
                 {"request.json()", "{'n': 1}"},
                 {"request.http_version", "'1.1'"},
             }));
}

Test(bridge_request, shows_an_empty_request_as_empty)
{
    request_set(&(request_spec_t){.http_1_0 = true});
    PY_CHECK("GET / of HTTP/1.0",
             ((py_case_t[]){
                 {"(request.method, request.target, request.path)", "('GET', '/', '/')"},
                 {"(request.query_string, request.query)", "('', {})"},
                 {"(request.path_params, request.headers)", "({}, {})"},
                 {"(request.body, request.text())", "(b'', '')"},
                 {"request.json()", "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"},
                 {"request.http_version", "'1.0'"},
             }));
}

Test(bridge_request, names_every_method)
{
    static const char *const methods[] = {"GET",     "HEAD",  "POST",  "PUT",
                                          "OPTIONS", "PATCH", "DELETE"};

    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        char *seen;

        request_set(&(request_spec_t){.method = methods[i]});
        seen = py_show("request.method");
        cr_expect(seen[0] == '\'' && strncmp(seen + 1, methods[i], strlen(methods[i])) == 0,
                  "method %s: seen %s", methods[i], seen);
        free(seen);
    }
}

Test(bridge_request, attributes_are_read_only)
{
    request_set(&(request_spec_t){.target = "/"});
    py_run("def kind_of_error(f, *args):\n"
           "    try: f(*args)\n"
           "    except Exception as e: return type(e).__name__\n"
           "names = [n for n in dir(request) if not n.startswith('_')]\n");
    PY_CHECK("setattr, delattr",
             ((py_case_t[]){
                 {"{kind_of_error(setattr, request, n, 1) for n in names}", "{'AttributeError'}"},
                 {"{kind_of_error(delattr, request, n) for n in names}", "{'AttributeError'}"},
                 {"kind_of_error(setattr, request, 'x', 1)", "'AttributeError'"},
             }));
}

/* ---- Decoding -------------------------------------------------------------------------------- */

Test(bridge_request, decodes_the_query)
{
    static const struct {
        const char *target, *expected;
    } cases[] = {
        {"/?a=b+c", "{'a': 'b c'}"},
        {"/?a=b%2Bc%20d", "{'a': 'b+c d'}"},
        {"/?a%3Db=c%26d", "{'a=b': 'c&d'}"},
        {"/?a=", "{'a': ''}"},
        {"/?a", "{'a': ''}"},
        {"/?=b", "{'': 'b'}"},
        {"/?", "{}"},
        {"/?&&", "{}"},
        {"/?a=1&a=2&a=3", "{'a': '3'}"},
        {"/?b=1&a=2&b=3", "{'b': '3', 'a': '2'}"},
        {"/?a=1;b=2", "{'a': '1;b=2'}"},
        {"/?a=b=c", "{'a': 'b=c'}"},
        {"/?a=%C3%A9", "{'a': 'é'}"},
        {"/?a=%FF", "{'a': '\xef\xbf\xbd'}"},
        {"/?a=%", "{'a': '%'}"},
        {"/?a=%zz", "{'a': '%zz'}"},
        {"/?a=%00", "{'a': '\\x00'}"},
        {"/?a?b=c?d", "{'a?b': 'c?d'}"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *seen;

        request_set(&(request_spec_t){.target = cases[i].target});
        seen = py_show("request.query");
        cr_expect_str_eq(seen, cases[i].expected, "query of %s: expected %s, seen %s",
                         cases[i].target, cases[i].expected, seen);
        free(seen);
    }
}

Test(bridge_request, decodes_path_parameters)
{
    static const struct {
        const char *pattern, *target, *expected;
    } cases[] = {
        {"/users/{id}", "/users/7", "{'id': '7'}"},
        {"/users/{id}", "/users/Ann%20B", "{'id': 'Ann B'}"},
        {"/users/{id}", "/users/a+b", "{'id': 'a+b'}"},
        {"/users/{id}", "/users/a%2Fb", "{'id': 'a/b'}"},
        {"/users/{id}", "/users/%C3%A9?id=9", "{'id': 'é'}"},
        {"/users/{id}", "/users/%FF", "{'id': '\xef\xbf\xbd'}"},
        {"/{a}/x/{b}", "/1/x/2", "{'a': '1', 'b': '2'}"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *seen;

        request_set(&(request_spec_t){.target = cases[i].target, .pattern = cases[i].pattern});
        seen = py_show("request.path_params");
        cr_expect_str_eq(seen, cases[i].expected, "%s as %s: expected %s, seen %s", cases[i].target,
                         cases[i].pattern, cases[i].expected, seen);
        free(seen);
    }
}

Test(bridge_request, lowers_header_names_and_joins_equal_ones)
{
    char *fields, name[140], *seen;

    request_set(&(request_spec_t){
        .fields = "Accept: a\nX-B: 1\nACCEPT: b\naccept: \nX_[^`z: 2\nX-Latin: caf\xe9"});
    PY_CHECK("Accept thrice",
             ((py_case_t[]){
                 {"request.headers['accept']", "'a, b, '"},
                 {"list(request.headers)", "['accept', 'x-b', 'x_[^`z', 'x-latin']"},
                 {"request.headers['x-latin']", "'café'"},
             }));
    memset(name, 'N', sizeof name);
    for (size_t len = 127; len <= 129; len++) { /* around the size of the buffer on the stack */
        cr_assert(asprintf(&fields, "%.*s: v", (int)len, name) > 0);
        request_set(&(request_spec_t){.fields = fields});
        free(fields);
        seen = py_show("[(len(n), set(n), v) for n, v in request.headers.items()]");
        cr_assert(asprintf(&fields, "[(%zu, {'n'}, 'v')]", len) > 0);
        cr_expect_str_eq(seen, fields, "a name of %zu bytes: expected %s, seen %s", len, fields,
                         seen);
        free(fields);
        free(seen);
    }
}

Test(bridge_request, reads_the_body_as_bytes_text_or_json)
{
    static const struct {
        const char *body;
        size_t      len;
        const char *expression, *expected;
    } cases[] = {
        {"a\0b", 3, "request.body", "b'a\\x00b'"},
        {"a\0b", 3, "request.text()", "'a\\x00b'"},
        {"\xc3\xa9", 0, "request.text()", "'é'"},
        {"\xff", 0, "request.body", "b'\\xff'"},
        {"\xff", 0, "request.text()",
         "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start "
         "byte"},
        {"\xff", 0, "isinstance(error(request.json), ValueError)", "True"},
        {"[1, 2", 0, "isinstance(error(request.json), ValueError)", "True"},
        {"[1, \"\xc3\xa9\"]", 0, "request.json()", "[1, 'é']"},
        {"null", 0, "request.json()", "None"},
    };

    py_run("def error(f):\n"
           "    try: f()\n"
           "    except Exception as e: return e\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        request_set(&(request_spec_t){.body = cases[i].body, .body_len = cases[i].len});
        py_check(cases[i].body, &(py_case_t){cases[i].expression, cases[i].expected}, 1);
    }
}

/* ---- Laziness and lifetime ------------------------------------------------------------------- */

Test(bridge_request, builds_a_part_once)
{
    static const char *const parts[] = {"query", "path_params", "headers", "body"};

    request_set(&(request_spec_t){.target = "/?a=1", .fields = "A: 1", .body = "body"});
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char *expression, *seen;

        cr_assert(asprintf(&expression, "request.%s is request.%s", parts[i], parts[i]) > 0);
        seen = py_show(expression);
        cr_expect_str_eq(seen, "True", "%s: %s", expression, seen);
        free(seen);
        free(expression);
    }
}

Test(bridge_request, builds_nothing_that_nobody_asks_for)
{
    PyObject *parse_qsl = fixture.bridge->state->parse_qsl;

    py_run("calls = []\n"
           "def counting(text, keep): calls.append((text, keep)); return [('k', 'v')]\n");
    fixture.bridge->state->parse_qsl = py_eval("counting");
    request_set(&(request_spec_t){.target = "/?a=1"});
    PY_CHECK(
        "calls of the query's decoder",
        ((py_case_t[]){
            {"(request.path, request.headers, request.method, calls)", "('/', {}, 'GET', [])"},
            {"(request.query, request.query, calls)", "({'k': 'v'}, {'k': 'v'}, [('a=1', True)])"},
        }));
    Py_DECREF(fixture.bridge->state->parse_qsl);
    fixture.bridge->state->parse_qsl = parse_qsl;
}

Test(bridge_request, an_error_while_building_is_raised_and_not_kept)
{
    PyObject *parse_qsl = fixture.bridge->state->parse_qsl;

    py_run("tries = []\n"
           "def failing(text, keep):\n"
           "    tries.append(text)\n"
           "    if len(tries) == 1: raise ValueError('first')\n"
           "    return [('second',)] if len(tries) == 2 else []\n");
    fixture.bridge->state->parse_qsl = py_eval("failing");
    request_set(&(request_spec_t){.target = "/?a=1"});
    PY_CHECK("thrice", ((py_case_t[]){
                           {"request.query", "ValueError: first"},
                           {"request.query",
                            "ValueError: dictionary update sequence element #0 has length 1; 2 is "
                            "required"},
                           {"request.query", "{}"},
                       }));
    Py_DECREF(fixture.bridge->state->parse_qsl);
    fixture.bridge->state->parse_qsl = parse_qsl;
}

/*
 * The decoder of queries is Python, so a second thread may come in while it runs. The barrier makes
 * certain that both are inside; they must agree on one dictionary all the same.
 */
Test(bridge_request, two_threads_that_ask_at_once_get_the_same_object)
{
    PyObject *parse_qsl = fixture.bridge->state->parse_qsl;

    py_run("import threading\n"
           "both = threading.Barrier(2)\n"
           "def slow(text, keep):\n"
           "    both.wait(20)\n"
           "    return [('a', '1')]\n"
           "seen = []\n"
           "def ask(): seen.append(request.query)\n");
    fixture.bridge->state->parse_qsl = py_eval("slow");
    request_set(&(request_spec_t){.target = "/?a=1"});
    py_run("threads = [threading.Thread(target=ask) for _ in range(2)]\n"
           "for t in threads: t.start()\n"
           "for t in threads: t.join()\n");
    PY_CHECK("two threads inside the decoder", ((py_case_t[]){
                                                   {"seen", "[{'a': '1'}, {'a': '1'}]"},
                                                   {"seen[0] is seen[1] is request.query", "True"},
                                               }));
    Py_DECREF(fixture.bridge->state->parse_qsl);
    fixture.bridge->state->parse_qsl = parse_qsl;
}

Test(bridge_request, keeps_the_request_alive_and_lets_go_of_it)
{
    http_request_t *req = request_make(&(request_spec_t){.target = "/kept?a=1", .body = "b"});
    unsigned        before = atomic_load(&req->refs), held, after;

    py_set("request", bridge_request_new(req));
    held = atomic_load(&req->refs);
    py_run("del request");
    after = atomic_load(&req->refs);
    cr_expect(before == 1 && held == 2 && after == 1, "references: %u, %u held by Python, %u after",
              before, held, after);
    py_set("request", bridge_request_new(req));
    http_request_unref(req); /* the server's own */
    PY_CHECK("after the server has let go", ((py_case_t[]){
                                                {"request.target", "'/kept?a=1'"},
                                                {"request.query", "{'a': '1'}"},
                                                {"request.body", "b'b'"},
                                            }));
}

Test(bridge_request, the_parts_outlive_the_request)
{
    request_set(&(request_spec_t){
        .target = "/u/1?a=1", .pattern = "/u/{id}", .fields = "A: b", .body = "body"});
    py_run("parts = (request.target, request.query, request.path_params, request.headers, "
           "request.body)\n"
           "del request\n");
    PY_CHECK(
        "after the request is gone",
        ((py_case_t[]){{"parts", "('/u/1?a=1', {'a': '1'}, {'id': '1'}, {'a': 'b'}, b'body')"}}));
}

Test(bridge_request, may_be_dropped_on_another_thread_than_it_came_from)
{
    request_set(&(request_spec_t){.target = "/?a=1", .body = "body"});
    py_run("import threading\n"
           "box = [request]\n"
           "del request\n"
           "t = threading.Thread(target=lambda: (box[0].query, box.clear()))\n"
           "t.start(); t.join()\n");
    PY_CHECK("the box", ((py_case_t[]){{"box", "[]"}}));
    /*
     * With a GIL that thread drops it, and frees what isn't its pool's. A free-threaded Python leaves
     * the last reference to the thread that made the object: there the struct is kept for reuse.
     */
    cr_expect_eq(atomic_load(&fixture.pool->users), 1u + fixture.pool->free_count,
                 "%u request structs in existence, %u back in the pool",
                 atomic_load(&fixture.pool->users) - 1, fixture.pool->free_count);
}
