/*
 * Time-outs of common/http. Each test sets the one that it is about to a few milliseconds, the
 * others to never, and waits for what must follow; nothing is said about how long it takes. Where
 * something must NOT time out, the test first sees another connection do so.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/client.h"
#include "tests/unit/http/fixture.h"
#include "tests/unit/http/raw.h"
#include "tests/unit/http/routes.h"

#define POST(target) "POST " target " HTTP/1.1\r\nHost: a\r\n\r\n"

enum { SHORT_MS = 40 };

static void expect_408_and_close(client_t *c)
{
    answer_t a = client_read_answer(c);

    cr_expect(a.status == 408 && a.close, "expected 408 and close, seen:\n%s", a.head);
    answer_free(&a);
    cr_expect(client_at_eof(c));
    client_close(c);
}

Test(http_timeouts, a_head_that_does_not_end_is_answered_408)
{
    static const char *const parts[] = {"G", "GET /echo HTTP/1.1\r\nHost: a\r\n",
                                        GET("/echo?1") "GET /echo?2 HTTP/1.1\r\nHost"};
    http_options_t           options = fixture_options();

    options.header_timeout_ms = SHORT_MS;
    fixture_t *f = fixture_start(&options);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        client_t c;

        client_connect(&c, f->port);
        client_send(&c, parts[i]);
        if (i == 2)
            client_expect_answer(&c, 200, NULL);
        expect_408_and_close(&c);
    }
    cr_expect(fixture_stats(f).answered_by_class[4] == 3);
    fixture_stop(f);
}

/* From its first byte: another byte now and then is no excuse. */
Test(http_timeouts, a_head_that_drips_is_answered_408)
{
    http_options_t options = fixture_options();
    client_t       c;

    options.header_timeout_ms = SHORT_MS;
    fixture_t *f = fixture_start(&options);
    client_connect(&c, f->port);
    client_send(&c, "GET /echo HTTP/1.1\r\nHost: a\r\nX: ");
    for (int i = 0; fixture_stats(f).answered == 0; i++) {
        cr_assert(i < 10000, "it goes on for ever");
        client_send(&c, "x");
        uv_sleep(2); /* the drip */
    }
    expect_408_and_close(&c);
    fixture_stop(f);
}

Test(http_timeouts, a_body_that_does_not_end_is_answered_408)
{
    static const char *const parts[] = {
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    };
    http_options_t options = fixture_options();

    options.body_timeout_ms = SHORT_MS;
    fixture_t *f = fixture_start(&options);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        client_t c;

        client_connect(&c, f->port);
        client_send(&c, parts[i]);
        expect_408_and_close(&c);
    }
    fixture_stop(f);
}

Test(http_timeouts, a_connection_without_any_request_is_closed_without_a_word)
{
    http_options_t options = fixture_options();
    client_t       c;

    options.header_timeout_ms = SHORT_MS;
    fixture_t *f = fixture_start(&options);
    client_connect(&c, f->port);
    cr_expect(client_at_eof(&c));
    cr_expect(fixture_stats(f).parsed == 0);
    client_close(&c);
    fixture_stop(f);
}

Test(http_timeouts, an_idle_connection_is_closed_without_a_word)
{
    http_options_t options = fixture_options();
    client_t       c;

    options.keepalive_timeout_ms = SHORT_MS;
    fixture_t *f = fixture_start(&options);
    client_connect(&c, f->port);
    client_send(&c, GET("/echo"));
    client_expect_answer(&c, 200, NULL);
    cr_expect(client_at_eof(&c));
    cr_expect(fixture_stats(f).parsed == 1);
    client_close(&c);
    fixture_stop(f);
}

/* See idle connections time out, one after the other: time has passed then. */
static void let_idle_connections_time_out(const fixture_t *f)
{
    for (int i = 0; i < 3; i++) {
        client_t c;

        client_connect(&c, f->port);
        client_send(&c, GET("/echo"));
        client_expect_answer(&c, 200, NULL);
        cr_assert(client_at_eof(&c));
        client_close(&c);
    }
}

Test(http_timeouts, a_connection_whose_request_has_a_handler_is_not_idle)
{
    http_options_t options = fixture_options();
    client_t       c;

    options.keepalive_timeout_ms = SHORT_MS;
    fixture_t *f = fixture_start(&options);
    client_connect(&c, f->port);
    client_send(&c, GET("/park/a"));
    fixture_wait_parked(f, 1);
    let_idle_connections_time_out(f);
    cr_expect(f->gone == 0);
    fixture_release(f, "a");
    client_expect_answer(&c, 200, "a");
    client_close(&c);
    fixture_stop(f);
}

