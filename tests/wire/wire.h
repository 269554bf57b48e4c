/*
 * A server without sockets: the functions of libuv by which common/http touches the network are
 * replaced by ones that hand over bytes in memory. The rest of libuv, and all of common/http, is
 * the real thing. So a program feeds a connection tens of thousands of times a second, decides how
 * the bytes are cut, and can make each of these functions fail.
 *
 * It works since a program's own functions take precedence over a shared library's: whatever links
 * wire.c has no sockets, so it is no part of the ordinary tests' programs. One server and one
 * connection at a time; everything runs on the calling thread.
 */
#ifndef LOOPLAB_TESTS_WIRE_H
#define LOOPLAB_TESTS_WIRE_H

#include "common/http/http.h"

/* A growing text, always terminated. Its memory is for whoever fills it to reuse. */
typedef struct {
    char  *data;
    size_t len, cap;
} wire_text_t;

void wire_text_add(wire_text_t *text, const void *data, size_t len);
__attribute__((format(printf, 2, 3))) void wire_text_addf(wire_text_t *text, const char *format,
                                                          ...);
void                                       wire_text_clear(wire_text_t *text);
void                                       wire_text_free(wire_text_t *text);

/* ---- The server ------------------------------------------------------------------------------ */

/*
 * Open a server that "listens". Its loop never runs: wire_turn() does what a turn of it would.
 * returns what http_server_open() or http_server_listen() has returned; then there is no server
 */
int            wire_open(const http_options_t *options, const http_router_t *router,
                         const http_events_t *events, void *owner);
void           wire_close(void); /* the connection is closed by now */
http_server_t *wire_server(void);

/* One turn of the HTTP thread: what was written arrives, the server does its work, handles close. */
void wire_turn(void);

/* Have `fn` called at the start of every turn, as a wake-up by another thread would be. */
void wire_before_turn(void (*fn)(void *), void *arg);

/* Let the coarse timer go off after so many milliseconds. */
void wire_pass_time(uint64_t ms);

/* ---- The client ------------------------------------------------------------------------------ */

/* Connect; what the last connection was sent is forgotten. `take`: how many bytes of one write the
 * client's socket has room for, 0: all. returns false if the server hasn't taken the connection */
bool wire_connect(size_t take);

/*
 * Send bytes that arrive in one read, at most 64 KiB; a turn follows. They lie at the end of their
 * block of memory, so that a sanitizer sees who reads on. returns false if the server neither reads nor
 * closes, however many turns it gets.
 */
bool wire_send(const void *data, size_t len);

/* The client has said everything; turn until the server closes. returns false if it never does */
bool wire_half_close(void);
bool wire_run_until_closed(void);

void wire_reset(void); /* the client is gone; the server learns of it if it reads or writes */

bool               wire_is_open(void);  /* the server hasn't closed the connection */
bool               wire_is_shut(void);  /* it has said that it won't send any more */
const wire_text_t *wire_received(void); /* all that the client has been sent */
bool wire_has_work(void); /* a turn would do something: write on, or what the server has left */

/* ---- Failures -------------------------------------------------------------------------------- */

/* Let the n-th call of a replaced function from now on that can fail return `error`; 0: none. */
void wire_fail_at(unsigned n, int error);

/* Has it? */
bool wire_has_failed(void);

#endif
