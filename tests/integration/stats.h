/*
 * What a lab's --stats=FILE and --trace=FILE have come to, for tests that look inside.
 */
#ifndef LOOPLAB_TESTS_STATS_H
#define LOOPLAB_TESTS_STATS_H

#include <jansson.h>

#include "tests/support/lab_process.h"

/* The JSON in the file; the test fails if there is none. The caller drops it. */
json_t *stats_load(lab_process_t *lab, const char *path);

/* The member `key`, which must be a number. */
double stats_number(const json_t *object, const char *key);

/* The row of the gap that begins at that hop; NULL: there is none. */
json_t *stats_gap_from(const json_t *root, const char *hop);

/*
 * Every one of `count` requests has passed these hops, NULL behind the last, in this order, and no
 * others. `name` says in messages whose they are.
 */
void stats_expect_hops(const json_t *root, const char *name, const char *const *hops, int count);

/* The gaps' sum is the end-to-end time, which other clock reads have measured. */
void stats_expect_sums(const json_t *root, const char *name);

/* A viewer can show the trace file, which has so many requests (tests/support/check_trace.py). */
void stats_expect_trace(const char *path, const char *name, int requests);

#endif
