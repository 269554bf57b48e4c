/* The histogram's quantiles against exact ones. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "common/trace/histogram.h"

/* Half a counter's width, and the rounding of small values. */
static const double bound = 1.0 / 256;

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The smallest value that at least `quantile` of the values don't exceed. */
static uint64_t exact_quantile(const uint64_t *sorted, size_t count, double quantile)
{
    size_t rank = (size_t)(quantile * (double)count + 0.5);

    return sorted[rank == 0 ? 0 : rank - 1];
}

/* Durations as they occur, over seven orders of magnitude: uniform in the logarithm. */
static uint64_t random_duration(unsigned short seed[3])
{
    return (uint64_t)pow(10, erand48(seed) * 10);
}

static void check_quantiles(unsigned short round)
{
    enum { COUNT = 5000 };
    static const double quantiles[] = {0, 0.001, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999, 1};
    unsigned short      seed[3] = {1, 2, round};
    uint64_t            values[COUNT], total = 0;
    histogram_t         histogram = {0};

    for (size_t i = 0; i < COUNT; i++) {
        values[i] = random_duration(seed);
        total += values[i];
        histogram_add(&histogram, values[i]);
    }
    qsort(values, COUNT, sizeof *values, by_value);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        uint64_t exact = exact_quantile(values, COUNT, quantiles[i]);
        uint64_t seen = histogram_quantile(&histogram, quantiles[i]);

        cr_expect(fabs((double)seen - (double)exact) <= bound * (double)exact,
                  "round %d, quantile %g of %d values: expected %" PRIu64 " +-%g, seen %" PRIu64,
                  round, quantiles[i], COUNT, exact, bound * (double)exact, seen);
    }
    cr_expect_eq(histogram.count, COUNT);
    cr_expect_eq(histogram.total_ns, total);
    cr_expect_eq(histogram.max_ns, values[COUNT - 1]);
}

Test(trace_histogram, quantiles_are_within_the_bound_of_exact_ones)
{
    for (unsigned short round = 0; round < 20; round++)
        check_quantiles(round);
}

Test(trace_histogram, any_single_value_is_within_the_bound)
{
    for (int bit = 0; bit < HISTOGRAM_MAX_BITS; bit++)
        for (int offset = -1; offset <= 1; offset++) {
            uint64_t    value = ((uint64_t)1 << bit) + (uint64_t)offset, seen;
            histogram_t histogram = {0};

            histogram_add(&histogram, value);
            histogram_add(&histogram, value * 4); /* so that the maximum doesn't hide an error */
            seen = histogram_quantile(&histogram, 0.5);
            cr_expect(fabs((double)seen - (double)value) <= bound * (double)value,
                      "2^%d%+d: expected %" PRIu64 ", seen %" PRIu64, bit, offset, value, seen);
        }
}

Test(trace_histogram, values_below_256_ns_are_exact)
{
    for (uint64_t value = 0; value < 256; value++) {
        histogram_t histogram = {0};

        histogram_add(&histogram, value);
        histogram_add(&histogram, 1000);
        cr_expect_eq(histogram_quantile(&histogram, 0.5), value, "value %" PRIu64 ", seen %" PRIu64,
                     value, histogram_quantile(&histogram, 0.5));
    }
}

Test(trace_histogram, a_value_beyond_the_range_counts_in_the_last_counter)
{
    histogram_t histogram = {0};

    histogram_add(&histogram, UINT64_MAX / 2);
    cr_expect_eq(histogram.counters[HISTOGRAM_COUNTERS - 1], 1);
    cr_expect_eq(histogram.max_ns, UINT64_MAX / 2);
    cr_expect_geq(histogram_quantile(&histogram, 1), ((uint64_t)1 << HISTOGRAM_MAX_BITS) * 0.99);
}

Test(trace_histogram, an_empty_one_answers_0)
{
    histogram_t histogram = {0};

    cr_expect_eq(histogram_quantile(&histogram, 0.5), 0);
}
