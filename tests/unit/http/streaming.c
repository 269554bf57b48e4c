/* A stream that a test writes: streaming.h says what for. */
#include "tests/unit/http/streaming.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void on_room(void *arg)
{
    ((stream_t *)arg)->room++;
}

static void begin_on_loop(fixture_t *f, void *arg)
{
    stream_t *s = arg;

    s->req = fixture_unpark(f, s->name);
    if (s->req == NULL)
        abort();
    s->err =
        http_stream_begin(s->req, http_response_new(s->status, "text/plain", NULL, 0), on_room, s);
}

static void write_on_loop(fixture_t *f, void *arg)
{
    stream_t *s = arg;

    (void)f;
    s->err = http_stream_write(s->req, s->data, s->len);
    if (s->err == 0)
        s->accepted += s->len;
}

static void end_on_loop(fixture_t *f, void *arg)
{
    (void)f;
    http_stream_end(((stream_t *)arg)->req);
}

void stream_begin(fixture_t *f, stream_t *s, const char *name)
{
    stream_begin_status(f, s, name, 200);
}

void stream_begin_status(fixture_t *f, stream_t *s, const char *name, int status)
{
    *s = (stream_t){.name = name, .status = status};
    fixture_call(f, begin_on_loop, s);
    cr_assert(s->err == 0, "http_stream_begin(): %d", s->err);
}

int stream_write(fixture_t *f, stream_t *s, const char *text)
{
    s->data = text;
    s->len = strlen(text);
    fixture_call(f, write_on_loop, s);
    return s->err;
}

void stream_end(fixture_t *f, stream_t *s)
{
    fixture_call(f, end_on_loop, s);
}

fixture_t *stream_park(const http_options_t *options, client_t *c, const char *raw, unsigned n)
{
    fixture_t *f = fixture_start(options);

    client_connect(c, f->port);
    client_send(c, raw);
    fixture_wait_parked(f, n);
    return f;
}
