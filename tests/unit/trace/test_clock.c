/* The clock that marks read, made from the processor's counter and not. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/trace/internal.h"

enum { ROUNDS = 2000 };

#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

/* Each way to tell the time that this machine has. */
static int clocks(bool which[2])
{
    which[0] = false;
    which[1] = true;
    return trace_clock_sound(CLOCKSOURCE) ? 2 : 1;
}

static void write_clocksource(char *path, const char *text)
{
    int fd = mkstemp(path);

    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

Test(trace_clock, the_counter_is_sound_only_where_the_kernel_keeps_time_by_it)
{
    static const char *const others[] = {"hpet\n", "tsc-early\n", "tsc", ""};
    char                     path[] = "/tmp/looplab-clock-XXXXXX";

    cr_expect(!trace_clock_sound("/nowhere/current_clocksource"));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        snprintf(path, sizeof path, "/tmp/looplab-clock-XXXXXX");
        write_clocksource(path, others[i]);
        cr_expect(!trace_clock_sound(path), "clock source \"%s\"", others[i]);
        unlink(path);
    }
}

Test(trace_clock, without_the_counter_it_is_the_systems_own)
{
    uint64_t before_ns, now_ns;

    trace_clock_use(true);
    trace_clock_use(false);
    cr_expect_eq(trace_clock.ns_per_count, 0);
    before_ns = trace_clock_system_ns();
    now_ns = trace_clock_ns();
    cr_expect(before_ns <= now_ns && now_ns <= trace_clock_system_ns());
}

Test(trace_clock, opening_chooses_the_counter_exactly_where_it_is_sound)
{
    trace_clock_open();
    cr_expect_eq(trace_clock.ns_per_count != 0, trace_clock_sound(CLOCKSOURCE));
}

/*
 * After as long as the rate was measured and more, it is off by less than 1 in 1000 of the time
 * passed and a microsecond: both are far more than what is seen. The read between two of the system's
 * clock lies between them but for that.
 */
Test(trace_clock, it_agrees_with_the_systems_clock)
{
    enum { SLACK_NS = 1000, LONG_NS = 50000000 };
    bool which[2];

    for (int i = 0, count = clocks(which); i < count; i++) {
        uint64_t start_ns, low_ns, now_ns, high_ns;

        trace_clock_use(which[i]);
        start_ns = low_ns = trace_clock_system_ns();
        while (low_ns - start_ns < LONG_NS) {
            uint64_t slack_ns = SLACK_NS + (low_ns - start_ns) / 1000;

            low_ns = trace_clock_system_ns();
            now_ns = trace_clock_ns();
            high_ns = trace_clock_system_ns();
            cr_assert(now_ns + slack_ns >= low_ns && now_ns <= high_ns + slack_ns,
                      "counter used: %d; %" PRIu64 " isn't in %" PRIu64 "..%" PRIu64, which[i],
                      now_ns, low_ns, high_ns);
        }
    }
}

/* Two threads that tell each other the time, through a pipe each way. */
typedef struct {
    int      from, to;
    uint64_t back; /* so often was the other's time later than ours */
} player_t;

static void *play(void *arg)
{
    player_t *self = arg;
    uint64_t  told_ns;

    while (read(self->from, &told_ns, sizeof told_ns) == sizeof told_ns) {
        uint64_t now_ns = trace_clock_ns();

        self->back += now_ns < told_ns;
        if (write(self->to, &now_ns, sizeof now_ns) != sizeof now_ns)
            break;
    }
    close(self->to);
    return NULL;
}

Test(trace_clock, it_never_goes_back_from_thread_to_thread)
{
    bool which[2];

    for (int i = 0, count = clocks(which); i < count; i++) {
        int       there[2], back[2];
        player_t  player;
        pthread_t thread;
        uint64_t  told_ns, ours = 0;

        trace_clock_use(which[i]);
        cr_assert(pipe(there) == 0 && pipe(back) == 0);
        player = (player_t){.from = there[0], .to = back[1]};
        cr_assert_eq(pthread_create(&thread, NULL, play, &player), 0);
        for (int round = 0; round < ROUNDS; round++) {
            uint64_t now_ns = trace_clock_ns();

            cr_assert_eq(write(there[1], &now_ns, sizeof now_ns), sizeof now_ns);
            cr_assert_eq(read(back[0], &told_ns, sizeof told_ns), sizeof told_ns);
            ours += trace_clock_ns() < told_ns;
        }
        close(there[1]);
        pthread_join(thread, NULL);
        cr_expect_eq(player.back + ours, 0, "counter used: %d", which[i]);
        close(there[0]);
        close(back[0]);
    }
}

Test(trace_clock, a_moment_that_seems_earlier_is_no_time_ago)
{
    cr_expect_eq(trace_clock_since(10, 7), 0);
    cr_expect_eq(trace_clock_since(7, 10), 3);
}

/* A request's marks on either clock: its gaps come to its end-to-end time by the system's. */
Test(trace_clock, marks_add_up_on_each_clock)
{
    bool which[2];

    for (int i = 0, count = clocks(which); i < count; i++) {
        trace_t              *trace;
        const trace_options_t options = {.sample_every = 3};

        cr_assert_eq(trace_open(&trace, &options), 0);
        trace_clock_use(which[i]);
        cr_assert_neq(trace_lane_open(trace, "http"), NULL);
        for (int request = 0; request < ROUNDS; request++) {
            uint64_t        start_ns = trace_clock_system_ns();
            trace_record_t *record = trace_begin(trace);
            uint64_t        sum_ns = 0, took_ns;

            for (int hop = 0; hop < TRACE_HOPS; hop++)
                trace_mark(record, (trace_hop_t)hop);
            took_ns = trace_clock_system_ns() - start_ns;
            for (int hop = 1; hop < TRACE_HOPS; hop++)
                sum_ns += record_gap_ns(record, hop - 1, hop);
            cr_assert(sum_ns <= took_ns + took_ns / 1000 + 100, "counter used: %d", which[i]);
            trace_finish(trace, record, took_ns);
        }
        trace_lane_close(trace_lane_here());
        trace_close(trace);
    }
}
