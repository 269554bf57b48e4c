/*
 * Books: what an HTTP thread has counted, where others can read it: the worker that answers
 * /metrics for all of them, the supervisor that prints the summary. Each has one writer. Nothing but
 * numbers is in a book, so it may lie in memory that several processes share.
 *
 * thread: writing is for the book's own HTTP thread; reading for any thread, of any process
 */
#ifndef LOOPLAB_BOOK_H
#define LOOPLAB_BOOK_H

#include <stdatomic.h>

#include "common/http/http.h"

enum { BOOK_BUCKETS = 18, BOOK_STATUSES = 600 }; /* 0: no answer was begun */

typedef enum {
    BOOK_CONNECTIONS, /* of http_stats_t, from here on */
    BOOK_PARSED,
    BOOK_ANSWERED,
    BOOK_CLASSES, /* six of them */
    BOOK_ABANDONED = BOOK_CLASSES + 6,
    BOOK_CUT_OFF,
    BOOK_OPEN, /* connections */
    BOOK_IN_FLIGHT,
    BOOK_COMPLETIONS, /* queued */
    BOOK_VIEWERS,     /* of the live page: of the requests in flight */
    BOOK_HANDLER_ERRORS,
    BOOK_LINES_LOST, /* of the access log */
    BOOK_PID,        /* 0: the process that reads */
    /* With --metrics only, from here on. */
    BOOK_BYTES,                                    /* of answers' content */
    BOOK_DURATION_NS,                              /* of answered requests, in all */
    BOOK_DURATIONS,                                /* buckets, not cumulative */
    BOOK_REQUESTS = BOOK_DURATIONS + BOOK_BUCKETS, /* by end and status */
    BOOK_ENTRIES = BOOK_REQUESTS + HTTP_ENDS * BOOK_STATUSES
} book_entry_t;

typedef struct {
    _Atomic uint64_t entries[BOOK_ENTRIES]; /* relaxed: statistics only */
} book_t;

/* All books of a program, and the reader's or writer's own. */
typedef struct {
    book_t  *books; /* [count], borrowed */
    unsigned count, own;
    bool     one_bridge; /* handler errors are counted once for all */
} books_t;

static inline book_t *books_own(const books_t *self)
{
    return &self->books[self->own];
}

static inline void book_set(book_t *self, unsigned entry, uint64_t value)
{
    atomic_store_explicit(&self->entries[entry], value, memory_order_relaxed);
}

static inline uint64_t book_get(const book_t *self, unsigned entry)
{
    return atomic_load_explicit(&self->entries[entry], memory_order_relaxed);
}

/* There is one writer, so it needs no atomic step. */
static inline void book_add(book_t *self, unsigned entry, uint64_t value)
{
    book_set(self, entry, book_get(self, entry) + value);
}

/* Copy what the server has counted. */
void book_update(book_t *self, const http_server_t *server);

uint64_t books_sum(const books_t *self, unsigned entry);

/* All of them as one server's. */
http_stats_t books_stats(const books_t *self);

/* CPU time in seconds so far, of the processes that keep these books, start included. */
double books_cpu_seconds(const books_t *self);

#endif
