/*
 * Lab 1, step 1: the completion queue alone, with a libuv loop of the test's. No Python; the
 * requests are bare structs of a pool.
 */
#include "common/bridge/completions.h"

#include <stdint.h>

#include "common/http/internal.h"
#include "course/seam/seam.h"

enum { MANY = 64, POSTERS = 8, POSTS = 2000, CLOSINGS = 20, POSTS_TILL_CLOSED = 500 };

/* A loop, the queue, and what was delivered. HTTP thread only. */
typedef struct {
    uv_loop_t     loop;
    http_pool_t  *pool;
    http_server_t server; /* only its books are touched */
    completions_t queue;
    uv_timer_t    deadline; /* turns a hang into a failure */
    int           wake_ups, delivered, wanted;
    int           post_again; /* so many more, from inside the drain */
    uintptr_t     last[POSTERS];
    int           out_of_order, wrong_response;
} queue_t;

static void on_wake(void *owner);

/* A request that says who posted it and as which: (poster, number) in lab_data. */
static http_request_t *numbered(queue_t *self, uintptr_t poster, uintptr_t number)
{
    http_request_t *req = http_pool_take(self->pool);

    if (req == NULL) {
        seam_fail("memory for a request", "none", "");
    } else {
        req->lab_data = (void *)(poster * 1000000 + number);
        req->server = &self->server; /* completions_close() gives it back what is queued still */
        req->lent = true;
    }
    return req;
}

static http_response_t *answer(void)
{
    return http_response_new(200, "text/plain", "x", 1);
}

/* No other thread is posting. */
static void expect_unlocked(queue_t *self, const char *after)
{
    SEAM_EXPECT(uv_mutex_trylock(&self->queue.lock) == 0,
                seam_text("the lock is free after %s", after),
                "each way out of the function unlocks what it has locked", "locked still");
    uv_mutex_unlock(&self->queue.lock);
}

static void post(queue_t *self, uintptr_t poster, uintptr_t number)
{
    int err = completions_post(&self->queue, numbered(self, poster, number), answer());

    SEAM_EXPECT(err == 0, "completions_post() returns 0 while the queue is open",
                "it refuses only after completions_close()", "%d (%s)", err, uv_strerror(err));
    expect_unlocked(self, "completions_post()");
}

static void on_wake(void *owner)
{
    queue_t         *self = owner;
    http_request_t  *req;
    http_response_t *resp;

    self->wake_ups++;
    while (completions_take(&self->queue, &req, &resp)) {
        uintptr_t poster = (uintptr_t)req->lab_data / 1000000;
        uintptr_t number = (uintptr_t)req->lab_data % 1000000;

        SEAM_EXPECT(req->result == NULL, "an answer that is taken is in its request no more",
                    "whoever takes it frees it, and so does the request: clear req->result",
                    "it is there still");
        self->delivered++;
        self->wrong_response += resp == NULL || http_response_status(resp) != 200;
        self->out_of_order += number != self->last[poster] + 1;
        self->last[poster] = number;
        http_response_free(resp);
        http_request_unref(req);
        if (self->post_again > 0) {
            self->post_again--;
            post(self, 0, self->last[0] + 1);
        }
    }
    if (self->delivered >= self->wanted)
        uv_stop(&self->loop);
}

static void on_deadline(uv_timer_t *timer)
{
    queue_t *self = timer->data;

    seam_fail(
        seam_text("%d answers are delivered", self->wanted),
        seam_text("%d, in %d wake-ups; then nothing for 10 s", self->delivered, self->wake_ups),
        self->wake_ups == 0 ? "the HTTP thread is never woken: uv_async_send() after the push"
                            : "libuv merges wake-ups: one that is left out, or a queue that "
                              "isn't drained, strands what is still in it");
}

static void queue_open(queue_t *self)
{
    *self = (queue_t){.pool = http_pool_new()};
    uv_loop_init(&self->loop);
    if (completions_open(&self->queue, &self->loop, on_wake, self) != 0)
        seam_fail("completions_open() returns 0", "an error", "");
    uv_timer_init(&self->loop, &self->deadline);
    self->deadline.data = self;
    uv_timer_start(&self->deadline, on_deadline, 10000, 0);
}

/* The queue is closed already. */
static void finish(queue_t *self)
{
    uv_close((uv_handle_t *)&self->deadline, NULL);
    uv_run(&self->loop, UV_RUN_DEFAULT);
    uv_loop_close(&self->loop);
    SEAM_EXPECT(atomic_load(&self->pool->users) == 1u + self->pool->free_count,
                "every request struct is back in the pool",
                "a reference is lost: who takes a request also drops it, or hands it on",
                "%u are held still", atomic_load(&self->pool->users) - 1 - self->pool->free_count);
    http_pool_close(self->pool);
}

