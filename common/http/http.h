/*
 * common/http: an HTTP/1.1 server for one libuv loop. Knows nothing of Python.
 *
 * One turn of the HTTP thread (libuv's order: I/O callbacks, then the check callback):
 *   1. I/O callbacks parse what has arrived and put each complete request on the turn's list;
 *   2. the check callback hands the whole list to `on_ready`, once (and I/O callbacks do, where that
 *      many have arrived that they would push each other out of the cache);
 *   3. all answers that are due go out, one write per connection.
 *
 * Ownership. A request is counted, and one reference travels with it: from the parser to whoever
 * takes it off the ready list, back with http_respond_transfer(), to the connection until the
 * answer is written. Every other holder, such as a Python object that shows the request, takes its
 * own.
 *
 * Threads. Every function runs on the HTTP thread, the one that runs the server's loop, unless its
 * comment says "any". There are no locks in here: what crosses threads is a counter or a flag.
 *
 * Errors are libuv's negative codes (UV_EINVAL, UV_ENOMEM, ...), 0 is success.
 */
#ifndef LOOPLAB_HTTP_H
#define LOOPLAB_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <uv.h>

#include "common/trace/trace.h"

typedef struct http_server   http_server_t;
typedef struct http_conn     http_conn_t;
typedef struct http_request  http_request_t;
typedef struct http_response http_response_t;
typedef struct http_router   http_router_t;
typedef struct http_pool     http_pool_t;
typedef struct http_stream   http_stream_t;

/* Bytes in somebody else's buffer; not terminated. `data` is never NULL when `len` > 0. */
typedef struct {
    const char *data;
    size_t      len;
} http_slice_t;

/* A whole string, as long as that lives. */
static inline http_slice_t http_slice_of(const char *text)
{
    return (http_slice_t){text, strlen(text)};
}

/* The methods this server implements; the values are llhttp's. Any other is answered 501. */
typedef enum {
    HTTP_METHOD_DELETE = 0,
    HTTP_METHOD_GET = 1,
    HTTP_METHOD_HEAD = 2,
    HTTP_METHOD_POST = 3,
    HTTP_METHOD_PUT = 4,
    HTTP_METHOD_OPTIONS = 6,
    HTTP_METHOD_PATCH = 28,
} http_method_t;

/* The method's name ("GET"), or NULL if this server does not implement it. thread: any */
const char *http_method_name(http_method_t method);

/* The method called `name`, case-sensitive, or -1. thread: any */
int http_method_from_name(const char *name);

/* llhttp's version, "9.2.1". thread: any */
const char *http_parser_version(void);

/* The reason phrase of a status code ("Not Found"; "Unknown" if it has none). thread: any */
const char *http_status_reason(int status);

/* ------------------------------------------------------------------------------------------------
 * Requests
 */

enum {
    HTTP_MAX_PARAMS = 8,      /* path parameters in one route */
    HTTP_INLINE_BYTES = 384,  /* request line and headers up to this need no allocation */
    HTTP_INLINE_HEADERS = 12, /* nor do so many header fields */
};

/* A header field: offsets into http_request_t.head, which may move while it grows. */
typedef struct {
    uint32_t name_at, name_len;
    uint32_t value_at, value_len;
} http_field_t;

/* A path parameter: the name is the route's, the value lies in http_request_t.head, decoded. */
typedef struct {
    http_slice_t name;
    uint32_t     value_at, value_len;
} http_param_t;

/* One request, from its first byte until the last reference is dropped. */
struct http_request {
    /* Written by the parser, read-only once the request is on the ready list: any holder may read. */
    char         *head; /* path, query, header names and values, decoded parameters */
    uint32_t      head_len, head_cap;
    http_field_t *fields;
    uint16_t      field_count, field_cap;
    uint8_t       method;        /* http_method_t */
    uint8_t       version_minor; /* HTTP/1.0 or HTTP/1.1 */
    uint8_t       param_count;
    uint32_t      target_len; /* the request target as sent, at head[0] */
    uint32_t      path_at, path_len;
    uint32_t      query_at, query_len;
    char         *body;
    size_t        body_len, body_cap;
    void         *route_arg; /* from http_router_add(): borrowed */