/* Idling is over with the next request's first byte. */
Test(http_timeouts, a_head_on_its_way_is_not_idle)
{
    http_options_t options = fixture_options();
    client_t       c;

    options.keepalive_timeout_ms = SHORT_MS;
    fixture_t *f = fixture_start(&options);
    client_connect(&c, f->port);
    client_send(&c, GET("/park/a") "GET /park/b HTT");
    fixture_wait_parked(f, 1);
    fixture_release(f, "a");
    client_expect_answer(&c, 200, "a");
    let_idle_connections_time_out(f);
    client_send(&c, "P/1.1\r\nHost: a\r\n\r\n");
    fixture_wait_parked(f, 2);
    fixture_release(f, "b");
    client_expect_answer(&c, 200, "b");
    client_close(&c);
    fixture_stop(f);
}

/* More than the kernel buffers on both sides; nobody reads it. */
Test(http_timeouts, a_client_that_takes_no_bytes_is_closed)
{
    http_options_t options = fixture_options();
    http_stats_t   stats;
    client_t       c;

    options.write_timeout_ms = SHORT_MS;
    fixture_t *f = fixture_start(&options);
    client_connect(&c, f->port);
    client_send(&c, GET("/size/33554432") GET("/park/a"));
    fixture_wait_accepted(f, 1);
    fixture_wait_connections(f, 0);
    fixture_go_round(f);
    stats = fixture_stats(f);
    cr_expect(stats.answered == 0 && stats.abandoned == stats.parsed,
              "parsed %ju, answered %ju, abandoned %ju", (uintmax_t)stats.parsed,
              (uintmax_t)stats.answered, (uintmax_t)stats.abandoned);
    client_close(&c);
    fixture_stop(f);
}

/* ---- 504 ------------------------------------------------------------------------------------- */

static http_options_t with_request_timeout(void)
{
    http_options_t options = fixture_options();

    options.request_timeout_ms = SHORT_MS;
    return options;
}

Test(http_timeouts, a_handler_that_takes_too_long_is_answered_for)
{
    http_options_t options = with_request_timeout();
    fixture_t     *f = fixture_start(&options);
    client_t       c;

    client_connect(&c, f->port);
    client_send(&c, GET("/park/a"));
    fixture_wait_parked(f, 1);
    answer_t a = client_read_answer(&c);
    cr_expect(a.status == 504 && !a.close, "seen:\n%s", a.head);
    answer_free(&a);
    cr_expect(f->gone == 1, "its handler was told %u times", f->gone);
    fixture_release(f, "a"); /* too late: dropped */
    client_send(&c, GET("/echo"));
    client_expect_answer(&c, 200, NULL);
    cr_expect(fixture_stats(f).answered == 2 && fixture_stats(f).answered_by_class[5] == 1);
    client_close(&c);
    fixture_stop(f);
}

/* The unsafe request times out where it waits: it must not run later, nor hold up what follows. */
Test(http_timeouts, one_that_times_out_behind_the_barrier_is_over)
{
    http_options_t options = with_request_timeout();
    fixture_t     *f = fixture_start(&options);
    client_t       c;

    client_connect(&c, f->port);
    client_send(&c, GET("/park/a") POST("/park/b"));
    client_expect_answer(&c, 504, NULL);
    client_expect_answer(&c, 504, NULL);
    for (int i = 0; i < 3; i++) {
        client_send(&c, GET("/echo"));
        client_expect_answer(&c, 200, NULL);
    }
    fixture_go_round(f);
    cr_expect(fixture_parked_ever(f) == 1, "the one behind the barrier has run after its 504");
    cr_expect(f->gone == 1, "told %u times", f->gone);
    client_close(&c);
    fixture_stop(f);
}

static void begin_stream(fixture_t *f, void *arg)
{
    http_request_t *req = fixture_unpark(f, arg);

    if (req == NULL ||
        http_stream_begin(req, http_response_new(200, NULL, NULL, 0), NULL, NULL) != 0)
        abort();
    f->parked[f->parked_count++] = req; /* still ours until its end */
}

static void end_stream(fixture_t *f, void *arg)
{
    http_request_t *req = fixture_unpark(f, arg);

    if (req == NULL)
        abort();
    http_stream_end(req);
}

/* `a` streams, which has no time-out; `b` times out behind it, and then begins a stream too. */
Test(http_timeouts, a_stream_that_begins_after_its_504_changes_nothing)
{
    http_options_t options = with_request_timeout();
    fixture_t     *f = fixture_start(&options);
    client_t       c;

    client_connect(&c, f->port);
    client_send(&c, GET("/park/a") GET("/park/b"));
    fixture_wait_parked(f, 2);
    fixture_call(f, begin_stream, "a");
    fixture_wait_gone(f, 1);
    fixture_call(f, begin_stream, "b");
    fixture_call(f, end_stream, "b");
    fixture_call(f, end_stream, "a");
    client_expect_answer(&c, 200, "");
    client_expect_answer(&c, 504, "504 Gateway Timeout\n");
    client_send(&c, GET("/echo"));
    client_expect_answer(&c, 200, NULL);
    client_close(&c);
    fixture_stop(f);
}
