/*
 * Which clock marks read, and at what rate the processor's counter runs.
 *
 * The counter (TSC) is used only where the processor says that it is invariant, one rate whatever the
 * core does (CPUID 80000007h, EDX bit 8: constant_tsc and nonstop_tsc in /proc/cpuinfo), and the kernel
 * has made it its own clock source: it does that after checking that all cores' counters agree, and
 * goes back on it when it sees one that doesn't.
 *
 * The rate is measured against CLOCK_MONOTONIC once. The two drift apart by what that measurement is
 * off, a few parts in a million, and by what NTP corrects afterwards (at most 500): nothing to a
 * request, and no time of one clock is compared with one of the other but as a duration.
 */
#include "common/trace/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

trace_clock_t trace_clock;

#if TRACE_CLOCK_HAS_COUNTER

#include <cpuid.h>

enum {
    MEASURE_NS = 5000000, /* so long is the rate measured */
    READS = 32,           /* of both clocks at a time: the two that were read closest count */
};

static bool invariant(void)
{
    unsigned eax, ebx, ecx, edx;

    return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) != 0 && (edx & 1u << 8) != 0;
}

bool trace_clock_sound(const char *clocksource_file)
{
    char  name[16] = "";
    FILE *file = invariant() ? fopen(clocksource_file, "re") : NULL;

    if (file == NULL)
        return false;
    if (fgets(name, sizeof name, file) == NULL)
        name[0] = '\0';
    fclose(file);
    return strcmp(name, "tsc\n") == 0;
}

/* Both clocks at the same moment, as nearly as can be. */
static void read_both(uint64_t *count, uint64_t *ns)
{
    uint64_t least_ns = UINT64_MAX;

    for (int i = 0; i < READS; i++) {
        unsigned ignored;
        uint64_t before_ns = trace_clock_system_ns();
        uint64_t here = __builtin_ia32_rdtscp(&ignored); /* not before the line above is done */
        uint64_t took_ns = trace_clock_system_ns() - before_ns;

        if (took_ns < least_ns) {
            least_ns = took_ns;
            *count = here;
            *ns = before_ns + took_ns / 2;
        }
    }
}

void trace_clock_use(bool counter)
{
    uint64_t from_count, from_ns, to_count, to_ns;

    trace_clock = (trace_clock_t){0};
    if (!counter)
        return;
    read_both(&from_count, &from_ns);
    while (trace_clock_system_ns() - from_ns < MEASURE_NS)
        continue;
    read_both(&to_count, &to_ns);
    if (to_count <= from_count)
        return;
    trace_clock =
        (trace_clock_t){.ns_per_count = ((to_ns - from_ns) << 32) / (to_count - from_count),
                        .from_count = from_count,
                        .from_ns = from_ns};
}

#else

bool trace_clock_sound(const char *clocksource_file)
{
    (void)clocksource_file;
    return false;
}

void trace_clock_use(bool counter)
{
    (void)counter;
}

#endif

static void choose(void)
{
    trace_clock_use(
        trace_clock_sound("/sys/devices/system/clocksource/clocksource0/current_clocksource"));
}

void trace_clock_open(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, choose);
}
