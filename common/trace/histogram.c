/*
 * HdrHistogram's bucket scheme with 256 sub-buckets and a unit of 1 ns: bucket 0 holds 0..255 one
 * by one, bucket b > 0 the values whose highest bit is b + 7, in steps of 2^b. The lower half of a
 * bucket b > 0 is what bucket b - 1 holds already, so only upper halves have counters.
 */
#include "common/trace/histogram.h"

/* The middle of what counter `index` counts. */
static uint64_t value_at(unsigned index)
{
    unsigned bucket = index < HISTOGRAM_FULL ? 0 : (index >> HISTOGRAM_HALF_BITS) - 1;
    uint64_t sub = index - (bucket << HISTOGRAM_HALF_BITS);

    return (sub << bucket) + (((uint64_t)1 << bucket) >> 1);
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
