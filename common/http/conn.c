/*
 * One connection, from accept to close.
 *
 *     READING ----> FINISHING ----> LINGERING ----> CLOSING
 *        |              |                              ^
 *        +--------------+------------------------------+   client gone, idle, cut off
 *
 * Whatever happens to a connection ends in http_conn_settle(), the one place that decides what it
 * does next. A connection dies in one function, on_closed(), called by libuv.
 *
 * Reading goes on while handlers run, so that a client's leaving is noticed; it pauses once bytes
 * had to be stashed because no further request may be taken yet (see http_conn_can_take()).
 */
#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/http/internal.h"

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
/* libuv reports a reset as the end of the input if it comes upon it while reading the last bytes. */
static bool was_reset(const http_conn_t *conn)
{
    uv_os_fd_t fd;
    int        err = 0;
    socklen_t  len = sizeof err;

    return uv_fileno((const uv_handle_t *)&conn->tcp, &fd) == 0 &&
           getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err != 0;
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf);
static void on_shutdown(uv_shutdown_t *req, int status);
static void on_closed(uv_handle_t *handle);

/* ---- Birth ----------------------------------------------------------------------------------- */

static void link_conn(http_server_t *server, http_conn_t *conn)
{
    conn->next = server->conns;
    if (conn->next != NULL)
        conn->next->prev = conn;
    server->conns = conn;
    server->conn_count++;
}

void http_conn_accept(http_server_t *server)
{
    size_t       peer = http_finished_wanted(server) ? HTTP_PEER_SIZE : 0;
    http_conn_t *conn = calloc(1, sizeof *conn + peer);

    if (conn == NULL) {
        server->accept_paused = true; /* until another connection closes, or the next tick */
        return;
    }
    uv_tcp_init(server->loop, &conn->tcp);
    conn->tcp.data = conn;
    conn->server = server;
    conn->since_ms = http_now(server);
    http_parser_init(conn);
    link_conn(server, conn);
    if (uv_accept((uv_stream_t *)&server->listener, (uv_stream_t *)&conn->tcp) != 0) {
        http_conn_gone(conn);
        return;
    }
    server->stats.connections++;
    http_server_watch_fds(server, &conn->tcp);
    uv_tcp_nodelay(&conn->tcp, 1);
    if (peer > 0)
        http_finished_set_peer(conn);
    http_conn_settle(conn);
}

/* ---- States ---------------------------------------------------------------------------------- */

void http_conn_set_state(http_conn_t *conn, http_conn_state_t state)
{
    assert(state > conn->state);
    conn->state = (uint8_t)state;
}

static bool is_safe(const http_request_t *req)
{
    return req->method == HTTP_METHOD_GET || req->method == HTTP_METHOD_HEAD ||
           req->method == HTTP_METHOD_OPTIONS;
}

/*
 * May another request be parsed? Not beyond the pipeline window, not while the client leaves
 * answers unread or many bytes of them wait for an earlier one, and not behind one that changes
 * something: only safe methods run side by side (RFC 9112, 9.3.2).
 */
bool http_conn_can_take(const http_conn_t *conn)
{
    return conn->state == HTTP_CONN_READING && conn->output == NULL &&
           conn->in_flight < conn->server->options.pipeline_window &&
           conn->queued_bytes <= HTTP_QUEUED_MAX &&
           (conn->in_flight == 0 || is_safe(conn->pipeline_tail));
}

void http_conn_push(http_conn_t *conn, http_request_t *req)
{
    if (conn->pipeline_tail != NULL)
        conn->pipeline_tail->pipeline_next = req;
    else
        conn->pipeline_head = req;
    conn->pipeline_tail = req;
    conn->in_flight++;
    conn->server->stats.parsed++;
    if (conn->server->trace_every > 0)
        http_traced_begin(req);
    if (req->complete_ns == 0 && http_finished_wanted(conn->server))
        req->complete_ns = uv_hrtime();
    if (conn->in_flight > 1 && !is_safe(req))
        conn->barrier = true;
    else
        http_server_dispatch(conn->server, req);
}

static http_request_t *unlink_oldest(http_conn_t *conn)
{
    http_request_t *req = conn->pipeline_head;

    conn->pipeline_head = req->pipeline_next;
    if (conn->pipeline_head == NULL)
        conn->pipeline_tail = NULL;
    conn->in_flight--;
    req->conn = NULL;
    return req;
}

/* Nobody waits for the oldest request any more: whoever works on it may learn of it. */
static void abandon_oldest(http_conn_t *conn, http_end_t end)
{
    http_server_t  *server = conn->server;
    http_request_t *req = unlink_oldest(conn);
    bool            lent = req->lent; /* if so, it may be given back and freed below */

    http_finished_unanswered(conn, req, end);
    atomic_store_explicit(&req->abandoned, true, memory_order_relaxed);
    if (req->stream != NULL)
        http_stream_abandon(req);
    else if (req->dispatched && !req->answered && server->events.on_client_gone != NULL)
        server->events.on_client_gone(server->owner, req);
    if (!lent)
        http_request_unref(req);
}

