/*
 * In place of libuv's: the functions by which common/http touches the network, the clock's ticks and
 * the turns of its loop. They note what is wanted; wire.c makes it happen.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/wire/state.h"

enum { FIXED_TIME = 784111777 };

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
time_t time(time_t *now) /* NOLINT(readability-inconsistent-declaration-parameter-name) */
{
    if (now != NULL)
        *now = FIXED_TIME;
    return FIXED_TIME;
}
