/* Deadlines: deadline.h says what for. */
#include "tests/support/deadline.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

long long deadline_in(int ms)
{
    return now_ms() + ms;
}

bool deadline_past(long long deadline)
{
    return now_ms() >= deadline;
}

int deadline_poll(int fd, short events, long long deadline)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    long long     left;
    int           ready;

    do {
        left = deadline - now_ms();
        ready = poll(&poll_fd, 1, left > 0 ? (int)left : 0);
    } while (ready < 0 && errno == EINTR);
    return ready;
}
