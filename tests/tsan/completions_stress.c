/*
 * The completion queue under ThreadSanitizer: eight threads post, the main thread takes and drops,
 * as the HTTP thread does. A plain program, since Criterion's runner doesn't survive
 * ThreadSanitizer; no Python. Prints what it did; exit status 1 if something is missing or twice
 * there.
 *
 *     completions_stress [POSTS per thread, 20000]
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/bridge/completions.h"
#include "common/http/internal.h"

enum { POSTERS = 8, WINDOW = 64 };

/* A poster and what it may use at a time: requests go round, as in a server with a bounded load. */
typedef struct {
    completions_t *queue;
    http_pool_t   *pool; /* of its own: a struct is taken and may come back on any thread */
    unsigned       posts;
    uv_sem_t       window; /* posted by the main thread for each one taken */
    uv_thread_t    thread;
    unsigned       refused;
    unsigned       taken; /* the main thread's */
} poster_t;

/* The main thread's. */
typedef struct {
    completions_t queue;
    uv_loop_t     loop;
    poster_t      posters[POSTERS];
    unsigned      total, wanted, wake_ups, out_of_order;
} stress_t;

static void poster_main(void *arg)
{
    poster_t *self = arg;

    self->pool = http_pool_new();
    for (unsigned i = 0; i < self->posts && self->pool != NULL; i++) {
        http_request_t *req = http_pool_take(self->pool);

        if (req == NULL)
            break;
        req->lab_data = self;
        req->body_len = i; /* its number; there is no body */
        uv_sem_wait(&self->window);
        self->refused +=
            completions_post(self->queue, req, http_response_new(200, "text/plain", "x", 1)) != 0;
    }
    if (self->pool != NULL)
        http_pool_close(self->pool);
}

static void on_wake(void *owner)
{
    stress_t        *self = owner;
    http_request_t  *req;
    http_response_t *resp;

    self->wake_ups++;
    while (completions_take(&self->queue, &req, &resp)) {
        poster_t *poster = req->lab_data;

        self->out_of_order += req->body_len != poster->taken || resp == NULL;
        poster->taken++;
        self->total++;
        http_response_free(resp);
        http_request_unref(req);
        uv_sem_post(&poster->window);
    }
    if (self->total == self->wanted)
        uv_stop(&self->loop);
}

static int start(stress_t *self, unsigned posts)
{
    self->wanted = POSTERS * posts;
    if (uv_loop_init(&self->loop) != 0 ||
        completions_open(&self->queue, &self->loop, on_wake, self) != 0)
        return -1;
    for (int i = 0; i < POSTERS; i++) {
        poster_t *poster = &self->posters[i];

        *poster = (poster_t){.queue = &self->queue, .posts = posts};
        if (uv_sem_init(&poster->window, WINDOW) != 0 ||
            uv_thread_create(&poster->thread, poster_main, poster) != 0)
            return -1;
    }
    return 0;
}

/* returns how many posts were refused, or were made after the close and were not */
static unsigned finish(stress_t *self)
{
    unsigned wrong = 0;

    for (int i = 0; i < POSTERS; i++) {
        uv_thread_join(&self->posters[i].thread);
        uv_sem_destroy(&self->posters[i].window);
        wrong += self->posters[i].refused;
    }
    completions_close(&self->queue);
    uv_run(&self->loop, UV_RUN_DEFAULT);
    return wrong + (uv_loop_close(&self->loop) != 0);
}

int main(int argc, char **argv)
{
    static stress_t stress;
    unsigned        posts = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 20000, wrong;

    if (start(&stress, posts) != 0) {
        fprintf(stderr, "completions_stress: cannot start\n");
        return 1;
    }
    uv_run(&stress.loop, UV_RUN_DEFAULT);
    wrong = finish(&stress);
    printf("%u of %u posts taken in %u wake-ups, %u out of order, %u refused\n", stress.total,
           stress.wanted, stress.wake_ups, stress.out_of_order, wrong);
    return stress.total == stress.wanted && stress.out_of_order == 0 && wrong == 0 ? 0 : 1;
}
