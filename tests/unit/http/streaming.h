/*
 * A stream that a test writes: a request for /park/NAME is the stream's, and the http_stream_ functions
 * are called on the HTTP thread. thread: the test's own
 */
#ifndef LOOPLAB_TESTS_HTTP_STREAMING_H
#define LOOPLAB_TESTS_HTTP_STREAMING_H

#include "tests/support/client.h"
#include "tests/unit/http/fixture.h"

/* One stream and what has become of it; all but the first two are the HTTP thread's. */
typedef struct {
    const char     *name;   /* of the parked request */
    int             status; /* to begin with */
    http_request_t *req;
    const char     *data; /* what to write next */
    size_t          len;
    int             err;      /* of the last call */
    unsigned        room;     /* calls of on_room */
    size_t          accepted; /* bytes that were taken */
} stream_t;

/* Start a server and send it `raw` from a new connection; returns once `n` requests are parked. */
fixture_t *stream_park(const http_options_t *options, client_t *c, const char *raw, unsigned n);

/* Begin to answer the request for /park/`name`: 200, text/plain. The test fails if it can't. */
void stream_begin(fixture_t *f, stream_t *s, const char *name);
void stream_begin_status(fixture_t *f, stream_t *s, const char *name, int status);

/* Write text. returns what http_stream_write() does */
int stream_write(fixture_t *f, stream_t *s, const char *text);

void stream_end(fixture_t *f, stream_t *s);

#endif
