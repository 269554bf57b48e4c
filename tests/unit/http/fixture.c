/* A server on a thread of its own: see fixture.h. */
#include "tests/unit/http/fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/internal.h"
#include "tests/unit/http/routes.h"

enum {
    DEADLINE_MS = 20000, /* only turns a hang into a failure */
    NEVER_MS = 1000 * 1000,
};

/* ---- The HTTP thread ------------------------------------------------------------------------- */

static void on_park(void *owner, http_request_t *req)
{
    fixture_t *f = owner;

    if (f->parked_count == FIXTURE_MAX_PARKED)
        abort();
    f->parked[f->parked_count++] = req;
    f->parked_ever++;
}

static void on_ready(void *owner, http_request_list_t *ready)
{
    fixture_t *f = owner;

    f->turns++;
    if (ready->count > f->most_handed)
        f->most_handed = ready->count;
    routes_on_ready(owner, ready);
}

static void on_client_gone(void *owner, http_request_t *req)
{
    fixture_t *f = owner;

    if (!http_request_abandoned(req))
        abort();
    f->gone++;
}

static void on_drained(void *owner)
{
    ((fixture_t *)owner)->drained++;
}

/* lab_data is nobody's in these tests: it tells that this request has ended before. */
static void on_finished(void *owner, const http_request_t *req, const http_outcome_t *outcome)
{
    static char    seen;
    fixture_t     *f = owner;
    const char    *method = http_request_method_sent(req);
    http_slice_t   target = http_request_target(req);
    fixture_end_t *end;

    f->ended_twice += req->lab_data == &seen;
    ((http_request_t *)(uintptr_t)req)->lab_data = &seen;
    f->ended[outcome->end]++;
    if (f->ended_ever++ >= FIXTURE_MAX_ENDS)
        return;
    end = &f->ends[f->ended_ever - 1];
    end->end = outcome->end;
    end->status = outcome->status;
    end->bytes = outcome->bytes;
    end->duration_ns = outcome->duration_ns;
    snprintf(end->peer, sizeof end->peer, "%s", outcome->peer);
    snprintf(end->line, sizeof end->line, "%s%s%.*s", method == NULL ? "-" : method,
             method == NULL ? "" : " ", (int)target.len, target.data);
}

static void on_wake(uv_async_t *wake)
{
    fixture_t *f = wake->data;
    fixture_fn fn;

    uv_mutex_lock(&f->lock);
    fn = f->fn;
    uv_mutex_unlock(&f->lock);
    if (fn == NULL)
        return; /* two wake-ups for one call */
    fn(f, f->arg);
    uv_mutex_lock(&f->lock);
    f->fn = NULL;
    uv_cond_signal(&f->done);
    uv_mutex_unlock(&f->lock);
}

static void serve(void *arg)
{
    fixture_t          *f = arg;
    const http_events_t events = {on_ready, on_client_gone, on_drained,
                                  f->observed ? on_finished : NULL};

    if (uv_loop_init(&f->loop) != 0 || uv_async_init(&f->loop, &f->wake, on_wake) != 0 ||
        http_server_open(&f->server, &f->loop, &f->options, f->router, &events, f) != 0 ||
        http_server_listen(f->server, "127.0.0.1", 0, false) != 0)
        abort();
    f->wake.data = f;
    f->port = http_server_port(f->server);
    uv_sem_post(&f->started);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    f->loop_left = uv_loop_close(&f->loop);
}

/* ---- The test's thread ----------------------------------------------------------------------- */

http_options_t fixture_options(void)
{
    http_options_t options;

    http_options_default(&options);
    options.header_timeout_ms = options.body_timeout_ms = options.keepalive_timeout_ms =
        options.write_timeout_ms = NEVER_MS;
    return options;
}

static fixture_t *start(const http_options_t *options, bool observed)
{
    fixture_t *f = calloc(1, sizeof *f);

    cr_assert(f != NULL);
    f->observed = observed;
    f->options = options != NULL ? *options : fixture_options();
    f->router = routes_new(on_park);
    cr_assert(uv_sem_init(&f->started, 0) == 0 && uv_mutex_init(&f->lock) == 0 &&
              uv_cond_init(&f->done) == 0);
    cr_assert(uv_thread_create(&f->thread, serve, f) == 0);
    uv_sem_wait(&f->started);
    return f;
}

fixture_t *fixture_start(const http_options_t *options)
{
    return start(options, true);
}

fixture_t *fixture_start_unobserved(const http_options_t *options)
{
    return start(options, false);
}

