/*
 * common/http/traced.c: which requests are traced, and that every record is either counted or
 * dropped, whatever becomes of its request.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/internal.h"
#include "common/trace/internal.h"
#include "tests/support/client.h"
#include "tests/unit/http/fixture.h"
#include "tests/unit/http/raw.h"
#include "tests/unit/http/routes.h"

typedef struct {
    trace_t   *trace;
    fixture_t *server;
} traced_t;

static traced_t start(http_options_t options)
{
    trace_options_t none = {0};
    traced_t        self;

    cr_assert_eq(trace_open(&self.trace, &none), 0);
    options.trace = self.trace;
    self.server = fixture_start(&options);
    return self;
}

/* Stop it, and see that so many records were counted, so many dropped, and none is missing. */
static void stop(traced_t *self, uint64_t counted, uint64_t dropped)
{
    uint64_t begun, ended;

    fixture_stop(self->server);
    begun = self->trace->last_id;
    ended = self->trace->end_to_end.count + self->trace->dropped;
    cr_expect(self->trace->end_to_end.count == counted && self->trace->dropped == dropped,
              "expected %llu counted, %llu dropped; seen %llu, %llu", (unsigned long long)counted,
              (unsigned long long)dropped, (unsigned long long)self->trace->end_to_end.count,
              (unsigned long long)self->trace->dropped);
    cr_expect(begun == ended, "%llu begun, %llu ended", (unsigned long long)begun,
              (unsigned long long)ended);
    trace_close(self->trace);
}

/* Send, and read the status of each answer. */
static void exchange(client_t *c, const char *requests, const int *statuses, size_t count)
{
    client_send(c, requests);
    for (size_t i = 0; i < count; i++)
        client_expect_answer(c, statuses[i], NULL);
}

Test(http_traced, only_what_goes_to_a_handler_is_traced)
{
    traced_t self = start(fixture_options());
    client_t c;

    client_connect(&c, self.server->port);
    exchange(&c,
             GET("/echo") GET("/native/echo") GET("/nowhere") GET("/only/post") GET("/status/500"),
             (int[]){200, 200, 404, 405, 500}, 5);
    exchange(&c, "nonsense\r\n\r\n", (int[]){501}, 1);
    client_close(&c);
    stop(&self, 2, 0);
}

/* One write has all three answers, and each record ends with it. */
Test(http_traced, pipelined_answers_are_counted_one_by_one)
{
    traced_t self = start(fixture_options());
    client_t c;

    client_connect(&c, self.server->port);
    client_send(&c, GET("/park/a") GET("/park/b") GET("/park/c"));
    fixture_wait_parked(self.server, 3);
    fixture_release(self.server, "c");
    fixture_release(self.server, "b");
    fixture_release(self.server, "a");
    for (int i = 0; i < 3; i++)
        client_expect_answer(&c, 200, NULL);
    client_close(&c);
    stop(&self, 3, 0);
}

/* The kernel takes only part of it: it is written once the client has made room for the rest. */
Test(http_traced, a_large_answer_is_written_when_the_kernel_has_all_of_it)
{
    traced_t self = start(fixture_options());
    client_t c;

    client_connect(&c, self.server->port);
    exchange(&c, GET("/size/16777216"), (int[]){200}, 1);
    client_close(&c);
    stop(&self, 1, 0);
}

Test(http_traced, clients_that_leave_take_no_record_with_them)
{
    traced_t self = start(fixture_options());
    client_t early, late;

    client_connect(&early, self.server->port);
    client_send(&early, GET("/park/a") GET("/park/b"));
    fixture_wait_parked(self.server, 2);
    fixture_release(self.server, "b"); /* answered, but its turn never comes */
    client_reset(&early);
    fixture_wait_gone(self.server, 1);
    client_connect(&late, self.server->port);
    client_send(&late, GET("/size/33554432"));
    fixture_wait_parsed(self.server, 3);
    fixture_go_round(self.server);
    client_reset(&late); /* in the middle of its answer */
    fixture_wait_connections(self.server, 0);
    fixture_release(self.server, "a");
    stop(&self, 0, 3);
}

