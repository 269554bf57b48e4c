/* Viewers come and go here; what they see is live_frame.c's. All of it runs on the HTTP thread. */
#include "common/lab/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/lab/live_frame.h"
#include "common/lab/live_page.h"

static void on_file(void *arg, http_request_t *req);
static void on_events(void *arg, http_request_t *req);
static void on_interval(uv_timer_t *timer);
static void on_timer_closed(uv_handle_t *handle);

/* Nothing is loaded but from here, and nothing runs or is styled inline. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct live {
    live_sources_t  sources;
    uv_timer_t      timer; /* runs while there are viewers */
    live_frame_t    frame;
    unsigned        trace_every; /* one request in so many */
    uint64_t        answered;    /* by this server, at the last frame */
    unsigned        count;
    http_request_t *viewers[LIVE_VIEWERS]; /* [count], a reference each */
    bool            stopped;
};

/* ---- The page -------------------------------------------------------------------------------- */

/* A file that a browser takes as what it is, and asks for each time. NULL is allowed */
static http_response_t *guarded(http_response_t *resp)
{
    static const char *const fields[][2] = {{"Content-Security-Policy", policy},
                                            {"X-Content-Type-Options", "nosniff"},
                                            {"Referrer-Policy", "no-referrer"},
                                            {"Cache-Control", "no-store"}};

    for (size_t i = 0; resp != NULL && i < sizeof fields / sizeof fields[0]; i++) {
        if (http_response_add_header(resp, http_slice_of(fields[i][0]),
                                     http_slice_of(fields[i][1])) == 0)
            continue;
        http_response_free(resp); /* rather nothing than without its guard */
        resp = NULL;
    }
    return resp;
}

static void on_file(void *arg, http_request_t *req)
{
    const live_file_t *file = arg;

    http_respond_transfer(
        req, guarded(http_response_new(200, file->content_type, file->data, file->len)));
}

/* ---- Viewers --------------------------------------------------------------------------------- */

/* While somebody looks: frames, and some requests traced. */
static void begin_showing(live_t *self)
{
    self->trace_every = LIVE_TRACED; /* until it is known how many come */
    if (!self->sources.all_traced)
        http_server_trace(self->sources.server, self->trace_every);
    self->answered = http_server_stats(self->sources.server)->answered;
    live_frame_start(&self->frame, &self->sources);
    uv_timer_start(&self->timer, on_interval, LIVE_INTERVAL_MS, LIVE_INTERVAL_MS);
}

static void end_showing(live_t *self)
{
    if (!self->sources.all_traced)
        http_server_trace(self->sources.server, 0);
    uv_timer_stop(&self->timer);
}

/* In the book too, at once: other HTTP threads take viewers off what is in flight. */
static void set_count(live_t *self, unsigned count)
{
    const books_t *books = self->sources.books;

    self->count = count;
    if (books->count > 0)
        book_set(books_own(books), BOOK_VIEWERS, count);
}

static void on_events(void *arg, http_request_t *req)
{
    static const char begin[] = "retry: 1000\n\n";
    live_t           *self = arg;

    if (self->stopped || self->count == LIVE_VIEWERS) {
        http_respond_transfer(req, http_response_busy());
        return;
    }
    if (http_stream_begin(req, guarded(http_response_new(200, "text/event-stream", NULL, 0)), NULL,
                          NULL) != 0)
        return;
    if (req->method == HTTP_METHOD_HEAD || http_stream_write(req, begin, sizeof begin - 1) != 0) {
        http_stream_end(req);
        return;
    }
    http_stream_hold(req, LIVE_HELD);
    self->viewers[self->count] = req;
    set_count(self, self->count + 1);
    if (self->count == 1)
        begin_showing(self);
}

/* returns false if the viewer is gone: its request is given up then */
static bool show(http_request_t *viewer, const char *event, size_t len)
{
    if (http_stream_unsent(viewer) > 0) /* it is behind: this frame isn't for it */
        return true;
    if (http_stream_write(viewer, event, len) == 0)
        return true;
    http_stream_end(viewer);
    return false;
}

static void show_all(live_t *self, const char *event, size_t len)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < self->count; i++)
        if (show(self->viewers[i], event, len))
            self->viewers[kept++] = self->viewers[i];
    set_count(self, kept);
    if (kept == 0)
        end_showing(self);
}

/* So many as to have LIVE_TRACED in an interval. */
static void choose_tracing(live_t *self)
{
    uint64_t answered = http_server_stats(self->sources.server)->answered;
    uint64_t every = (answered - self->answered) / LIVE_TRACED;

    self->answered = answered;
    self->trace_every = every > 1 ? (unsigned)every : 1;
    if (!self->sources.all_traced)
        http_server_trace(self->sources.server, self->trace_every);
}

static void on_interval(uv_timer_t *timer)
{
    live_t *self = timer->data;
    char   *frame = live_frame_make(&self->frame, &self->sources, self->count,
                                  self->sources.all_traced ? 1 : self->trace_every);
    char   *event = NULL;
    int     len = -1;

    choose_tracing(self);
    if (frame != NULL)
        len = asprintf(&event, "data: %s\n\n", frame);
    if (len > 0)
        show_all(self, event, (size_t)len);
    if (len >= 0)
        free(event);
    free(frame);
}

/* ---- Start and end --------------------------------------------------------------------------- */

static int add_routes(live_t *self, http_router_t *router)
{
    int err = http_router_add(router, HTTP_METHOD_GET, "/_lab/events", on_events, self);

    for (int i = 0; i < LIVE_FILES && err == 0; i++)
        err = http_router_add(router, HTTP_METHOD_GET, live_files[i].path, on_file,
                              (void *)(uintptr_t)&live_files[i]);
    return err;
}

int live_open(live_t **out, uv_loop_t *loop, http_router_t *router)
{
    live_t *self = calloc(1, sizeof *self);
    int     err = self == NULL ? UV_ENOMEM : add_routes(self, router);

    if (err == 0)
        err = uv_timer_init(loop, &self->timer);
    if (err != 0) {
        free(self);
        return err;
    }
    self->timer.data = self;
    *out = self;
    return 0;
}

void live_set_sources(live_t *self, const live_sources_t *sources)
{
    self->sources = *sources;
    if (!sources->all_traced)
        http_server_trace(sources->server, 0);
}

void live_stop(live_t *self)
{
    if (self == NULL || self->stopped)
        return;
    self->stopped = true;
    for (unsigned i = 0; i < self->count; i++) {
        if (http_stream_unsent(self->viewers[i]) > 0)
            http_stream_abort(
                self->viewers[i]); /* else the drain would wait for who doesn't read */
        else
            http_stream_end(self->viewers[i]);
    }
    if (self->count > 0) {
        end_showing(self);
        set_count(self, 0);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void live_close(live_t *self)
{
    if (self != NULL)
        uv_close((uv_handle_t *)&self->timer, on_timer_closed);
}
