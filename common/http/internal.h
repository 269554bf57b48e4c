/*
 * What the files of common/http share among themselves. Everything in here is the HTTP thread's.
 *
 *   server.c   listens, keeps the coarse timer, drains
 *   turn.c     hands requests to the lab and has answers written
 *   conn.c     one connection: its states, reading, pausing, time-outs, its end
 *   parser.c   llhttp's callbacks: bytes -> http_request_t
 *   head.c     what a complete head says: may it be served, and by whom
 *   answers.c  what the server itself answers: 404, 405, OPTIONS, errors, 503, 504
 *   output.c   responses -> bytes, one write per connection and turn
 *   finished.c how each request ended: counted, and said to whoever keeps books
 *   stream.c   answers whose length isn't known when they begin
 *   traced.c   where a request's time goes
 *   request.c, response.c, router.c   the objects
 */
#ifndef LOOPLAB_HTTP_INTERNAL_H
#define LOOPLAB_HTTP_INTERNAL_H

#include <llhttp.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "common/http/http.h"

enum {
    HTTP_READ_BUFFER = 64 * 1024, /* shared by all connections: emptied before a callback ends */
    HTTP_OUT_BUFFER = 64 * 1024,  /* shared likewise: what one write gathers */
    HTTP_GATHER_MAX = 16 * 1024,  /* larger bodies are written from where they lie */
    HTTP_HEAD_MAX = 512,          /* bytes of a response head without its own fields */
    HTTP_FIELDS_MAX = 32 * 1024,  /* bytes of a response's own header fields */
    HTTP_STREAM_HIGH = 64 * 1024, /* a stream refuses writes beyond this many unsent bytes */
    HTTP_QUEUED_MAX = 256 * 1024, /* bytes of answers that wait for their turn: beyond it no further
                                     request of the connection is taken */
    HTTP_LINGER_MS = 2000,        /* how long a closed connection waits for the client's EOF */
    HTTP_POOL_MAX = 1024,         /* idle request structs kept for reuse */
    HTTP_PAUSE_NS = 1000 * 1000,  /* a hand-over that lasts longer is continued after the writes */
    HTTP_SPARE_FDS = 16,          /* descriptors left to others: beyond it nobody is accepted */
};

/* ---- Objects --------------------------------------------------------------------------------- */

struct http_pool {
    /* Set before the first request is made. */
    uv_thread_t owner; /* the HTTP thread: only it may use the free list */
    trace_t    *trace; /* borrowed; NULL: no request is traced */

    /* Owner only. */
    http_request_t *free;
    unsigned        free_count;
    bool            closed;

    /* Any thread: structs in existence, and one for the server. The last one frees the pool. */
    atomic_uint users;
};

http_pool_t    *http_pool_new(void);
void            http_pool_close(http_pool_t *pool);
http_request_t *http_pool_take(http_pool_t *pool); /* zeroed but for its buffers; one reference */

/* Make room in the request's head buffer, or append to it; it may move. Returns 0 or UV_ENOMEM. */
int http_request_head_grow(http_request_t *req, size_t len);

static inline int http_request_head_reserve(http_request_t *req, size_t len)
{
    return len <= req->head_cap - req->head_len ? 0 : http_request_head_grow(req, len);
}

static inline int http_request_head_append(http_request_t *req, const char *data, size_t len)
{
    if (http_request_head_reserve(req, len) != 0)
        return UV_ENOMEM;
    memcpy(req->head + req->head_len, data, len);
    req->head_len += (uint32_t)len;
    return 0;
}

/*
 * Small responses come from a list that the HTTP thread keeps; other threads, which have none, use
 * malloc(). Opened and closed by that thread's server.
 */
int  http_response_pool_open(void);
void http_response_pool_close(void);

struct http_response {
    int      status;
    bool     pooled;  /* small: its memory fits the pool */
    bool     chunked; /* a stream to a client that understands chunks */
    size_t   fields_len;
    char    *fields;   /* "Name: value\r\n"..., or NULL; owned */
    uint16_t type_len; /* Content-Type lies at data[0] */
    size_t   body_len;
    char     data[]; /* type, then body */
};

