/*
 * A server without sockets: see wire.h. Its own memory comes from reallocarray(), which nobody makes
 * fail (tests/faults/alloc.h).
 */
#include "tests/wire/wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MANY_TURNS = 1000, /* more than any input needs */
    MAX_HANDLES = 16,  /* of the server's own */
    MAX_READ = 65536,
    FIXED_TIME = 784111777,
};

/* What the server has asked libuv for; NULL where it hasn't. */
static struct {
    uv_loop_t      loop;
    bool           loop_open;
    http_server_t *server;
    uv_handle_t   *closing[MAX_HANDLES]; /* handles of its own, and whom to tell */
    uv_close_cb    on_handle_closed[MAX_HANDLES];
    unsigned       closing_count;
    void (*before_turn)(void *);
    void *before_turn_arg;

    uv_stream_t     *listener;
    uv_connection_cb on_connection;
    bool             waiting; /* a client, to be accepted: until then libuv tells of no other */
    uv_check_t      *check;
    uv_check_cb      on_check;
    uv_timer_t      *tick;
    uv_timer_cb      on_tick;
    bool             idle; /* it wants another turn at once */

    uv_stream_t   *stream; /* the connection */
    uv_alloc_cb    on_alloc;
    uv_read_cb     on_read; /* NULL: it doesn't read now */
    uv_write_t    *write;
    uv_write_cb    on_written;
    wire_text_t    written; /* by `write`, still on its way */
    uv_shutdown_t *shutdown;
    uv_shutdown_cb on_shutdown;
    uv_close_cb    on_closed; /* not NULL: it is closing */
    bool           shut;
    size_t         take;
    unsigned       writes;
    wire_text_t    received;
    char          *input; /* what is read lies at its end */

    unsigned fail_at, calls;
    int      error;
} wire;

/* ---- Text ------------------------------------------------------------------------------------ */

static void reserve(wire_text_t *text, size_t len)
{
    if (len < text->cap - text->len)
        return;
    text->cap = 2 * (text->len + len) + 256;
    text->data = reallocarray(text->data, text->cap, 1);
    if (text->data == NULL)
        abort();
}

void wire_text_add(wire_text_t *text, const void *data, size_t len)
{
    reserve(text, len);
    if (len > 0)
        memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

void wire_text_addf(wire_text_t *text, const char *format, ...)
{
    char    line[256];
    va_list args;
    int     len;

    va_start(args, format);
    len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof line)
        abort();
    wire_text_add(text, line, (size_t)len);
}

void wire_text_clear(wire_text_t *text)
{
    text->len = 0;
    wire_text_add(text, NULL, 0);
}

void wire_text_free(wire_text_t *text)
{
    free(text->data);
    *text = (wire_text_t){0};
}

/* ---- In place of libuv's --------------------------------------------------------------------- */

static bool fails(void)
{
    return wire.fail_at != 0 && ++wire.calls == wire.fail_at;
}

/* None of these is ever known to the loop, which doesn't run. */
static int init_handle(uv_loop_t *loop, uv_handle_t *handle, size_t size, uv_handle_type type)
{
    memset(handle, 0, size);
    handle->loop = loop;
    handle->type = type;
    return 0;
}

int uv_tcp_init(uv_loop_t *loop, uv_tcp_t *handle)
{
    return init_handle(loop, (uv_handle_t *)handle, sizeof *handle, UV_TCP);
}

int uv_check_init(uv_loop_t *loop, uv_check_t *handle)
{
    return init_handle(loop, (uv_handle_t *)handle, sizeof *handle, UV_CHECK);
}

int uv_prepare_init(uv_loop_t *loop, uv_prepare_t *handle)
{
    return init_handle(loop, (uv_handle_t *)handle, sizeof *handle, UV_PREPARE);
}

int uv_idle_init(uv_loop_t *loop, uv_idle_t *handle)
{
    return init_handle(loop, (uv_handle_t *)handle, sizeof *handle, UV_IDLE);
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *handle)
{
    return init_handle(loop, (uv_handle_t *)handle, sizeof *handle, UV_TIMER);
}

int uv_tcp_bind(uv_tcp_t *handle, const struct sockaddr *address, unsigned flags)
{
    (void)handle, (void)address, (void)flags;
    return 0;
}

int uv_tcp_getsockname(const uv_tcp_t *handle, struct sockaddr *name, int *len)
{
    (void)handle, (void)name, (void)len;
    return UV_EBADF;
}

int uv_tcp_nodelay(uv_tcp_t *handle, int enable)
{
    (void)handle, (void)enable;
    return fails() ? wire.error : 0;
}

int uv_fileno(const uv_handle_t *handle, uv_os_fd_t *fd)
{
    (void)handle;
    *fd = -1;
    return UV_EBADF;
}

