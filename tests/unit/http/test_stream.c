/*
 * common/http/stream.c: answers whose length isn't known when they begin. A request for /park/NAME
 * is the stream's; the test calls the http_stream_ functions on the HTTP thread.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/internal.h"
#include "tests/support/client.h"
#include "tests/unit/http/fixture.h"

#define GET(target) "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"

enum { DEADLINE_ROUNDS = 20000 };

/* One stream and what has become of it; all but the first two are the HTTP thread's. */
typedef struct {
    const char     *name;   /* of the parked request */
    int             status; /* to begin with */
    http_request_t *req;
    const char     *data; /* what to write next */
    size_t          len;
    int             err;      /* of the last call */
    unsigned        room;     /* calls of on_room */
    size_t          accepted; /* bytes that were taken */
} stream_t;

static void on_room(void *arg)
{
    ((stream_t *)arg)->room++;
}

static void begin_on_loop(fixture_t *f, void *arg)
{
    stream_t *s = arg;

    s->req = fixture_unpark(f, s->name);
    if (s->req == NULL)
        abort();
    s->err =
        http_stream_begin(s->req, http_response_new(s->status, "text/plain", NULL, 0), on_room, s);
}

static void write_on_loop(fixture_t *f, void *arg)
{
    stream_t *s = arg;

    (void)f;
    s->err = http_stream_write(s->req, s->data, s->len);
    if (s->err == 0)
        s->accepted += s->len;
}

static void end_on_loop(fixture_t *f, void *arg)
{
    (void)f;
    http_stream_end(((stream_t *)arg)->req);
}

static stream_t stream_begin(fixture_t *f, stream_t *s, const char *name)
{
    *s = (stream_t){.name = name, .status = 200};
    fixture_call(f, begin_on_loop, s);
    cr_assert(s->err == 0, "http_stream_begin(): %d", s->err);
    return *s;
}

static int stream_write(fixture_t *f, stream_t *s, const char *text)
{
    s->data = text;
    s->len = strlen(text);
    fixture_call(f, write_on_loop, s);
    return s->err;
}

static void stream_end(fixture_t *f, stream_t *s)
{
    fixture_call(f, end_on_loop, s);
}

static void expect_answer(client_t *c, const char *body)
{
    answer_t a = client_read_answer(c);

    cr_assert(a.status == 200 && strcmp(a.body, body) == 0, "expected \"%s\", seen:\n%s%s", body,
              a.head, a.body);
    answer_free(&a);
}

static fixture_t *start_parked(const http_options_t *options, client_t *c, const char *raw,
                               unsigned n)
{
    fixture_t *f = fixture_start(options);

    client_connect(c, f->port);
    client_send(c, raw);
    fixture_wait_parked(f, n);
    return f;
}

/* ---- On the wire ----------------------------------------------------------------------------- */

Test(http_stream, is_chunked_to_http_1_1)
{
    static const char expected[] = "b\r\nhello world\r\n1\r\n!\r\n0\r\n\r\n";
    client_t          c;
    stream_t          s;
    fixture_t        *f = start_parked(NULL, &c, GET("/park/a"), 1);

    stream_begin(f, &s, "a");
    cr_expect(stream_write(f, &s, "hello world") == 0);
    cr_expect(stream_write(f, &s, "") == 0, "an empty write is no end");
    cr_expect(stream_write(f, &s, "!") == 0);
    stream_end(f, &s);
    client_half_close(&c);
    char   all[1024];
    size_t len = 0;
    for (; !client_at_eof(&c) && len < sizeof all - 1; c.len = 0) { /* the bytes as they are */
        memcpy(all + len, c.buf, c.len);
        len += c.len;
    }
    all[len] = '\0';
    char *body = strstr(all, "\r\n\r\n");
    cr_assert(body != NULL && strcmp(body + 4, expected) == 0, "expected \"%s\", seen:\n%s",
              expected, all);
    cr_expect(strstr(all, "\r\nTransfer-Encoding: chunked\r\n") != NULL, "seen:\n%s", all);
    cr_expect(strstr(all, "Content-Length") == NULL, "seen:\n%s", all);
    client_close(&c);
    fixture_stop(f);
}