static void queue_close(queue_t *self)
{
    completions_close(&self->queue);
    finish(self);
}

static void expect_delivered(const queue_t *self)
{
    SEAM_EXPECT(self->delivered == self->wanted && self->out_of_order == 0 &&
                    self->wrong_response == 0,
                seam_text("%d answers, in the order of their posts", self->wanted),
                "first in, first out, each with its own response; and each post wakes: a wake-up "
                "that is left out strands what is queued",
                "%d, %d out of order, %d with a wrong response", self->delivered,
                self->out_of_order, self->wrong_response);
}

static void many_come_in_one_wake_up(void)
{
    queue_t self;

    queue_open(&self);
    self.wanted = MANY;
    for (uintptr_t i = 1; i <= MANY; i++)
        post(&self, 0, i);
    uv_run(&self.loop, UV_RUN_NOWAIT);
    SEAM_EXPECT(self.wake_ups > 0, "64 posted: the HTTP thread is woken",
                "the HTTP thread is never woken: uv_async_send() after the push", "no wake-up");
    SEAM_EXPECT(self.delivered == MANY, "64 posted before the loop runs, 64 delivered",
                "libuv merges wake-ups: drain the whole queue each time you are woken",
                "%d delivered in %d wake-ups", self.delivered, self.wake_ups);
    expect_delivered(&self);
    SEAM_EXPECT(self.wake_ups == 1, "one wake-up for all 64",
                "one uv_async_t for the whole queue; libuv merges the calls", "%d wake-ups",
                self.wake_ups);
    queue_close(&self);
}

/* As many turns as it can take; each looks, none waits. */
static void run_turns(queue_t *self)
{
    for (int i = 0; i < 4; i++)
        uv_run(&self->loop, UV_RUN_NOWAIT);
}

static void a_post_from_inside_the_drain_is_delivered(void)
{
    queue_t self;

    queue_open(&self);
    self.wanted = 1 + MANY;
    self.post_again = MANY;
    post(&self, 0, 1);
    run_turns(&self);
    expect_delivered(&self);
    queue_close(&self);
}

/*
 * A poster comes between the drain's last look and the end of the wake-up: it posts when the queue
 * has been found empty, from inside the callback. A flag that is cleared too late loses it.
 */
static void on_wake_then_post(void *owner)
{
    queue_t *self = owner;

    on_wake(self);
    if (self->delivered == 1)
        post(self, 0, 2);
}

static void a_post_at_the_end_of_a_wake_up_wakes_again(void)
{
    queue_t self;

    queue_open(&self);
    self.queue.on_wake = on_wake_then_post;
    self.wanted = 2;
    post(&self, 0, 1);
    run_turns(&self);
    expect_delivered(&self);
    queue_close(&self);
}

static void a_post_after_close_is_refused_and_freed(void)
{
    queue_t         self;
    http_request_t *req;
    int             err;

    queue_open(&self);
    self.wanted = 1;
    post(&self, 0, 1); /* that it takes this one shows that it isn't closed from the start */
    run_turns(&self);
    expect_delivered(&self);
    req = numbered(&self, 0, 2);
    http_request_ref(req); /* to look at it afterwards */
    completions_close(&self.queue);
    err = completions_post(&self.queue, req, answer());
    expect_unlocked(&self, "a post that is refused");
    SEAM_EXPECT(err == UV_ECANCELED, "UV_ECANCELED for a post after completions_close()",
                "`closed` is read under the lock, and then nothing is queued", "%d", err);
    SEAM_EXPECT(atomic_load(&req->refs) == 1, "the poster's reference is dropped: 1 is left",
                "a refused post takes over `req` and `resp` too, and frees both", "%u are left",
                atomic_load(&req->refs));
    http_request_unref(req);
    finish(&self);
}

/* The HTTP thread has to learn of it all the same. */
static void an_answer_for_nobody_is_delivered_too(void)
{
    queue_t         self;
    http_request_t *req;

    queue_open(&self);
    self.wanted = 1;
    req = numbered(&self, 0, 1);
    atomic_store(&req->abandoned, true);
    completions_post(&self.queue, req, answer());
    run_turns(&self);
    SEAM_EXPECT(self.delivered == 1, "an answer that nobody waits for is delivered like any other",
                "the client has left, but the request is in flight until the HTTP thread has it "
                "back; who frees it here frees what that thread counts on",
                "%d delivered", self.delivered);
    queue_close(&self);
}

