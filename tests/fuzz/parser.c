/*
 * Fuzz requests and their framing: the input is what a client sends on one connection. However the
 * bytes are cut, and however slowly the client takes its answers, handlers must see the same
 * requests and the client the same answers; every request must come to one end; and the server must
 * go on reading, or close.
 *
 * Limits are small, so that short inputs reach them. No sockets: tests/wire.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/wire/wire.h"

enum {
    MAX_PARKED = 64,
    LARGE = 17 * 1000, /* bytes of a body that isn't copied to the others */
};

/* Everything that one run has shown. */
typedef struct {
    const char  *name;
    wire_text_t  requests; /* as handlers have seen them */
    wire_text_t  natives;  /* as the native route has, which doesn't wait for the turn's end */
    wire_text_t  answers;  /* as the client has, without any 100 Continue */
    bool         ended;    /* by the server, before the client had said that it was done */
    http_stats_t stats;    /* of this run alone */
} run_t;

/* How a run cuts the bytes and takes the answers. */
typedef struct {
    const char *name;
    unsigned    piece; /* 0: all at once; CUT_BY_CHANCE */
    size_t      take;  /* bytes of one write that the client takes at once; 0: all */
} manner_t;

enum { CUT_BY_CHANCE = ~0u };

static const manner_t manners[] = {
    {"at once", 0, 0},
    {"byte by byte", 1, 0},
    {"cut by chance", CUT_BY_CHANCE, 0},
    {"at once, to a client that takes 7 bytes at a time", 0, 7},
    {"cut by chance, to a client that takes 50 bytes at a time", CUT_BY_CHANCE, 50},
};

enum { MANNERS = sizeof manners / sizeof manners[0] };

static run_t          *current; /* that on_ready() writes to */
static http_request_t *parked[MAX_PARKED];
static unsigned        parked_count;

/* ---- The server's side ----------------------------------------------------------------------- */

static void add_slice(wire_text_t *text, const char *label, http_slice_t slice)
{
    wire_text_add(text, label, strlen(label));
    wire_text_addf(text, "[%zu]", slice.len);
    wire_text_add(text, slice.data, slice.len);
}

static void describe(wire_text_t *text, const http_request_t *req)
{
    wire_text_addf(text, "\n%s 1.%d", http_method_name(req->method), req->version_minor);
    add_slice(text, " target ", http_request_target(req));
    add_slice(text, " path ", http_request_path(req));
    add_slice(text, " query ", http_request_query(req));
    for (unsigned i = 0; i < req->param_count; i++) {
        add_slice(text, " param ", req->params[i].name);
        add_slice(text, "=", http_request_param(req, i));
    }
    for (unsigned i = 0; i < req->field_count; i++) {
        add_slice(text, " field ", http_request_field_name(req, i));
        add_slice(text, "=", http_request_field_value(req, i));
    }
    add_slice(text, " body ", http_request_body(req));
}

static void respond(http_request_t *req, size_t len)
{
    static char body[LARGE];

    if (body[0] == '\0')
        memset(body, 'b', sizeof body);
    http_respond_transfer(req, http_response_new(200, "text/plain", body, len));
}

/* Answer in pieces. A client of HTTP/1.0 would make it the last answer of the connection, after
 * which it is a matter of timing which requests are still seen: that one gets a whole. */
static void stream(http_request_t *req, size_t pieces)
{
    if (req->version_minor == 0) {
        respond(req, pieces % LARGE);
        return;
    }
    if (http_stream_begin(req, http_response_new(200, NULL, NULL, 0), NULL, NULL) != 0)
        return;
    for (size_t i = 0; i < pieces % 20; i++)
        if (http_stream_write(req, "a piece", 7) != 0)
            break;
    http_stream_end(req);
}

