/*
 * What common/http asks of the system fails, each time another thing: the first allocation, the
 * second, and so on until everything goes well again; then the same with the calls of libuv.
 * Whatever fails, a client gets right answers as far as they go, perhaps an error as the last one,
 * and its connection is closed; the next client is served; and every request comes to one end.
 *
 * A server without sockets (tests/wire), so that "the n-th call" is the same one every time.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/faults/alloc.h"
#include "tests/support/leaks.h"
#include "tests/wire/wire.h"

TestSuite(http_faults, .fini = expect_no_leaks, .timeout = 120);

enum {
    MANY = 500,           /* more calls than any conversation makes */
    LARGE = 20 * 1000,    /* a body that is written from where it lies */
    LONG_MS = 100 * 1000, /* past every time-out */
};

#define HOST        "HTTP/1.1\r\nHost: t\r\n"
#define GET(target) "GET " target " " HOST "\r\n"
#define EIGHT(text) text text text text text text text text

/* What a client says, in how many pieces, and how it takes the answers. */
typedef struct {
    const char *name;
    const char *request;
    size_t      piece; /* bytes that arrive at once; 0: all */
    size_t      take;  /* bytes of a write that it takes at once; 0: all */
    const char *statuses;
} talk_t;

static const talk_t talks[] = {
    {"a request", GET("/e"), 0, 0, "200"},
    {"a body", "POST /e " HOST "Content-Length: 5\r\n\r\nhello", 40, 0, "200"},
    {"chunks", "POST /e " HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
     20, 0, "200"},
    {"a long head", "GET /e " HOST EIGHT("X-A: " EIGHT("long, long ") "\r\n") "\r\n", 90, 0, "200"},
    {"many fields", "GET /e " HOST EIGHT("A: b\r\nC: d\r\n") "\r\n", 0, 0, "200"},
    {"a parameter", GET("/p/a%20b/" EIGHT("a-long-parameter-that-is-decoded%20")), 0, 0, "200"},
    {"a pipeline beyond the window", EIGHT(GET("/l")), 0, 0, "200 200 200 200 200 200 200 200"},
    {"a barrier", GET("/l") "POST /e " HOST "Content-Length: 1\r\n\r\n1" GET("/e"), 30, 0,
     "200 200 200"},
    {"large answers, taken slowly", GET("/b") GET("/b") GET("/e"), 0, 1000, "200 200 200"},
    {"a stream, taken slowly", GET("/s") GET("/e"), 0, 100, "200 200"},
    {"a route in C", GET("/n") GET("/n"), 0, 0, "200 200"},
    {"own fields", GET("/h"), 0, 0, "200"},
    {"no such route",
     GET("/nothing") "PUT /e " HOST "\r\n"
                     "OPTIONS /e " HOST "\r\n",
     0, 0, "404 405 204"},
    {"leave to send", "POST /e " HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nab", 70, 0,
     "200"},
    {"a malformed request", GET("/e") "GET / HTTP/1.1\r\nHost t\r\n\r\n", 0, 0, "200 400"},
    {"no request", ":\r\n\r\n", 0, 0, "400"},
};

enum { TALKS = sizeof talks / sizeof talks[0] };

/* ---- The server ------------------------------------------------------------------------------ */

static http_request_t *late[16];
static unsigned        late_count;

static void respond(http_request_t *req, size_t len)
{
    static char body[LARGE];

    memset(body, 'b', sizeof body);
    http_respond_transfer(req, http_response_new(200, "text/plain", body, len));
}

static void respond_with_fields(http_request_t *req)
{
    http_response_t *resp = http_response_new(200, NULL, "b", 1);
    http_slice_t     name = {"X-A", 3}, value = {"1", 1};

    if (resp != NULL && http_response_add_header(resp, name, value) != 0) {
        http_response_free(resp);
        resp = NULL;
    }
    http_respond_transfer(req, resp);
}

/* The first piece fills the stream's buffer: what ends the body needs a larger one. */
static void stream(http_request_t *req)
{
    static char piece[4096 - sizeof "ff9\r\n\r\n" + 1];

    memset(piece, 'b', sizeof piece);
    if (http_stream_begin(req, http_response_new(200, NULL, NULL, 0), NULL, NULL) != 0)
        return;
    http_stream_write(req, piece, sizeof piece); /* an error shows in the answer */
    http_stream_end(req);
}