    /* The owner's: HTTP thread -> lab -> (completion) -> HTTP thread. */
    http_request_t  *next;     /* in the one list that it is on */
    http_response_t *result;   /* on its way back through a queue; owned */
    void            *lab_data; /* the lab's own */
    trace_record_t  *trace;    /* where it marks what it passes; NULL: it isn't traced (any more) */

    /* HTTP thread only. */
    http_server_t           *server; /* borrowed */
    http_conn_t             *conn;   /* NULL once written or abandoned: an answer is then dropped */
    const struct http_route *route;  /* NULL: early_status is the answer */
    http_response_t         *response;      /* the answer, waiting for its place in line; owned */
    http_request_t          *pipeline_next; /* the next request of the same connection */
    http_stream_t           *stream;        /* set while an answer is streamed */
    trace_record_t          *trace_record;  /* the memory behind `trace`, until it is counted */
    uint64_t                 complete_ns;   /* its last byte is parsed; 0: nobody has asked when */
    uint32_t parsed_at_ms;   /* the same by uv_now(), truncated, which costs nothing */
    uint16_t early_status;   /* what the server itself has to say, such as 404; 0: nothing */
    uint16_t answer_status;  /* for on_finished: of the answer that was begun; 0: none was */
    uint8_t  refused_method; /* llhttp's number of what it was, if `refused` */
    bool     refused;        /* it stands in for bytes that were refused: method, version unknown */
    uint64_t answer_bytes;   /* for on_finished: of its content, so far */
    bool     answered;       /* `response` is set (NULL: there was no memory for one) */
    bool     trace_due;      /* its record counts once the answer is out */
    bool     lent;           /* a handler has the travelling reference: in flight */
    bool     dispatched;     /* the lab has it, or had it */
    bool     close_after;    /* the connection closes after this answer */

    /* Any thread, atomic. */
    atomic_uint refs;      /* the release that reaches 0 pairs with an acquire there */
    atomic_bool abandoned; /* relaxed: a hint that nobody waits for the answer */

    /* Set when the struct is made, never changed. */
    http_pool_t *pool;

    /* Room for the parser's part; only the first param_count, field_count, head_len are set. */
    http_param_t params[HTTP_MAX_PARAMS];
    http_field_t inline_fields[HTTP_INLINE_HEADERS];
    char         inline_head[HTTP_INLINE_BYTES];
};

/* A chain of requests through `next`. Zeroed is empty. */
typedef struct {
    http_request_t *head, *tail;
    unsigned        count;
    unsigned        taken; /* so far */
    /* So many ns after the first one was taken no more are given, 1: at once; 0: all are. Then, by
     * http_coarse_ns(), when that is. */
    uint64_t pause_ns;
} http_request_list_t;

/* Append `req` and its caller's reference. thread: the list's owner */
void http_request_list_push(http_request_list_t *list, http_request_t *req);

/*
 * Take the first request with its reference; NULL: the list is empty, or it is time for a pause.
 * thread: the list's owner
 */
http_request_t *http_request_list_pop(http_request_list_t *list);

/* Take and drop a reference. thread: any */
void http_request_ref(http_request_t *req);
void http_request_unref(http_request_t *req);

/* True once nobody waits for the answer any more. thread: any; a hint, it may come late. */
bool http_request_abandoned(const http_request_t *req);

/* Parts of the request; the slices live as long as the caller's reference. thread: any holder */
http_slice_t http_request_target(const http_request_t *req); /* as sent */
http_slice_t http_request_path(const http_request_t *req);   /* as sent, without the query */
http_slice_t http_request_query(const http_request_t *req);  /* without '?', not decoded */
http_slice_t http_request_body(const http_request_t *req);
http_slice_t http_request_param(const http_request_t *req, unsigned i);
http_slice_t http_request_field_name(const http_request_t *req, unsigned i);
http_slice_t http_request_field_value(const http_request_t *req, unsigned i);

