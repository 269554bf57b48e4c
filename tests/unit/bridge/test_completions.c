/*
 * common/bridge/completions.c: many threads post, the HTTP thread takes. No Python in here; the
 * requests are bare structs of a pool. tests/tsan/completions_stress.c is the same under
 * ThreadSanitizer.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "common/bridge/completions.h"
#include "common/http/internal.h"
#include "tests/support/leaks.h"

enum { MANY = 64, POSTERS = 8, POSTS = 1000 };

/* A loop, the queue, and what was delivered in which wake-up. HTTP thread only. */
typedef struct {
    uv_loop_t     loop;
    http_pool_t  *pool;
    completions_t queue;
    int           wake_ups, delivered, wanted;
    int           null_responses;
    int           post_again; /* so many more, from inside the drain */
    uintptr_t     last[POSTERS];
    int           out_of_order;
} queue_test_t;

/* A request that says who posted it and as which: (poster, number) in lab_data. */
static http_request_t *numbered(queue_test_t *self, uintptr_t poster, uintptr_t number)
{
    http_request_t *req = http_pool_take(self->pool);

    cr_assert_not_null(req);
    req->lab_data = (void *)(poster * 1000000 + number);
    return req;
}

static http_response_t *answer(void)
{
    http_response_t *resp = http_response_new(200, "text/plain", "x", 1);

    cr_assert_not_null(resp);
    return resp;
}

static void note(queue_test_t *self, http_request_t *req, http_response_t *resp)
{
    uintptr_t poster = (uintptr_t)req->lab_data / 1000000;
    uintptr_t number = (uintptr_t)req->lab_data % 1000000;

    self->delivered++;
    self->null_responses += resp == NULL;
    self->out_of_order += number != self->last[poster] + 1;
    self->last[poster] = number;
    cr_assert(req->result == NULL, "the response is handed out once");
}

static void on_wake(void *owner)
{
    queue_test_t    *self = owner;
    http_request_t  *req;
    http_response_t *resp;

    self->wake_ups++;
    while (completions_take(&self->queue, &req, &resp)) {
        note(self, req, resp);
        http_response_free(resp);
        http_request_unref(req);
        if (self->post_again > 0) {
            self->post_again--;
            completions_post(&self->queue, numbered(self, 0, self->last[0] + 1), answer());
        }
    }
    if (self->delivered >= self->wanted)
        uv_stop(&self->loop);
}

static void queue_open(queue_test_t *self)
{
    *self = (queue_test_t){0};
    self->pool = http_pool_new();
    cr_assert_eq(uv_loop_init(&self->loop), 0);
    cr_assert_eq(completions_open(&self->queue, &self->loop, on_wake, self), 0);
}

static void queue_close(queue_test_t *self)
{
    completions_close(&self->queue);
    uv_run(&self->loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&self->loop), 0, "the loop has handles left");
    cr_expect_eq(atomic_load(&self->pool->users), 1u + self->pool->free_count,
                 "%u request structs in existence, %u back in the pool",
                 atomic_load(&self->pool->users) - 1, self->pool->free_count);
    http_pool_close(self->pool);
    expect_no_leaks();
}

/* ---- One thread ------------------------------------------------------------------------------ */

Test(bridge_completions, many_posted_before_the_loop_runs_come_in_one_wake_up_in_order)
{
    queue_test_t self;

    queue_open(&self);
    self.wanted = MANY;
    for (uintptr_t i = 1; i <= MANY; i++)
        cr_assert_eq(completions_post(&self.queue, numbered(&self, 0, i), answer()), 0);
    uv_run(&self.loop, UV_RUN_DEFAULT);
    cr_expect(self.delivered == MANY && self.wake_ups == 1 && self.out_of_order == 0,
              "%d posted, %d delivered in %d wake-ups, %d out of order: libuv merges wake-ups, so "
              "one drains the whole queue",
              MANY, self.delivered, self.wake_ups, self.out_of_order);
    queue_close(&self);
}

Test(bridge_completions, what_is_posted_from_inside_the_drain_is_delivered)
{
    queue_test_t self;

    queue_open(&self);
    self.wanted = 1 + MANY;
    self.post_again = MANY;
    cr_assert_eq(completions_post(&self.queue, numbered(&self, 0, 1), answer()), 0);
    uv_run(&self.loop, UV_RUN_DEFAULT);
    cr_expect(self.delivered == 1 + MANY && self.out_of_order == 0,
              "%d delivered of %d, %d out of order", self.delivered, 1 + MANY, self.out_of_order);
    queue_close(&self);
}

Test(bridge_completions, a_post_after_a_wake_up_that_found_nothing_wakes_again)
{
    queue_test_t self;

    queue_open(&self);
    for (uintptr_t i = 1; i <= 3; i++) {
        self.wanted = (int)i;
        completions_post(&self.queue, numbered(&self, 0, i), answer());
        uv_run(&self.loop, UV_RUN_DEFAULT);
        uv_run(&self.loop, UV_RUN_NOWAIT);
    }
    cr_expect(self.delivered == 3 && self.wake_ups == 3, "%d delivered in %d wake-ups",
              self.delivered, self.wake_ups);
    queue_close(&self);
}