/* Its first bytes don't wait for its last. */
Test(http_stream, arrives_while_it_is_written)
{
    client_t   c;
    stream_t   s;
    fixture_t *f = start_parked(NULL, &c, GET("/park/a"), 1);

    stream_begin(f, &s, "a");
    stream_write(f, &s, "first");
    while (memmem(c.buf, c.len, "first", 5) == NULL) { /* by way of the client's buffer */
        client_t more = {.fd = c.fd};
        cr_assert(!client_at_eof(&more));
        memcpy(c.buf + c.len, more.buf, more.len);
        c.len += more.len;
    }
    stream_write(f, &s, " last");
    stream_end(f, &s);
    expect_answer(&c, "first last");
    client_send(&c, GET("/status/200"));
    expect_answer(&c, "body");
    client_close(&c);
    fixture_stop(f);
}

Test(http_stream, ends_with_the_connection_for_http_1_0)
{
    client_t   c;
    stream_t   s;
    fixture_t *f = start_parked(
        NULL, &c,
        "GET /park/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /echo HTTP/1.0\r\n\r\n", 1);

    stream_begin(f, &s, "a");
    stream_write(f, &s, "hello ");
    stream_write(f, &s, "world");
    stream_end(f, &s);
    answer_t a = client_read_answer(&c);
    cr_expect(a.status == 200 && a.close && strcmp(a.body, "hello world") == 0, "seen:\n%s%s",
              a.head, a.body);
    cr_expect(answer_field(&a, "Transfer-Encoding") == NULL &&
              answer_field(&a, "Content-Length") == NULL);
    answer_free(&a);
    cr_expect(client_at_eof(&c));
    client_close(&c);
    fixture_stop(f);
}

Test(http_stream, to_head_has_no_body)
{
    client_t   c;
    stream_t   s;
    fixture_t *f = start_parked(NULL, &c, "HEAD /park/a HTTP/1.1\r\nHost: a\r\n\r\n", 1);

    stream_begin(f, &s, "a");
    cr_expect(stream_write(f, &s, "hello") == 0);
    stream_end(f, &s);
    answer_t a = client_read_answer_to(&c, "HEAD");
    cr_expect(a.status == 200 && !a.close, "seen:\n%s", a.head);
    answer_free(&a);
    client_send(&c, GET("/status/200"));
    expect_answer(&c, "body");
    client_close(&c);
    fixture_stop(f);
}

/* RFC 9110, 15.3.5 and 15.4.5; RFC 9112, 6.1: no content, and no Transfer-Encoding with 204. */
Test(http_stream, of_a_status_without_content_has_none)
{
    static const int statuses[] = {204, 304};

    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        client_t   c;
        stream_t   s = {.name = "a", .status = statuses[i]};
        fixture_t *f = start_parked(NULL, &c, GET("/park/a"), 1);

        fixture_call(f, begin_on_loop, &s);
        cr_expect(stream_write(f, &s, "hello") == 0);
        stream_end(f, &s);
        answer_t a = client_read_answer(&c);
        cr_expect(a.status == statuses[i] && answer_field(&a, "Transfer-Encoding") == NULL,
                  "seen:\n%s", a.head);
        answer_free(&a);
        client_send(&c, GET("/status/200"));
        expect_answer(&c, "body");
        client_close(&c);
        fixture_stop(f);
    }
}

Test(http_stream, without_a_single_byte)
{
    client_t   c;
    stream_t   s;
    fixture_t *f = start_parked(NULL, &c, GET("/park/a"), 1);

    stream_begin(f, &s, "a");
    stream_end(f, &s);
    expect_answer(&c, "");
    client_close(&c);
    fixture_stop(f);
}

