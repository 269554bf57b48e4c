/*
 * A server without sockets: see wire.h. Its own memory comes from reallocarray(), which nobody makes
 * fail (tests/faults/alloc.h).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/internal.h"
#include "tests/wire/state.h"

enum {
    MANY_TURNS = 1000, /* more than any input needs */
    MAX_READ = 65536,
};

struct wire wire;

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
    wire.server->pause_ns = 0; /* by the clock turns would end early, now here, now there */
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
