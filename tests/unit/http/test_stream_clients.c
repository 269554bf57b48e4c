/*
 * common/http/stream.c, continued: clients that read too slowly, or leave, and what the writer learns
 * of them.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/internal.h"
#include "tests/unit/http/raw.h"
#include "tests/unit/http/streaming.h"

enum { DEADLINE_ROUNDS = 20000 };

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
    fixture_t *f = stream_park(NULL, &c, GET("/park/a") GET("/park/b"), 2);

    memset(block, 'x', sizeof block - 1);
    stream_begin(f, &s, "b");
    fill(f, &s, block);
    cr_expect(s.accepted > HTTP_STREAM_HIGH / 2 && s.accepted <= HTTP_STREAM_HIGH,
              "%zu bytes were taken", s.accepted);
    fixture_go_round(f);
    cr_expect(room_of(f, &s) == 0, "on_room was called although there is none");
    fixture_release(f, "a");
    client_expect_answer(&c, 200, "a");
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
    fixture_t      *f = stream_park(NULL, &c, GET("/park/a"), 1);

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
    fixture_t *f = stream_park(NULL, &c, GET("/park/a"), 1);

    memset(block, 'x', LARGE);
    stream_begin(f, &s, "a");
    cr_expect(stream_write(f, &s, block) == 0);
    stream_end(f, &s);
    client_expect_answer(&c, 200, block);
    free(block);
    client_close(&c);
    fixture_stop(f);
}

/* ---- Clients that leave ---------------------------------------------------------------------- */

Test(http_stream, a_writer_learns_that_its_client_is_gone)
{
    client_t   c;
    stream_t   s;
    fixture_t *f = stream_park(NULL, &c, GET("/park/a"), 1);

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
    fixture_t *f = stream_park(NULL, &c, GET("/park/a") GET("/park/b"), 2);

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
    fixture_t *f = stream_park(NULL, &c, GET("/park/a"), 1);

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
    fixture_t *f = stream_park(NULL, &c, GET("/park/a"), 1);

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
    fixture_t *f = stream_park(NULL, &c, GET("/park/a") GET("/park/b"), 2);

    stream_begin(f, &s, "a");
    cr_expect(stream_write(f, &s, "hello") == 0 && stream_write(f, &s, ", world") == 0);
    stream_end(f, &s);
    client_expect_answer(&c, 200, "hello, world");
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
    fixture_t     *f = stream_park(&options, &c, GET("/park/a"), 1);

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
    fixture_t     *f = stream_park(&options, &c, GET("/park/a"), 1);

    stream_begin(f, &s, "a");
    client_reset(&c);
    fixture_wait_connections(f, 0);
    fixture_call(f, read_unsent, &s);
    cr_expect(s.len == 0, "%zu bytes", s.len);
    fixture_call(f, abort_on_loop, &s);
    fixture_stop(f);
}
