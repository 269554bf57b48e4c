/*
 * The routes that the tests of common/http serve. Each but /native/... goes through on_ready, with
 * one of these handlers as its route_arg.
 *
 *   /echo, /echo/{first}/{second}   any method: describes the request, line by line (see routes.c)
 *   /native/echo                    the same, as a native route
 *   /only/get, /only/post           one method each
 *   /size/{bytes}                   that many bytes of routes_pattern()
 *   /status/{status}                that status, with the body "body"
 *   /null                           the handler has no memory for a response
 *   /park/{name}                    for the owner to answer: see routes_on_park
 *
 * thread: the one that runs the server's loop
 */
#ifndef LOOPLAB_TESTS_HTTP_ROUTES_H
#define LOOPLAB_TESTS_HTTP_ROUTES_H

#include "common/http/http.h"

/* What a handler does with a request, whose travelling reference it takes. */
typedef void (*routes_handler_t)(void *owner, http_request_t *req);

/* A router with all of these routes, which the caller frees. Aborts if it can't be made. */
http_router_t *routes_new(routes_handler_t on_park);

/* An http_events_t's on_ready: each request to its handler, with `owner`. */
void routes_on_ready(void *owner, http_request_list_t *ready);

/* Answer with text. */
void routes_respond(http_request_t *req, int status, const char *body);

/* The byte at `i` of what /size/{bytes} answers: no period that a buffer's size is a multiple of. */
char routes_pattern(size_t i);

#endif
