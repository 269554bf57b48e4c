/* All of it runs on the HTTP thread, but for on_work(). */
#include "common/lab/native.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_native(void *arg, http_request_t *req);
static void on_cpu(void *arg, http_request_t *req);
static void on_work(uv_work_t *work);
static void on_work_done(uv_work_t *work, int status);
static void on_stream(void *arg, http_request_t *req);
static void on_stream_room(void *arg);

static const char text_plain[] = "text/plain; charset=utf-8";

int native_add_routes(http_router_t *router, uv_loop_t *loop)
{
    int err = http_router_add(router, HTTP_METHOD_GET, "/native", on_native, NULL);

    if (err == 0)
        err = http_router_add(router, HTTP_METHOD_GET, "/native/cpu", on_cpu, loop);
    if (err == 0)
        err = http_router_add(router, HTTP_METHOD_GET, "/native/stream", on_stream, NULL);
    return err;
}

static void on_native(void *arg, http_request_t *req)
{
    static const char hello[] = "Hello, World!";

    (void)arg;
    http_respond_transfer(req, http_response_new(200, text_plain, hello, sizeof hello - 1));
}

static void bad_parameter(http_request_t *req, const char *text)
{
    http_respond_transfer(req, http_response_new(400, text_plain, text, strlen(text)));
}

/* ---- /native/cpu ----------------------------------------------------------------------------- */

/* A job on libuv's pool: the pool thread owns n and primes until on_work_done(). */
typedef struct {
    uv_work_t       work;
    http_request_t *req; /* the HTTP thread's: the pool thread doesn't touch it */
    long            n, primes;
} cpu_job_t;

long native_count_primes(long n)
{
    long count = 0;

    for (long candidate = 2; candidate < n; candidate++) {
        long divisor = 2;

        while (divisor * divisor <= candidate && candidate % divisor != 0)
            divisor++;
        count += divisor * divisor > candidate;
    }
    return count;
}

static void on_cpu(void *arg, http_request_t *req)
{
    cpu_job_t *job;
    long       n;

    if (!http_request_query_int(req, "n", 0, 0, 1000000, &n)) {
        bad_parameter(req, "n is a number in 0..1000000\n");
        return;
    }
    job = calloc(1, sizeof *job);
    if (job == NULL) {
        http_respond_transfer(req, NULL);
        return;
    }
    job->work.data = job;
    job->req = req;
    job->n = n;
    if (uv_queue_work(arg, &job->work, on_work, on_work_done) != 0) {
        http_respond_transfer(req, NULL);
        free(job);
    }
}

/* A thread of libuv's pool. */
static void on_work(uv_work_t *work)
{
    cpu_job_t *job = work->data;

    job->primes = native_count_primes(job->n);
}

static void on_work_done(uv_work_t *work, int status)
{
    cpu_job_t *job = work->data;
    char       body[80];
    int        len = snprintf(body, sizeof body, "{\"n\":%ld,\"primes\":%ld}", job->n, job->primes);

    (void)status; /* nothing cancels it */
    http_respond_transfer(job->req, http_response_new(200, "application/json", body, (size_t)len));
    free(job);
}

/* ---- /native/stream -------------------------------------------------------------------------- */

typedef struct {
    http_request_t *req;
    long            chunks, size; /* left, and of each */
    char            data[];
} stream_job_t;

static void on_stream(void *arg, http_request_t *req)
{
    stream_job_t *job;
    long          chunks, size;

    (void)arg;
    if (!http_request_query_int(req, "chunks", 10, 0, 100000, &chunks) ||
        !http_request_query_int(req, "size", 1024, 1, 65536, &size)) {
        bad_parameter(req, "chunks is a number in 0..100000, size one in 1..65536\n");
        return;
    }
    job = malloc(sizeof *job + (size_t)size);
    if (job == NULL) {
        http_respond_transfer(req, NULL);
        return;
    }
    *job = (stream_job_t){.req = req, .chunks = chunks, .size = size};
    memset(job->data, 'x', (size_t)size);
    if (http_stream_begin(req, http_response_new(200, text_plain, NULL, 0), on_stream_room, job) ==
        0)
        on_stream_room(job);
    else
        free(job);
}

/* Write until the client is behind, or gone, or all is written. */
static void on_stream_room(void *arg)
{
    stream_job_t *job = arg;
    int           err = 0;

    while (job->chunks > 0 && err == 0) {
        err = http_stream_write(job->req, job->data, (size_t)job->size);
        job->chunks -= err == 0;
    }
    if (err == UV_EAGAIN)
        return; /* we'll be called again */
    http_stream_end(job->req);
    free(job);
}
