/*
 * The floor: what libuv and the kernel cost without an HTTP server. Finds the ends of requests,
 * parses nothing, knows one answer. `make measure` holds /native against it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

enum { BUFFER = 64 * 1024 };

/* One thread does everything. The answer has as many bytes as /native's, Date included. */
typedef struct {
    uv_loop_t loop;
    uv_tcp_t  listener;
    char      answer[256];
    size_t    answer_len;
    char      in[BUFFER], out[4 * BUFFER];
} floor_t;

static void on_connection(uv_stream_t *listener, int status);
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf);
static void on_closed(uv_handle_t *handle);

static void make_answer(floor_t *self)
{
    char      date[64];
    time_t    now = time(NULL);
    struct tm tm;

    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    self->answer_len = (size_t)snprintf(self->answer, sizeof self->answer,
                                        "HTTP/1.1 200 OK\r\nDate: %s\r\n"
                                        "Content-Type: text/plain; charset=utf-8\r\n"
                                        "Content-Length: 13\r\n\r\nHello, World!",
                                        date);
}

static void on_connection(uv_stream_t *listener, int status)
{
    uv_tcp_t *conn = status == 0 ? malloc(sizeof *conn) : NULL;

    if (conn == NULL)
        return;
    uv_tcp_init(listener->loop, conn);
    conn->data = listener->data;
    if (uv_accept(listener, (uv_stream_t *)conn) == 0) {
        uv_tcp_nodelay(conn, 1);
        uv_read_start((uv_stream_t *)conn, on_alloc, on_read);
    } else {
        uv_close((uv_handle_t *)conn, on_closed);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    floor_t *self = handle->data;

    (void)suggested;
    *buf = uv_buf_init(self->in, BUFFER);
}

/* wrk sends whole requests, so an end that two reads share doesn't come up. */
static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    floor_t    *self = stream->data;
    const char *at = buf->base, *end = buf->base + nread;
    uv_buf_t    out = uv_buf_init(self->out, 0);

    if (nread < 0) {
        uv_close((uv_handle_t *)stream, on_closed);
        return;
    }
    while ((at = memmem(at, (size_t)(end - at), "\r\n\r\n", 4)) != NULL &&
           out.len + self->answer_len <= sizeof self->out) {
        at += 4;
        memcpy(self->out + out.len, self->answer, self->answer_len);
        out.len += self->answer_len;
    }
    if (out.len > 0 && uv_try_write(stream, &out, 1) != (int)out.len)
        uv_close((uv_handle_t *)stream, on_closed);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

int main(void)
{
    static floor_t     self;
    struct sockaddr_in address;
    int                len = sizeof address;

    signal(SIGPIPE, SIG_IGN);
    make_answer(&self);
    uv_loop_init(&self.loop);
    uv_tcp_init(&self.loop, &self.listener);
    self.listener.data = &self;
    uv_ip4_addr("127.0.0.1", 0, &address);
    if (uv_tcp_bind(&self.listener, (struct sockaddr *)&address, 0) != 0 ||
        uv_listen((uv_stream_t *)&self.listener, 1024, on_connection) != 0 ||
        uv_tcp_getsockname(&self.listener, (struct sockaddr *)&address, &len) != 0) {
        fprintf(stderr, "floor: cannot listen\n");
        return 1;
    }
    printf("listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return uv_run(&self.loop, UV_RUN_DEFAULT); /* until SIGTERM */
}
