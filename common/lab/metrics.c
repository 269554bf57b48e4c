/* All of it runs on the HTTP thread. */
#include "common/lab/metrics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Upper bounds of the histogram's buckets; the last one is infinity. */
static const struct {
    uint64_t    ns;
    const char *le;
} bounds[] = {
    {50000, "5e-05"},       {100000, "0.0001"},   {250000, "0.00025"}, {500000, "0.0005"},
    {1000000, "0.001"},     {2500000, "0.0025"},  {5000000, "0.005"},  {10000000, "0.01"},
    {25000000, "0.025"},    {50000000, "0.05"},   {100000000, "0.1"},  {250000000, "0.25"},
    {500000000, "0.5"},     {1000000000, "1"},    {2500000000, "2.5"}, {5000000000, "5"},
    {10000000000ULL, "10"}, {UINT64_MAX, "+Inf"},
};

_Static_assert(sizeof bounds / sizeof bounds[0] == BOOK_BUCKETS, "a bound for each bucket");

struct metrics {
    metrics_sources_t sources;
    books_t           books;
    book_t           *only; /* owned: the one book, where there are no others */
};

static void on_metrics(void *arg, http_request_t *req);

/* ---- Counting -------------------------------------------------------------------------------- */

static unsigned requests_entry(http_end_t end, int status)
{
    return BOOK_REQUESTS + (unsigned)end * BOOK_STATUSES + (unsigned)status;
}

void metrics_add(metrics_t *self, const http_outcome_t *outcome)
{
    book_t  *book = books_own(&self->books);
    unsigned bucket = 0;

    book_add(book, requests_entry(outcome->end, outcome->status % BOOK_STATUSES), 1);
    if (outcome->end != HTTP_END_ANSWERED)
        return;
    book_add(book, BOOK_BYTES, outcome->bytes);
    book_add(book, BOOK_DURATION_NS, outcome->duration_ns);
    while (outcome->duration_ns > bounds[bucket].ns)
        bucket++;
    book_add(book, BOOK_DURATIONS + bucket, 1);
}

void metrics_update(metrics_t *self)
{
    const metrics_sources_t *from = &self->sources;
    book_t                  *book = books_own(&self->books);

    book_update(book, from->server);
    book_set(book, BOOK_COMPLETIONS, completions_queued(from->completions));
    if (!self->books.one_bridge)
        book_set(book, BOOK_HANDLER_ERRORS, bridge_handler_errors(from->bridge));
    if (from->access_log != NULL)
        book_set(book, BOOK_LINES_LOST, access_log_lost(from->access_log));
}

/* ---- The text -------------------------------------------------------------------------------- */

/* A text that grows; `failed`: there was no memory for all of it. */
typedef struct {
    char  *data;
    size_t len, cap;
    bool   failed;
} text_t;

__attribute__((format(printf, 2, 3))) static void put(text_t *text, const char *format, ...)
{
    va_list args;
    char    line[512];
    size_t  len, cap = text->cap == 0 ? 8192 : 2 * text->cap;
    char   *grown;

    va_start(args, format);
    len = (size_t)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (len >= sizeof line)
        len = sizeof line - 1;
    if (text->cap - text->len < len) {
        grown = realloc(text->data, cap);
        text->failed |= grown == NULL;
        if (grown == NULL)
            return;
        text->data = grown;
        text->cap = cap;
    }
    memcpy(text->data + text->len, line, len);
    text->len += len;
}

static void put_family(text_t *text, const char *name, const char *type, const char *help)
{
    put(text, "# HELP looplab_%s %s\n# TYPE looplab_%s %s\n", name, help, name, type);
}

/* A family of one figure. */
static void put_one(text_t *text, const char *name, const char *type, uint64_t value,
                    const char *help)
{
    put_family(text, name, type, help);
    put(text, "looplab_%s %llu\n", name, (unsigned long long)value);
}

static void put_requests(text_t *text, const metrics_t *self)
{
    static const char *const ends[] = {"answered", "abandoned", "cut_off"};

    put_family(text, "requests_total", "counter",
               "Requests that have ended, by the status of the answer (0: none was begun) and how: "
               "answered, abandoned by the client, cut off by the drain time-out.");
    for (int end = 0; end < HTTP_ENDS; end++)
        for (int status = 0; status < BOOK_STATUSES; status++) {
            uint64_t count = books_sum(&self->books, requests_entry((http_end_t)end, status));

            if (count > 0)
                put(text, "looplab_requests_total{code=\"%d\",end=\"%s\"} %llu\n", status,
                    ends[end], (unsigned long long)count);
        }
}

static void put_durations(text_t *text, const metrics_t *self)
{
    static const char name[] = "request_duration_seconds";
    uint64_t          sum = 0;

    put_family(text, name, "histogram",
               "From a request's last byte until the kernel had its whole answer.");
    for (unsigned i = 0; i < BOOK_BUCKETS; i++) {
        sum += books_sum(&self->books, BOOK_DURATIONS + i);
        put(text, "looplab_%s_bucket{le=\"%s\"} %llu\n", name, bounds[i].le,
            (unsigned long long)sum);
    }
    put(text, "looplab_%s_sum %.9f\nlooplab_%s_count %llu\n", name,
        (double)books_sum(&self->books, BOOK_DURATION_NS) / 1e9, name, (unsigned long long)sum);
}

