/*
 * The board: memory that the supervisor and all workers see, whatever isolation keeps the workers
 * apart. A page for each worker, on which only that worker writes (but for what it is told), and its
 * book of counts.
 */
#ifndef LOOPLAB_LAB5_BOARD_H
#define LOOPLAB_LAB5_BOARD_H

#include <stdatomic.h>

#include "common/lab/book.h"

typedef enum {
    WORKER_STARTING,
    WORKER_WATCHING, /* starting still, but SIGUSR1 has its handler */
    WORKER_SERVING,
    WORKER_DONE,   /* drained; its page and its book are complete */
    WORKER_FAILED, /* it couldn't start, and has said why */
} worker_state_t;

/* What stands on a page is written before the state that it belongs to. */
typedef struct {
    atomic_int  state;       /* worker_state_t */
    char        python[192]; /* SERVING: bridge_describe_python(), DONE: the same in the end */
    bool        gil;         /* SERVING: there is one; DONE: there was, in the end */
    double      cpu_us;      /* DONE: of its own process, start included; 0: it has none */
    long        max_rss_kib; /* likewise */
    atomic_uint due;         /* worker_command_t, several: the supervisor adds, the worker takes */
} worker_page_t;

typedef struct {
    int            fd; /* of a file without a name: a process that inherits it can map it too */
    size_t         size;
    worker_page_t *pages; /* [count] */
    book_t        *books; /* [count] */
    unsigned       count;
} board_t;

/* Make one for so many workers. returns 0 or libuv's error */
int board_open(board_t *self, unsigned workers);

/* Map one that another process has made. returns 0 or libuv's error */
int board_map(board_t *self, int fd, unsigned workers);

void board_close(board_t *self); /* zeroed is allowed */

#endif