static void begin_without_memory(fixture_t *f, void *arg)
{
    *(int *)arg = http_stream_begin(fixture_unpark(f, "a"), NULL, NULL, NULL);
}

Test(http_stream, without_memory_is_500)
{
    client_t   c;
    int        err = 0;
    fixture_t *f = start_parked(NULL, &c, GET("/park/a"), 1);

    fixture_call(f, begin_without_memory, &err);
    cr_expect(err == UV_ENOMEM, "expected %d, seen %d", UV_ENOMEM, err);
    answer_t a = client_read_answer(&c);
    cr_expect(a.status == 500 && a.close, "seen:\n%s", a.head);
    answer_free(&a);
    client_close(&c);
    fixture_stop(f);
}

/* ---- Order ----------------------------------------------------------------------------------- */

Test(http_stream, keeps_its_place_in_the_pipeline)
{
    client_t   c;
    stream_t   b, d;
    fixture_t *f =
        start_parked(NULL, &c, GET("/park/a") GET("/park/b") GET("/park/c") GET("/park/d"), 4);

    stream_begin(f, &d, "d");
    stream_write(f, &d, "d1 ");
    stream_begin(f, &b, "b");
    stream_write(f, &b, "b1 ");
    stream_write(f, &d, "d2");
    stream_end(f, &d);
    fixture_release(f, "c");
    stream_write(f, &b, "b2");
    fixture_release(f, "a");
    expect_answer(&c, "a");
    stream_write(f, &b, " b3");
    stream_end(f, &b);
    expect_answer(&c, "b1 b2 b3");
    expect_answer(&c, "c");
    expect_answer(&c, "d1 d2");
    client_close(&c);
    fixture_stop(f);
}

/* ---- Back-pressure --------------------------------------------------------------------------- */

/* Write blocks until one is refused. */
static void fill(fixture_t *f, stream_t *s, const char *block)
{
    for (int i = 0; stream_write(f, s, block) == 0; i++)
        cr_assert(i < DEADLINE_ROUNDS, "%zu bytes were taken from a stream that nobody reads",
                  s->accepted);
    cr_assert(s->err == UV_EAGAIN, "expected UV_EAGAIN, seen %d", s->err);
}

static void read_room(fixture_t *f, void *arg)
{
    stream_t *s = arg;

    (void)f;
    s->err = (int)s->room;
}

static unsigned room_of(fixture_t *f, stream_t *s)
{
    fixture_call(f, read_room, s);
    return (unsigned)s->err;
}

/* Its place hasn't come: nothing leaves, so the bound is exact. */
Test(http_stream, refuses_more_than_it_may_buffer_until_there_is_room)
{
    client_t   c;
    stream_t   s;
    char       block[1001] = "";
    fixture_t *f = start_parked(NULL, &c, GET("/park/a") GET("/park/b"), 2);

    memset(block, 'x', sizeof block - 1);
    stream_begin(f, &s, "b");
    fill(f, &s, block);
    cr_expect(s.accepted > HTTP_STREAM_HIGH / 2 && s.accepted <= HTTP_STREAM_HIGH,
              "%zu bytes were taken", s.accepted);
    fixture_go_round(f);
    cr_expect(room_of(f, &s) == 0, "on_room was called although there is none");
    fixture_release(f, "a");
    expect_answer(&c, "a");
    for (int i = 0; room_of(f, &s) == 0; i++) {
        cr_assert(i < DEADLINE_ROUNDS, "on_room is not called");
        uv_sleep(1);
    }
    cr_expect(s.room == 1);
    cr_expect(stream_write(f, &s, block) == 0);
    stream_end(f, &s);
    answer_t a = client_read_answer(&c);
    cr_expect(a.body_len == s.accepted && strspn(a.body, "x") == s.accepted,
              "expected %zu bytes, seen %zu", s.accepted, a.body_len);
    answer_free(&a);
    client_close(&c);
    fixture_stop(f);
}