static void on_ready(void *owner, http_request_list_t *ready)
{
    http_request_t *req;

    (void)owner;
    while ((req = http_request_list_pop(ready)) != NULL) {
        switch (*(const char *)req->route_arg) {
        case 'l':
            late[late_count++] = req;
            break;
        case 'b':
            respond(req, LARGE);
            break;
        case 's':
            stream(req);
            break;
        case 'h':
            respond_with_fields(req);
            break;
        default:
            respond(req, 5);
        }
    }
}

static void before_turn(void *arg)
{
    unsigned count = late_count;

    (void)arg;
    late_count = 0;
    for (unsigned i = 0; i < count; i++)
        respond(late[i], 5);
}

static void on_native(void *arg, http_request_t *req)
{
    (void)arg;
    respond(req, 6);
}

static void on_drained(void *owner)
{
    (void)owner;
}

/* NULL without memory for it. */
static http_router_t *make_router(void)
{
    static const char *const get[] = {"/e", "/p/{a}/{b}", "/l", "/b", "/s", "/h"};
    http_router_t           *router = http_router_new();
    int                      err = router == NULL ? UV_ENOMEM : 0;

    for (size_t i = 0; i < sizeof get / sizeof get[0] && err == 0; i++)
        err =
            http_router_add(router, HTTP_METHOD_GET, get[i], NULL, (void *)(uintptr_t)(get[i] + 1));
    if (err == 0)
        err = http_router_add(router, HTTP_METHOD_POST, "/e", NULL, (void *)(uintptr_t) "e");
    if (err == 0)
        err = http_router_add(router, HTTP_METHOD_GET, "/n", on_native, NULL);
    if (err == 0)
        return router;
    cr_expect_eq(err, UV_ENOMEM, "http_router_add(): %s", uv_strerror(err));
    http_router_free(router);
    return NULL;
}

/* ---- A conversation -------------------------------------------------------------------------- */

/* The statuses of all answers but 100, blank-separated. Static buffer. */
static const char *statuses(void)
{
    static char text[256];
    const char *at = wire_received()->data;
    size_t      len = 0;

    text[0] = '\0';
    for (; (at = strstr(at, "HTTP/1.1 ")) != NULL && len < sizeof text - 8; at += 9) {
        if (strncmp(at + 9, "100", 3) == 0)
            continue;
        memcpy(text + len, " ", len > 0);
        len += len > 0;
        memcpy(text + len, at + 9, 3);
        len += 3;
        text[len] = '\0';
    }
    return text;
}

/*
 * Right answers, then perhaps one that says that something is wrong here; 408 if it is the reading
 * that has failed, since the client then seems to say nothing.
 */
static bool acceptable(const char *seen, const char *expected)
{
    size_t same = 0;

    while (seen[same] != '\0' && seen[same] == expected[same])
        same++;
    if (seen[same] == '\0')
        return true; /* the connection was closed behind one of them, or before the first */
    same -= same % 4;
    return strcmp(seen + same, "500") == 0 || strcmp(seen + same, "503") == 0 ||
           strcmp(seen + same, "408") == 0;
}

/* A client connects, says its piece, reads until the server closes. returns false if it doesn't */
static bool converse(const talk_t *talk)
{
    size_t len = strlen(talk->request), piece = talk->piece == 0 ? len : talk->piece;

    if (!wire_connect(talk->take))
        wire_pass_time(LONG_MS); /* nobody closes, and yet it must be taken at some time */
    for (size_t at = 0, n; at < len && wire_is_open(); at += n) {
        n = len - at < piece ? len - at : piece;
        if (!wire_send(talk->request + at, n))
            wire_pass_time(LONG_MS);
    }
    if (!wire_half_close())
        wire_pass_time(LONG_MS);
    return wire_run_until_closed();
}

/* ---- Faults ---------------------------------------------------------------------------------- */

/* Something that fails: the n-th time that it is asked for. */
typedef struct {
    const char *what;
    bool        allocation, for_good; /* for good: all later ones too, until this client is gone */
    int         error;                /* of libuv */
} fault_t;