static uint64_t handler_errors(const metrics_t *self)
{
    return self->books.one_bridge ? bridge_handler_errors(self->sources.bridge)
                                  : books_sum(&self->books, BOOK_HANDLER_ERRORS);
}

static void put_server(text_t *text, const metrics_t *self)
{
    const books_t *books = &self->books;

    put_one(text, "connections_accepted_total", "counter", books_sum(books, BOOK_CONNECTIONS),
            "Connections accepted.");
    put_one(text, "connections_open", "gauge", books_sum(books, BOOK_OPEN),
            "Connections open now.");
    put_one(text, "requests_parsed_total", "counter", books_sum(books, BOOK_PARSED),
            "Requests read, malformed ones included; those that haven't ended yet too.");
    put_one(text, "requests_in_flight", "gauge", books_sum(books, BOOK_IN_FLIGHT),
            "Requests that a handler works on now, this one included.");
    put_one(text, "completions_queued", "gauge", books_sum(books, BOOK_COMPLETIONS),
            "Answers on their way from a loop's thread to the HTTP thread.");
    put_one(text, "handler_errors_total", "counter", handler_errors(self),
            "Handlers that raised, or returned what is no answer.");
    if (self->sources.access_log != NULL)
        put_one(text, "access_log_lines_lost_total", "counter", books_sum(books, BOOK_LINES_LOST),
                "Lines of the access log that could not be written.");
}

static void put_workers(text_t *text, const metrics_sources_t *from)
{
    if (from->workers == 0)
        return;
    put_family(text, "worker_queued", "gauge",
               "Requests that each worker has: they run, or wait for it.");
    for (unsigned i = 0; i < from->workers; i++)
        if (from->queued[i] != NULL)
            put(text, "looplab_worker_queued{worker=\"%u\"} %u\n", i,
                atomic_load_explicit(from->queued[i], memory_order_relaxed));
}

/* For trace_visit_gaps(). */
typedef struct {
    text_t *text;
    bool    with_workers; /* names of hops */
} hops_t;

static void put_hop(void *arg, const trace_gap_so_far_t *gap)
{
    const hops_t *hops = arg;
    char          gap_name[96];

    snprintf(gap_name, sizeof gap_name, "from=\"%s\",to=\"%s\"",
             trace_hop_name(gap->from, hops->with_workers),
             trace_hop_name(gap->to, hops->with_workers));
    put(hops->text,
        "looplab_hop_seconds{%s,quantile=\"0.5\"} %.9f\n"
        "looplab_hop_seconds{%s,quantile=\"0.99\"} %.9f\n"
        "looplab_hop_seconds_sum{%s} %.9f\n"
        "looplab_hop_seconds_count{%s} %llu\n",
        gap_name, (double)gap->p50_ns / 1e9, gap_name, (double)gap->p99_ns / 1e9, gap_name,
        (double)gap->total_ns / 1e9, gap_name, (unsigned long long)gap->count);
}

static void put_hops(text_t *text, const metrics_sources_t *from)
{
    hops_t hops = {.text = text, .with_workers = from->info->options & LAB_HAS_WORKERS};

    if (from->trace == NULL)
        return;
    put_family(text, "hop_seconds", "summary",
               "From one hop of a request to the next, of all traced requests since the start.");
    trace_visit_gaps(from->trace, put_hop, &hops);
}

static void put_process(text_t *text, const metrics_t *self)
{
    const metrics_sources_t *from = &self->sources;

    put_family(text, "info", "gauge", "What runs here; always 1.");
    put(text, "looplab_info{lab=\"%s\",python=\"%s\",gil=\"%s\"} 1\n", from->info->name,
        bridge_python_version(), bridge_gil_enabled(from->bridge) ? "yes" : "no");
    put_family(text, "cpu_seconds_total", "counter",
               "CPU time of the lab's processes, their start included.");
    put(text, "looplab_cpu_seconds_total %.6f\n", books_cpu_seconds(&self->books));
}

static void on_metrics(void *arg, http_request_t *req)
{
    metrics_t       *self = arg;
    text_t           text = {0};
    http_response_t *resp = NULL;

    metrics_update(self);
    put_process(&text, self);
    put_server(&text, self);
    put_requests(&text, self);
    put_one(&text, "response_bytes_total", "counter", books_sum(&self->books, BOOK_BYTES),
            "Bytes of content in answers, without heads.");
    put_durations(&text, self);
    put_workers(&text, &self->sources);
    put_hops(&text, &self->sources);
    if (!text.failed)
        resp =
            http_response_new(200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.len);
    free(text.data);
    http_respond_transfer(req, resp);
}

/* ---- Start and end --------------------------------------------------------------------------- */

int metrics_open(metrics_t **out, http_router_t *router, const books_t *books)
{
    metrics_t *self = calloc(1, sizeof *self);
    int        err = UV_ENOMEM;

    if (self == NULL)
        return err;
    self->books = *books;
    if (books->count == 0)
        self->books = (books_t){.books = self->only = calloc(1, sizeof *self->only), .count = 1};
    if (self->books.books != NULL)
        err = http_router_add(router, HTTP_METHOD_GET, "/metrics", on_metrics, self);
    if (err != 0) {
        metrics_close(self);
        return err;
    }
    *out = self;
    return 0;
}

void metrics_set_sources(metrics_t *self, const metrics_sources_t *sources)
{
    self->sources = *sources;
}

void metrics_close(metrics_t *self)
{
    if (self == NULL)
        return;
    free(self->only);
    free(self);
}