/* RFC 9110, 15.3.5 and 15.4.5: these have no content, and neither a length nor a coding of it. */
static inline bool http_status_has_no_content(int status)
{
    return status == 204 || status == 304;
}

/* What a response takes up while it waits. */
static inline size_t http_response_size(const http_response_t *resp)
{
    return resp == NULL ? 0 : resp->body_len + resp->fields_len;
}

static inline const char *http_response_body(const http_response_t *resp)
{
    return resp->data + resp->type_len;
}

typedef struct http_route {
    http_method_t  method;
    char          *pattern; /* owned */
    size_t         pattern_len;
    bool           literal; /* no parameter in it */
    http_native_fn native;
    void          *arg;
} http_route_t;

/*
 * Find the route for the request's path and fill in its parameters. Sets `*path_known` if some
 * other method has a route there. Returns NULL if there is none; `*err` is UV_EINVAL for a broken
 * percent-encoding, UV_ENOMEM, or 0.
 */
const http_route_t *http_router_match(const http_router_t *router, http_request_t *req,
                                      bool *path_known, int *err);

/* "GET, HEAD, POST, OPTIONS" for the request's path into `buf`. Returns its length. */
size_t http_router_allow(const http_router_t *router, http_request_t *req, char *buf, size_t cap);

/* ---- Connections ----------------------------------------------------------------------------- */

/* Legal moves are downwards only; http_conn_set_state() asserts it. */
typedef enum {
    HTTP_CONN_READING,   /* requests may arrive */
    HTTP_CONN_FINISHING, /* none is read any more; what is in flight gets its answer */
    HTTP_CONN_LINGERING, /* all is answered and shut down; waits for the client's EOF */
    HTTP_CONN_CLOSING,   /* uv_close() is under way */
} http_conn_state_t;

/* Answers in one write. */
typedef struct {
    unsigned        by_class[6];     /* by the first digit of their status */
    http_request_t *oldest, *newest; /* by pipeline_next, those to account for: traced, or all */
} http_tally_t;

/* Bytes that the kernel didn't take at once. */
typedef struct {
    uv_write_t   req;
    http_conn_t *conn;
    uint32_t     progress_ms; /* when the kernel last took some */
    size_t       left;        /* what it hadn't taken then */
    http_tally_t answers;     /* counted as answered once it has all of it */
    size_t       len;
    char         data[];
} http_output_t;

/* Bytes that were read but can't be parsed yet. */
typedef struct {
    size_t at, len;
    char   data[];
} http_stash_t;

/* A connection; kept small, since thousands of them sit idle (see `make measure`). */
struct http_conn {
    uv_tcp_t        tcp;
    llhttp_t        parser;
    http_server_t  *server;
    http_conn_t    *prev, *next;   /* in server->conns */
    http_conn_t    *dirty_next;    /* in server->dirty */
    http_request_t *pipeline_head; /* oldest unanswered; the references that aren't lent */
    http_request_t *pipeline_tail;
    http_request_t *parsing; /* from its first byte to its last; one reference */
    http_output_t  *output;  /* a write under way */
    http_stash_t   *stash;
    uint32_t        since_ms;         /* start of what it is doing now: idling, a head, a body */
    uint32_t        passed_bytes;     /* of `parsing`: its fields in earlier reads; then chunk
                                         extensions and trailers */
    size_t          queued_bytes;     /* of the pipeline's answers that are ready; not of streams */
    uint16_t        in_flight;        /* length of the pipeline */
    uint8_t         state;            /* http_conn_state_t */
    bool            dirty : 1;        /* in server->dirty */
    bool            reading : 1;      /* uv_read_start() is in force */
    bool            paused : 1;       /* llhttp stopped after a request: resume before parsing */
    bool            eof : 1;          /* the client has sent its last byte */
    bool            used : 1;         /* it has sent a request */
    bool            head_done : 1;    /* of `parsing` */
    bool            in_value : 1;     /* of `parsing`: llhttp's last span was a field value */
    bool            blank_last : 1;   /* the input ended with a blank, before a target */
    bool            protocol_due : 1; /* it ended with the blank behind a target */
    bool            barrier : 1;      /* the pipeline's tail waits until it is alone */
    bool            continue_due : 1; /* "100 Continue" once the pipeline is empty */
    char            peer[];           /* with on_finished: the client's address, terminated */
};