/*
 * The method's name as it was sent, which may be one that this server doesn't implement; NULL if
 * the bytes were refused before there was one. thread: any holder
 */
const char *http_request_method_sent(const http_request_t *req);

/* Does a native route serve it? If so its route_arg is that route's. thread: any holder */
bool http_request_is_native(const http_request_t *req);

/* The first field called `name` (ASCII, any case). Returns false if there is none. thread: any */
bool http_request_find(const http_request_t *req, const char *name, http_slice_t *value);

/*
 * The integer value of the query parameter `name` ("n" in "?n=12&x=y"), `fallback` if it is not
 * there. Returns false if it is no integer or lies outside min..max. thread: any holder
 */
bool http_request_query_int(const http_request_t *req, const char *name, long fallback, long min,
                            long max, long *value);

/* ------------------------------------------------------------------------------------------------
 * Responses
 */

/*
 * A response with a copy of `len` bytes of body. `content_type` may be NULL; it is copied and must
 * be a valid field value (http_field_value_valid()) of at most 255 bytes, else it is left out.
 *
 * thread: any
 * returns a response that the caller owns, or NULL without memory. http_respond_transfer() takes
 * NULL as "500, there was no memory", so callers may pass it on unseen.
 */
http_response_t *http_response_new(int status, const char *content_type, const void *body,
                                   size_t len);

/* A response whose body is its status in words, "404 Not Found"; 204 has none. As above. */
http_response_t *http_response_of_status(int status);

/* "503 Service Unavailable" with Retry-After: come back later. As above. */
http_response_t *http_response_busy(void);

/*
 * Add a header field. Content-Length, Transfer-Encoding, Connection and Date are the server's own.
 *
 * thread: the response's owner
 * returns 0; UV_EINVAL if the name is no token or the value holds CR, LF or NUL; UV_EPERM if the
 * name is one of the server's own; UV_ENOMEM
 */
int http_response_add_header(http_response_t *resp, http_slice_t name, http_slice_t value);

/* thread: the response's owner; NULL is allowed */
void http_response_free(http_response_t *resp);

/* The status it was made with. thread: the response's owner */
int http_response_status(const http_response_t *resp);

/* RFC 9110, 5.5 and 5.6.2: may these bytes stand as a field value, a field name? thread: any */
bool http_field_value_valid(http_slice_t value);
bool http_field_name_valid(http_slice_t name);

/*
 * Answer `req`. Takes over the caller's reference and `resp` (NULL: 500). Answers of one connection
 * go out in the order of their requests, whatever the order of these calls. If the client is gone
 * the answer is dropped quietly.
 */
void http_respond_transfer(http_request_t *req, http_response_t *resp);

/*
 * Begin an answer whose length is not known yet; its body follows through http_stream_write().
 * Takes `resp` (its own body is ignored); the caller keeps its reference to `req` until
 * http_stream_end(). `on_room` runs on the HTTP thread after a write was refused, once there is
 * room again, and also if the client has gone meanwhile (the next write then says so).
 * returns 0 or UV_ENOMEM (then the answer is a 500 and `req` is given up)
 */
int http_stream_begin(http_request_t *req, http_response_t *resp, void (*on_room)(void *),
                      void *arg);

/*
 * Send a copy of `len` bytes.
 * returns 0; UV_EAGAIN: nothing was taken, wait for on_room; UV_ECANCELED: the client is gone;
 * UV_ENOMEM. After an error other than UV_EAGAIN only http_stream_end() may follow.
 */
int http_stream_write(http_request_t *req, const void *data, size_t len);

/*
 * Have the kernel hold some `bytes` for this connection's client from now on, where it may hold
 * megabytes: what was written long ago isn't worth that, and who doesn't read is soon known.
 */
