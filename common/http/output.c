/*
 * Responses become bytes. All answers of a connection that are due in a turn are gathered in the
 * server's buffer and go out in one write; what the kernel doesn't take at once is copied to the
 * heap, and nothing more is gathered for that connection until it is gone.
 */
#include <stdlib.h>
#include <time.h>

#include "common/http/internal.h"

static void on_written(uv_write_t *write, int status);

/* What one write takes: gathered bytes, then perhaps one large body from where it lies. */
typedef struct {
    char            *buf, *end; /* what is gathered */
    http_response_t *large;     /* owned; NULL if all is gathered */
    http_tally_t     answers;
} batch_t;

/* ---- Heads ----------------------------------------------------------------------------------- */

/* A new second: format the Date once for all answers of it (RFC 9110, 5.6.7 and 6.6.1). */
void http_output_tick(http_server_t *server)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t            now = time(NULL);
    struct tm         tm;

    if (now == server->date_second)
        return;
    server->date_second = now;
    gmtime_r(&now, &tm);
    server->date_len = (size_t)snprintf(
        server->date, sizeof server->date, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n",
        days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon, (tm.tm_year + 1900) % 10000,
        tm.tm_hour, tm.tm_min, tm.tm_sec);
    server->head_200_len = (size_t)snprintf(server->head_200, sizeof server->head_200,
                                            "HTTP/1.1 200 OK\r\n%s", server->date);
}

static char *put(char *at, const char *data, size_t len)
{
    memcpy(at, data, len);
    return at + len;
}

#define PUT_LITERAL(at, text) put((at), (text), sizeof(text) - 1)

static char *put_number(char *at, size_t number)
{
    char  digits[20];
    char *first = digits + sizeof digits;

    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return put(at, first, (size_t)(digits + sizeof digits - first));
}

static char *put_status_and_date(char *at, const http_server_t *server, int status)
{
    const char *reason;

    if (status ==
        200) { /* a copy of fixed size is a few instructions; what is too much is overwritten */
        memcpy(at, server->head_200, sizeof server->head_200);
        return at + server->head_200_len;
    }
    reason = http_status_reason(status);
    at = PUT_LITERAL(at, "HTTP/1.1 ");
    at = put_number(at, (size_t)status);
    at = PUT_LITERAL(at, " ");
    at = put(at, reason, strlen(reason));
    at = PUT_LITERAL(at, "\r\n");
    return put(at, server->date, server->date_len);
}

static char *put_head(char *at, const http_conn_t *conn, const http_request_t *req,
                      const http_response_t *resp, bool closing)
{
    at = put_status_and_date(at, conn->server, resp->status);
    if (resp->type_len > 0) {
        at = PUT_LITERAL(at, "Content-Type: ");
        at = put(at, resp->data, resp->type_len);
        at = PUT_LITERAL(at, "\r\n");
    }
    if (resp->chunked) {
        at = PUT_LITERAL(at, "Transfer-Encoding: chunked\r\n");
    } else if (req->answered && !http_status_has_no_content(resp->status)) { /* no stream's head */
        at = PUT_LITERAL(at, "Content-Length: ");
        at = put_number(at, resp->body_len);
        at = PUT_LITERAL(at, "\r\n");
    }
    if (resp->fields_len > 0)
        at = put(at, resp->fields, resp->fields_len);
    if (closing)
        at = PUT_LITERAL(at, "Connection: close\r\n");
    else if (req->version_minor == 0)
        at = PUT_LITERAL(at, "Connection: keep-alive\r\n");
    return PUT_LITERAL(at, "\r\n");
}

/* ---- Gathering ------------------------------------------------------------------------------- */

static size_t room(const batch_t *batch)
{
    return HTTP_OUT_BUFFER - (size_t)(batch->end - batch->buf);
}

static bool fits(const batch_t *batch, size_t len)
{
    return len <= room(batch);
}

/* The answer to the oldest request is in the batch. */
static void answered(http_conn_t *conn, batch_t *batch, int status)
{
    http_tally_add(&batch->answers, conn, conn->pipeline_head, status);
    http_conn_pop(conn);
}

/* No memory for a response: the least that can be said, and no more on this connection. */
static void gather_out_of_memory(http_conn_t *conn, batch_t *batch)
{
    http_conn_finish(conn);
    conn->pipeline_head->close_after = true; /* nor to what was parsed behind it */
    batch->end = put_status_and_date(batch->end, conn->server, 500);
    batch->end = PUT_LITERAL(batch->end, "Content-Length: 0\r\nConnection: close\r\n\r\n");
    answered(conn, batch, 500);
}

static bool is_last(const http_conn_t *conn, const http_request_t *req)
{
    return req->close_after || (conn->state == HTTP_CONN_FINISHING && req == conn->pipeline_tail);
}

/* Returns false if it doesn't fit into this batch. */
static bool gather_response(http_conn_t *conn, http_request_t *req, batch_t *batch)
{
    http_response_t *resp = req->response;
    bool             closing = is_last(conn, req);
    size_t           body_len;

    if (resp == NULL) {
        if (!fits(batch, HTTP_HEAD_MAX))
            return false;
        gather_out_of_memory(conn, batch);
        return true;
    }
    body_len = req->method == HTTP_METHOD_HEAD || http_status_has_no_content(resp->status)
                   ? 0
                   : resp->body_len;
    if (!fits(batch,
              HTTP_HEAD_MAX + resp->fields_len + (body_len <= HTTP_GATHER_MAX ? body_len : 0)))
        return false;
    conn->queued_bytes -= http_response_size(resp);
    batch->end = put_head(batch->end, conn, req, resp, closing);
    req->answer_bytes = body_len;
    if (body_len > HTTP_GATHER_MAX) {
        batch->large = resp;
        req->response = NULL;
    } else if (body_len > 0) {
        batch->end = put(batch->end, http_response_body(resp), body_len);
    }
    answered(conn, batch, resp->status);
    return true;
}

