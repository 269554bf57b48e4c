/*
 * A server for one test: its loop runs on a thread of its own, on a port that the kernel chose; the
 * test's thread is the client. It serves routes.h.
 *
 * A request for /park/NAME stays unanswered until the test says what becomes of it; so a test
 * decides in which order things happen, without any clock. fixture_stop() checks, for every test,
 * that each parsed request has ended in exactly one way, that on_finished said so once, and that
 * nothing is left on the loop.
 */
#ifndef LOOPLAB_TESTS_HTTP_FIXTURE_H
#define LOOPLAB_TESTS_HTTP_FIXTURE_H

#include "common/http/http.h"

enum {
    FIXTURE_MAX_PARKED = 256,
    FIXTURE_MAX_ENDS = 16, /* kept of on_finished; all are counted */
};

typedef struct fixture fixture_t;

/* Something to do on the HTTP thread. */
typedef void (*fixture_fn)(fixture_t *f, void *arg);

/* What on_finished was told. */
typedef struct {
    char       line[128]; /* "METHOD target", or "-" */
    http_end_t end;
    int        status;
    uint64_t   bytes, duration_ns;
    char       peer[64];
} fixture_end_t;

struct fixture {
    /* Set by fixture_start(), read-only afterwards. */
    http_options_t options;
    bool           observed; /* with on_finished */
    http_router_t *router;
    int            port;
    uv_thread_t    thread;
    uv_sem_t       started;

    /* HTTP thread only: fixture_call() to look at it. */
    uv_loop_t       loop;
    http_server_t  *server;
    http_request_t *parked[FIXTURE_MAX_PARKED]; /* each with its travelling reference */
    unsigned        parked_count;
    unsigned        parked_ever;
    unsigned        gone;                                      /* calls of on_client_gone */
    unsigned        turns;                                     /* calls of on_ready */
    size_t          most_handed;                               /* requests, in one of them */
    unsigned        drained;                                   /* calls of on_drained */
    unsigned        ended[HTTP_ENDS], ended_ever, ended_twice; /* calls of on_finished */
    fixture_end_t   ends[FIXTURE_MAX_ENDS];                    /* the first ones */
    int             loop_left;                                 /* what uv_loop_close() returned */

    /* Both threads, under lock. */
    uv_mutex_t lock;
    uv_cond_t  done;
    fixture_fn fn; /* NULL: nothing to do */
    void      *arg;

    uv_async_t wake; /* any thread */
};

/* Options with which no time-out fires during a test. */
http_options_t fixture_options(void);

/* Start it; NULL: fixture_options(). */
fixture_t *fixture_start(const http_options_t *options);

/* The same without on_finished, which then must make no difference. */
fixture_t *fixture_start_unobserved(const http_options_t *options);

/* Drain at once, check the books, free everything. */
void fixture_stop(fixture_t *f);

/* Run `fn` on the HTTP thread and wait until it has returned. It must not assert. */
void fixture_call(fixture_t *f, fixture_fn fn, void *arg);

/* The server's statistics now. */
http_stats_t fixture_stats(fixture_t *f);

/* Wait until so many have been counted since the start; after 20 s the test fails. */
void fixture_wait_parked(fixture_t *f, unsigned ever);
void fixture_wait_gone(fixture_t *f, unsigned n);
void fixture_wait_connections(fixture_t *f, unsigned n); /* exactly n are open */
void fixture_wait_accepted(fixture_t *f, unsigned n);    /* n since the start, or more */
void fixture_wait_parsed(fixture_t *f, unsigned n);
void fixture_wait_paused(fixture_t *f); /* some connection reads no further */
void fixture_wait_unsent(fixture_t *f); /* nor does the kernel take any more for it */
void fixture_wait_drained(fixture_t *f);
void fixture_wait_ended(fixture_t *f, unsigned n);

/* The end that was said as number `i`, counted from 0. Fails if there were fewer. */
fixture_end_t fixture_end(fixture_t *f, unsigned i);

/*
 * Let the HTTP thread's loop go round a few times. Only for a check that something has NOT
 * happened: if the server were to do it, it would have had its chance; a pass is never wrong for
 * lack of it.
 */
void fixture_go_round(fixture_t *f);

/* Requests that have been parked since the start, at this moment. */
unsigned fixture_parked_ever(fixture_t *f);

/* Answer the request for /park/`name`: 200 with its name as the body. Fails if there is none. */
void fixture_release(fixture_t *f, const char *name);

/* The parked request of that name, or NULL. It leaves the list. thread: HTTP */
http_request_t *fixture_unpark(fixture_t *f, const char *name);

void fixture_drain(fixture_t *f, uint32_t timeout_ms);

#endif
