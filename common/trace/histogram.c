/*
 * HdrHistogram's bucket scheme with 256 sub-buckets and a unit of 1 ns: bucket 0 holds 0..255 one
 * by one, bucket b > 0 the values whose highest bit is b + 7, in steps of 2^b. The lower half of a
 * bucket b > 0 is what bucket b - 1 holds already, so only upper halves have counters.
 */
#include "common/trace/histogram.h"

enum { HALF = 1 << HISTOGRAM_HALF_BITS, FULL = 2 * HALF };

static unsigned index_of(uint64_t ns)
{
    unsigned bucket;

    if (ns >> HISTOGRAM_MAX_BITS != 0)
        return HISTOGRAM_COUNTERS - 1;
    bucket = 63 - HISTOGRAM_HALF_BITS - (unsigned)__builtin_clzll(ns | (FULL - 1));
    return (bucket << HISTOGRAM_HALF_BITS) + (unsigned)(ns >> bucket);
}

/* The middle of what counter `index` counts. */
static uint64_t value_at(unsigned index)
{
    unsigned bucket = index < FULL ? 0 : (index >> HISTOGRAM_HALF_BITS) - 1;
    uint64_t sub = index - (bucket << HISTOGRAM_HALF_BITS);

    return (sub << bucket) + (((uint64_t)1 << bucket) >> 1);
}

void histogram_add(histogram_t *self, uint64_t ns)
{
    self->count++;
    self->total_ns += ns;
    if (ns > self->max_ns)
        self->max_ns = ns;
    self->counters[index_of(ns)]++;
}

void histogram_add_all(histogram_t *self, const histogram_t *more)
{
    self->count += more->count;
    self->total_ns += more->total_ns;
    if (more->max_ns > self->max_ns)
        self->max_ns = more->max_ns;
    for (unsigned i = 0; i < HISTOGRAM_COUNTERS; i++)
        self->counters[i] += more->counters[i];
}

uint64_t histogram_quantile(const histogram_t *self, double quantile)
{
    uint64_t wanted = (uint64_t)(quantile * (double)self->count + 0.5), seen = 0;

    if (self->count == 0)
        return 0;
    if (wanted == 0)
        wanted = 1;
    for (unsigned i = 0; i < HISTOGRAM_COUNTERS; i++) {
        seen += self->counters[i];
        if (seen >= wanted) {
            uint64_t value = value_at(i);

            return value < self->max_ns ? value : self->max_ns;
        }
    }
    return self->max_ns;
}
