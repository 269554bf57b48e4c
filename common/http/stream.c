/*
 * Answers whose length isn't known when they begin: framed into a buffer that http_output_flush()
 * empties when their turn in the pipeline has come. The buffer is bounded: a writer that is ahead
 * of its client is told to wait.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/http/internal.h"

void http_stream_free(http_stream_t *stream)
{
    http_response_free(stream->head);
    free(stream->buf);
    free(stream);
}

int http_stream_begin(http_request_t *req, http_response_t *resp, void (*on_room)(void *),
                      void *arg)
{
    http_stream_t *stream = resp == NULL ? NULL : calloc(1, sizeof *stream);
    bool           empty;

    if (stream == NULL) {
        http_response_free(resp);
        http_respond_transfer(req, NULL);
        return UV_ENOMEM;
    }
    empty = http_status_has_no_content(resp->status);
    stream->chunked = req->version_minor >= 1 && !empty;
    stream->mute = req->method == HTTP_METHOD_HEAD || empty;
    stream->head = resp;
    stream->on_room = on_room;
    stream->arg = arg;
    resp->chunked = stream->chunked;
    req->stream = stream;
    if (req->conn == NULL || req->answered) /* the client is gone, or was told 504 */
        return 0;
    if (!stream->chunked && !empty) { /* its end is the connection's end (RFC 9112, 6.3) */
        req->close_after = true;
        http_conn_finish(req->conn);
    }
    http_conn_mark_dirty(req->conn);
    return 0;
}

static int reserve(http_stream_t *stream, size_t len)
{
    size_t cap = stream->cap == 0 ? 4096 : stream->cap;
    char  *grown;

    if (len <= stream->cap - stream->len)
        return 0;
    while (cap - stream->len < len)
        cap *= 2;
    grown = realloc(stream->buf, cap);
    if (grown == NULL)
        return UV_ENOMEM;
    stream->buf = grown;
    stream->cap = cap;
    return 0;
}

static void append(http_stream_t *stream, const void *data, size_t len)
{
    memcpy(stream->buf + stream->len, data, len);
    stream->len += len;
}

int http_stream_write(http_request_t *req, const void *data, size_t len)
{
    http_stream_t *stream = req->stream;
    char           size[20];
    int            size_len;

    if (req->conn == NULL || req->answered)
        return UV_ECANCELED;
    if (len == 0 || stream->mute) /* an empty chunk would end the body */
        return 0;
    if (stream->len > 0 && stream->len + len > HTTP_STREAM_HIGH) {
        stream->refused = true;
        return UV_EAGAIN;
    }
    size_len = snprintf(size, sizeof size, "%zx\r\n", len);
    if (reserve(stream, len + (size_t)size_len + 2) != 0)
        return UV_ENOMEM;
    if (stream->chunked)
        append(stream, size, (size_t)size_len);
    append(stream, data, len);
    req->answer_bytes += len;
    if (stream->chunked)
        append(stream, "\r\n", 2);
    http_conn_mark_dirty(req->conn);
    return 0;
}

void http_stream_hold(http_request_t *req, int bytes)
{
    if (req->conn != NULL)
        uv_send_buffer_size((uv_handle_t *)&req->conn->tcp, &bytes); /* no: it holds more */
}

size_t http_stream_unsent(const http_request_t *req)
{
    const http_conn_t *conn = req->conn;

    if (conn == NULL)
        return 0;
    return req->stream->len + uv_stream_get_write_queue_size((const uv_stream_t *)&conn->tcp);
}

void http_stream_abort(http_request_t *req)
{
    http_conn_t *conn = req->conn;

    req->stream->on_room = NULL;
    if (http_request_return(req))
        http_conn_gone(conn);
}

void http_stream_end(http_request_t *req)
{
    http_stream_t *stream = req->stream;

    stream->on_room = NULL;
    if (!http_request_return(req))
        return;
    stream->ended = true;
    if (stream->chunked && !stream->mute) {
        if (reserve(stream, 5) != 0) {
            http_conn_gone(req->conn); /* a body without an end is no answer */
            return;
        }
        append(stream, "0\r\n\r\n", 5);
    }
    http_conn_mark_dirty(req->conn);
}

void http_stream_sent(http_request_t *req)
{
    http_stream_t *stream = req->stream;

    if (!stream->refused || stream->len > HTTP_STREAM_HIGH / 2 || stream->on_room == NULL)
        return;
    stream->refused = false;
    stream->on_room(stream->arg);
}

void http_stream_abandon(http_request_t *req)
{
    http_stream_t *stream = req->stream;

    stream->len = 0;
    if (stream->refused && stream->on_room != NULL) {
        stream->refused = false;
        stream->on_room(stream->arg);
    }
}