void http_conn_pop(http_conn_t *conn)
{
    http_request_t *req = unlink_oldest(conn);

    conn->since_ms = http_now(conn->server);
    while (req->close_after && conn->in_flight > 0) /* it had to be the last after all */
        abandon_oldest(conn, HTTP_END_ABANDONED);
    if (!req->lent)
        http_request_unref(req);
}

void http_conn_queue(http_conn_t *conn, http_request_t *req, http_response_t *resp)
{
    req->response = resp;
    req->answered = true;
    conn->queued_bytes += http_response_size(resp);
    http_conn_mark_dirty(conn);
}

void http_conn_mark_dirty(http_conn_t *conn)
{
    http_server_t *server = conn->server;

    if (conn->dirty)
        return;
    conn->dirty = true;
    conn->dirty_next = server->dirty;
    server->dirty = conn;
}

static void drop_input(http_conn_t *conn)
{
    free(conn->stash);
    conn->stash = NULL;
    conn->continue_due = false;
    if (conn->parsing != NULL) {
        conn->parsing->conn = NULL;
        http_request_unref(conn->parsing);
        conn->parsing = NULL;
    }
}

void http_conn_finish(http_conn_t *conn)
{
    if (conn->state != HTTP_CONN_READING)
        return;
    http_conn_set_state(conn, HTTP_CONN_FINISHING);
    drop_input(conn);
    http_conn_mark_dirty(conn);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void set_reading(http_conn_t *conn, bool on)
{
    if (conn->reading == on || conn->eof)
        return;
    if (on && uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read) != 0)
        return;
    if (!on)
        uv_read_stop((uv_stream_t *)&conn->tcp);
    conn->reading = on;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    http_conn_t *conn = handle->data;

    (void)suggested;
    *buf = uv_buf_init(conn->server->read_buf, HTTP_READ_BUFFER);
}

/* Keep bytes for later. Without memory the connection can't go on: its input would have a hole. */
static void stash(http_conn_t *conn, const char *data, size_t len)
{
    size_t        kept = conn->stash == NULL ? 0 : conn->stash->len - conn->stash->at;
    http_stash_t *grown = malloc(sizeof *grown + kept + len);

    if (grown == NULL) {
        http_conn_gone(conn);
        return;
    }
    if (kept > 0)
        memcpy(grown->data, conn->stash->data + conn->stash->at, kept);
    memcpy(grown->data + kept, data, len);
    grown->at = 0;
    grown->len = kept + len;
    free(conn->stash);
    conn->stash = grown;
}

static void feed(http_conn_t *conn, const char *data, size_t len)
{
    int    status;
    size_t used = http_parser_feed(conn, data, len, &status);

    if (status != 0)
        http_answer_and_finish(conn, status);
    else if (used < len && conn->state == HTTP_CONN_READING)
        stash(conn, data + used, len - used);
}

/* Parse what was stashed; the rest, if no further request may be taken, is stashed again. */
static void feed_stash(http_conn_t *conn)
{
    http_stash_t *taken = conn->stash;

    conn->stash = NULL;
    feed(conn, taken->data + taken->at, taken->len - taken->at);
    free(taken);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    http_conn_t   *conn = stream->data;
    http_server_t *server = conn->server;

    http_server_awake(server);
    if (nread == 0)
        return;
    if (nread == UV_EOF && !was_reset(conn)) {
        conn->eof = true;
        conn->reading = false;
    } else if (nread < 0) {
        http_conn_gone(conn);
        return;
    } else if (conn->state == HTTP_CONN_READING) {
        if (http_conn_can_take(conn) && conn->stash == NULL)
            feed(conn, buf->base, (size_t)nread);
        else
            stash(conn, buf->base, (size_t)nread);
    } /* else: bytes after the last request are read and dropped */
    http_conn_settle(conn);
    http_server_turn_if_enough(server);
}

/* ---- What next ------------------------------------------------------------------------------- */

/* All is answered: close, but let the client read it first (a close on unread input sends RST). */
static void linger(http_conn_t *conn)
{
    uv_shutdown_t *req = conn->eof ? NULL : malloc(sizeof *req);

    if (req == NULL || uv_shutdown(req, (uv_stream_t *)&conn->tcp, on_shutdown) != 0) {
        free(req);
        http_conn_gone(conn);
        return;
    }
    http_conn_set_state(conn, HTTP_CONN_LINGERING);
    conn->since_ms = http_now(conn->server);
    set_reading(conn, true);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    (void)status; /* an error shows up in on_read too */
    free(req);
}

