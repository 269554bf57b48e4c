/* A look at the lanes while their threads run: trace_visit_lanes(). */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#include "tests/unit/trace/fixture.h"

typedef struct {
    unsigned            count;
    trace_lane_so_far_t lanes[LANES];
} seen_t;

static void on_lane(void *arg, const trace_lane_so_far_t *lane)
{
    seen_t *seen = arg;

    cr_assert(seen->count < LANES);
    seen->lanes[seen->count++] = *lane;
}

static seen_t look(fixture_t *f)
{
    seen_t seen = {0};

    trace_visit_lanes(f->trace, on_lane, &seen);
    return seen;
}

Test(trace_so_far, lanes_come_oldest_first_with_what_they_do)
{
    fixture_t f;
    seen_t    seen;

    fixture_open(&f, 1, NULL);
    lane_enter_at(f.lanes[MAIN], LANE_ATTACHING, f.now_ns + 1);
    lane_enter_at(f.lanes[WORKER], 7, f.now_ns + 1);
    seen = look(&f);
    cr_assert_eq(seen.count, LANES);
    cr_expect_str_eq(seen.lanes[HTTP].name, "http");
    cr_expect_str_eq(seen.lanes[MAIN].name, "main-loop");
    cr_expect_str_eq(seen.lanes[WORKER].name, "worker-0");
    cr_expect_eq(seen.lanes[HTTP].state, TRACE_POLLING);
    cr_expect_eq(seen.lanes[MAIN].state, TRACE_ATTACHING);
    cr_expect_eq(seen.lanes[WORKER].state, TRACE_RUNNING);
    fixture_close(&f);
}

/* The state that lasts counts up to now, not only up to its end: a lane may poll for an hour. */
Test(trace_so_far, what_a_lane_does_now_is_counted)
{
    fixture_t f;
    seen_t    before, after;
    uint64_t  second = 1000000000;

    fixture_open(&f, 1, NULL);
    f.now_ns -= 3 * second;
    fixture_restart(&f, HTTP, LANE_POLLING);
    f.now_ns += second;
    fixture_restart(&f, MAIN, LANE_ATTACHING);
    f.now_ns += 2 * second;
    before = look(&f);
    cr_expect(before.lanes[HTTP].polling_ns >= 3 * second, "%" PRIu64,
              before.lanes[HTTP].polling_ns);
    cr_expect(before.lanes[MAIN].attaching_ns >= 2 * second, "%" PRIu64,
              before.lanes[MAIN].attaching_ns);
    cr_expect_eq(before.lanes[MAIN].polling_ns, 0);
    lane_enter_at(f.lanes[HTTP], LANE_NOTHING, f.now_ns);
    after = look(&f);
    cr_expect(after.lanes[HTTP].polling_ns == 3 * second, "%" PRIu64, after.lanes[HTTP].polling_ns);
    fixture_close(&f);
}

/* As if the clock had been read before the lane wrote its last transition. */
Test(trace_so_far, a_transition_that_is_later_than_the_look_counts_nothing)
{
    fixture_t f;

    fixture_open(&f, 1, NULL);
    fixture_restart(&f, HTTP, LANE_POLLING);
    lane_enter_at(f.lanes[HTTP], LANE_POLLING, UINT64_MAX);
    atomic_store(&f.lanes[HTTP]->polling_ns, 0);
    cr_expect_eq(look(&f).lanes[HTTP].polling_ns, 0);
    fixture_close(&f);
}

/* Marks and gaps as ever; nothing is split, and no history is kept that this would take. */
Test(trace_so_far, without_splits_gaps_are_counted_all_the_same)
{
    trace_options_t options = {.sample_every = 1, .without_splits = true};
    trace_t        *trace;
    trace_record_t *record;
    trace_lane_t   *lane;
    seen_t          seen = {0};

    cr_assert_eq(trace_open(&trace, &options), 0);
    lane = trace_lane_open(trace, "http");
    for (int i = 0; i < 3; i++) {
        record = trace_begin(trace);
        cr_expect(!record->sampled);
        trace_mark(record, TRACE_PARSED);
        trace_lane_state(lane, TRACE_POLLING);
        trace_mark(record, TRACE_WRITTEN);
        trace_finish(trace, record, 1);
    }
    cr_expect_eq(trace->gaps[TRACE_PARSED][TRACE_WRITTEN]->all.count, 3);
    cr_expect_eq(trace->sampled, 0);
    cr_expect_eq(trace->lane_history, 1);
    trace_visit_lanes(trace, on_lane, &seen);
    cr_expect(seen.count == 1 && seen.lanes[0].polling_ns > 0);
    trace_lane_close(lane);
    trace_close(trace);
}

Test(trace_so_far, a_lane_that_is_closed_is_left_out)
{
    fixture_t f;

    fixture_open(&f, 1, NULL);
    trace_lane_close(f.lanes[MAIN]);
    cr_expect_eq(look(&f).count, LANES - 1);
    f.lanes[MAIN] = NULL;
    fixture_close(&f);
}
