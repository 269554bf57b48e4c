/*
 * common/http/output.c: responses as bytes on the wire, whatever their size and however slowly the
 * client takes them.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/http/internal.h"
#include "tests/support/client.h"
#include "tests/unit/http/fixture.h"
#include "tests/unit/http/raw.h"
#include "tests/unit/http/routes.h"

/* ---- Heads ----------------------------------------------------------------------------------- */

/* RFC 9110, 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT", and the time is now. */
static void check_date(const char *what, const answer_t *a, time_t before)
{
    const char *date = answer_field(a, "Date");
    char        again[64] = "";
    struct tm   tm = {0};
    time_t      then;

    cr_assert(date != NULL, "%s: no Date in:\n%s", what, a->head);
    cr_assert(strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm) != NULL, "%s: Date: %s", what, date);
    then = timegm(&tm);
    gmtime_r(&then, &tm);
    strftime(again, sizeof again, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    cr_expect(strcmp(date, again) == 0, "%s: expected %s, seen %s", what, again, date);
    cr_expect(then >= before && then <= time(NULL), "%s: %s isn't now", what, date);
}

Test(http_output, every_answer_has_a_date)
{
    static const char *const targets[] = {"/echo", "/native/echo", "/nowhere", "/status/204",
                                          "/null"};
    fixture_t               *f = fixture_start(NULL);

    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        client_t c;
        time_t   before = time(NULL);

        client_connect(&c, f->port);
        answer_t a = client_get(&c, targets[i]);
        check_date(targets[i], &a, before);
        answer_free(&a);
        client_close(&c);
    }
    fixture_stop(f);
}

Test(http_output, heads_byte_by_byte)
{
    static const struct {
        const char *target, *head; /* after the Date */
        int         status;
        const char *reason, *body;
    } cases[] = {
        {"/status/200", "Content-Type: text/plain\r\nContent-Length: 4\r\n\r\n", 200, "OK", "body"},
        {"/status/201", "Content-Type: text/plain\r\nContent-Length: 4\r\n\r\n", 201, "Created",
         "body"},
        {"/status/299", "Content-Type: text/plain\r\nContent-Length: 4\r\n\r\n", 299, "Unknown",
         "body"},
        {"/status/503", "Content-Type: text/plain\r\nContent-Length: 4\r\n\r\n", 503,
         "Service Unavailable", "body"},
        {"/status/204", "Content-Type: text/plain\r\n\r\n", 204, "No Content", ""},
        {"/status/304", "Content-Type: text/plain\r\n\r\n", 304, "Not Modified", ""},
        {"/size/0", "Content-Length: 0\r\n\r\n", 200, "OK", ""},
        {"/size/1", "Content-Length: 1\r\n\r\n", 200, "OK", "!"},
    };
    fixture_t *f = fixture_start(NULL);
    client_t   c;

    client_connect(&c,
                   f->port); /* one connection: what isn't accounted for spoils the next answer */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        answer_t    a = client_get(&c, cases[i].target);
        char        line[64];
        const char *date = strstr(a.head, "\r\n") + 2;
        const char *rest = strstr(date, "\r\n") + 2;

        snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\nDate: ", cases[i].status, cases[i].reason);
        cr_expect(strncmp(a.head, line, strlen(line)) == 0, "%s: expected %s, seen:\n%s",
                  cases[i].target, line, a.head);
        cr_expect(strcmp(rest, cases[i].head) == 0, "%s: expected:\n%sseen:\n%s", cases[i].target,
                  cases[i].head, rest);
        cr_expect(strcmp(a.body, cases[i].body) == 0, "%s: seen \"%s\"", cases[i].target, a.body);
        answer_free(&a);
    }
    client_close(&c);
    fixture_stop(f);
}

