/*
 * The lab's own routes, answered in C without Python: the ceiling, in the same process.
 *
 *     GET /native                      the bytes of the app's "/"
 *     GET /native/cpu?n=N              primes below N, on libuv's thread pool
 *     GET /native/stream?chunks=N&size=M   N chunks of M bytes, as fast as the client takes them
 */
#ifndef LOOPLAB_NATIVE_H
#define LOOPLAB_NATIVE_H

#include "common/http/http.h"

/* Add the routes. `loop` is the HTTP thread's and outlives the server. returns 0 or libuv's error */
int native_add_routes(http_router_t *router, uv_loop_t *loop);

/* Primes below n, by trial division: the function that the apps have in Python. thread: any */
long native_count_primes(long n);

#endif
