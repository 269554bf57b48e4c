/*
 * common/http/conn.c: the life of a connection. How long it lives, in which order its requests are
 * taken and answered, and what becomes of it when its client leaves. Time-outs: test_timeouts.c.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/support/client.h"
#include "tests/unit/http/feed.h"
#include "tests/unit/http/fixture.h"
#include "tests/unit/http/raw.h"

static void expect_parked(fixture_t *f, unsigned expected, const char *when)
{
    fixture_go_round(f);
    cr_assert(fixture_parked_ever(f) == expected,
              "%s: expected %u requests with a handler, seen %u", when, expected,
              fixture_parked_ever(f));
}

/* ---- How long it lives ----------------------------------------------------------------------- */

Test(http_conn, stays_open_or_closes_as_the_request_says)
{
    static const struct {
        const char *name, *raw, *connection; /* the answer's field, NULL if it has none */
        bool        close;
    } cases[] = {
        {"HTTP/1.1", GET("/echo"), NULL, false},
        {"close", "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "close", true},
        {"Close, in a list", "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n",
         "close", true},
        {"HTTP/1.0", "GET /echo HTTP/1.0\r\n\r\n", "close", true},
        {"HTTP/1.0 keep-alive", "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
         "keep-alive", false},
        {"HTTP/1.0 keep-alive, with a body",
         "POST /echo HTTP/1.0\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx",
         "keep-alive", false},
        {"404", GET("/nowhere"), NULL, false},
        {"malformed", "GET x HTTP/1.1\r\n\r\n", "close", true},
    };
    fixture_t *f = fixture_start(NULL);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        client_t c;

        client_connect(&c, f->port);
        client_send(&c, cases[i].raw);
        answer_t    a = client_read_answer(&c);
        const char *seen = answer_field(&a, "Connection");
        cr_expect((seen == NULL) == (cases[i].connection == NULL) &&
                      (seen == NULL || strcmp(seen, cases[i].connection) == 0),
                  "%s: expected Connection: %s, seen %s", cases[i].name,
                  cases[i].connection == NULL ? "(none)" : cases[i].connection,
                  seen == NULL ? "(none)" : seen);
        answer_free(&a);
        if (!cases[i].close) {
            a = client_get(&c, "/echo");
            cr_expect(a.status == 200, "%s: the next request: seen %d", cases[i].name, a.status);
            answer_free(&a);
        } else {
            cr_expect(client_at_eof(&c), "%s: the connection is still open", cases[i].name);
        }
        client_close(&c);
    }
    fixture_stop(f);
}

Test(http_conn, serves_nothing_after_the_last_request)
{
    fixture_t *f = fixture_start(NULL);
    client_t   c;

    client_connect(&c, f->port);
    client_send(&c, "GET /park/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/park/b"));
    fixture_wait_parked(f, 1);
    client_send(&c, GET("/park/c"));
    expect_parked(f, 1, "behind Connection: close");
    fixture_release(f, "a");
    client_expect_answer(&c, 200, "a");
    cr_expect(client_at_eof(&c));
    cr_expect(fixture_stats(f).parsed == 1, "expected 1, seen %ju",
              (uintmax_t)fixture_stats(f).parsed);
    client_close(&c);
    fixture_stop(f);
}

Test(http_conn, serves_many_requests)
{
    fixture_t *f = fixture_start(NULL);
    client_t   c;

    client_connect(&c, f->port);
    for (int i = 0; i < 500; i++) {
        answer_t a = client_get(&c, i % 2 ? "/echo" : "/native/echo");

        cr_assert(a.status == 200 && !a.close, "request %d: seen %d", i, a.status);
        answer_free(&a);
    }
    cr_expect(fixture_stats(f).connections == 1);
    client_close(&c);
    fixture_stop(f);
}

/* The end of the connection is a FIN, not a reset. */
static bool ends_in_order(const client_t *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    char          byte;

    return c->len == 0 && poll(&p, 1, CLIENT_DEADLINE_MS) == 1 && recv(c->fd, &byte, 1, 0) == 0;
}

