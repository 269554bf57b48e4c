/*
 * on_finished: whoever keeps books learns of each request's end, once, whichever way it ends. That
 * the counts agree with the server's own is checked by fixture_stop() in every test of this folder;
 * here is what is said, and when.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/client.h"
#include "tests/unit/http/fixture.h"
#include "tests/unit/http/raw.h"

enum { MUCH = 16 * 1000 * 1000 }; /* bytes: more than the kernel's socket buffers take */

static const char *const names[] = {"answered", "abandoned", "cut off"};

/* End number `i` is of the request `line`. `bytes` -1: whatever. */
static void expect_end(fixture_t *f, unsigned i, const char *line, http_end_t how, int status,
                       long bytes)
{
    fixture_end_t seen = fixture_end(f, i);

    cr_expect(strcmp(seen.line, line) == 0 && seen.end == how && seen.status == status &&
                  (bytes < 0 || seen.bytes == (uint64_t)bytes),
              "end %u: expected \"%s\" %s with %d, %ld bytes; seen \"%s\" %s with %d, %ju bytes", i,
              line, names[how], status, bytes, seen.line, names[seen.end], seen.status,
              (uintmax_t)seen.bytes);
    cr_expect(strcmp(seen.peer, "127.0.0.1") == 0, "peer \"%s\"", seen.peer);
}

/* Read an answer and forget it. */
static void read_one(client_t *c)
{
    answer_t a = client_read_answer(c);

    answer_free(&a);
}

Test(http_finished, an_answer_is_told_with_its_status_and_size)
{
    static const struct {
        const char *request, *line;
        int         status;
        long        bytes;
    } cases[] = {
        {GET("/size/1234"), "GET /size/1234", 200, 1234},
        {GET("/size/100000?x=y"), "GET /size/100000?x=y", 200,
         100000}, /* not gathered: too large */
        {GET("/status/204"), "GET /status/204", 204, 0},
        {GET("/nowhere"), "GET /nowhere", 404, -1},
        {"DELETE /only/get HTTP/1.1\r\nHost: a\r\n\r\n", "DELETE /only/get", 405, -1},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS *", 204, 0},
        {GET("/null"), "GET /null", 500, 0},
        /* What was refused is told as far as it was understood. */
        {"\x16\x03\x01", "-", 400, -1},
        {"GET /no/host HTTP/1.1\r\n\r\n", "GET /no/host", 400, -1},
        {"POST /bad/field HTTP/1.1\r\nHost : a\r\n\r\n", "POST /bad/field", 400, -1},
        {"PROPFIND /dav HTTP/1.1\r\nHost: a\r\n\r\n", "PROPFIND /dav", 501, -1},
        {"WHATEVER / HTTP/1.1\r\n\r\n", "-", 501, -1},
        {"GET / HTTP/2.0\r\n\r\n", "GET /", 505, -1},
    };
    fixture_t *f = fixture_start(NULL);

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        client_t c;

        client_connect(&c, f->port);
        client_send(&c, cases[i].request);
        read_one(&c);
        fixture_wait_ended(f, i + 1);
        expect_end(f, i, cases[i].line, HTTP_END_ANSWERED, cases[i].status, cases[i].bytes);
        client_close(&c);
    }
    fixture_stop(f);
}

Test(http_finished, the_answer_to_head_has_no_bytes)
{
    fixture_t *f = fixture_start(NULL);
    client_t   c;
    answer_t   a;

    client_connect(&c, f->port);
    client_send(&c, "HEAD /echo HTTP/1.0\r\n\r\n");
    a = client_read_answer_to(&c, "HEAD");
    answer_free(&a);
    fixture_wait_ended(f, 1);
    expect_end(f, 0, "HEAD /echo", HTTP_END_ANSWERED, 200, 0);
    client_close(&c);
    fixture_stop(f);
}

/* In the order in which the answers go out, each with a time of its own. */
Test(http_finished, pipelined_requests_are_told_one_by_one)
{
    fixture_t *f = fixture_start(NULL);
    client_t   c;

    client_connect(&c, f->port);
    client_send(&c, GET("/park/a") GET("/size/1") GET("/size/2"));
    fixture_wait_parsed(f, 3);
    fixture_go_round(f);
    cr_expect(f->ended_ever == 0, "told before its turn: %u", f->ended_ever);
    fixture_release(f, "a");
    for (int i = 0; i < 3; i++)
        read_one(&c);
    fixture_wait_ended(f, 3);
    expect_end(f, 0, "GET /park/a", HTTP_END_ANSWERED, 200, 1);
    expect_end(f, 1, "GET /size/1", HTTP_END_ANSWERED, 200, 1);
    expect_end(f, 2, "GET /size/2", HTTP_END_ANSWERED, 200, 2);
    cr_expect(fixture_end(f, 0).duration_ns > 0 &&
                  fixture_end(f, 0).duration_ns >= fixture_end(f, 2).duration_ns,
              "%ju ns, %ju ns", (uintmax_t)fixture_end(f, 0).duration_ns,
              (uintmax_t)fixture_end(f, 2).duration_ns);
    client_close(&c);
    fixture_stop(f);
}

