/*
 * What the tests of common/bridge share: an interpreter, requests without a socket, and Python
 * written in C strings. Criterion runs each test in a process of its own, so each has an
 * interpreter of its own; `fixture` is that process's.
 *
 * A test with .init = fixture_open, .fini = fixture_close runs attached, as Python's main thread.
 */
#ifndef LOOPLAB_TESTS_BRIDGE_FIXTURE_H
#define LOOPLAB_TESTS_BRIDGE_FIXTURE_H

#include <criterion/criterion.h>

#include "common/bridge/internal.h"
#include "tests/support/capture.h"

typedef struct {
    bridge_t       *bridge;
    bridge_thread_t python;
    bool            attached;
    http_pool_t    *pool;
    http_router_t  *router; /* the test's, for requests with a pattern */
    bridge_route_t  route;  /* of requests that say nothing else: "handler (test.py:1)" */
    char            folder[64];
} fixture_t;

extern fixture_t fixture;

void fixture_open(void);
void fixture_close(void);

/* For a test that lets other threads run Python, or uses what wants to be called detached. */
void fixture_detach(void);
void fixture_attach(void);

/* A trace, and a lane of it for this thread. Never NULL; trace_lane_close(), then trace_close(). */
trace_lane_t *fixture_lane_open(trace_t **trace);

/* ---- Python in C strings. All attached ------------------------------------------------------- */

/* Run statements in __main__; fails the test, showing the exception, if they raise. */
void py_run(const char *source);

/* Evaluate an expression in __main__. returns a new reference; fails the test if it raises */
PyObject *py_eval(const char *expression);

/* __main__.name = value, which is stolen. */
void py_set(const char *name, PyObject *value);

/* repr() of an expression's value, or "TypeError: its message". On the heap. */
char *py_show(const char *expression);

/* One line of a table: an expression, and what py_show() makes of it. */
typedef struct {
    const char *expression, *expected;
} py_case_t;

void py_check(const char *what, const py_case_t *cases, size_t count);
#define PY_CHECK(what, cases) py_check((what), (cases), sizeof(cases) / sizeof((cases)[0]))

/* Make a module that can be imported: FOLDER/name.py in a folder of the test's on sys.path. */
void py_module(const char *name, const char *source);

/* ---- Requests -------------------------------------------------------------------------------- */

/* What isn't given is GET, "/", no fields, no body, HTTP/1.1, and the fixture's own route. */
typedef struct {
    const char *method;
    const char *target;
    const char *fields; /* "Name: value\nName: value" */
    const char *body;   /* terminated, unless body_len says how long it is */
    size_t      body_len;
    const char *pattern; /* matched against the target, for path parameters */
    bool        http_1_0;
    void       *route_arg;
} request_spec_t;

/* A request as the parser leaves it, with one reference. */
http_request_t *request_make(const request_spec_t *spec);

/* A looplab.Request of it as __main__.request; the C reference is dropped: Python's is the last. */
void request_set(const request_spec_t *spec);

/* ---- Responses ------------------------------------------------------------------------------- */

/* "200 text/plain; charset=utf-8 | X-A: 1 | body" on the heap; frees the response. */
char *response_show(http_response_t *resp);

#endif