static void on_ready(void *owner, http_request_list_t *ready)
{
    http_request_t *req;

    (void)owner;
    while ((req = http_request_list_pop(ready)) != NULL) {
        char kind = *(const char *)req->route_arg;

        describe(&current->requests, req);
        if (kind == 'l' && parked_count < MAX_PARKED)
            parked[parked_count++] = req;
        else if (kind == 's')
            stream(req, http_request_param(req, 0).len);
        else if (kind == 'b')
            respond(req, http_request_param(req, 0).len > 3 ? LARGE : 100);
        else
            respond(req, http_request_body(req).len + req->field_count);
    }
}

/* What was asked for late is answered a turn later. */
static void before_turn(void *arg)
{
    unsigned count = parked_count;

    (void)arg;
    parked_count = 0;
    for (unsigned i = 0; i < count; i++)
        respond(parked[i], i);
}

static void on_native(void *arg, http_request_t *req)
{
    (void)arg;
    describe(&current->natives, req);
    respond(req, 6);
}

static void on_drained(void *owner)
{
    (void)owner;
}

static void add_route(http_router_t *router, http_method_t method, const char *pattern,
                      http_native_fn native, const char *kind)
{
    if (http_router_add(router, method, pattern, native, (void *)(uintptr_t)kind) != 0)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const http_events_t events = {.on_ready = on_ready, .on_drained = on_drained};
    http_router_t             *router = http_router_new();
    http_options_t             options;

    (void)argc, (void)argv;
    http_options_default(&options);
    options.max_request_line = 128;
    options.max_header_bytes = 256;
    options.max_headers = 8;
    options.max_body = 200;
    options.pipeline_window = 4;
    add_route(router, HTTP_METHOD_GET, "/", NULL, "e");
    add_route(router, HTTP_METHOD_POST, "/", NULL, "e");
    add_route(router, HTTP_METHOD_PUT, "/{a}/{b}", NULL, "e");
    add_route(router, HTTP_METHOD_GET, "/{a}/{b}", NULL, "e");
    add_route(router, HTTP_METHOD_GET, "/n", on_native, NULL);
    add_route(router, HTTP_METHOD_POST, "/late/{x}", NULL, "l");
    add_route(router, HTTP_METHOD_GET, "/late/{x}", NULL, "l");
    add_route(router, HTTP_METHOD_GET, "/s/{pieces}", NULL, "s");
    add_route(router, HTTP_METHOD_GET, "/b/{size}", NULL, "b");
    if (wire_open(&options, router, &events, NULL) != 0)
        abort();
    wire_before_turn(before_turn, NULL);
    return 0;
}

/* ---- The client's side ----------------------------------------------------------------------- */

static void fail(const uint8_t *data, size_t size, const char *what, const run_t *seen)
{
    fprintf(stderr, "%s\ninput, %zu bytes, sent %s:\n", what, size, seen->name);
    fuzz_show(data, size);
    fprintf(stderr, "requests:");
    fuzz_show(seen->requests.data, seen->requests.len);
    fprintf(stderr, "answers:\n");
    fuzz_show(seen->answers.data, seen->answers.len);
    abort();
}

/* An answer of 100 comes only to those whose body isn't there yet: that may depend on the cut. */
static void add_without_continue(wire_text_t *text, const char *data, size_t len)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const size_t      interim_len = sizeof interim - 1;
    const char       *at = data, *end = data + len, *next;

    while ((next = memmem(at, (size_t)(end - at), interim, interim_len)) != NULL) {
        wire_text_add(text, at, (size_t)(next - at));
        at = next + interim_len;
    }
    wire_text_add(text, at, (size_t)(end - at));
}

static void check_books(const uint8_t *data, size_t size, run_t *run, const http_stats_t *before)
{
    const http_stats_t *now = http_server_stats(wire_server());

    run->stats = *now;
    run->stats.parsed -= before->parsed;
    run->stats.answered -= before->answered;
    run->stats.abandoned -= before->abandoned;
    run->stats.answered_by_class[2] -= before->answered_by_class[2];
    if (run->stats.parsed != run->stats.answered + run->stats.abandoned)
        fail(data, size, "a request came to no end, or to two", run);
    if (http_server_connections(wire_server()) != 0 || http_server_in_flight(wire_server()) != 0)
        fail(data, size, "something is left of a connection that is closed", run);
}

