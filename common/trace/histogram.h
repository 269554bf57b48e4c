/*
 * A histogram of durations with bounded relative error, by HdrHistogram's bucket scheme.
 *
 * Below 256 ns every nanosecond has a counter. Above, each power of two is cut into 128 equal
 * parts, so a counter is never wider than 1/128 of what it counts; a quantile answers the middle
 * of its counter and is off by at most 1/256 (0.4 %). Values beyond 2^40 ns (18 minutes) count as
 * that; the mean and the maximum are exact.
 *
 * thread: one writer and reader at a time; there is no lock
 */
#ifndef LOOPLAB_TRACE_HISTOGRAM_H
#define LOOPLAB_TRACE_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_HALF_BITS = 7,                   /* 128 parts an octave */
    HISTOGRAM_FULL = 2 << HISTOGRAM_HALF_BITS, /* 256 ns */
    HISTOGRAM_MAX_BITS = 40,
    HISTOGRAM_COUNTERS = (HISTOGRAM_MAX_BITS - HISTOGRAM_HALF_BITS + 1) << HISTOGRAM_HALF_BITS,
};

/* Which counter counts `ns`; histogram.c says how they are laid out. */
static inline unsigned histogram_index(uint64_t ns)
{
    unsigned bucket;

    if (ns >> HISTOGRAM_MAX_BITS != 0)
        return HISTOGRAM_COUNTERS - 1;
    bucket = 63 - HISTOGRAM_HALF_BITS - (unsigned)__builtin_clzll(ns | (HISTOGRAM_FULL - 1));
    return (bucket << HISTOGRAM_HALF_BITS) + (unsigned)(ns >> bucket);
}

/* Zeroed is empty. 34 KiB. */
typedef struct {
    uint64_t count, total_ns, max_ns;
    uint64_t counters[HISTOGRAM_COUNTERS];
} histogram_t;

static inline void histogram_add(histogram_t *self, uint64_t ns)
{
    self->count++;
    self->total_ns += ns;
    if (ns > self->max_ns)
        self->max_ns = ns;
    self->counters[histogram_index(ns)]++;
}

/* Count what `more` has counted. */
void histogram_add_all(histogram_t *self, const histogram_t *more);

/* The value that a share `quantile` (0..1) of the values doesn't exceed; 0 if there is none. */
uint64_t histogram_quantile(const histogram_t *self, double quantile);

#endif