struct http_server {
    uv_loop_t           *loop;
    http_options_t       options;
    http_events_t        events;
    void                *owner;
    const http_router_t *router;
    http_pool_t         *pool;
    http_stats_t         stats;
    trace_lane_t        *lane;        /* this thread's, borrowed; NULL: tracing is off */
    unsigned             trace_every; /* one request in so many is traced; 0: none */
    unsigned             untraced;    /* requests since the last one that was */

    uv_tcp_t     listener;
    uv_check_t   check;   /* after I/O: the turn */
    uv_prepare_t prepare; /* before blocking: what timers and close callbacks have left */
    uv_idle_t    idle;    /* active while a turn has left work: the loop then doesn't block */
    uv_timer_t   tick;    /* the one coarse timer */
    uv_timer_t   drain_timer;
    int          port;
    unsigned     handles_open; /* while closing */
    bool         listening, draining, drained;
    bool         accept_paused; /* a connection waits in the backlog for room or descriptors */
    bool         fds_watched;   /* an accepted one has reached the spare descriptors */
    unsigned     fd_limit;      /* of this process, less the spare ones */

    http_conn_t        *conns;
    unsigned            conn_count;
    http_conn_t        *dirty; /* have answers due, or something else to settle */
    http_request_list_t ready;
    unsigned            in_flight;      /* requests with a handler */
    uint64_t            parsed_by_then; /* stats.parsed at the last turn */
    uint64_t            pause_ns;       /* HTTP_PAUSE_NS */

    int         parse_status; /* of the parser callback that failed: 400, 413, ... */
    const char *feed;         /* what is being parsed, and its end */
    const char *feed_end;
    uintptr_t   fields_from;    /* where its fields begin, as if all of them lay in one piece */
    size_t      valid_host_len; /* the last Host that was valid; at first the empty one */
    char        valid_host[64];

    time_t date_second;  /* what `head_200` says */
    char   head_200[64]; /* "HTTP/1.1 200 OK\r\nDate: ...\r\n" */
    size_t head_200_len;
    char   date[40]; /* "Date: ...\r\n" */
    size_t date_len;

    char read_buf[HTTP_READ_BUFFER];
    char out_buf[HTTP_OUT_BUFFER];
};

static inline uint32_t http_now(const http_server_t *server)
{
    return (uint32_t)uv_now(server->loop);
}

/* A clock that steps every few milliseconds; a look at it costs a quarter of one at an exact clock. */
static inline uint64_t http_coarse_ns(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
#else
    return uv_hrtime();
#endif
}

/* server.c */
void http_server_conn_closed(http_server_t *server); /* a connection's memory is about to go */
void http_server_watch_fds(http_server_t *server, const uv_tcp_t *accepted); /* are they scarce? */

/* turn.c */
void http_server_turn(http_server_t *server); /* serve what is complete, write what is answered */
/* The same before all sockets are read, if there is work for a turn already. */
void http_server_turn_if_enough(http_server_t *server);
void http_server_dispatch(http_server_t *server, http_request_t *req); /* complete, its turn */
/*
 * A handler gives the travelling reference back: to the connection, or to nobody if that is gone.
 * Returns false if no answer is wanted: the client is gone (then `req` may be too), or was told
 * 504.
 */
bool http_request_return(http_request_t *req);

/* conn.c */
void http_conn_accept(http_server_t *server); /* takes one from the listener */
void http_conn_mark_dirty(http_conn_t *conn);
void http_conn_settle(
    http_conn_t *conn); /* decide what to do next: parse on, read, finish, close */