static void settle_input(http_conn_t *conn)
{
    while (conn->stash != NULL && http_conn_can_take(conn))
        feed_stash(conn);
    if (conn->state != HTTP_CONN_READING || conn->stash != NULL)
        return;
    if (conn->eof || (conn->server->draining && conn->parsing == NULL))
        http_conn_finish(conn);
}

void http_conn_settle(http_conn_t *conn)
{
    if (conn->state == HTTP_CONN_LINGERING && conn->eof)
        http_conn_gone(conn);
    if (conn->state >= HTTP_CONN_LINGERING)
        return;
    if (conn->barrier && conn->in_flight == 1) {
        conn->barrier = false;
        http_server_dispatch(conn->server, conn->pipeline_head);
    }
    if (conn->state == HTTP_CONN_READING)
        settle_input(conn);
    if (conn->state == HTTP_CONN_FINISHING && conn->in_flight == 0 && conn->output == NULL)
        linger(conn);
    else if (conn->state < HTTP_CONN_LINGERING)
        set_reading(conn, conn->stash == NULL);
}

/* ---- Time-outs ------------------------------------------------------------------------------- */

static bool older_than(uint32_t since, uint32_t now, uint32_t limit_ms)
{
    return now - since > limit_ms;
}

/* The client takes no bytes: nothing can be said to it any more. */
static void check_output(http_conn_t *conn, uint32_t now)
{
    http_output_t *output = conn->output;
    size_t         left = uv_stream_get_write_queue_size((uv_stream_t *)&conn->tcp);

    if (left != output->left) {
        output->left = left;
        output->progress_ms = now;
    } else if (older_than(output->progress_ms, now, conn->server->options.write_timeout_ms)) {
        http_conn_gone(conn);
    }
}

static void check_input(http_conn_t *conn, uint32_t now)
{
    const http_options_t *options = &conn->server->options;

    if (conn->parsing != NULL) {
        uint32_t limit = conn->head_done ? options->body_timeout_ms : options->header_timeout_ms;

        if (conn->stash == NULL && older_than(conn->since_ms, now, limit)) {
            http_answer_and_finish(conn, 408);
            http_conn_settle(conn);
        }
    } else if (conn->in_flight == 0) {
        uint32_t limit = conn->used ? options->keepalive_timeout_ms : options->header_timeout_ms;

        if (older_than(conn->since_ms, now, limit))
            http_conn_gone(conn);
    }
}

static void check_requests(http_conn_t *conn, uint32_t now)
{
    http_server_t *server = conn->server;
    uint32_t       limit = server->options.request_timeout_ms;

    for (http_request_t *req = conn->pipeline_head; req != NULL; req = req->pipeline_next) {
        if (req->answered || req->stream != NULL || !older_than(req->parsed_at_ms, now, limit))
            continue;
        http_answer_status(req, 504);
        if (req == conn->pipeline_tail)
            conn->barrier = false; /* it never ran, and must not any more */
        atomic_store_explicit(&req->abandoned, true, memory_order_relaxed);
        if (req->dispatched && server->events.on_client_gone != NULL)
            server->events.on_client_gone(server->owner, req);
    }
}

void http_conn_check_time(http_conn_t *conn, uint32_t now)
{
    if (conn->state == HTTP_CONN_LINGERING && older_than(conn->since_ms, now, HTTP_LINGER_MS))
        http_conn_gone(conn);
    if (conn->state >= HTTP_CONN_LINGERING)
        return;
    if (conn->server->options.request_timeout_ms != 0)
        check_requests(conn, now);
    if (conn->output != NULL)
        check_output(conn, now);
    else if (conn->state == HTTP_CONN_READING)
        check_input(conn, now);
}

/* ---- Death ----------------------------------------------------------------------------------- */

static void close_conn(http_conn_t *conn, http_end_t end)
{
    if (conn->state == HTTP_CONN_CLOSING)
        return;
    http_conn_set_state(conn, HTTP_CONN_CLOSING);
    drop_input(conn);
    if (conn->output != NULL)
        http_tally_end(&conn->output->answers, conn, end);
    while (conn->in_flight > 0)
        abandon_oldest(conn, end);
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

void http_conn_gone(http_conn_t *conn)
{
    close_conn(conn, HTTP_END_ABANDONED);
}

void http_conn_cut_off(http_conn_t *conn)
{
    close_conn(conn, HTTP_END_CUT_OFF);
}

/* Take it off the list of those with answers due; it is seldom on it when it dies. */
static void unlink_dirty(http_conn_t *conn)
{
    http_conn_t **at = &conn->server->dirty;

    if (!conn->dirty)
        return;
    while (*at != conn)
        at = &(*at)->dirty_next;
    *at = conn->dirty_next;
}

static void on_closed(uv_handle_t *handle)
{
    http_conn_t   *conn = handle->data;
    http_server_t *server = conn->server;

    unlink_dirty(conn);
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        server->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    server->conn_count--;
    free(conn);
    http_server_conn_closed(server);
}
