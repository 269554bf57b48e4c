/* Sums over books: each entry is read by itself, so that figures of one moment may differ by a request. */
#include "common/lab/book.h"

#include <time.h>

#include "common/lab/platform.h"

void book_update(book_t *self, const http_server_t *server)
{
    const http_stats_t *stats = http_server_stats(server);

    book_set(self, BOOK_CONNECTIONS, stats->connections);
    book_set(self, BOOK_PARSED, stats->parsed);
    book_set(self, BOOK_ANSWERED, stats->answered);
    for (unsigned class = 0; class < 6; class ++)
        book_set(self, BOOK_CLASSES + class, stats->answered_by_class[class]);
    book_set(self, BOOK_ABANDONED, stats->abandoned);
    book_set(self, BOOK_CUT_OFF, stats->cut_off);
    book_set(self, BOOK_OPEN, http_server_connections(server));
    book_set(self, BOOK_IN_FLIGHT, http_server_in_flight(server));
}

uint64_t books_sum(const books_t *self, unsigned entry)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < self->count; i++)
        sum += book_get(&self->books[i], entry);
    return sum;
}

http_stats_t books_stats(const books_t *self)
{
    http_stats_t stats = {.connections = books_sum(self, BOOK_CONNECTIONS),
                          .parsed = books_sum(self, BOOK_PARSED),
                          .answered = books_sum(self, BOOK_ANSWERED),
                          .abandoned = books_sum(self, BOOK_ABANDONED),
                          .cut_off = books_sum(self, BOOK_CUT_OFF)};

    for (unsigned class = 0; class < 6; class ++)
        stats.answered_by_class[class] = books_sum(self, BOOK_CLASSES + class);
    return stats;
}

/* 0 of a process that has ended, or hasn't said its number yet: 0 is the caller for the system. */
static double cpu_seconds_of(pid_t pid)
{
    struct timespec time;
    clockid_t       clock;

    if (pid == 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
        return 0;
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

double books_cpu_seconds(const books_t *self)
{
    double sum = 0;

    if (book_get(&self->books[0], BOOK_PID) == 0)
        return platform_cpu_seconds();
    for (unsigned i = 0; i < self->count; i++)
        sum += cpu_seconds_of((pid_t)book_get(&self->books[i], BOOK_PID));
    return sum;
}