void http_conn_set_state(http_conn_t *conn, http_conn_state_t state);
void http_conn_finish(http_conn_t *conn);  /* no further requests */
void http_conn_gone(http_conn_t *conn);    /* the client has left: abandon everything, close */
void http_conn_cut_off(http_conn_t *conn); /* the drain time-out: likewise, counted as cut off */
void http_conn_pop(http_conn_t *conn);     /* the oldest request is written */
/* The answer to `req`, of this connection, is ready: it waits for its turn. Takes `resp`. */
void http_conn_queue(http_conn_t *conn, http_request_t *req, http_response_t *resp);
void http_conn_check_time(http_conn_t *conn, uint32_t now);
void http_conn_push(http_conn_t    *conn,
                    http_request_t *req);         /* onto the pipeline; takes a reference */
bool http_conn_can_take(const http_conn_t *conn); /* another request */

/* parser.c */
void http_parser_init(http_conn_t *conn);
/* Feed bytes; returns how many were used. Sets *status to an error's status code, or 0. */
size_t http_parser_feed(http_conn_t *conn, const char *data, size_t len, int *status);

/*
 * head.c: check what llhttp has let through of the head of `req`, which is complete, and find the
 * route. Returns 0, or the status that refuses the request.
 */
int http_head_check(http_conn_t *conn, http_request_t *req);

/* answers.c: each answers `req`, which is in its connection's pipeline, and borrows it */
void http_answer_status(http_request_t *req, int status); /* the server's own words for it */
/* Answer a connection whose framing is in doubt, after what is in flight, and read no further. */
void http_answer_and_finish(http_conn_t *conn, int status);

/* output.c */
void http_output_flush(http_conn_t *conn);
void http_output_tick(http_server_t *server); /* new second: new Date */

/* finished.c: every request's end is counted here, and said to on_finished */
static inline bool http_finished_wanted(const http_server_t *server)
{
    return server->events.on_finished != NULL;
}
enum { HTTP_PEER_SIZE = 48 };                   /* an IPv6 address as text */
void http_finished_set_peer(http_conn_t *conn); /* of a connection that was just accepted */
/* A request that is off its pipeline ended without its whole answer; borrowed. */
void http_finished_unanswered(http_conn_t *conn, http_request_t *req, http_end_t end);
/* An answer is in a write: remember what it is, and keep its request until the write's end. */
void http_tally_add(http_tally_t *tally, const http_conn_t *conn, http_request_t *req, int status);
/* The write's end: all of these answers are out, or none of them counts. Empties the tally. */
void http_tally_end(http_tally_t *tally, http_conn_t *conn, http_end_t end);

/* traced.c */
void     http_traced_begin(http_request_t *req);   /* complete; the server is tracing */
uint64_t http_traced_written(http_request_t *req); /* its answer is out: count its record; now */

/* libuv calls back: so it doesn't poll any more. */
static inline void http_server_awake(http_server_t *server)
{
    trace_lane_state(server->lane, TRACE_RUNNING);
}

/* stream.c */
struct http_stream {
    http_response_t *head; /* until it is sent */
    char            *buf;  /* framed bytes that are not sent yet */
    size_t           len, cap;
    bool             ended, refused, chunked, mute; /* mute: nothing of the body is sent */
    void (*on_room)(void *);
    void *arg;
};
void http_stream_abandon(
    http_request_t *req); /* the client is gone: drop buffers, wake the writer */
void http_stream_free(http_stream_t *stream);
void http_stream_sent(http_request_t *req); /* the buffer went out: say so if somebody waits */

/* ---- listen.c -------------------------------------------------------------------------------- */

/* A numeric address of either family. returns 0 or UV_EINVAL */
int http_parse_address(const char *host, int port, struct sockaddr_storage *address);
int http_port_of(const struct sockaddr_storage *address);
/* Give the handle a socket of that family whose port others may share. returns 0 or libuv's error */
int http_open_shared(uv_tcp_t *tcp, int family);

#endif
