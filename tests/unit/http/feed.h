/*
 * Bytes in, answers out: feeds raw requests to a server of its own through a socket, in pieces of a
 * given size. Everything runs on the calling thread, which steps the loop until the server has read
 * one piece before it sends the next: so a piece of one byte is one read of one byte, always.
 */
#ifndef LOOPLAB_TESTS_HTTP_FEED_H
#define LOOPLAB_TESTS_HTTP_FEED_H

#include <stddef.h>

#include "common/http/http.h"

typedef struct {
    uv_loop_t      loop;
    http_router_t *router;
    http_server_t *server;
    unsigned       requests; /* that have reached on_ready */
    unsigned       turns;    /* calls of on_ready */
} feed_t;

/* Serve routes.h. NULL: the default options. */
void feed_open(feed_t *feed, const http_options_t *options);

/* Also fails the test if the statistics don't add up. */
void feed_close(feed_t *feed);

/*
 * Send `len` bytes on a new connection, `piece` at a time (0: all at once), then FIN, and return
 * all that the server says until it closes. The result is terminated and must be freed; the values
 * of Date fields are blanked out, so that two runs compare equal.
 */
char *feed_run(feed_t *feed, const char *data, size_t len, size_t piece);

/* The statuses of the answers in `output`, blank-separated: "200 100 404". Static buffer. */
const char *feed_statuses(const char *output);

#endif
