/*
 * common/http/server.c: opening, listening, closing. The turn, time-outs and draining have files of
 * their own.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/http/internal.h"
#include "tests/support/client.h"
#include "tests/unit/http/fixture.h"
#include "tests/unit/http/routes.h"

static void on_drained(void *owner)
{
    ++*(unsigned *)owner;
}

/* A server on the test's own loop. */
typedef struct {
    uv_loop_t      loop;
    http_router_t *router;
    http_server_t *server;
    unsigned       drained;
} bare_t;

static void bare_open(bare_t *b)
{
    const http_events_t  events = {.on_ready = routes_on_ready, .on_drained = on_drained};
    const http_options_t options = fixture_options();

    *b = (bare_t){.router = routes_new(NULL)};
    cr_assert(uv_loop_init(&b->loop) == 0);
    cr_assert(http_server_open(&b->server, &b->loop, &options, b->router, &events, &b->drained) ==
              0);
}

static void bare_close(bare_t *b)
{
    http_server_close(b->server);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    cr_assert(uv_loop_close(&b->loop) == 0, "handles are left on the loop");
    http_router_free(b->router);
}

static void bare_drain(bare_t *b)
{
    http_server_drain(b->server, 0);
    while (b->drained == 0)
        uv_run(&b->loop, UV_RUN_ONCE);
}

Test(http_server, the_defaults_are_those_of_the_help)
{
    http_options_t o;

    http_options_default(&o);
    cr_expect(o.backlog == 1024 && o.max_connections == 10000 && o.max_in_flight == 10000 &&
              o.pipeline_window == 32);
    cr_expect(o.max_request_line == 8192 && o.max_header_bytes == 16384 && o.max_headers == 100 &&
              o.max_body == 1048576);
    cr_expect(o.header_timeout_ms == 10000 && o.body_timeout_ms == 30000 &&
              o.keepalive_timeout_ms == 60000 && o.write_timeout_ms == 30000 &&
              o.request_timeout_ms == 0);
}

Test(http_server, one_that_never_listened_can_be_closed)
{
    bare_t b;

    bare_open(&b);
    bare_close(&b);
}

Test(http_server, one_that_never_listened_can_be_drained)
{
    bare_t b;

    bare_open(&b);
    bare_drain(&b);
    cr_expect(b.drained == 1);
    bare_close(&b);
}

Test(http_server, needs_a_numeric_address)
{
    static const char *const hosts[] = {"", "localhost", "127.0.0", "300.0.0.1", "::g"};

    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        bare_t b;

        bare_open(&b);
        int err = http_server_listen(b.server, hosts[i], 0, false);
        cr_expect(err == UV_EINVAL, "\"%s\": expected %d, seen %d", hosts[i], UV_EINVAL, err);
        bare_close(&b);
    }
}

Test(http_server, port_0_is_one_that_the_kernel_chooses)
{
    bare_t b;

    bare_open(&b);
    cr_assert(http_server_listen(b.server, "127.0.0.1", 0, false) == 0);
    cr_expect(http_server_port(b.server) > 0);
    bare_drain(&b);
    bare_close(&b);
}

Test(http_server, a_port_in_use_is_an_error_at_once)
{
    bare_t first, second;

    bare_open(&first);
    bare_open(&second);
    cr_assert(http_server_listen(first.server, "127.0.0.1", 0, false) == 0);
    int err = http_server_listen(second.server, "127.0.0.1", http_server_port(first.server), false);
    cr_expect(err == UV_EADDRINUSE, "expected %d, seen %d", UV_EADDRINUSE, err);
    bare_close(&second);
    bare_drain(&first);
    bare_close(&first);
}

Test(http_server, several_share_a_port_if_all_say_so)
{
    bare_t first, second;

    bare_open(&first);
    bare_open(&second);
    cr_assert(http_server_listen(first.server, "127.0.0.1", 0, true) == 0);
    int port = http_server_port(first.server);
    int err = http_server_listen(second.server, "127.0.0.1", port, true);
    cr_expect(err == 0 && http_server_port(second.server) == port, "%d", err);
    bare_drain(&second);
    bare_close(&second);
    bare_drain(&first);
    bare_close(&first);
}

static void add_in_flight(fixture_t *f, void *arg)
{
    *(unsigned *)arg = http_server_in_flight(f->server);
}