void http_stream_hold(http_request_t *req, int bytes);

/* Bytes for this client that the kernel hasn't got yet; 0 too if the client is gone. */
size_t http_stream_unsent(const http_request_t *req);

/* The body is complete. Gives up the caller's reference. */
void http_stream_end(http_request_t *req);

/* It never will be: closes the connection. Gives up the caller's reference. */
void http_stream_abort(http_request_t *req);

/* ------------------------------------------------------------------------------------------------
 * Routes
 */

/* Serves a request in C on the HTTP thread; takes the caller's reference. */
typedef void (*http_native_fn)(void *arg, http_request_t *req);

/*
 * An empty table, or NULL without memory. thread: any, one at a time. Read-only once a server uses
 * it, so servers of several threads may share one without a lock.
 */
http_router_t *http_router_new(void);
void           http_router_free(http_router_t *router);

/*
 * Add a route. A pattern is an absolute path whose segments are literal text or a parameter in
 * braces: "/users/{user_id}"; a parameter matches one whole segment that is not empty. A literal
 * route wins over one with parameters; among those the one added first. GET serves HEAD as well,
 * where no route of HEAD does.
 * With `native` the request never leaves the HTTP thread; otherwise it goes to on_ready with `arg`
 * as its route_arg.
 * returns 0; UV_EEXIST: that method and pattern are there already; UV_EINVAL: not a pattern;
 * UV_ENOMEM
 */
int http_router_add(http_router_t *router, http_method_t method, const char *pattern,
                    http_native_fn native, void *arg);

/* ------------------------------------------------------------------------------------------------
 * The server
 */

typedef struct {
    int      backlog;              /* connections the kernel may queue */
    unsigned max_connections;      /* beyond it new ones wait in the backlog */
    unsigned max_in_flight;        /* requests; beyond it 503 with Retry-After */
    unsigned pipeline_window;      /* requests in flight per connection; beyond it reading pauses */
    size_t   max_request_line;     /* bytes; 414 */
    size_t   max_header_bytes;     /* bytes, all fields and trailers of a request; 431 */
    unsigned max_headers;          /* fields; 431 */
    size_t   max_body;             /* bytes; 413 */
    uint32_t header_timeout_ms;    /* from the first byte to the end of the head; 408 */
    uint32_t body_timeout_ms;      /* from the end of the head to the end of the body; 408 */
    uint32_t keepalive_timeout_ms; /* idle; closes */
    uint32_t write_timeout_ms;     /* without the client taking a byte; closes */
    uint32_t request_timeout_ms;   /* 0: off; 504 */
    trace_t *trace; /* requests that go to a handler are traced there; NULL: off. Borrowed, and
                     * outlives every request */
} http_options_t;

/* The defaults, as `--help` shows them. */
void http_options_default(http_options_t *options);

/* How a request ended: each in exactly one of these ways. */
typedef enum {
    HTTP_END_ANSWERED,  /* its answer was handed to the kernel whole */
    HTTP_END_ABANDONED, /* the client left, or took no bytes any more, before that */
    HTTP_END_CUT_OFF,   /* the drain time-out came before that */
    HTTP_ENDS,
} http_end_t;

/* What became of a request. */
typedef struct {
    http_end_t  end;
    int         status;      /* of its answer; 0: no answer was begun */
    uint64_t    bytes;       /* of the answer's content; if it isn't answered, what was under way */
    uint64_t    duration_ns; /* from the request's last byte to its end */
    const char *peer;        /* the client's numeric address; "-" if it is unknown */
} http_outcome_t;

