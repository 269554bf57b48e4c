/*
 * The clock that marks read: CLOCK_MONOTONIC's nanoseconds, and where it is sound, made from the
 * processor's own counter. That is a third of a clock_gettime(), which waits for all instructions
 * before it to end; a request reads the clock ten times and more.
 */
#ifndef LOOPLAB_TRACE_CLOCK_H
#define LOOPLAB_TRACE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#if defined(__x86_64__) && defined(__linux__)
#define TRACE_CLOCK_HAS_COUNTER 1
__extension__ typedef unsigned __int128 trace_clock_wide_t;
#else
#define TRACE_CLOCK_HAS_COUNTER 0
#endif

/* ns = from_ns + (counter - from_count) * ns_per_count / 2^32 */
typedef struct {
    uint64_t ns_per_count; /* times 2^32; 0: the counter isn't used */
    uint64_t from_count, from_ns;
} trace_clock_t;

/* Set by trace_clock_open(), read-only afterwards. Global, as the system's clock is. */
extern trace_clock_t trace_clock;

/*
 * Choose the clock, the first time that it is called: the counter, if it runs at one rate on all
 * cores and the kernel itself keeps time by it; that takes some 5 ms, in which its rate is measured.
 * thread: any; threads that were started before may still see the clock that was in use till then,
 * which differs by less than a microsecond
 */
void trace_clock_open(void);

/*
 * The parts of it, for tests. trace_clock_sound(): whether the counter is fit to be used, where the
 * kernel names its clock source in `clocksource_file`. trace_clock_use(): measure and use the counter,
 * or don't. No other thread reads the clock meanwhile.
 */
bool trace_clock_sound(const char *clocksource_file);
void trace_clock_use(bool counter);

/* The system's clock itself. */
static inline uint64_t trace_clock_system_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/*
 * Monotonic, in ns; the same clock on every thread. The counter may be read some tens of ns before
 * what stands above it in the program is done, never after what stands below: so on two threads
 * a later moment may seem earlier by that, if they share nothing but a word of memory. Whoever takes
 * a difference expects that.
 * thread: any
 */
static inline uint64_t trace_clock_ns(void)
{
#if TRACE_CLOCK_HAS_COUNTER
    if (trace_clock.ns_per_count != 0) {
        trace_clock_wide_t count = __builtin_ia32_rdtsc() - trace_clock.from_count;

        return trace_clock.from_ns + (uint64_t)(count * trace_clock.ns_per_count >> 32);
    }
#endif
    return trace_clock_system_ns();
}

/* From `then_ns` to `now_ns`; 0 where the latter seems earlier. */
static inline uint64_t trace_clock_since(uint64_t then_ns, uint64_t now_ns)
{
    return now_ns > then_ns ? now_ns - then_ns : 0;
}

#endif
