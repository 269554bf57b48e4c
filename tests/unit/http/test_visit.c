/*
 * http_server_visit(): who looks in sees each request whose client still waits, and how far it is.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/client.h"
#include "tests/unit/http/fixture.h"
#include "tests/unit/http/raw.h"

#define POST(target) "POST " target " HTTP/1.1\r\nHost: a\r\n\r\n"

/* "/a handled, /b answered": what the visits were. */
typedef struct {
    char     text[512];
    size_t   len;
    uint64_t oldest_ms;
} visits_t;

static void on_visit(void *arg, const http_request_t *req, http_stage_t stage, uint64_t age_ms)
{
    static const char *const stages[] = {"waiting", "handled", "streamed", "answered"};
    visits_t                *visits = arg;
    http_slice_t             target = http_request_target(req);

    visits->len += (size_t)snprintf(visits->text + visits->len, sizeof visits->text - visits->len,
                                    "%.*s %s\n", (int)target.len, target.data, stages[stage]);
    if (age_ms > visits->oldest_ms)
        visits->oldest_ms = age_ms;
}

static void visit(fixture_t *f, void *arg)
{
    visits_t *visits = arg;

    *visits = (visits_t){.len = 0};
    http_server_visit(f->server, on_visit, visits);
}

static void expect_visits(fixture_t *f, const char *expected)
{
    visits_t visits;

    fixture_call(f, visit, &visits);
    cr_expect_str_eq(visits.text, expected, "expected\n%sseen\n%s", expected, visits.text);
    cr_expect(visits.oldest_ms < 60000, "%ju ms old", (uintmax_t)visits.oldest_ms);
}

static void begin_stream(fixture_t *f, void *arg)
{
    http_request_t *req = fixture_unpark(f, "s");

    *(http_request_t **)arg = req;
    http_stream_begin(req, http_response_new(200, NULL, NULL, 0), NULL, NULL);
}

static void end_stream(fixture_t *f, void *arg)
{
    (void)f;
    http_stream_end(*(http_request_t **)arg);
}

Test(http_visit, shows_where_each_request_stands)
{
    fixture_t      *f = fixture_start(NULL);
    client_t        c, d;
    http_request_t *streamed;

    expect_visits(f, "");
    client_connect(&c, f->port);
    client_send(&c, GET("/park/s") GET("/park/b") GET("/size/1") POST("/echo") GET("/size/2"));
    fixture_wait_parsed(f, 4); /* the last one waits unread behind the POST */
    fixture_call(f, begin_stream, &streamed);
    expect_visits(f, "/park/s streamed\n/park/b handled\n/size/1 answered\n/echo waiting\n");
    client_connect(&d, f->port);
    client_send(&d, GET("/park/d"));
    fixture_wait_parked(f, 3);
    client_reset(&d);
    fixture_wait_connections(f, 1);
    fixture_call(f, end_stream, &streamed);
    fixture_release(f, "b");
    for (int i = 0; i < 5; i++) {
        answer_t a = client_read_answer(&c);

        answer_free(&a);
    }
    expect_visits(f, "");
    client_close(&c);
    fixture_stop(f);
}