int uv_listen(uv_stream_t *stream, int backlog, uv_connection_cb cb)
{
    (void)backlog;
    wire.listener = stream;
    wire.on_connection = cb;
    return 0;
}

int uv_accept(uv_stream_t *listener, uv_stream_t *client)
{
    (void)listener;
    wire.stream = client;
    wire.waiting = false;
    return fails() ? wire.error : 0;
}

int uv_check_start(uv_check_t *check, uv_check_cb cb)
{
    wire.check = check;
    wire.on_check = cb;
    return 0;
}

int uv_prepare_start(uv_prepare_t *prepare, uv_prepare_cb cb)
{
    (void)prepare, (void)cb; /* the same as on_check(), for turns without I/O */
    return 0;
}

int uv_idle_start(uv_idle_t *idle, uv_idle_cb cb)
{
    (void)idle, (void)cb;
    wire.idle = true;
    return 0;
}

int uv_idle_stop(uv_idle_t *idle)
{
    (void)idle;
    wire.idle = false;
    return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
    (void)timeout;
    if (repeat != 0) {
        wire.tick = timer;
        wire.on_tick = cb;
    }
    return 0;
}

int uv_read_start(uv_stream_t *stream, uv_alloc_cb on_alloc, uv_read_cb on_read)
{
    (void)stream;
    if (fails())
        return wire.error;
    wire.on_alloc = on_alloc;
    wire.on_read = on_read;
    return 0;
}

int uv_read_stop(uv_stream_t *stream)
{
    (void)stream;
    wire.on_read = NULL;
    return 0;
}

int uv_try_write(uv_stream_t *handle, const uv_buf_t bufs[], unsigned count)
{
    size_t left = wire.take == 0 ? SIZE_MAX : wire.take, taken = 0;

    (void)handle;
    if (fails())
        return wire.error;
    if (wire.write != NULL || (wire.take != 0 && wire.writes++ % 2 == 1))
        return UV_EAGAIN;
    for (unsigned i = 0; i < count && taken < left; i++) {
        size_t len = bufs[i].len < left - taken ? bufs[i].len : left - taken;

        wire_text_add(&wire.received, bufs[i].base, len);
        taken += len;
    }
    return (int)taken;
}

int uv_write(uv_write_t *req, uv_stream_t *handle, const uv_buf_t bufs[], unsigned count,
             uv_write_cb cb)
{
    (void)handle;
    if (fails())
        return wire.error;
    if (wire.write != NULL || wire.shutdown != NULL)
        abort(); /* the server never has two under way */
    wire.write = req;
    wire.on_written = cb;
    for (unsigned i = 0; i < count; i++)
        wire_text_add(&wire.written, bufs[i].base, bufs[i].len);
    return 0;
}

int uv_shutdown(uv_shutdown_t *req, uv_stream_t *handle, uv_shutdown_cb cb)
{
    (void)handle;
    if (fails())
        return wire.error;
    wire.shutdown = req;
    wire.on_shutdown = cb;
    return 0;
}

int uv_is_closing(const uv_handle_t *handle)
{
    for (unsigned i = 0; i < wire.closing_count; i++)
        if (wire.closing[i] == handle)
            return true;
    return handle == (const uv_handle_t *)wire.stream && wire.on_closed != NULL;
}

void uv_close(uv_handle_t *handle, uv_close_cb cb)
{
    if (handle != (uv_handle_t *)wire.stream) {
        if (wire.closing_count == MAX_HANDLES)
            abort();
        wire.closing[wire.closing_count] = handle;
        wire.on_handle_closed[wire.closing_count++] = cb;
        return;
    }
    if (wire.on_closed != NULL)
        abort(); /* closed twice */
    wire.on_read = NULL;
    wire.on_closed = cb;
}

/* So that two runs say the same in their Date fields. */
time_t time(time_t *now)
{
    if (now != NULL)
        *now = FIXED_TIME;
    return FIXED_TIME;
}

/* ---- The server ------------------------------------------------------------------------------ */

int wire_open(const http_options_t *options, const http_router_t *router,
              const http_events_t *events, void *owner)
{
    int err;

    if (!wire.loop_open && uv_loop_init(&wire.loop) != 0)
        abort();
    wire.loop_open = true;
    err = http_server_open(&wire.server, &wire.loop, options, router, events, owner);
    if (err != 0)
        return err;
    err = http_server_listen(wire.server, "127.0.0.1", 0, false);
    if (err != 0)
        wire_close();
    return err;
}

http_server_t *wire_server(void)
{
    return wire.server;
}

/* What libuv does before it closes a handle: requests on it end with an error. */
static void cancel(int status)
{
    uv_write_t    *write = wire.write;
    uv_shutdown_t *shutdown = wire.shutdown;

    wire.write = NULL;
    wire.shutdown = NULL;
    wire_text_clear(&wire.written);
    if (write != NULL)
        wire.on_written(write, status);
    if (shutdown != NULL)
        wire.on_shutdown(shutdown, status);
}

