/* Opens and closes what belongs to one HTTP thread, in order and in the reverse order. */
#include "common/lab/shard.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/lab/console.h"
#include "common/lab/inspect.h"
#include "common/lab/native.h"
#include "common/lab/tracing.h"

static void on_ready(void *owner, http_request_list_t *ready);
static void on_client_gone(void *owner, http_request_t *req);
static void on_finished(void *owner, const http_request_t *req, const http_outcome_t *outcome);
static void on_completions(void *owner);
static void on_drained(void *owner);
static void on_prepare(uv_prepare_t *prepare);

/* ---- Events ---------------------------------------------------------------------------------- */

static void update_in_flight(shard_t *self)
{
    if (self->books.count > 0)
        book_set(books_own(&self->books), BOOK_IN_FLIGHT, http_server_in_flight(self->server));
}

/*
 * What is in flight stands in the book before a handler runs, which may keep this thread, and again
 * before an answer goes out.
 */
static void on_ready(void *owner, http_request_list_t *ready)
{
    shard_t *self = owner;

    update_in_flight(self);
    lab_on_ready(self->lab, ready);
    update_in_flight(self);
}

static void on_client_gone(void *owner, http_request_t *req)
{
    lab_on_client_gone(((shard_t *)owner)->lab, req);
}

/* Only if somebody keeps books. */
static void on_finished(void *owner, const http_request_t *req, const http_outcome_t *outcome)
{
    shard_t *self = owner;

    if (self->access_log != NULL)
        access_log_add(self->access_log, req, outcome);
    if (self->metrics != NULL)
        metrics_add(self->metrics, outcome);
}

static void on_completions(void *owner)
{
    lab_on_completions(((shard_t *)owner)->lab);
}

static void on_drained(void *owner)
{
    uv_stop(&((shard_t *)owner)->loop);
}

static void update_book(shard_t *self)
{
    if (self->metrics != NULL)
        metrics_update(self->metrics);
    else
        book_update(books_own(&self->books), self->server);
}

/* The end of a turn. */
static void on_prepare(uv_prepare_t *prepare)
{
    update_book(prepare->data);
}

void shard_inspect(const shard_t *self)
{
    inspect_requests(self->server, self->trace, self->books.count > 1 ? self->books.own + 1 : 0);
}

/* ---- Start ----------------------------------------------------------------------------------- */

/* returns 0 or libuv's error (said on stderr) */
static int open_access_log(shard_t *self)
{
    const lab_options_t *options = self->options;
    int                  err = 0;

    if (options->access_log)
        err = access_log_open(&self->access_log, &self->loop, options->access_log_file,
                              options->access_log_format);
    if (err != 0)
        fprintf(stderr, "%s: --access-log: cannot write to %s: %s\n", self->info->name,
                options->access_log_file, uv_strerror(err));
    return err;
}

/* 0 in a lab that has none. */
static unsigned worker_count(const shard_t *self)
{
    return self->info->options & LAB_HAS_WORKERS ? self->options->workers : 0;
}

/* The routes are all there before the server opens, which then may only read them. */
static int add_routes(shard_t *self)
{
    int err;

    self->router = http_router_new();
    if (self->router == NULL)
        return UV_ENOMEM;
    err = native_add_routes(self->router, &self->loop);
    if (err == 0 && self->info->add_routes != NULL)
        err = self->info->add_routes(self->router);
    if (err == 0 && self->options->metrics)
        err = metrics_open(&self->metrics, self->router, &self->books);
    if (err == 0 && self->options->live)
        err = live_open(&self->live, &self->loop, self->router);
    return err;
}

static int open_http(shard_t *self)
{
    bool           watched = self->access_log != NULL || self->metrics != NULL;
    http_options_t options = self->options->http;
    http_events_t  events = {.on_ready = on_ready,
                             .on_client_gone = on_client_gone,
                             .on_drained = on_drained,
                             .on_finished = watched ? on_finished : NULL};

    options.trace = self->trace;
    return http_server_open(&self->server, &self->loop, &options, self->router, &events, self);
}