void fixture_call(fixture_t *f, fixture_fn fn, void *arg)
{
    int err = 0;

    uv_mutex_lock(&f->lock);
    f->fn = fn;
    f->arg = arg;
    uv_async_send(&f->wake);
    while (f->fn != NULL && err == 0)
        err = uv_cond_timedwait(&f->done, &f->lock, DEADLINE_MS * 1000000ULL);
    uv_mutex_unlock(&f->lock);
    cr_assert(err == 0, "the HTTP thread has not come round for %d ms", DEADLINE_MS);
}

static void read_stats(fixture_t *f, void *arg)
{
    *(http_stats_t *)arg = *http_server_stats(f->server);
}

http_stats_t fixture_stats(fixture_t *f)
{
    http_stats_t stats;

    fixture_call(f, read_stats, &stats);
    return stats;
}

/* What the waits look at, copied on the HTTP thread. */
typedef struct {
    unsigned     parked_ever, gone, connections, paused, unsent, drained, ended;
    http_stats_t stats;
} snapshot_t;

static void read_snapshot(fixture_t *f, void *arg)
{
    snapshot_t *seen = arg;

    *seen = (snapshot_t){.parked_ever = f->parked_ever,
                         .gone = f->gone,
                         .connections = http_server_connections(f->server),
                         .drained = f->drained,
                         .ended = f->ended_ever,
                         .stats = *http_server_stats(f->server)};
    for (const http_conn_t *conn = f->server->conns; conn != NULL; conn = conn->next) {
        seen->paused += !conn->reading;
        seen->unsent += !conn->reading && conn->output != NULL && conn->output->len > 0;
    }
}

/* Look again and again, until `reached` says so: nothing is measured by how long it takes. */
static void wait_until(fixture_t *f, bool (*reached)(const snapshot_t *, unsigned), unsigned n,
                       const char *what)
{
    uint64_t   deadline = uv_hrtime() / 1000000 + DEADLINE_MS;
    snapshot_t seen;

    for (;;) {
        fixture_call(f, read_snapshot, &seen);
        if (reached(&seen, n))
            return;
        cr_assert(
            uv_hrtime() / 1000000 < deadline,
            "waited for %s %u; seen: parked %u, gone %u, connections %u, drained %u, accepted "
            "%ju, parsed %ju",
            what, n, seen.parked_ever, seen.gone, seen.connections, seen.drained,
            (uintmax_t)seen.stats.connections, (uintmax_t)seen.stats.parsed);
        uv_sleep(1); /* so that a waiting test takes no core from the server */
    }
}

static bool parked_reached(const snapshot_t *seen, unsigned n)
{
    return seen->parked_ever >= n;
}

static bool gone_reached(const snapshot_t *seen, unsigned n)
{
    return seen->gone >= n;
}

static bool connections_are(const snapshot_t *seen, unsigned n)
{
    return seen->connections == n;
}

static bool accepted_reached(const snapshot_t *seen, unsigned n)
{
    return seen->stats.connections >= n;
}

static bool parsed_reached(const snapshot_t *seen, unsigned n)
{
    return seen->stats.parsed >= n;
}

static bool paused_reached(const snapshot_t *seen, unsigned n)
{
    return seen->paused >= n;
}

static bool unsent_reached(const snapshot_t *seen, unsigned n)
{
    return seen->unsent >= n;
}

static bool drained_reached(const snapshot_t *seen, unsigned n)
{
    return seen->drained >= n;
}

static bool ended_reached(const snapshot_t *seen, unsigned n)
{
    return seen->ended >= n;
}

void fixture_wait_parked(fixture_t *f, unsigned ever)
{
    wait_until(f, parked_reached, ever, "parked requests:");
}

void fixture_wait_gone(fixture_t *f, unsigned n)
{
    wait_until(f, gone_reached, n, "calls of on_client_gone:");
}

void fixture_wait_connections(fixture_t *f, unsigned n)
{
    wait_until(f, connections_are, n, "open connections:");
}

void fixture_wait_accepted(fixture_t *f, unsigned n)
{
    wait_until(f, accepted_reached, n, "accepted connections:");
}

void fixture_wait_parsed(fixture_t *f, unsigned n)
{
    wait_until(f, parsed_reached, n, "parsed requests:");
}

void fixture_wait_paused(fixture_t *f)
{
    wait_until(f, paused_reached, 1, "connections that aren't read:");
}

void fixture_wait_unsent(fixture_t *f)
{
    wait_until(f, unsent_reached, 1, "connections with output that the kernel doesn't take:");
}

void fixture_wait_drained(fixture_t *f)
{
    wait_until(f, drained_reached, 1, "calls of on_drained:");
}

void fixture_wait_ended(fixture_t *f, unsigned n)
{
    wait_until(f, ended_reached, n, "calls of on_finished:");
}