/* A client that has read one answer and doesn't read on: one is under way, one is due. */
static fixture_t *start_unread(client_t *c)
{
    fixture_t *f = fixture_start(NULL);

    client_connect(c, f->port);
    client_send(c, GET("/size/3"));
    read_one(c);
    client_send(c, GET("/size/16000000") GET("/park/a"));
    fixture_wait_parked(f, 1);
    fixture_go_round(f);
    return f;
}

Test(http_finished, an_answer_that_the_client_has_not_taken_has_not_ended)
{
    client_t   c;
    fixture_t *f = start_unread(&c);

    cr_expect(f->ended_ever == 1, "%u ends were told, expected 1", f->ended_ever);
    read_one(&c);
    fixture_wait_ended(f, 2);
    expect_end(f, 0, "GET /size/3", HTTP_END_ANSWERED, 200, 3);
    expect_end(f, 1, "GET /size/16000000", HTTP_END_ANSWERED, 200, MUCH);
    fixture_release(f, "a");
    read_one(&c);
    client_close(&c);
    fixture_stop(f);
}

Test(http_finished, a_client_that_leaves_abandons_all_it_waits_for)
{
    client_t   c;
    fixture_t *f = start_unread(&c);

    client_reset(&c);
    fixture_wait_ended(f, 3);
    expect_end(f, 1, "GET /size/16000000", HTTP_END_ABANDONED, 200, MUCH);
    expect_end(f, 2, "GET /park/a", HTTP_END_ABANDONED, 0, 0);
    fixture_release(f, "a"); /* too late: its answer is dropped */
    fixture_stop(f);
}

Test(http_finished, the_drain_timeout_cuts_off_what_is_under_way)
{
    client_t   c;
    fixture_t *f = start_unread(&c);

    fixture_drain(f, 1);
    fixture_wait_drained(f);
    cr_expect(f->ended_ever == 3, "%u ends were told, expected 3", f->ended_ever);
    expect_end(f, 1, "GET /size/16000000", HTTP_END_CUT_OFF, 200, MUCH);
    expect_end(f, 2, "GET /park/a", HTTP_END_CUT_OFF, 0, 0);
    client_close(&c);
    fixture_stop(f);
}

/* An answer that has to be the last: those behind it get none. */
Test(http_finished, what_stands_behind_the_last_answer_is_abandoned)
{
    fixture_t *f = fixture_start(NULL);
    client_t   c;

    client_connect(&c, f->port);
    client_send(&c, GET("/park/a") GET("/null") GET("/size/1"));
    fixture_wait_parsed(f, 3);
    fixture_release(f, "a");
    read_one(&c);
    read_one(&c);
    cr_expect(client_at_eof(&c), "one more answer");
    fixture_wait_ended(f, 3);
    expect_end(f, 0, "GET /size/1", HTTP_END_ABANDONED, 0, 0);
    expect_end(f, 1, "GET /park/a", HTTP_END_ANSWERED, 200, 1);
    expect_end(f, 2, "GET /null", HTTP_END_ANSWERED, 500, 0);
    client_close(&c);
    fixture_stop(f);
}

Test(http_finished, a_request_that_was_told_504_has_ended_though_its_handler_runs)
{
    http_options_t options = fixture_options();
    client_t       c;

    options.request_timeout_ms = 1;
    fixture_t *f = fixture_start(&options);
    client_connect(&c, f->port);
    client_send(&c, GET("/park/a"));
    read_one(&c);
    fixture_wait_ended(f, 1);
    expect_end(f, 0, "GET /park/a", HTTP_END_ANSWERED, 504, -1);
    fixture_release(f, "a");
    fixture_go_round(f);
    cr_expect(f->ended_ever == 1, "told again when the handler returned");
    client_close(&c);
    fixture_stop(f);
}

/* Bytes that never became a request have no end: nothing of them counts as parsed. */
Test(http_finished, half_a_request_is_none)
{
    fixture_t *f = fixture_start(NULL);
    client_t   c;

    client_connect(&c, f->port);
    client_send(&c, "GET / HTTP/1.1\r\nHost");
    client_half_close(&c);
    cr_expect(client_at_eof(&c));
    client_close(&c);
    fixture_wait_connections(f, 0);
    cr_expect(f->ended_ever == 0 && fixture_stats(f).parsed == 0);
    fixture_stop(f);
}

Test(http_finished, nobody_needs_to_listen)
{
    fixture_t *f = fixture_start_unobserved(NULL);
    client_t   c, leaves;

    client_connect(&c, f->port);
    client_connect(&leaves, f->port);
    client_send(&leaves, GET("/size/16000000") GET("/park/a"));
    fixture_wait_parked(f, 1);
    client_send(&c, GET("/size/1") GET("/size/100000") GET("/nowhere"));
    for (int i = 0; i < 3; i++)
        read_one(&c);
    client_reset(&leaves);
    fixture_wait_connections(f, 1);
    http_stats_t stats = fixture_stats(f);
    cr_expect(stats.answered == 3 && stats.answered_by_class[2] == 2 &&
                  stats.answered_by_class[4] == 1 && stats.abandoned == 2,
              "answered %ju, abandoned %ju", (uintmax_t)stats.answered, (uintmax_t)stats.abandoned);
    cr_expect(f->ended_ever == 0);
    client_close(&c);
    fixture_stop(f);
}
