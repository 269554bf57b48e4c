/* What uv.c, in place of libuv, is told by the server, and wire.c acts upon. */
#ifndef LOOPLAB_TESTS_WIRE_STATE_H
#define LOOPLAB_TESTS_WIRE_STATE_H

#include "tests/wire/wire.h"

enum { MAX_HANDLES = 16 }; /* of the server's own */

/* What the server has asked libuv for; NULL where it hasn't. */
struct wire {
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
};

extern struct wire wire;

#endif