/* A close on unread input would send a reset, which may destroy the answer on its way. */
Test(http_conn, a_refusal_arrives_although_the_client_sends_on)
{
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n";
    enum { LEN = 512 * 1024 };
    fixture_t *f = fixture_start(NULL);
    char      *raw = calloc(1, LEN);

    memcpy(raw, head, sizeof head - 1);
    for (int i = 0; i < 5; i++) {
        client_t c;

        client_connect(&c, f->port);
        client_send_bytes(&c, raw, LEN);
        client_expect_answer(&c, 413, NULL);
        cr_expect(ends_in_order(&c), "the connection was reset");
        client_close(&c);
    }
    free(raw);
    fixture_stop(f);
}

/* ---- Pipelining ------------------------------------------------------------------------------ */

Test(http_conn, answers_keep_the_order_of_the_requests)
{
    fixture_t *f = fixture_start(NULL);
    client_t   c;

    client_connect(&c, f->port);
    client_send(&c, GET("/park/a") GET("/park/b") GET("/nowhere") GET("/park/c"));
    fixture_wait_parked(f, 3);
    fixture_release(f, "c");
    fixture_go_round(f);
    fixture_release(f, "b");
    fixture_go_round(f);
    cr_expect(fixture_stats(f).answered == 0, "something was answered before its turn");
    fixture_release(f, "a");
    client_expect_answer(&c, 200, "a");
    client_expect_answer(&c, 200, "b");
    client_expect_answer(&c, 404, NULL);
    client_expect_answer(&c, 200, "c");
    client_close(&c);
    fixture_stop(f);
}

Test(http_conn, connections_do_not_wait_for_each_other)
{
    enum { MANY = 40 };
    static client_t clients[MANY];
    fixture_t      *f = fixture_start(NULL);
    char            text[64];

    for (int i = 0; i < MANY; i++) {
        client_connect(&clients[i], f->port);
        snprintf(text, sizeof text, GET("/park/%d"), i);
        client_send(&clients[i], text);
    }
    fixture_wait_parked(f, MANY);
    for (int i = MANY - 1; i >= 0; i--) {
        snprintf(text, sizeof text, "%d", i);
        fixture_release(f, text);
        client_expect_answer(&clients[i], 200, text);
        client_close(&clients[i]);
    }
    fixture_stop(f);
}

/* What is complete after one read is handed over in one call, and answered in one write. */
Test(http_conn, a_turn_hands_over_all_requests_at_once)
{
    static const char raw[] = GET("/echo?1") GET("/echo?2") GET("/echo?3") GET("/echo?4");
    feed_t            feed;

    feed_open(&feed, NULL);
    char *output = feed_run(&feed, raw, sizeof raw - 1, 0);
    cr_expect(strcmp(feed_statuses(output), "200 200 200 200") == 0, "seen:\n%s", output);
    cr_expect(feed.turns == 1 && feed.requests == 4, "expected 4 in 1 turn, seen %u in %u",
              feed.requests, feed.turns);
    free(output);
    feed_close(&feed);
}

Test(http_conn, reading_pauses_at_the_window_and_resumes)
{
    enum { MORE = 2000 };
    http_options_t options = fixture_options();
    client_t       c;

    options.pipeline_window = 2;
    fixture_t *f = fixture_start(&options);
    client_connect(&c, f->port);
    client_send(&c, GET("/park/a") GET("/park/b"));
    fixture_wait_parked(f, 2);
    client_send(&c, GET("/park/c"));
    fixture_wait_paused(f);
    expect_parked(f, 2, "at a window of 2");
    for (int i = 0; i < MORE; i++)
        client_send(&c, GET("/status/200"));
    fixture_release(f, "b");
    expect_parked(f, 2, "b waits for a, and counts");
    fixture_release(f, "a");
    fixture_wait_parked(f, 3);
    client_expect_answer(&c, 200, "a");
    client_expect_answer(&c, 200, "b");
    fixture_release(f, "c");
    client_expect_answer(&c, 200, "c");
    for (int i = 0; i < MORE; i++)
        client_expect_answer(&c, 200, "body");
    client_close(&c);
    fixture_stop(f);
}