/* ---- Many threads ---------------------------------------------------------------------------- */

typedef struct {
    queue_t         *queue;
    http_request_t  *requests[POSTS];
    http_response_t *responses[POSTS];
    uintptr_t        count;   /* of these */
    uv_sem_t        *posting; /* borrowed: posted when a quarter of them is; NULL: nobody waits */
    uv_thread_t      thread;
    int              refused;
} poster_t;

static void poster_main(void *arg)
{
    poster_t *self = arg;

    for (uintptr_t i = 0; i < self->count; i++) {
        if (self->posting != NULL && i == self->count / 4)
            uv_sem_post(self->posting);
        self->refused +=
            completions_post(&self->queue->queue, self->requests[i], self->responses[i]) != 0;
    }
}

/* Requests and answers are made beforehand: the pool is the HTTP thread's. */
static void prepare(poster_t *self, queue_t *queue, uintptr_t number, uintptr_t count)
{
    self->queue = queue;
    self->count = count;
    for (uintptr_t k = 0; k < count; k++) {
        self->requests[k] = numbered(queue, number, k + 1);
        self->responses[k] = answer();
    }
}

static void eight_threads_lose_nothing(void)
{
    static poster_t posters[POSTERS];
    queue_t         self;

    queue_open(&self);
    self.wanted = 1;
    post(&self, 0, 1); /* one thread first: if that fails nobody need wait for eight */
    run_turns(&self);
    expect_delivered(&self);
    self.wanted = POSTERS * POSTS;
    self.delivered = 0;
    self.last[0] = 0;
    for (uintptr_t i = 0; i < POSTERS; i++)
        prepare(&posters[i], &self, i, POSTS);
    for (int i = 0; i < POSTERS; i++)
        uv_thread_create(&posters[i].thread, poster_main, &posters[i]);
    uv_run(&self.loop, UV_RUN_DEFAULT);
    for (int i = 0; i < POSTERS; i++) {
        uv_thread_join(&posters[i].thread);
        SEAM_EXPECT(posters[i].refused == 0, "no post is refused while the queue is open",
                    "the queue has no bound of its own: --max-in-flight is the server's",
                    "thread %d: %d refused", i, posters[i].refused);
    }
    expect_delivered(&self);
    queue_close(&self);
}

/*
 * The queue is closed while others post. Each post is taken or refused, and nothing is lost either
 * way; ThreadSanitizer looks on.
 */
static void close_under_posters(poster_t *posters, bool take_first)
{
    queue_t  self;
    uv_sem_t posting;

    queue_open(&self);
    self.wanted = POSTERS * POSTS_TILL_CLOSED;
    uv_sem_init(&posting, 0);
    for (uintptr_t i = 0; i < POSTERS; i++)
        prepare(&posters[i], &self, i, POSTS_TILL_CLOSED);
    for (int i = 0; i < POSTERS; i++) {
        posters[i].posting = &posting;
        uv_thread_create(&posters[i].thread, poster_main, &posters[i]);
    }
    for (int i = 0; i < POSTERS / 2; i++)
        uv_sem_wait(&posting);
    if (take_first)
        run_turns(&self);
    completions_close(&self.queue);
    for (int i = 0; i < POSTERS; i++)
        uv_thread_join(&posters[i].thread);
    uv_sem_destroy(&posting);
    finish(&self);
}

static void closing_under_posters(void)
{
    static poster_t posters[POSTERS];
    queue_t         self;

    queue_open(&self); /* that it takes one shows that it isn't closed from the start */
    self.wanted = 1;
    post(&self, 0, 1);
    run_turns(&self);
    expect_delivered(&self);
    queue_close(&self);
    for (int i = 0; i < CLOSINGS; i++)
        close_under_posters(posters, i % 2 != 0);
}

int main(int argc, char **argv)
{
    static const seam_test_t tests[] = {
        {"many_come_in_one_wake_up", many_come_in_one_wake_up},
        {"a_post_from_inside_the_drain_is_delivered", a_post_from_inside_the_drain_is_delivered},
        {"a_post_at_the_end_of_a_wake_up_wakes_again", a_post_at_the_end_of_a_wake_up_wakes_again},
        {"a_post_after_close_is_refused_and_freed", a_post_after_close_is_refused_and_freed},
        {"an_answer_for_nobody_is_delivered_too", an_answer_for_nobody_is_delivered_too},
        {"eight_threads_lose_nothing", eight_threads_lose_nothing},
        {"closing_under_posters", closing_under_posters},
    };

    return seam_main(argc, argv, tests, SEAM_COUNT(tests));
}