int shard_open(shard_t *self)
{
    int err = uv_loop_init(&self->loop);

    self->loop_open = err == 0;
    if (err == 0 && open_access_log(self) != 0)
        return -1;
    if (err == 0)
        err = add_routes(self);
    if (err == 0 && bridge_app_add_routes(self->app, self->router) != 0)
        return -1;
    if (err == 0)
        err = open_http(self);
    if (err == 0)
        err = completions_open(&self->completions, &self->loop, on_completions, self);
    self->completions_open = err == 0;
    if (err != 0)
        fprintf(stderr, "%s: cannot start: %s\n", self->info->name, uv_strerror(err));
    return err;
}

/* Where the lab shall say what its workers have. */
static int open_queued(shard_t *self)
{
    if (worker_count(self) == 0 || (self->metrics == NULL && self->live == NULL))
        return 0;
    self->queued = calloc(worker_count(self), sizeof *self->queued);
    return self->queued == NULL ? UV_ENOMEM : 0;
}

static int open_lab(shard_t *self)
{
    lab_context_t context = {
        .loop = &self->loop,
        .bridge = self->bridge,
        .app = self->app,
        .http_thread = self->python,
        .completions = &self->completions,
        .trace = self->trace,
        .workers = self->options->workers,
        .debug = self->options->debug,
        .worker_queue = self->options->worker_queue,
        .pool = self->options->pool,
    };

    if (open_queued(self) == 0) {
        context.queued = self->queued;
        if (lab_open(&self->lab, &context) == 0)
            return 0;
    }
    fprintf(stderr, "%s: cannot start (see above)\n", self->info->name);
    return -1;
}

static int listen_on(shard_t *self, int port, bool share_port)
{
    const char *host = self->options->host;
    int         err = http_server_listen(self->server, host, port, share_port);

    if (err != 0)
        console_cannot_listen(self->info, host, port, err);
    return err;
}

static void start_metrics(shard_t *self)
{
    const metrics_sources_t sources = {.info = self->info,
                                       .bridge = self->bridge,
                                       .server = self->server,
                                       .completions = &self->completions,
                                       .access_log = self->access_log,
                                       .trace = self->trace,
                                       .workers = worker_count(self),
                                       .queued = self->queued};

    if (self->metrics != NULL)
        metrics_set_sources(self->metrics, &sources);
}

static void start_live(shard_t *self)
{
    const live_sources_t sources = {.info = self->info,
                                    .bridge = self->bridge,
                                    .server = self->server,
                                    .completions = &self->completions,
                                    .trace = self->trace,
                                    .books = &self->books,
                                    .all_traced = tracing_is_for_all(self->options),
                                    .workers = worker_count(self),
                                    .queued = self->queued};

    if (self->live != NULL)
        live_set_sources(self->live, &sources);
}

int shard_start(shard_t *self, int port, bool share_port)
{
    int err = open_lab(self);

    if (err == 0)
        err = listen_on(self, port, share_port);
    if (err == 0)
        start_metrics(self);
    if (err == 0)
        start_live(self);
    if (err == 0 && self->books.count > 0) {
        uv_prepare_init(&self->loop, &self->prepare);
        uv_prepare_start(&self->prepare, on_prepare);
        self->prepare.data = self;
        uv_unref((uv_handle_t *)&self->prepare);
    }
    return err;
}

/* ---- End ------------------------------------------------------------------------------------- */

void shard_serve(shard_t *self)
{
    uv_run(&self->loop, UV_RUN_DEFAULT); /* until on_drained() */
    self->stats = *http_server_stats(self->server);
    if (self->books.count > 0) {
        update_book(self);
        uv_close((uv_handle_t *)&self->prepare, NULL);
    }
}

void shard_drain(shard_t *self)
{
    live_stop(self->live);
    http_server_drain(self->server, self->options->drain_timeout_ms);
}

void shard_stop(shard_t *self)
{
    if (self->lab != NULL)
        lab_close(self->lab);
    self->lab = NULL;
}

void shard_close(shard_t *self)
{
    if (!self->loop_open)
        return;
    if (self->completions_open)
        completions_close(&self->completions);
    if (self->server != NULL)
        http_server_close(self->server);
    live_close(self->live);
    if (self->access_log != NULL)
        self->lines_lost = access_log_close(self->access_log);
    if (self->books.count > 0)
        book_set(books_own(&self->books), BOOK_LINES_LOST, self->lines_lost);
    uv_run(&self->loop, UV_RUN_DEFAULT); /* close callbacks */
    uv_loop_close(&self->loop);
    http_router_free(self->router);
    metrics_close(self->metrics);
    free(self->queued);
}