typedef struct {
    unsigned      i;
    bool          there;
    fixture_end_t end;
} end_query_t;

static void read_end(fixture_t *f, void *arg)
{
    end_query_t *query = arg;

    query->there = query->i < f->ended_ever && query->i < FIXTURE_MAX_ENDS;
    if (query->there)
        query->end = f->ends[query->i];
}

fixture_end_t fixture_end(fixture_t *f, unsigned i)
{
    end_query_t query = {.i = i};

    fixture_call(f, read_end, &query);
    cr_assert(query.there, "on_finished was called less than %u times", i + 1);
    return query.end;
}

void fixture_go_round(fixture_t *f)
{
    for (int i = 0; i < 5; i++)
        fixture_stats(f);
}

unsigned fixture_parked_ever(fixture_t *f)
{
    snapshot_t seen;

    fixture_call(f, read_snapshot, &seen);
    return seen.parked_ever;
}

http_request_t *fixture_unpark(fixture_t *f, const char *name)
{
    for (unsigned i = 0; i < f->parked_count; i++) {
        http_request_t *req = f->parked[i];
        http_slice_t    param = http_request_param(req, 0);

        if (param.len != strlen(name) || memcmp(param.data, name, param.len) != 0)
            continue;
        f->parked[i] = f->parked[--f->parked_count];
        return req;
    }
    return NULL;
}

typedef struct {
    const char *name;
    bool        found;
} release_t;

static void release(fixture_t *f, void *arg)
{
    release_t      *what = arg;
    http_request_t *req = fixture_unpark(f, what->name);

    what->found = req != NULL;
    if (req != NULL)
        routes_respond(req, 200, what->name);
}

void fixture_release(fixture_t *f, const char *name)
{
    release_t what = {.name = name};

    fixture_call(f, release, &what);
    cr_assert(what.found, "no request for /park/%s is parked", name);
}

static void drain(fixture_t *f, void *arg)
{
    http_server_drain(f->server, *(const uint32_t *)arg);
}

void fixture_drain(fixture_t *f, uint32_t timeout_ms)
{
    fixture_call(f, drain, &timeout_ms);
}

static void on_wake_closed(uv_handle_t *handle)
{
    (void)handle;
}

/* What is still parked lost its client by now: its answer is dropped. */
static void answer_leftovers(fixture_t *f, void *arg)
{
    while (f->parked_count > 0)
        routes_respond(f->parked[--f->parked_count], 200, "late");
    *(unsigned *)arg = http_server_in_flight(f->server);
}

static void close_server(fixture_t *f, void *arg)
{
    (void)arg;
    http_server_close(f->server);
    uv_close((uv_handle_t *)&f->wake, on_wake_closed);
}

void fixture_stop(fixture_t *f)
{
    http_stats_t stats;
    unsigned     in_flight;

    fixture_drain(f, 0);
    fixture_wait_drained(f);
    fixture_call(f, answer_leftovers, &in_flight);
    stats = fixture_stats(f);
    fixture_call(f, close_server, NULL);
    uv_thread_join(&f->thread);
    cr_assert(stats.parsed == stats.answered + stats.abandoned + stats.cut_off,
              "parsed %ju, but answered %ju + abandoned %ju + cut off %ju", (uintmax_t)stats.parsed,
              (uintmax_t)stats.answered, (uintmax_t)stats.abandoned, (uintmax_t)stats.cut_off);
    if (f->observed)
        cr_assert(f->ended[HTTP_END_ANSWERED] == stats.answered &&
                      f->ended[HTTP_END_ABANDONED] == stats.abandoned &&
                      f->ended[HTTP_END_CUT_OFF] == stats.cut_off && f->ended_twice == 0,
                  "on_finished: %u of %ju answered, %u of %ju abandoned, %u of %ju cut off, %u "
                  "said twice",
                  f->ended[HTTP_END_ANSWERED], (uintmax_t)stats.answered,
                  f->ended[HTTP_END_ABANDONED], (uintmax_t)stats.abandoned,
                  f->ended[HTTP_END_CUT_OFF], (uintmax_t)stats.cut_off, f->ended_twice);
    cr_assert(in_flight == 0, "%u requests are in flight after the drain", in_flight);
    cr_assert(f->drained == 1, "on_drained was called %u times", f->drained);
    cr_assert(f->loop_left == 0, "uv_loop_close(): %s", uv_strerror(f->loop_left));
    uv_cond_destroy(&f->done);
    uv_mutex_destroy(&f->lock);
    uv_sem_destroy(&f->started);
    http_router_free(f->router);
    free(f);
}