typedef struct {
    client_t *c;
    answer_t  a;
} reader_t;

static void read_answer(void *arg)
{
    reader_t *r = arg;

    r->a = client_read_answer(r->c);
}

/* A client that reads late, and a writer that goes on whenever it may. */
Test(http_stream, a_slow_client_gets_every_byte)
{
    enum { TOTAL = 32 * 1024 * 1024 };
    static client_t c;
    char            block[30001] = "";
    stream_t        s;
    reader_t        reader = {.c = &c};
    uv_thread_t     thread;
    fixture_t      *f = start_parked(NULL, &c, GET("/park/a"), 1);

    memset(block, 'x', sizeof block - 1);
    stream_begin(f, &s, "a");
    fill(f, &s, block);
    cr_assert(uv_thread_create(&thread, read_answer, &reader) == 0);
    for (unsigned refusals = 1; s.accepted < TOTAL;) {
        for (int i = 0; room_of(f, &s) < refusals; i++) {
            cr_assert(i < DEADLINE_ROUNDS, "refused %u times, on_room was called %u times",
                      refusals, s.room);
            uv_sleep(1);
        }
        while (s.accepted < TOTAL && stream_write(f, &s, block) == 0)
            ;
        refusals += s.err == UV_EAGAIN;
    }
    stream_end(f, &s);
    uv_thread_join(&thread);
    cr_expect(reader.a.body_len == s.accepted && strspn(reader.a.body, "x") == s.accepted,
              "expected %zu bytes, seen %zu", s.accepted, reader.a.body_len);
    answer_free(&reader.a);
    client_close(&c);
    fixture_stop(f);
}

/* One write larger than the bound is taken if nothing waits: else it could never be. */
Test(http_stream, takes_a_large_write_when_it_is_empty)
{
    enum { LARGE = 1024 * 1024 };
    client_t   c;
    stream_t   s;
    char      *block = calloc(1, LARGE + 1);
    fixture_t *f = start_parked(NULL, &c, GET("/park/a"), 1);

    memset(block, 'x', LARGE);
    stream_begin(f, &s, "a");
    cr_expect(stream_write(f, &s, block) == 0);
    stream_end(f, &s);
    expect_answer(&c, block);
    free(block);
    client_close(&c);
    fixture_stop(f);
}

/* ---- Clients that leave ---------------------------------------------------------------------- */

Test(http_stream, a_writer_learns_that_its_client_is_gone)
{
    client_t   c;
    stream_t   s;
    fixture_t *f = start_parked(NULL, &c, GET("/park/a"), 1);

    stream_begin(f, &s, "a");
    cr_expect(stream_write(f, &s, "hello") == 0);
    client_reset(&c);
    fixture_wait_connections(f, 0);
    cr_expect(stream_write(f, &s, "more") == UV_ECANCELED, "seen %d", s.err);
    cr_expect(http_request_abandoned(s.req));
    stream_end(f, &s);
    cr_expect(fixture_stats(f).abandoned == 1);
    fixture_stop(f);
}

Test(http_stream, a_writer_that_waits_for_room_is_woken)
{
    client_t   c;
    stream_t   s;
    char       block[1001] = "";
    fixture_t *f = start_parked(NULL, &c, GET("/park/a") GET("/park/b"), 2);

    memset(block, 'x', sizeof block - 1);
    stream_begin(f, &s, "b");
    fill(f, &s, block);
    client_reset(&c);
    fixture_wait_connections(f, 0);
    cr_expect(room_of(f, &s) == 1, "on_room was called %u times", s.room);
    cr_expect(stream_write(f, &s, block) == UV_ECANCELED, "seen %d", s.err);
    stream_end(f, &s);
    fixture_stop(f);
}

