/*
 * common/http/answers.c: what the server says by itself. Which malformed request gets which status
 * is tested in test_parser.c, 408 and 504 in test_timeouts.c.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/client.h"
#include "tests/unit/http/fixture.h"
#include "tests/unit/http/raw.h"

static void expect_field(const char *what, const answer_t *a, const char *name,
                         const char *expected)
{
    const char *seen = answer_field(a, name);

    cr_expect((seen == NULL) == (expected == NULL) && (seen == NULL || strcmp(seen, expected) == 0),
              "%s: %s: expected %s, seen %s", what, name, expected == NULL ? "(none)" : expected,
              seen == NULL ? "(none)" : seen);
}

Test(http_answers, to_requests_that_no_route_serves)
{
    static const struct {
        const char *method, *target;
        int         status;
        const char *allow, *type, *length, *body;
    } cases[] = {
        {"GET", "/nowhere", 404, NULL, "text/plain; charset=utf-8", "14", "404 Not Found\n"},
        {"HEAD", "/nowhere", 404, NULL, "text/plain; charset=utf-8", "14", ""},
        {"OPTIONS", "/nowhere", 404, NULL, "text/plain; charset=utf-8", "14", "404 Not Found\n"},
        {"POST", "/only/get", 405, "GET, HEAD, OPTIONS", "text/plain; charset=utf-8", "23",
         "405 Method Not Allowed\n"},
        {"GET", "/only/post", 405, "POST, OPTIONS", "text/plain; charset=utf-8", "23",
         "405 Method Not Allowed\n"},
        {"HEAD", "/only/post", 405, "POST, OPTIONS", "text/plain; charset=utf-8", "23", ""},
        {"OPTIONS", "/only/get", 204, "GET, HEAD, OPTIONS", NULL, NULL, ""},
        {"OPTIONS", "/echo/1/2", 204, "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS", NULL, NULL,
         ""},
        {"OPTIONS", "/native/echo", 204, "GET, HEAD, OPTIONS", NULL, NULL, ""},
        {"OPTIONS", "*", 204, "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS", NULL, NULL, ""},
    };
    fixture_t *f = fixture_start(NULL);
    client_t   c;

    client_connect(&c, f->port); /* one connection: each answer ends where it should */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char raw[128], what[64];

        snprintf(what, sizeof what, "%s %s", cases[i].method, cases[i].target);
        snprintf(raw, sizeof raw, "%s HTTP/1.1\r\nHost: a\r\n\r\n", what);
        client_send(&c, raw);
        answer_t a = client_read_answer_to(&c, cases[i].method);
        cr_expect(a.status == cases[i].status && !a.close, "%s: expected %d, seen:\n%s", what,
                  cases[i].status, a.head);
        cr_expect(strcmp(a.body, cases[i].body) == 0, "%s: expected \"%s\", seen \"%s\"", what,
                  cases[i].body, a.body);
        expect_field(what, &a, "Allow", cases[i].allow);
        expect_field(what, &a, "Content-Type", cases[i].type);
        expect_field(what, &a, "Content-Length", cases[i].length);
        answer_free(&a);
    }
    cr_expect(f->turns == 0, "one of them reached on_ready");
    client_close(&c);
    fixture_stop(f);
}

Test(http_answers, past_max_in_flight_it_is_503)
{
    http_options_t options = fixture_options();
    client_t       busy, c;

    options.max_in_flight = 2;
    fixture_t *f = fixture_start(&options);
    client_connect(&busy, f->port);
    client_connect(&c, f->port);
    client_send(&busy, GET("/park/a") GET("/park/b"));
    fixture_wait_parked(f, 2);

    for (int i = 0; i < 2; i++) {
        answer_t a = client_get(&c, i == 0 ? "/echo" : "/native/echo");
        cr_expect(a.status == 503 && !a.close, "seen:\n%s", a.head);
        expect_field("503", &a, "Retry-After", "1");
        answer_free(&a);
    }
    answer_t a = client_get(&c, "/nowhere");
    cr_expect(a.status == 404, "what needs no handler is answered: seen %d", a.status);
    answer_free(&a);

    fixture_release(f, "a");
    a = client_get(&c, "/echo");
    cr_expect(a.status == 200, "there is room again: seen %d", a.status);
    answer_free(&a);
    fixture_release(f, "b");
    client_close(&c);
    client_close(&busy);
    fixture_stop(f);
}

/* A client that is gone holds a place until its handler has given the request back. */
Test(http_answers, an_abandoned_request_is_in_flight_until_it_is_given_back)
{
    http_options_t options = fixture_options();
    client_t       leaves, c;

    options.max_in_flight = 1;
    fixture_t *f = fixture_start(&options);
    client_connect(&leaves, f->port);
    client_send(&leaves, GET("/park/a"));
    fixture_wait_parked(f, 1);
    client_reset(&leaves);
    fixture_wait_gone(f, 1);
    client_connect(&c, f->port);
    answer_t a = client_get(&c, "/echo");
    cr_expect(a.status == 503, "expected 503, seen %d", a.status);
    answer_free(&a);
    fixture_release(f, "a");
    a = client_get(&c, "/echo");
    cr_expect(a.status == 200, "expected 200, seen %d", a.status);
    answer_free(&a);
    client_close(&c);
    fixture_stop(f);
}
