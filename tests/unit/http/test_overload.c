/*
 * What too much does: answers that wait for an earlier one, clients that never read, connections when
 * descriptors run out. Each has a bound, and what waits beyond it is served once there is room.
 */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>

#include "common/http/internal.h"
#include "tests/support/client.h"
#include "tests/unit/http/fixture.h"
#include "tests/unit/http/raw.h"

enum { LARGE = 100000, MORE = 10 };

static void expect_large_answers(client_t *c, int count)
{
    for (int i = 0; i < count; i++) {
        answer_t a = client_read_answer(c);

        cr_assert(a.status == 200 && a.body_len == LARGE, "answer %d: status %d, %zu bytes", i,
                  a.status, a.body_len);
        answer_free(&a);
    }
}

static void queued_bytes(fixture_t *f, void *arg)
{
    *(size_t *)arg = f->server->conns->queued_bytes;
}

/* Three large answers wait for the first one: more than HTTP_QUEUED_MAX, so nothing more is taken. */
Test(http_overload, answers_that_wait_are_counted_in_bytes)
{
    fixture_t *f = fixture_start(NULL);
    size_t     bytes;
    client_t   c;

    client_connect(&c, f->port);
    client_send(&c, GET("/park/a"));
    for (unsigned i = 0; i < 3; i++) {
        client_send(&c, GET("/size/100000"));
        fixture_wait_parsed(f, 2 + i);
        fixture_go_round(f);
    }
    for (int i = 0; i < MORE; i++)
        client_send(&c, GET("/size/100000"));
    fixture_wait_paused(f);
    fixture_go_round(f);
    cr_expect(fixture_stats(f).parsed == 4, "expected 4 requests, seen %ju",
              (uintmax_t)fixture_stats(f).parsed);
    fixture_call(f, queued_bytes, &bytes);
    cr_expect(bytes == 3 * LARGE, "expected %d, seen %zu", 3 * LARGE, bytes);
    fixture_release(f, "a");
    answer_t a = client_read_answer(&c);
    cr_expect(a.status == 200 && a.body_len == 1, "seen:\n%s", a.head);
    answer_free(&a);
    expect_large_answers(&c, 3 + MORE);
    fixture_call(f, queued_bytes, &bytes);
    cr_expect(bytes == 0, "nothing waits, and %zu bytes are counted", bytes);
    client_close(&c);
    fixture_stop(f);
}

/* What a connection holds: its unsent output, the answers behind it, its unparsed input. */
typedef struct {
    size_t output, queued, stash;
} held_t;

static void look(fixture_t *f, void *arg)
{
    const http_conn_t *conn = f->server->conns;
    held_t            *held = arg;

    held->output = conn->output == NULL ? 0 : conn->output->len;
    held->queued = conn->queued_bytes;
    held->stash = conn->stash == NULL ? 0 : conn->stash->len;
}

/* It goes on asking and never reads: memory is bounded, whatever the number of requests. */
Test(http_overload, a_client_that_never_reads_costs_a_bounded_amount)
{
    enum { REQUESTS = 2000, WINDOW = 4 };
    http_options_t options = fixture_options();
    held_t         held;
    client_t       c;

    options.pipeline_window = WINDOW;
    fixture_t *f = fixture_start(&options);
    client_connect(&c, f->port);
    for (int i = 0; i < REQUESTS; i++)
        client_send(&c, GET("/size/100000"));
    fixture_wait_unsent(f); /* paused it may be for a moment before that */
    fixture_call(f, look, &held);
    cr_expect(held.output <= HTTP_OUT_BUFFER + LARGE, "unsent: %zu bytes", held.output);
    cr_expect(held.queued <= HTTP_QUEUED_MAX + WINDOW * LARGE, "queued: %zu bytes", held.queued);
    cr_expect(held.stash <= 2 * HTTP_READ_BUFFER, "unparsed: %zu bytes", held.stash);
    expect_large_answers(&c, REQUESTS);
    client_close(&c);
    fixture_stop(f);
}

static void set_fd_limit(fixture_t *f, void *arg)
{
    f->server->fd_limit = *(unsigned *)arg;
}

/* No connection closes meanwhile: the next tick finds that there are descriptors again. */
Test(http_overload, accepting_resumes_by_itself_once_there_are_descriptors)
{
    unsigned   none = 0, any = INT_MAX;
    fixture_t *f = fixture_start(NULL);
    client_t   first, second;
    answer_t   a;

    fixture_call(f, set_fd_limit, &none);
    client_connect(&first, f->port);
    a = client_get(&first, "/status/200");
    answer_free(&a);
    client_connect(&second, f->port);
    client_send(&second, GET("/status/200"));
    fixture_go_round(f);
    cr_expect(fixture_stats(f).connections == 1, "a connection too many was accepted");
    a = client_get(&first, "/status/200");
    cr_expect(a.status == 200, "the first one is served as before: %d", a.status);
    answer_free(&a);
    fixture_call(f, set_fd_limit, &any);
    a = client_read_answer(&second);
    cr_expect(a.status == 200, "seen %d", a.status);
    answer_free(&a);
    client_close(&first);
    client_close(&second);
    fixture_stop(f);
}