static const fault_t no_memory = {"allocation", true, false, 0};
static const fault_t no_memory_for_good = {"allocation and all after", true, true, 0};
static const fault_t libuv_no_memory = {"call of libuv (ENOMEM)", false, false, UV_ENOMEM};
static const fault_t libuv_broken = {"call of libuv (EPIPE)", false, false, UV_EPIPE};

static void arm(const fault_t *fault, unsigned n)
{
    if (fault->allocation)
        alloc_fail_at(alloc_control(), n, fault->for_good);
    else
        wire_fail_at(n, fault->error);
}

/* returns whether it has happened */
static bool disarm(void)
{
    bool happened = alloc_has_failed(alloc_control()) || wire_has_failed();

    alloc_fail_at(alloc_control(), 0, false);
    wire_fail_at(0, 0);
    return happened;
}

static void check_books(const char *context)
{
    const http_stats_t *stats = http_server_stats(wire_server());

    cr_assert(stats->parsed == stats->answered + stats->abandoned,
              "%s: parsed %ju, but answered %ju + abandoned %ju", context, (uintmax_t)stats->parsed,
              (uintmax_t)stats->answered, (uintmax_t)stats->abandoned);
    cr_assert(http_server_in_flight(wire_server()) == 0, "%s: %u requests are in flight", context,
              http_server_in_flight(wire_server()));
}

/* One client while the n-th one fails, and the next client afterwards. returns: has it failed? */
static bool check_talk(const talk_t *talk, const fault_t *fault, unsigned n)
{
    static const talk_t next = {"the next client", GET("/e"), 0, 0, "200"};
    char                context[128];
    bool                closed = converse(talk), happened = disarm();

    snprintf(context, sizeof context, "%s, %s %u fails", talk->name, fault->what, n);
    cr_assert(closed, "%s: the connection stays open; answers so far: %s", context, statuses());
    cr_assert(happened ? acceptable(statuses(), talk->statuses)
                       : strcmp(statuses(), talk->statuses) == 0,
              "%s: expected %s, seen %s", context, talk->statuses, statuses());
    check_books(context);
    closed = converse(&next);
    cr_assert(closed && strcmp(statuses(), "200") == 0, "%s: the next client sees '%s'%s", context,
              statuses(), closed ? "" : ", and stays connected");
    check_books(context);
    return happened;
}

/* A server's whole life in which the n-th one fails. returns: has it failed? */
static bool live(const talk_t *talk, const fault_t *fault, unsigned n)
{
    static const http_events_t events = {.on_ready = on_ready, .on_drained = on_drained};
    http_options_t             options;
    http_router_t             *router;
    int                        err = UV_ENOMEM;
    bool                       happened;

    http_options_default(&options);
    options.pipeline_window = 4;
    arm(fault, n);
    router = make_router();
    if (router != NULL)
        err = wire_open(&options, router, &events, NULL);
    if (err == 0) {
        wire_before_turn(before_turn, NULL);
        happened = check_talk(talk, fault, n);
        wire_close();
    } else {
        happened = disarm();
        cr_assert(err == UV_ENOMEM && happened, "%s %u fails: the server doesn't start: %s",
                  fault->what, n, uv_strerror(err));
    }
    http_router_free(router);
    return happened;
}

/* Each one in turn, until a conversation comes to its end without meeting it. */
static void sweep(const fault_t *fault)
{
    for (size_t i = 0; i < TALKS; i++) {
        unsigned n = 1;

        while (n < MANY && live(&talks[i], fault, n))
            n++;
        cr_assert(n > 3 && n < MANY, "%s: the last %s that failed was the %u.", talks[i].name,
                  fault->what, n - 1);
    }
}

/* ---- The tests ------------------------------------------------------------------------------- */

Test(http_faults, an_allocation_that_fails_ends_one_request_and_no_more)
{
    sweep(&no_memory);
}

Test(http_faults, without_any_more_memory_every_connection_ends_and_later_ones_are_served)
{
    sweep(&no_memory_for_good);
}

Test(http_faults, a_call_of_libuv_that_fails_ends_one_connection_and_no_more)
{
    sweep(&libuv_no_memory);
    sweep(&libuv_broken);
}