typedef struct {
    /* Once a turn, if requests are complete: takes requests off the list, with a reference each, until
     * http_request_list_pop() gives none. Where they take long that is before the list is empty: what
     * is answered goes out then, and the rest comes in a call of its own. So does what is left there
     * on purpose, if at least one was taken. */
    void (*on_ready)(void *owner, http_request_list_t *ready);
    /* Nobody waits for `req` any more (client gone, or timed out). Borrowed; may be NULL. Whoever
     * streams an answer learns it from the stream instead. */
    void (*on_client_gone)(void *owner, http_request_t *req);
    /* After http_server_drain(): the last connection is closed. */
    void (*on_drained)(void *owner);
    /*
     * `req` has ended: for whoever keeps books. Called exactly once for each request that counts
     * as parsed, malformed ones included; not for one whose last byte never came. Both are
     * borrowed. A handler may still be at work on it, if it was told 504 or its client has left.
     * It may read the request's parts, and must not call the server. May be NULL, and then costs
     * nothing.
     */
    void (*on_finished)(void *owner, const http_request_t *req, const http_outcome_t *outcome);
} http_events_t;

/* Counted since the start. Every parsed request ends in exactly one of the last three. */
typedef struct {
    uint64_t connections; /* accepted */
    uint64_t parsed;      /* complete requests and malformed ones, each with an answer due */
    uint64_t answered;    /* handed to the kernel whole */
    uint64_t answered_by_class[6]; /* by the first digit of the status */
    uint64_t abandoned;            /* the client left before its answer */
    uint64_t cut_off;              /* by the drain time-out */
} http_stats_t;

/*
 * Make a server on `loop`. `options`, `events` are copied; `router` is borrowed and must outlive
 * it. thread: the one that will run the loop
 */
int http_server_open(http_server_t **out, uv_loop_t *loop, const http_options_t *options,
                     const http_router_t *router, const http_events_t *events, void *owner);

/*
 * Listen. `host` is a numeric address; `port` 0 lets the kernel choose. `reuse_port`: several
 * servers share the port (SO_REUSEPORT). returns 0, UV_EINVAL (host), UV_EADDRINUSE, ...
 */
int http_server_listen(http_server_t *server, const char *host, int port, bool reuse_port);

/*
 * Hold a port for servers that will share it: a socket that is bound to it, and never listens. *port
 * 0 lets the kernel choose, and becomes its choice.
 * thread: any
 * returns a descriptor, which is the caller's to close once they listen; or UV_EINVAL (host),
 * UV_EADDRINUSE (also if whoever has it would share it), ...
 */
int http_reserve_port(const char *host, int *port);

/*
 * Trace one in `every` of the requests that come from now on; 0: none, 1: all, which is how it begins.
 * Without a trace it changes nothing.
 */
void http_server_trace(http_server_t *server, unsigned every);

/* The port that it listens on. */
int http_server_port(const http_server_t *server);

/*
 * Stop accepting, close idle connections, answer everything that was read, then call on_drained.
 * What is left after `timeout_ms` is cut off and counted. A second call only shortens the time.
 */
void http_server_drain(http_server_t *server, uint32_t timeout_ms);

const http_stats_t *http_server_stats(const http_server_t *server);
unsigned            http_server_in_flight(const http_server_t *server);
unsigned            http_server_connections(const http_server_t *server);

/* Where a request stands that hasn't ended. */
typedef enum {
    HTTP_STAGE_WAITING,  /* for those before it */
    HTTP_STAGE_HANDLED,  /* a handler works on it */
    HTTP_STAGE_STREAMED, /* its answer has begun */
    HTTP_STAGE_ANSWERED, /* its answer waits for those before it, or for the client to take bytes */
} http_stage_t;

/*
 * Visit each request whose end the client still waits for, with the time since it was complete.
 * Only reads, takes no lock: may be called in a signal handler too that interrupts the HTTP thread
 * at any point, and then may miss a request that comes or goes at that moment.
 */
void http_server_visit(const http_server_t *server,
                       void (*visit)(void *arg, const http_request_t *req, http_stage_t stage,
                                     uint64_t age_ms),
                       void *arg);

/*
 * Free a server that has drained (or that never listened). The loop must run until its handles'
 * close callbacks are done. Requests that somebody still holds stay valid until they drop them.
 */
void http_server_close(http_server_t *server);

#endif