Test(http_stream, one_that_begins_after_its_client_has_gone_is_harmless)
{
    client_t   c;
    stream_t   s;
    fixture_t *f = start_parked(NULL, &c, GET("/park/a"), 1);

    client_reset(&c);
    fixture_wait_gone(f, 1);
    stream_begin(f, &s, "a");
    cr_expect(stream_write(f, &s, "hello") == UV_ECANCELED, "seen %d", s.err);
    stream_end(f, &s);
    fixture_stop(f);
}

Test(http_stream, one_that_does_not_end_is_cut_off_by_the_drain)
{
    client_t   c;
    stream_t   s;
    fixture_t *f = start_parked(NULL, &c, GET("/park/a"), 1);

    stream_begin(f, &s, "a");
    stream_write(f, &s, "hello");
    fixture_drain(f, 1);
    fixture_wait_drained(f);
    cr_expect(stream_write(f, &s, "more") == UV_ECANCELED);
    stream_end(f, &s);
    cr_expect(fixture_stats(f).cut_off == 1);
    client_close(&c);
    fixture_stop(f);
}

/* on_finished: the content's bytes, without what frames them. */
Test(http_stream, its_end_is_told_with_its_content)
{
    client_t   c;
    stream_t   s;
    fixture_t *f = start_parked(NULL, &c, GET("/park/a") GET("/park/b"), 2);

    stream_begin(f, &s, "a");
    cr_expect(stream_write(f, &s, "hello") == 0 && stream_write(f, &s, ", world") == 0);
    stream_end(f, &s);
    expect_answer(&c, "hello, world");
    fixture_wait_ended(f, 1);
    stream_begin(f, &s, "b");
    cr_expect(stream_write(f, &s, "bye") == 0);
    fixture_go_round(f);
    client_reset(&c);
    fixture_wait_ended(f, 2);
    stream_end(f, &s);
    for (unsigned i = 0; i < 2; i++) {
        static const uint64_t bytes[] = {12, 3};
        fixture_end_t         seen = fixture_end(f, i);

        cr_expect(seen.end == (i == 0 ? HTTP_END_ANSWERED : HTTP_END_ABANDONED) &&
                      seen.status == 200 && seen.bytes == bytes[i],
                  "end %u: %d, status %d, %ju bytes", i, (int)seen.end, seen.status,
                  (uintmax_t)seen.bytes);
    }
    fixture_stop(f);
}

/* ---- Who is behind, and who is cut ------------------------------------------------------------- */

static void read_unsent(fixture_t *f, void *arg)
{
    stream_t *s = arg;

    (void)f;
    s->len = http_stream_unsent(s->req);
}

static void abort_on_loop(fixture_t *f, void *arg)
{
    (void)f;
    http_stream_abort(((stream_t *)arg)->req);
}

Test(http_stream, says_what_is_unsent_and_can_be_cut_off)
{
    http_options_t options = fixture_options();
    client_t       c;
    stream_t       s;
    char           block[8192];
    fixture_t     *f = start_parked(&options, &c, GET("/park/a"), 1);

    memset(block, 'x', sizeof block - 1);
    block[sizeof block - 1] = '\0';
    stream_begin(f, &s, "a");
    fill(f, &s, block); /* nobody reads */
    fixture_call(f, read_unsent, &s);
    cr_expect(s.len > 0 && s.len <= HTTP_STREAM_HIGH + sizeof block + HTTP_OUT_BUFFER, "%zu bytes",
              s.len);
    fixture_call(f, abort_on_loop, &s);
    fixture_wait_connections(f, 0);
    client_close(&c);
    fixture_stop(f);
}

Test(http_stream, of_a_client_that_is_gone_has_nothing_unsent)
{
    http_options_t options = fixture_options();
    client_t       c;
    stream_t       s;
    fixture_t     *f = start_parked(&options, &c, GET("/park/a"), 1);

    stream_begin(f, &s, "a");
    client_reset(&c);
    fixture_wait_connections(f, 0);
    fixture_call(f, read_unsent, &s);
    cr_expect(s.len == 0, "%zu bytes", s.len);
    fixture_call(f, abort_on_loop, &s);
    fixture_stop(f);
}