/* RFC 9112, 9.3.2: requests that change something run alone and in order. */
Test(http_conn, an_unsafe_method_waits_and_is_waited_for)
{
    static const char *const unsafe[] = {"POST", "PUT", "PATCH", "DELETE"};
    fixture_t               *f = fixture_start(NULL);
    unsigned                 parked = 0;

    for (size_t i = 0; i < sizeof unsafe / sizeof unsafe[0]; i++) {
        client_t c;
        char     text[64];

        client_connect(&c, f->port);
        client_send(&c, GET("/park/a") GET("/park/b"));
        snprintf(text, sizeof text, "%s /park/c HTTP/1.1\r\nHost: a\r\n\r\n", unsafe[i]);
        client_send(&c, text);
        client_send(&c, GET("/park/d"));
        fixture_wait_parked(f, parked += 2);
        expect_parked(f, parked, "two that are safe, before one that isn't");
        fixture_release(f, "b");
        expect_parked(f, parked, "one is still unanswered");
        fixture_release(f, "a");
        fixture_wait_parked(f, ++parked);
        expect_parked(f, parked, "the unsafe one runs alone");
        fixture_release(f, "c");
        fixture_wait_parked(f, ++parked);
        fixture_release(f, "d");
        for (const char *name = "abcd"; *name != '\0'; name++)
            client_expect_answer(&c, 200, (char[]){*name, '\0'});
        client_close(&c);
    }
    fixture_stop(f);
}

/* ---- Clients that leave ---------------------------------------------------------------------- */

Test(http_conn, a_half_closed_client_gets_its_answers)
{
    fixture_t *f = fixture_start(NULL);
    client_t   c;

    client_connect(&c, f->port);
    client_send(&c, GET("/park/a") GET("/park/b"));
    client_half_close(&c);
    fixture_wait_parked(f, 2);
    fixture_go_round(f);
    fixture_release(f, "b");
    fixture_release(f, "a");
    client_expect_answer(&c, 200, "a");
    answer_t last = client_read_answer(&c);
    cr_expect(last.status == 200 && last.close, "seen:\n%s", last.head);
    answer_free(&last);
    cr_expect(client_at_eof(&c));
    client_close(&c);
    cr_expect(f->gone == 0);
    fixture_stop(f);
}

Test(http_conn, half_closed_at_the_window_still_gets_all_answers)
{
    http_options_t options = fixture_options();
    client_t       c;

    options.pipeline_window = 1;
    fixture_t *f = fixture_start(&options);
    client_connect(&c, f->port);
    client_send(&c, GET("/park/a") GET("/park/b") GET("/echo"));
    client_half_close(&c);
    fixture_wait_parked(f, 1);
    fixture_release(f, "a");
    fixture_wait_parked(f, 2);
    fixture_release(f, "b");
    client_expect_answer(&c, 200, "a");
    client_expect_answer(&c, 200, "b");
    client_expect_answer(&c, 200, NULL);
    cr_expect(client_at_eof(&c));
    client_close(&c);
    fixture_stop(f);
}

Test(http_conn, half_closed_within_a_request_is_closed_without_an_answer)
{
    static const char *const parts[] = {
        "", "GET /ec", "GET /echo HTTP/1.1\r\nHost: a\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"};
    fixture_t *f = fixture_start(NULL);

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        client_t c;

        client_connect(&c, f->port);
        client_send(&c, parts[i]);
        client_half_close(&c);
        cr_expect(client_at_eof(&c), "\"%s\" got an answer", parts[i]);
        client_close(&c);
    }
    cr_expect(fixture_stats(f).parsed == 0);
    fixture_stop(f);
}