Test(http_output, the_answer_to_head_has_the_length_but_not_the_body)
{
    static const struct {
        const char *target, *length;
    } cases[] = {{"/size/13", "13"}, {"/size/100000", "100000"}, {"/status/200", "4"}};
    fixture_t *f = fixture_start(NULL);
    client_t   c;

    client_connect(&c, f->port);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char raw[128];

        snprintf(raw, sizeof raw, "HEAD %s HTTP/1.1\r\nHost: a\r\n\r\n", cases[i].target);
        client_send(&c, raw);
        answer_t    a = client_read_answer_to(&c, "HEAD");
        const char *length = answer_field(&a, "Content-Length");
        cr_expect(a.status == 200 && length != NULL && strcmp(length, cases[i].length) == 0,
                  "HEAD %s: expected %s, seen:\n%s", cases[i].target, cases[i].length, a.head);
        answer_free(&a);
        a = client_get(&c, "/status/200"); /* stands where a body would have begun */
        cr_expect(a.status == 200 && strcmp(a.body, "body") == 0, "after HEAD %s: seen:\n%s",
                  cases[i].target, a.head);
        answer_free(&a);
    }
    client_close(&c);
    fixture_stop(f);
}

/* http_respond_transfer(): NULL stands for a response that there was no memory for. */
Test(http_output, no_response_is_500_and_the_end)
{
    fixture_t *f = fixture_start(NULL);
    client_t   c;

    client_connect(&c, f->port);
    client_send(&c, GET("/null") GET("/echo"));
    answer_t a = client_read_answer(&c);
    cr_expect(a.status == 500 && a.close && a.body_len == 0, "seen:\n%s%s", a.head, a.body);
    answer_free(&a);
    cr_expect(client_at_eof(&c));
    client_close(&c);
    fixture_stop(f);
}

/* As many fields as a response may have, with a body that is gathered just so: the fullest batch. */
static void respond_fully(fixture_t *f, void *arg)
{
    enum { LINE = 1024, NAME = 1, AROUND = 4 };
    char             value[LINE], body[HTTP_GATHER_MAX];
    http_response_t *resp;

    memset(value, 'v', sizeof value);
    memset(body, 'b', sizeof body);
    resp = http_response_new(200, "text/plain", body, sizeof body);
    for (int i = 0; i < HTTP_FIELDS_MAX / LINE; i++)
        if (http_response_add_header(resp, (http_slice_t){"F", NAME},
                                     (http_slice_t){value, LINE - NAME - AROUND}) != 0)
            abort();
    http_respond_transfer(fixture_unpark(f, arg), resp);
}

Test(http_output, the_largest_head_with_the_largest_gathered_body)
{
    enum { TIMES = 3 };
    fixture_t *f = fixture_start(NULL);
    client_t   c;

    client_connect(&c, f->port);
    client_send(&c, GET("/park/0") GET("/park/1") GET("/park/2"));
    fixture_wait_parked(f, TIMES);
    for (int i = TIMES - 1; i >= 0; i--)
        fixture_call(f, respond_fully, (char[]){(char)('0' + i), '\0'});
    for (int i = 0; i < TIMES; i++) {
        answer_t a = client_read_answer(&c);
        unsigned fields = 0;

        for (const char *at = a.head; (at = strstr(at, "\nF: vvv")) != NULL; at++)
            fields++;
        cr_expect(a.status == 200 && fields == HTTP_FIELDS_MAX / 1024 &&
                      a.body_len == HTTP_GATHER_MAX && a.body[a.body_len - 1] == 'b',
                  "answer %d: status %d, %u fields, %zu bytes", i, a.status, fields, a.body_len);
        answer_free(&a);
    }
    client_close(&c);
    fixture_stop(f);
}

/* ---- Bodies ---------------------------------------------------------------------------------- */

static void expect_pattern(client_t *c, size_t len)
{
    answer_t a = client_read_answer(c);
    size_t   wrong = 0;

    cr_assert(a.status == 200 && a.body_len == len, "expected %zu bytes, seen %zu:\n%s", len,
              a.body_len, a.head);
    while (wrong < len && a.body[wrong] == routes_pattern(wrong))
        wrong++;
    cr_expect(wrong == len, "%zu bytes: byte %zu is wrong", len, wrong);
    answer_free(&a);
}