Test(bridge_completions, a_null_response_passes)
{
    queue_test_t self;

    queue_open(&self);
    self.wanted = 1;
    cr_assert_eq(completions_post(&self.queue, numbered(&self, 0, 1), NULL), 0);
    uv_run(&self.loop, UV_RUN_DEFAULT);
    cr_expect(self.delivered == 1 && self.null_responses == 1);
    queue_close(&self);
}

Test(bridge_completions, an_empty_queue_yields_nothing)
{
    queue_test_t     self;
    http_request_t  *req;
    http_response_t *resp;

    queue_open(&self);
    cr_expect_not(completions_take(&self.queue, &req, &resp));
    cr_expect_null(req);
    queue_close(&self);
}

Test(bridge_completions, a_post_after_close_is_cancelled_and_freed)
{
    queue_test_t    self;
    http_request_t *req;
    int             err;

    queue_open(&self);
    req = numbered(&self, 0, 1);
    http_request_ref(req); /* to look at it afterwards */
    completions_close(&self.queue);
    err = completions_post(&self.queue, req, answer());
    cr_expect_eq(err, UV_ECANCELED, "expected UV_ECANCELED, seen %d", err);
    cr_expect_eq(atomic_load(&req->refs), 1u, "the poster's reference is dropped: %u left",
                 atomic_load(&req->refs));
    http_request_unref(req); /* and with the last one the response: LeakSanitizer would tell */
    uv_run(&self.loop, UV_RUN_DEFAULT);
    cr_expect_eq(self.delivered, 0);
    cr_expect_eq(uv_loop_close(&self.loop), 0);
    http_pool_close(self.pool);
    expect_no_leaks();
}

/* As when the drain time-out cuts requests off: their connections are gone, their answers queued. */
Test(bridge_completions, close_frees_what_is_queued)
{
    queue_test_t  self;
    http_server_t server = {.in_flight = MANY};

    queue_open(&self);
    for (uintptr_t i = 1; i <= MANY; i++) {
        http_request_t *req = numbered(&self, 0, i);

        req->server = &server;
        req->lent = true;
        completions_post(&self.queue, req, i % 2 ? answer() : NULL);
    }
    queue_close(&self);
    cr_expect_eq(self.delivered, 0, "%d delivered by a closed queue", self.delivered);
    cr_expect_eq(server.in_flight, 0u, "%u requests in flight still", server.in_flight);
}

/* ---- Many threads ---------------------------------------------------------------------------- */

typedef struct {
    queue_test_t    *test;
    uv_barrier_t    *together;
    http_request_t  *requests[POSTS];
    http_response_t *responses[POSTS];
    int              refused;
} poster_t;

static void poster_main(void *arg)
{
    poster_t *self = arg;

    uv_barrier_wait(self->together);
    for (int i = 0; i < POSTS; i++)
        self->refused +=
            completions_post(&self->test->queue, self->requests[i], self->responses[i]) != 0;
}

/* The pool is the HTTP thread's, so the requests are taken from it before the threads start. */
static void fill(poster_t *poster, uintptr_t index)
{
    for (uintptr_t i = 0; i < POSTS; i++) {
        poster->requests[i] = numbered(poster->test, index, i + 1);
        poster->responses[i] = answer();
    }
}

Test(bridge_completions, eight_threads_posts_all_arrive_once_and_in_each_ones_order, .timeout = 60)
{
    static poster_t posters[POSTERS];
    queue_test_t    self;
    uv_barrier_t    together;
    uv_thread_t     threads[POSTERS];

    queue_open(&self);
    self.wanted = POSTERS * POSTS;
    cr_assert_eq(uv_barrier_init(&together, POSTERS), 0);
    for (uintptr_t i = 0; i < POSTERS; i++) {
        posters[i] = (poster_t){.test = &self, .together = &together};
        fill(&posters[i], i);
        cr_assert_eq(uv_thread_create(&threads[i], poster_main, &posters[i]), 0);
    }
    uv_run(&self.loop, UV_RUN_DEFAULT);
    for (int i = 0; i < POSTERS; i++) {
        uv_thread_join(&threads[i]);
        cr_expect(posters[i].refused == 0 && self.last[i] == POSTS,
                  "poster %d: %d refused, the last one delivered is %lu of %d", i,
                  posters[i].refused, (unsigned long)self.last[i], POSTS);
    }
    uv_barrier_destroy(&together);
    cr_expect(self.delivered == POSTERS * POSTS && self.out_of_order == 0,
              "%d delivered of %d, %d out of order", self.delivered, POSTERS * POSTS,
              self.out_of_order);
    queue_close(&self);
}