/* Its handler may be marking while the 504 goes out: so neither is the other's time. */
Test(http_traced, an_answer_that_the_server_gives_in_a_handlers_place_is_not_counted)
{
    http_options_t options = fixture_options();
    traced_t       self;
    client_t       c;

    options.request_timeout_ms = 30;
    options.max_in_flight = 1;
    self = start(options);
    client_connect(&c, self.server->port);
    exchange(&c,
             GET("/park/a")
                 GET("/echo") "POST /park/b HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
             (int[]){504, 503, 504}, 3);
    fixture_release(self.server, "a"); /* too late */
    exchange(&c, GET("/echo"), (int[]){200}, 1);
    client_close(&c);
    stop(&self, 1, 3);
}

static void switch_tracing(fixture_t *f, void *on)
{
    http_server_trace(f->server, on != NULL);
}

Test(http_traced, it_can_be_switched_off_for_a_while)
{
    traced_t self = start(fixture_options());
    client_t c;

    client_connect(&c, self.server->port);
    fixture_call(self.server, switch_tracing, NULL);
    exchange(&c, GET("/echo"), (int[]){200}, 1);
    fixture_call(self.server, switch_tracing, &self);
    exchange(&c, GET("/echo") GET("/echo"), (int[]){200, 200}, 2);
    client_close(&c);
    stop(&self, 2, 0);
}

static void trace_one_in_three(fixture_t *f, void *unused)
{
    (void)unused;
    http_server_trace(f->server, 3);
}

/* What is answered in C doesn't count among them. */
Test(http_traced, it_can_be_one_request_in_so_many)
{
    traced_t self = start(fixture_options());
    client_t c;

    client_connect(&c, self.server->port);
    fixture_call(self.server, trace_one_in_three, NULL);
    for (int i = 0; i < 4; i++)
        exchange(&c, GET("/echo") GET("/native/echo") GET("/echo"), (int[]){200, 200, 200}, 3);
    client_close(&c);
    stop(&self, 2, 0); /* of eight: the third and the sixth */
}

/* ---- The HTTP thread's lane ------------------------------------------------------------------ */

/* HTTP thread: as a lab's program opens it, but before the server, which this one has already. */
static void open_lane(fixture_t *f, void *trace)
{
    f->server->lane = trace_lane_open(trace, "http");
    trace_lane_state(f->server->lane, TRACE_POLLING);
}

/* HTTP thread: its history so far, then close it. */
static void close_lane(fixture_t *f, void *copy)
{
    trace_lane_t *lane = f->server->lane;

    memcpy(copy, lane->history, 32 * sizeof *lane->history);
    f->server->lane = NULL;
    trace_lane_close(lane);
}

/* Where nothing is to do it polls; awake it is at work before the first request is parsed. */
Test(http_traced, the_lane_polls_until_something_comes)
{
    traced_t            self = start(fixture_options());
    client_t            c;
    lane_entry_t        history[32] = {{0}};
    const lane_entry_t *at = history, *last;

    client_connect(&c, self.server->port);
    exchange(&c, GET("/native/echo"), (int[]){200}, 1); /* the connection is accepted */
    fixture_call(self.server, open_lane, self.trace);
    exchange(&c, GET("/echo"), (int[]){200}, 1);
    fixture_go_round(self.server);
    fixture_call(self.server, close_lane, history);
    while (at < history + 31 && at->doing != 1)
        at++;
    cr_assert(at > history + 1 && at < history + 31, "request 1 isn't in the history");
    cr_expect(at[-1].doing == LANE_NOTHING && at[-2].doing == LANE_POLLING,
              "before the request: expected polling, at work; seen %#x, %#x", at[-2].doing,
              at[-1].doing);
    for (last = at; at < history + 31 && at->at_ns != 0; at++)
        if (at->doing == 1)
            last = at;
    cr_expect(last[1].doing == LANE_POLLING, "after it: expected polling, seen %#x", last[1].doing);
    client_close(&c);
    stop(&self, 1, 0);
}