/* Around every size at which a body is written in another way. */
Test(http_output, bodies_of_every_size_arrive_unharmed)
{
    static const size_t sizes[] = {
        0,
        1,
        200,
        HTTP_GATHER_MAX - 1,
        HTTP_GATHER_MAX,
        HTTP_GATHER_MAX + 1,
        65000,
        65535,
        65536,
        65537,
        1000000,
        8000000,
    };
    fixture_t *f = fixture_start(NULL);
    client_t   c;
    char       raw[128];

    client_connect(&c, f->port);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        snprintf(raw, sizeof raw, GET("/size/%zu"), sizes[i]);
        client_send(&c, raw);
        expect_pattern(&c, sizes[i]);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0];
         i++) { /* and all of them in a pipeline */
        snprintf(raw, sizeof raw, GET("/size/%zu"), sizes[i]);
        client_send(&c, raw);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        expect_pattern(&c, sizes[i]);
    client_close(&c);
    fixture_stop(f);
}

/* No further request is taken while the client leaves answers unread; then all of them are. */
Test(http_output, a_client_that_reads_late_gets_everything_in_order)
{
    enum { LARGE = 16 * 1024 * 1024 };
    fixture_t *f = fixture_start(NULL);
    client_t   c;

    client_connect(&c, f->port);
    client_send(&c, GET("/size/16777216"));
    fixture_wait_parsed(f, 1);
    fixture_go_round(f);
    client_send(&c, GET("/park/a") GET("/size/16777216") GET("/status/200"));
    fixture_wait_paused(f);
    cr_expect(fixture_parked_ever(f) == 0, "a request was taken although answers are unread");
    expect_pattern(&c, LARGE);
    fixture_wait_parked(f, 1);
    fixture_release(f, "a");
    answer_t a = client_read_answer(&c);
    cr_expect(strcmp(a.body, "a") == 0, "seen \"%s\"", a.body);
    answer_free(&a);
    expect_pattern(&c, LARGE);
    a = client_read_answer(&c);
    cr_expect(strcmp(a.body, "body") == 0, "seen \"%s\"", a.body);
    answer_free(&a);
    client_close(&c);
    fixture_stop(f);
}

Test(http_output, thousands_of_pipelined_answers_arrive_in_order)
{
    enum { MANY = 5000, LINE = 64 };
    char      *raw = malloc(MANY * LINE);
    size_t     len = 0;
    fixture_t *f = fixture_start(NULL);
    client_t   c;

    for (int i = 0; i < MANY; i++)
        len += (size_t)snprintf(raw + len, LINE, GET("%s?%d"), i % 3 ? "/echo" : "/native/echo", i);
    client_connect(&c, f->port);
    client_send_bytes(&c, raw, len);
    for (int i = 0; i < MANY; i++) {
        char     expected[32];
        answer_t a = client_read_answer(&c);

        snprintf(expected, sizeof expected, "\nquery=%d\n", i);
        cr_assert(strstr(a.body, expected) != NULL, "answer %d: seen \"%s\"", i, a.body);
        answer_free(&a);
    }
    client_close(&c);
    free(raw);
    fixture_stop(f);
}

Test(http_output, a_client_that_leaves_within_an_answer_counts_as_abandoned)
{
    fixture_t   *f = fixture_start(NULL);
    http_stats_t stats;
    client_t     c;

    client_connect(&c, f->port);
    client_send(&c, GET("/size/33554432"));
    fixture_wait_parsed(f, 1);
    fixture_go_round(f);
    client_reset(&c);
    fixture_wait_connections(f, 0);
    stats = fixture_stats(f);
    cr_expect(stats.abandoned == 1 && stats.answered == 0, "abandoned %ju, answered %ju",
              (uintmax_t)stats.abandoned, (uintmax_t)stats.answered);
    fixture_stop(f);
}