static void deliver(void)
{
    uv_write_t    *write = wire.write;
    uv_shutdown_t *shutdown = wire.shutdown;

    if (write != NULL) {
        wire_text_add(&wire.received, wire.written.data, wire.written.len);
        wire_text_clear(&wire.written);
        wire.write = NULL;
        wire.on_written(write, 0);
    } else if (shutdown != NULL) {
        wire.shut = true;
        wire.shutdown = NULL;
        wire.on_shutdown(shutdown, 0);
    }
}

void wire_before_turn(void (*fn)(void *), void *arg)
{
    wire.before_turn = fn;
    wire.before_turn_arg = arg;
}

void wire_turn(void)
{
    deliver();
    if (wire.before_turn != NULL)
        wire.before_turn(wire.before_turn_arg);
    wire.on_check(wire.check);
    if (wire.on_closed != NULL) {
        uv_handle_t *handle = (uv_handle_t *)wire.stream;
        uv_close_cb  cb = wire.on_closed;

        cancel(UV_ECANCELED);
        wire.stream = NULL;
        wire.on_closed = NULL;
        cb(handle);
    }
}

void wire_pass_time(uint64_t ms)
{
    uv_loop_t *loop = &wire.loop;

    loop->time += ms;
    wire.on_tick(wire.tick);
    wire_turn();
}

void wire_close(void)
{
    wire_text_free(&wire.received);
    wire_text_free(&wire.written);
    free(wire.input);
    wire.input = NULL;
    wire.waiting = false;
    http_server_close(wire.server);
    wire.server = NULL;
    for (unsigned i = 0; i < wire.closing_count; i++)
        wire.on_handle_closed[i](wire.closing[i]);
    wire.closing_count = 0;
}

/* ---- The client ------------------------------------------------------------------------------ */

bool wire_connect(size_t take)
{
    wire_text_clear(&wire.received);
    wire_text_clear(&wire.written);
    wire.take = take;
    wire.writes = 0;
    wire.shut = false;
    if (!wire.waiting) {
        wire.waiting = true;
        wire.on_connection(wire.listener, 0);
    }
    if (wire.on_closed != NULL)
        wire_turn();
    return wire.stream != NULL;
}

/* Turn until the server reads. returns false if it never does; closing counts as reading */
static bool until_it_reads(void)
{
    for (int i = 0; i < MANY_TURNS; i++) {
        if (wire.stream == NULL || wire.on_read != NULL)
            return true;
        wire_turn();
    }
    return false;
}

bool wire_send(const void *data, size_t len)
{
    uv_buf_t buf = {0};

    if (len > MAX_READ || !until_it_reads())
        return false;
    if (wire.stream == NULL || len == 0)
        return true;
    if (wire.input == NULL && (wire.input = reallocarray(NULL, MAX_READ, 1)) == NULL)
        abort();
    wire.on_alloc((uv_handle_t *)wire.stream, len, &buf);
    if (buf.base == NULL || buf.len < len)
        abort();
    buf.base = memcpy(wire.input + MAX_READ - len, data, len);
    wire.on_read(wire.stream, (ssize_t)len, &buf);
    wire_turn();
    return true;
}

bool wire_half_close(void)
{
    uv_buf_t buf = {0};

    if (!until_it_reads())
        return false;
    if (wire.stream != NULL) {
        wire.on_read(wire.stream, UV_EOF, &buf);
        wire.on_read = NULL; /* there is no more to come */
        wire_turn();
    }
    return wire_run_until_closed();
}

bool wire_run_until_closed(void)
{
    for (int i = 0; i < MANY_TURNS && wire.stream != NULL; i++)
        wire_turn();
    return wire.stream == NULL;
}

void wire_reset(void)
{
    uv_buf_t buf = {0};

    if (wire.stream == NULL)
        return;
    if (wire.on_read != NULL)
        wire.on_read(wire.stream, UV_ECONNRESET, &buf);
    else
        cancel(UV_ECONNRESET);
    wire_turn();
}

bool wire_is_open(void)
{
    return wire.stream != NULL;
}

bool wire_is_shut(void)
{
    return wire.shut;
}

bool wire_has_work(void)
{
    return wire.idle || wire.write != NULL || wire.shutdown != NULL;
}

const wire_text_t *wire_received(void)
{
    return &wire.received;
}

/* ---- Failures -------------------------------------------------------------------------------- */

void wire_fail_at(unsigned n, int error)
{
    wire.fail_at = n;
    wire.calls = 0;
    wire.error = error;
}

bool wire_has_failed(void)
{
    return wire.fail_at != 0 && wire.calls >= wire.fail_at;
}