/* Returns false while the stream isn't at its end: its writer, or the next batch, goes on. */
static bool gather_stream(http_conn_t *conn, http_request_t *req, batch_t *batch)
{
    http_stream_t *stream = req->stream;
    size_t         len;

    if (stream->head != NULL) {
        if (!fits(batch, HTTP_HEAD_MAX + stream->head->fields_len))
            return false;
        batch->end = put_head(batch->end, conn, req, stream->head, is_last(conn, req));
        http_response_free(req->response);
        req->response = stream->head; /* for its status */
        req->answer_status = (uint16_t)stream->head->status;
        stream->head = NULL;
    }
    len = stream->len < room(batch) ? stream->len : room(batch);
    if (len > 0) {
        batch->end = put(batch->end, stream->buf, len);
        stream->len -= len;
        memmove(stream->buf, stream->buf + len, stream->len);
    }
    if (stream->len > 0 || !stream->ended)
        return false;
    answered(conn, batch, req->response->status);
    return true;
}

/* Gather what is due, in order. Returns true if another batch may follow at once. */
static bool gather(http_conn_t *conn, batch_t *batch)
{
    http_request_t *req;

    while ((req = conn->pipeline_head) != NULL) {
        if (req->answered) {
            if (!gather_response(conn, req, batch) || batch->large != NULL)
                return true;
        } else if (req->stream == NULL) {
            return false;
        } else if (!gather_stream(conn, req, batch)) {
            return req->stream->len > 0;
        }
    }
    if (conn->continue_due && fits(batch, HTTP_HEAD_MAX)) {
        batch->end = PUT_LITERAL(batch->end, "HTTP/1.1 100 Continue\r\n\r\n");
        conn->continue_due = false;
    }
    return false;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* Keep what the kernel didn't take: everything after the first `sent` bytes. */
static int write_rest(http_conn_t *conn, const uv_buf_t *bufs, unsigned count, size_t sent,
                      const http_tally_t *answers)
{
    size_t         total = bufs[0].len + (count > 1 ? bufs[1].len : 0);
    http_output_t *output = malloc(sizeof *output + total - sent);
    uv_buf_t       buf;

    if (output == NULL)
        return UV_ENOMEM;
    output->conn = conn;
    output->len = output->left = total - sent;
    output->progress_ms = http_now(conn->server);
    output->answers = *answers;
    output->req.data = output;
    for (size_t i = 0, at = 0; i < count; i++) {
        size_t skip = sent < bufs[i].len ? sent : bufs[i].len;

        memcpy(output->data + at, bufs[i].base + skip, bufs[i].len - skip);
        at += bufs[i].len - skip;
        sent -= skip;
    }
    buf = uv_buf_init(output->data, (unsigned)output->len);
    conn->output = output;
    if (uv_write(&output->req, (uv_stream_t *)&conn->tcp, &buf, 1, on_written) == 0)
        return 0;
    conn->output = NULL;
    free(output);
    return UV_EPIPE;
}

static void on_written(uv_write_t *write, int status)
{
    http_output_t *output = write->data;
    http_conn_t   *conn = output->conn;

    http_server_awake(conn->server);
    if (status != 0) {
        http_conn_gone(conn);
    } else if (conn->state < HTTP_CONN_CLOSING) { /* else they are counted as lost already */
        http_tally_end(&output->answers, conn, HTTP_END_ANSWERED);
    }
    conn->output = NULL;
    free(output);
    http_conn_mark_dirty(conn);
}

static void write_batch(http_conn_t *conn, batch_t *batch)
{
    size_t   total = (size_t)(batch->end - batch->buf);
    uv_buf_t bufs[2] = {uv_buf_init(batch->buf, (unsigned)total)};
    unsigned count = 1;
    int      sent;

    if (batch->large != NULL) {
        bufs[count++] = uv_buf_init((char *)(uintptr_t)http_response_body(batch->large),
                                    (unsigned)batch->large->body_len);
        total += batch->large->body_len;
    }
    if (batch->answers.oldest != NULL)
        trace_run(batch->answers.oldest->trace);
    sent = uv_try_write((uv_stream_t *)&conn->tcp, bufs, count);
    if (sent == UV_EAGAIN)
        sent = 0;
    if (sent >= 0 && (size_t)sent == total)
        http_tally_end(&batch->answers, conn, HTTP_END_ANSWERED);
    else if (sent >= 0)
        sent = write_rest(conn, bufs, count, (size_t)sent, &batch->answers);
    if (sent < 0) {
        http_tally_end(&batch->answers, conn, HTTP_END_ABANDONED);
        http_conn_gone(conn);
    }
    http_response_free(batch->large);
}

void http_output_flush(http_conn_t *conn)
{
    bool more = true;

    while (more && conn->output == NULL && conn->state < HTTP_CONN_LINGERING) {
        batch_t batch = {.buf = conn->server->out_buf, .end = conn->server->out_buf};

        more = gather(conn, &batch);
        if (batch.end == batch.buf) { /* nothing, or the end of a stream that is out already */
            http_tally_end(&batch.answers, conn, HTTP_END_ANSWERED);
            break;
        }
        write_batch(conn, &batch);
    }
    if (conn->pipeline_head != NULL && conn->pipeline_head->stream != NULL)
        http_stream_sent(conn->pipeline_head);
}
