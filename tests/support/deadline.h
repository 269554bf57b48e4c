/*
 * Waits that end, come what may: a deadline is a time of the monotonic clock, in ms, and only turns a
 * hang into a failure. thread: any
 */
#ifndef LOOPLAB_TESTS_DEADLINE_H
#define LOOPLAB_TESTS_DEADLINE_H

#include <stdbool.h>

/* So many ms from now. */
long long deadline_in(int ms);

bool deadline_past(long long deadline);

/*
 * Wait until poll() has `events` to tell of `fd`, or that it is in error, or for the deadline.
 * returns what poll() does, but for EINTR: 1, 0 at the deadline, or -1 with errno
 */
int deadline_poll(int fd, short events, long long deadline);

#endif