static void abandoned_flags(fixture_t *f, void *arg)
{
    for (unsigned i = 0; i < f->parked_count; i++)
        *(unsigned *)arg += http_request_abandoned(f->parked[i]);
}

Test(http_conn, a_reset_is_told_to_every_handler_that_is_at_work)
{
    fixture_t   *f = fixture_start(NULL);
    unsigned     flagged = 0;
    http_stats_t stats;
    client_t     c;

    client_connect(&c, f->port);
    client_send(&c, GET("/park/a") GET("/park/b") GET("/park/c"));
    fixture_wait_parked(f, 3);
    fixture_release(f, "b"); /* has done its part: it isn't told */
    client_reset(&c);
    fixture_wait_gone(f, 2);
    fixture_wait_connections(f, 0);
    fixture_call(f, abandoned_flags, &flagged);
    cr_expect(flagged == 2, "expected 2 requests that say so, seen %u", flagged);
    stats = fixture_stats(f);
    cr_expect(stats.parsed == 3 && stats.abandoned == 3 && stats.answered == 0,
              "parsed %ju, abandoned %ju, answered %ju", (uintmax_t)stats.parsed,
              (uintmax_t)stats.abandoned, (uintmax_t)stats.answered);
    fixture_release(f, "a"); /* dropped, quietly */
    fixture_release(f, "c");
    cr_expect(fixture_stats(f).answered == 0);
    cr_expect(f->gone == 2, "expected 2 calls, seen %u", f->gone);
    fixture_stop(f);
}

/* A request that waits behind the barrier has no handler that could be told. */
Test(http_conn, a_reset_is_not_told_to_one_that_has_not_begun)
{
    fixture_t *f = fixture_start(NULL);
    client_t   c;

    client_connect(&c, f->port);
    client_send(&c, GET("/park/a") "POST /park/b HTTP/1.1\r\nHost: a\r\n\r\n");
    fixture_wait_parsed(f, 2);
    client_reset(&c);
    fixture_wait_connections(f, 0);
    cr_expect(f->gone == 1 && fixture_parked_ever(f) == 1, "told %u times", f->gone);
    cr_expect(fixture_stats(f).abandoned == 2);
    fixture_stop(f);
}

Test(http_conn, one_that_leaves_disturbs_no_other)
{
    fixture_t *f = fixture_start(NULL);
    client_t   stays, leaves;

    client_connect(&stays, f->port);
    client_send(&stays, GET("/park/stays"));
    for (int i = 0; i < 20; i++) {
        client_connect(&leaves, f->port);
        client_send(&leaves, i % 2 ? GET("/park/leaves") : "GET /ec");
        client_reset(&leaves);
    }
    fixture_wait_accepted(f, 21);
    fixture_wait_connections(f, 1);
    fixture_release(f, "stays");
    client_expect_answer(&stays, 200, "stays");
    client_close(&stays);
    fixture_stop(f);
}

/* ---- Limits ---------------------------------------------------------------------------------- */

Test(http_conn, beyond_max_connections_they_wait_for_room)
{
    enum { MANY = 6 };
    static client_t clients[MANY];
    http_options_t  options = fixture_options();

    options.max_connections = 2;
    fixture_t *f = fixture_start(&options);
    for (int i = 0; i < MANY; i++) {
        client_connect(&clients[i], f->port);
        client_send(&clients[i], GET("/status/200"));
    }
    for (int i = 0; i < MANY; i++) {
        client_expect_answer(&clients[i], 200, "body");
        fixture_go_round(f);
        cr_expect(fixture_stats(f).connections <= (unsigned)i + 2,
                  "%d have closed, and %ju were accepted", i,
                  (uintmax_t)fixture_stats(f).connections);
        client_close(&clients[i]);
    }
    fixture_wait_connections(f, 0);
    cr_expect(fixture_stats(f).connections == MANY);
    fixture_stop(f);
}