Test(http_server, counts_what_is_in_flight_and_what_became_of_it)
{
    fixture_t   *f = fixture_start(NULL);
    unsigned     in_flight;
    http_stats_t stats;
    client_t     c;

    client_connect(&c, f->port);
    client_send(&c, "GET /park/a HTTP/1.1\r\nHost: a\r\n\r\nGET /park/b HTTP/1.1\r\nHost: a\r\n\r\n"
                    "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    fixture_wait_parked(f, 2);
    fixture_call(f, add_in_flight, &in_flight);
    cr_expect(in_flight == 2, "expected 2, seen %u", in_flight);
    fixture_release(f, "a");
    fixture_release(f, "b");
    for (int i = 0; i < 3; i++) {
        answer_t a = client_read_answer(&c);
        answer_free(&a);
    }
    fixture_call(f, add_in_flight, &in_flight);
    cr_expect(in_flight == 0, "expected 0, seen %u", in_flight);
    stats = fixture_stats(f);
    cr_expect(stats.connections == 1 && stats.parsed == 3 && stats.answered == 3 &&
              stats.answered_by_class[2] == 2 && stats.answered_by_class[4] == 1);
    client_close(&c);
    fixture_stop(f);
}

/* A request that somebody still holds outlives its server. */
Test(http_server, a_request_that_is_held_stays_valid)
{
    fixture_t *f = fixture_start(NULL);
    client_t   c;

    client_connect(&c, f->port);
    client_send(&c, "GET /park/held HTTP/1.1\r\nHost: a\r\n\r\n");
    fixture_wait_parked(f, 1);
    http_request_t *req = f->parked[0];
    http_request_ref(req);
    fixture_release(f, "held");
    answer_t a = client_read_answer(&c);
    answer_free(&a);
    client_close(&c);
    fixture_stop(f);
    http_slice_t path = http_request_path(req);
    cr_expect(path.len == 10 && memcmp(path.data, "/park/held", 10) == 0, "seen \"%.*s\"",
              (int)path.len, path.data);
    cr_expect(!http_request_abandoned(req), "it was answered");
    http_request_unref(req);
}

/* ---- A turn in pieces ------------------------------------------------------------------------ */

static void pause_at_once(fixture_t *f, void *arg)
{
    (void)arg;
    f->server->pause_ns = 1; /* ns */
}

static void count_turns(fixture_t *f, void *arg)
{
    *(unsigned *)arg = f->turns;
}

/* Send both, which are read at once. returns how often on_ready was called for them */
static unsigned turns_of(fixture_t *f, client_t *c, const char *both)
{
    unsigned before, after;

    fixture_call(f, count_turns, &before);
    client_send(c, both);
    for (int i = 0; i < 2; i++) {
        answer_t a = client_read_answer(c);
        answer_free(&a);
    }
    fixture_call(f, count_turns, &after);
    return after - before;
}

Test(http_server, requests_are_handed_over_at_once_unless_that_takes_long)
{
    static const char both[] = "GET /status/200 HTTP/1.1\r\nHost: a\r\n\r\n"
                               "GET /status/201 HTTP/1.1\r\nHost: a\r\n\r\n";
    fixture_t        *f = fixture_start(NULL);
    client_t          c;
    unsigned          turns;

    client_connect(&c, f->port);
    turns = turns_of(f, &c, both);
    cr_expect(turns == 1, "expected 1 call of on_ready, seen %u", turns);
    fixture_call(f, pause_at_once, NULL);
    turns = turns_of(f, &c, both);
    cr_expect(turns == 2, "expected 2 calls of on_ready, seen %u", turns);
    client_close(&c);
    fixture_stop(f);
}

/* What was to be handed over next may have lost its client meanwhile: no handler sees it. */
Test(http_server, a_request_whose_client_leaves_in_the_pause_is_dropped)
{
    fixture_t *f = fixture_start(NULL);
    client_t   c;
    answer_t   a;

    fixture_call(f, pause_at_once, NULL);
    client_connect(&c, f->port);
    client_send(&c, "GET /null HTTP/1.1\r\nHost: a\r\n\r\n" /* its answer ends the connection */
                    "GET /park/b HTTP/1.1\r\nHost: a\r\n\r\n");
    a = client_read_answer(&c);
    cr_expect(a.status == 500 && a.close, "status %d", a.status);
    answer_free(&a);
    cr_expect(client_at_eof(&c));
    cr_expect(fixture_parked_ever(f) == 0, "its handler ran");
    client_close(&c);
    fixture_stop(f);
}

/* ---- More than a turn's worth ---------------------------------------------------------------- */

enum { CLIENTS = 40, PIPELINED = 16 };

/* On the HTTP thread, which so reads nothing until all of it has arrived. */
static void send_to_all(fixture_t *f, void *arg)
{
    static const char request[] = "GET /status/200 HTTP/1.1\r\nHost: a\r\n\r\n";
    client_t         *clients = arg;

    (void)f;
    for (int i = 0; i < CLIENTS * PIPELINED; i++)
        if (send(clients[i % CLIENTS].fd, request, sizeof request - 1, MSG_NOSIGNAL) !=
            (ssize_t)(sizeof request - 1))
            abort();
}

static void read_most_handed(fixture_t *f, void *arg)
{
    *(size_t *)arg = f->most_handed;
}

Test(http_server, what_is_enough_for_a_turn_is_handed_over_before_more_is_read)
{
    static client_t clients[CLIENTS];
    fixture_t      *f = fixture_start(NULL);
    unsigned        turns;
    size_t          most;

    for (int i = 0; i < CLIENTS; i++)
        client_connect(&clients[i], f->port);
    fixture_wait_connections(f, CLIENTS);
    fixture_call(f, send_to_all, clients);
    for (int i = 0; i < CLIENTS; i++) {
        for (int n = 0; n < PIPELINED; n++)
            client_expect_answer(&clients[i], 200, NULL);
        client_close(&clients[i]);
    }
    fixture_call(f, count_turns, &turns);
    fixture_call(f, read_most_handed, &most);
    cr_expect(most < CLIENTS * PIPELINED && turns > 1, "%zu of %d requests in one of %u turns",
              most, CLIENTS * PIPELINED, turns);
    fixture_stop(f);
}
