/* What an app and its test tell each other, by events and gates: lab_process.h says what for. */
#include "tests/support/deadline.h"
#include "tests/support/lab_process.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Take the next event's line into `event`. returns false at the deadline or the end */
static bool next_event(lab_process_t *lab, char *event, size_t size, long long deadline)
{
    char   *newline;
    ssize_t len;

    while ((newline = memchr(lab->events, '\n', lab->events_len)) == NULL) {
        if (deadline_poll(lab->events_fd, POLLIN, deadline) <= 0)
            return false;
        len = read(lab->events_fd, lab->events + lab->events_len,
                   sizeof lab->events - lab->events_len);
        if (len <= 0)
            return false;
        lab->events_len += (size_t)len;
    }
    len = newline - lab->events;
    snprintf(event, size, "%.*s", (int)len, lab->events);
    lab->events_len -= (size_t)len + 1;
    memmove(lab->events, newline + 1, lab->events_len);
    return true;
}

void lab_expect_event(lab_process_t *lab, const char *expected)
{
    char event[256];
    bool seen = next_event(lab, event, sizeof event, deadline_in(LAB_DEADLINE_MS));

    lab_assert(lab, seen, "no event came, expected '%s'", expected);
    lab_assert(lab, strcmp(event, expected) == 0, "event '%s', expected '%s'", event, expected);
}

void lab_expect_events(lab_process_t *lab, const char *const *expected, size_t count)
{
    bool seen[64] = {false};
    char event[256];

    for (size_t n = 0, i; n < count; n++) {
        bool came = next_event(lab, event, sizeof event, deadline_in(LAB_DEADLINE_MS));

        lab_assert(lab, came, "%zu of %zu events came, such as '%s'", n, count, expected[0]);
        for (i = 0; i < count && (seen[i] || strcmp(event, expected[i]) != 0); i++)
            ;
        lab_assert(lab, i < count, "event '%s' isn't among those expected, such as '%s'", event,
                   expected[0]);
        seen[i] = true;
    }
}

void lab_expect_silence(lab_process_t *lab)
{
    char event[256];
    bool seen = next_event(lab, event, sizeof event, deadline_in(0));

    lab_assert(lab, !seen, "event '%s', expected none", event);
}

const char *lab_rest_of_events(lab_process_t *lab)
{
    ssize_t len = read(lab->events_fd, lab->events + lab->events_len,
                       sizeof lab->events - 1 - lab->events_len);

    lab->events[lab->events_len + (size_t)(len > 0 ? len : 0)] = '\0';
    return lab->events;
}

void lab_open_gate(lab_process_t *lab, int gate)
{
    if (lab->gates[gate] >= 0)
        close(lab->gates[gate]);
    lab->gates[gate] = -1;
}