static void run(const uint8_t *data, size_t size, const manner_t *manner, run_t *out)
{
    http_stats_t before = *http_server_stats(wire_server());
    fuzz_dice_t  dice = fuzz_dice(data, size);

    current = out;
    out->name = manner->name;
    wire_text_clear(&out->requests);
    wire_text_clear(&out->natives);
    wire_text_clear(&out->answers);
    if (!wire_connect(manner->take))
        abort();
    for (size_t at = 0, len; at < size; at += len) {
        len = manner->piece == 0               ? size
              : manner->piece == CUT_BY_CHANCE ? 1 + fuzz_roll(&dice, 40)
                                               : manner->piece;
        len = len < size - at ? len : size - at;
        if (!wire_send(data + at, len))
            fail(data, size, "the server neither reads nor closes", out);
    }
    for (int i = 0; i < 1000 && wire_is_open() && (parked_count > 0 || wire_has_work()); i++)
        wire_turn();
    out->ended = !wire_is_open() || wire_is_shut();
    if (!wire_half_close())
        fail(data, size, "the client has said everything, and the server doesn't close", out);
    add_without_continue(&out->answers, wire_received()->data, wire_received()->len);
    check_books(data, size, out, &before);
}

/*
 * With two things wrong in a request it may depend on the cut which of them is met first: a target
 * that is too long and ends in a control character is refused with 414 or 400. That it is refused
 * may not. returns the length of the answers before a refusal at the end, or of all of them
 */
static size_t before_refusal(const wire_text_t *answers)
{
    static const char *const refusals[] = {"400", "413", "414", "417", "431", "501", "505"};
    static const char        line[] = "HTTP/1.1 ";
    const size_t             line_len = sizeof line - 1;
    size_t                   at = answers->len;

    while (at > 0 && (answers->data[at] != 'H' || memcmp(answers->data + at, line, line_len) != 0))
        at--;
    if (answers->len > 0)
        for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
            if (strncmp(answers->data + at + line_len, refusals[i], 3) == 0)
                return at;
    return answers->len;
}

static bool same_answers(const wire_text_t *a, const wire_text_t *b)
{
    size_t len = before_refusal(a);

    return len == before_refusal(b) && (len == a->len) == (len == b->len) &&
           memcmp(a->data, b->data, len) == 0;
}

static bool same_text(const wire_text_t *a, const wire_text_t *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static void compare(const uint8_t *data, size_t size, const run_t *first, const run_t *other)
{
    const char *what = NULL;

    if (!same_text(&first->requests, &other->requests) ||
        !same_text(&first->natives, &other->natives))
        what = "handlers see other requests";
    else if (!same_answers(&first->answers, &other->answers))
        what = "the client sees other answers";
    else if (first->ended != other->ended)
        what = "the server closes in one case only";
    else if (first->stats.answered != other->stats.answered ||
             first->stats.answered_by_class[2] != other->stats.answered_by_class[2])
        what = "other answers are counted";
    if (what == NULL)
        return;
    fprintf(stderr, "%s\nsent %s:\nrequests:", what, first->name);
    fuzz_show(first->requests.data, first->requests.len);
    fprintf(stderr, "answers:\n");
    fuzz_show(first->answers.data, first->answers.len);
    fail(data, size, "and", other);
}

/* Chance decides which of the other manners an input is sent in: twice the inputs in the time. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static run_t first, other;
    fuzz_dice_t  dice = fuzz_dice(data, size);

    run(data, size, &manners[0], &first);
    run(data, size, &manners[1 + fuzz_roll(&dice, MANNERS - 1)], &other);
    compare(data, size, &first, &other);
    return 0;
}
