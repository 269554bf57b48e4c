/* Counting: every gap once, nothing twice, and a planted delay in its own place only. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>

#include "tests/support/leaks.h"
#include "tests/unit/trace/fixture.h"

enum { PLANTED_NS = 100000 };

static const double tiny_us = 1e-6; /* what adding up doubles may cost */

/* The row of the gap that ends at `to`. */
static const breakdown_row_t *row_of(const breakdown_t *breakdown, int to)
{
    size_t i = 0;

    while (i < breakdown->row_count && (int)breakdown->rows[i].to != to)
        i++;
    cr_assert(i < breakdown->row_count, "no gap ends at %s", trace_hop_name((trace_hop_t)to, true));
    return &breakdown->rows[i];
}

static double state_of(const breakdown_split_t *split, int state)
{
    const double states[STATES] = {split->running, split->gil, split->core, split->queue,
                                   split->suspended};

    return states[state];
}

static void expect_split(const breakdown_row_t *row, gap_plan_t *plan, const char *planted)
{
    for (int state = 0; state < STATES; state++) {
        double expected = (double)*fixture_state(plan, state) / 1e3;

        cr_expect(fabs(state_of(&row->split, state) - expected) < tiny_us,
                  "%s; gap to %s, %s: expected %g us, seen %g", planted,
                  trace_hop_name(row->to, true), fixture_state_name(state), expected,
                  state_of(&row->split, state));
    }
    cr_expect(fabs(row->split.unattributed) < tiny_us, "%s; gap to %s: %g us unattributed", planted,
              trace_hop_name(row->to, true), row->split.unattributed);
}

/* Requests with a delay at one hop: the gaps are as planned, that one included. */
static void check_planted(int hop, int state)
{
    gap_plan_t  plan[TRACE_HOPS];
    fixture_t   f;
    breakdown_t breakdown;
    char        planted[64];

    snprintf(planted, sizeof planted, "planted: %s before %s", fixture_state_name(state),
             trace_hop_name((trace_hop_t)hop, true));
    fixture_plan(plan);
    *fixture_state(&plan[hop], state) += PLANTED_NS;
    fixture_open(&f, 1, NULL);
    for (int i = 0; i < 5; i++)
        fixture_request(&f, plan, 0);
    cr_assert_eq(breakdown_make(&breakdown, f.trace), 0);
    cr_expect_eq(breakdown.row_count, TRACE_HOPS - 1);
    for (int to = 1; to < TRACE_HOPS; to++)
        expect_split(row_of(&breakdown, to), &plan[to], planted);
    cr_expect(fabs(breakdown.remainder) < tiny_us, "%s: %g us in no gap", planted,
              breakdown.remainder);
    cr_expect(breakdown.unattributed_share < 1e-9, "%s: %g unattributed", planted,
              breakdown.unattributed_share);
    breakdown_free(&breakdown);
    fixture_close(&f);
}

Test(trace, a_planted_delay_shows_at_its_hop_and_state_and_nowhere_else)
{
    for (int hop = 1; hop < TRACE_HOPS; hop++)
        for (int state = 0; state < STATES; state++)
            if (fixture_can_plan(hop, state))
                check_planted(hop, state);
}

/* The share of the end-to-end time that nothing explains, where hops in `skip` aren't marked. */
static double unattributed_without(unsigned skip)
{
    gap_plan_t  plan[TRACE_HOPS];
    fixture_t   f;
    breakdown_t breakdown;
    double      share;

    fixture_plan(plan);
    fixture_open(&f, 1, NULL);
    fixture_request(&f, plan, skip);
    cr_assert_eq(breakdown_make(&breakdown, f.trace), 0);
    share = breakdown.unattributed_share;
    breakdown_free(&breakdown);
    fixture_close(&f);
    return share;
}

Test(trace, a_missing_mark_at_either_end_raises_unattributed)
{
    gap_plan_t plan[TRACE_HOPS];
    double     total = 0, last, seen;

    fixture_plan(plan);
    for (int hop = 1; hop < TRACE_HOPS; hop++)
        total += (double)(plan[hop].running + plan[hop].gil + plan[hop].core);
    last = (double)(plan[TRACE_WRITTEN].running + plan[TRACE_WRITTEN].core);
    cr_expect(unattributed_without(0) < 1e-9);
    seen = unattributed_without(1u << TRACE_WRITTEN);
    cr_expect(fabs(seen - last / total) < 1e-9, "expected %g, seen %g", last / total, seen);
}

Test(trace, a_missing_mark_in_the_middle_leaves_one_gap_where_two_were)
{
    gap_plan_t  plan[TRACE_HOPS];
    fixture_t   f;
    breakdown_t breakdown;

    fixture_plan(plan);
    fixture_open(&f, 1, NULL);
    fixture_request(&f, plan, 1u << TRACE_CONVERTED_WORKER | 1u << TRACE_CONVERTED);
    cr_assert_eq(breakdown_make(&breakdown, f.trace), 0);
    cr_expect_eq(breakdown.row_count, TRACE_HOPS - 3);
    cr_expect_eq(row_of(&breakdown, TRACE_POSTED)->from, TRACE_FINISHED);
    cr_expect(fabs(breakdown.remainder) < tiny_us, "%g us in no gap", breakdown.remainder);
    breakdown_free(&breakdown);
    fixture_close(&f);
}

/* A mark of a sampled request takes a while itself: known, in no gap, and yet in the sum. */
Test(trace, what_sampled_marks_take_is_in_no_gap_and_not_unattributed)
{
    enum { OWN_NS = 3000, GAP_NS = 10000, HOPS = 3 };
    static const int hops[HOPS] = {TRACE_PARSED, TRACE_ATTACHED, TRACE_WRITTEN};
    fixture_t        f;
    breakdown_t      breakdown;
    trace_record_t  *record;

    fixture_open(&f, 1, NULL);
    record = trace_begin(f.trace);
    for (int i = 0; i < HOPS; i++) {
        trace_mark_at(record, (trace_hop_t)hops[i], f.lanes[HTTP], f.now_ns, &(thread_times_t){0});
        record->own_ns[hops[i]] = OWN_NS;
        record->split[hops[i]] = (trace_split_t){.running = GAP_NS};
        f.now_ns += OWN_NS + GAP_NS;
    }
    trace_finish(f.trace, record, (HOPS - 1) * (OWN_NS + GAP_NS));
    cr_assert_eq(breakdown_make(&breakdown, f.trace), 0);
    for (size_t i = 0; i < breakdown.row_count; i++)
        cr_expect(fabs(breakdown.rows[i].mean - GAP_NS / 1e3) < tiny_us,
                  "gap %zu: expected %g us, seen %g", i, GAP_NS / 1e3, breakdown.rows[i].mean);
    cr_expect(fabs(breakdown.own - 2 * OWN_NS / 1e3) < tiny_us, "%g us of marks", breakdown.own);
    cr_expect(fabs(breakdown.remainder) < tiny_us, "%g us in no gap", breakdown.remainder);
    cr_expect(breakdown.unattributed_share < 1e-9, "%g unattributed", breakdown.unattributed_share);
    breakdown_free(&breakdown);
    fixture_close(&f);
}

/* Requests per second are those between the first one's beginning and the last one's end. */
Test(trace, the_rate_is_that_of_the_time_in_which_there_were_requests)
{
    gap_plan_t  plan[TRACE_HOPS];
    fixture_t   f;
    breakdown_t breakdown;
    double      seconds;

    fixture_plan(plan);
    fixture_open(&f, 0, NULL);
    for (int i = 0; i < 10; i++) {
        f.now_ns += 1000000000;
        fixture_request(&f, plan, 0);
    }
    cr_assert_eq(breakdown_make(&breakdown, f.trace), 0);
    seconds = (double)(f.now_ns - f.trace->first_ns) / 1e9;
    cr_expect(fabs(breakdown.seconds - seconds) < 1e-6 &&
                  fabs(breakdown.rate - 10 / seconds) < 1e-6,
              "expected 10 requests in %g s, seen %g/s in %g s", seconds, breakdown.rate,
              breakdown.seconds);
    breakdown_free(&breakdown);
    fixture_close(&f);
}

Test(trace, every_gap_is_counted_as_often_as_the_requests_that_had_it)
{
    enum { REQUESTS = 1000, EVERY = 7, SHORT = 100 };
    gap_plan_t  plan[TRACE_HOPS];
    fixture_t   f;
    breakdown_t breakdown;

    fixture_plan(plan);
    fixture_open(&f, EVERY, NULL);
    for (int i = 0; i < REQUESTS; i++)
        fixture_request(&f, plan, i < SHORT ? 1u << TRACE_CONVERTED_WORKER : 0);
    cr_assert_eq(breakdown_make(&breakdown, f.trace), 0);
    cr_expect_eq(breakdown.requests, REQUESTS);
    cr_expect_eq(breakdown.sampled, REQUESTS / EVERY);
    for (size_t i = 0; i < breakdown.row_count; i++) {
        const breakdown_row_t *row = &breakdown.rows[i];
        bool                   shortcut = row->from == TRACE_FINISHED && row->to == TRACE_CONVERTED;
        bool left_out = row->from == TRACE_CONVERTED_WORKER || row->to == TRACE_CONVERTED_WORKER;
        uint64_t expected = shortcut ? SHORT : left_out ? REQUESTS - SHORT : REQUESTS;

        cr_expect_eq(row->count, expected, "%s > %s: expected %" PRIu64 ", counted %" PRIu64,
                     trace_hop_name(row->from, true), trace_hop_name(row->to, true), expected,
                     row->count);
    }
    cr_expect(fabs(breakdown.sum - breakdown.mean) < tiny_us, "sum %g, end to end %g",
              breakdown.sum, breakdown.mean);
    breakdown_free(&breakdown);
    fixture_close(&f);
}

static void check_default_sample(bool with_workers, unsigned every)
{
    enum { CONNECTIONS = 100 };
    trace_options_t options = {.with_workers = with_workers};
    trace_t        *trace;
    unsigned        sampled[CONNECTIONS] = {0};

    cr_assert_eq(trace_open(&trace, &options), 0);
    for (unsigned i = 0; i < CONNECTIONS * 2 * every; i++) {
        trace_record_t *record = trace_begin(trace);

        sampled[i % CONNECTIONS] += record->sampled;
        trace_finish(trace, record, 1);
    }
    for (int i = 0; i < CONNECTIONS; i++)
        cr_expect_eq(sampled[i], 2, "1 in %u, connection %d: %u samples, expected 2", every, i,
                     sampled[i]);
    trace_close(trace);
}

Test(trace, the_default_sample_does_not_follow_the_connections_in_turn)
{
    check_default_sample(false, SAMPLE_EVERY);
    check_default_sample(true, SAMPLE_EVERY_WITH_WORKERS);
}

Test(trace, records_come_back_from_the_pool_without_old_marks)
{
    enum { IN_FLIGHT = 3 * RECORDS_A_SLAB };
    fixture_t       f;
    trace_record_t *records[IN_FLIGHT];
    size_t          slabs = 0;

    fixture_open(&f, 2, NULL);
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < IN_FLIGHT; i++) {
            records[i] = trace_begin(f.trace);
            cr_assert(records[i] != NULL);
            for (int hop = 0; hop < TRACE_HOPS; hop++)
                cr_expect_eq(records[i]->at_ns[hop], 0, "round %d, hop %d", round, hop);
            trace_mark(records[i], TRACE_PARSED);
            trace_mark(records[i], TRACE_WRITTEN);
        }
        for (int i = 0; i < IN_FLIGHT; i++)
            i % 3 == 0 ? trace_drop(f.trace, records[i]) : trace_finish(f.trace, records[i], 1);
    }
    for (const record_slab_t *slab = f.trace->slabs; slab != NULL; slab = slab->next)
        slabs++;
    /* What is dropped comes back only when the pool is empty, so one more slab may be needed. */
    cr_expect_leq(slabs, IN_FLIGHT / RECORDS_A_SLAB + 1, "%zu slabs", slabs);
    cr_expect_eq(f.trace->end_to_end.count, 10 * IN_FLIGHT * 2 / 3);
    cr_expect_eq(f.trace->dropped, 10 * IN_FLIGHT / 3);
    fixture_close(&f);
    expect_no_leaks();
}

Test(trace, ids_start_over_before_they_look_like_states)
{
    fixture_t       f;
    trace_record_t *record;

    fixture_open(&f, 0, NULL);
    f.trace->last_id = (uint32_t)LANE_LAST_ID - 1;
    record = trace_begin(f.trace);
    cr_expect_eq(record->id, LANE_LAST_ID);
    trace_finish(f.trace, record, 1);
    record = trace_begin(f.trace);
    cr_expect_eq(record->id, 1);
    trace_finish(f.trace, record, 1);
    fixture_close(&f);
}

typedef struct {
    trace_t        *trace;
    trace_record_t *record;
} busy_t;

/* A thread that works for a while on a lane of its own, then drops a request. */
static void *work_and_drop(void *arg)
{
    busy_t       *busy = arg;
    trace_lane_t *lane = trace_lane_open(busy->trace, "busy");
    uint64_t      cpu_ns = 0;

    while (thread_clock_cpu(&lane->clock, &cpu_ns) && cpu_ns < lane->from.cpu_ns + 5000000)
        ;
    trace_drop(busy->trace, busy->record);
    trace_lane_close(lane);
    return NULL;
}

Test(trace, a_threads_cpu_time_is_known_after_it_has_ended)
{
    fixture_t   f;
    busy_t      busy;
    pthread_t   thread;
    breakdown_t breakdown;
    gap_plan_t  plan[TRACE_HOPS];

    fixture_plan(plan);
    fixture_open(&f, 0, NULL);
    fixture_request(&f, plan, 0);
    busy = (busy_t){f.trace, trace_begin(f.trace)};
    cr_assert_eq(pthread_create(&thread, NULL, work_and_drop, &busy), 0);
    pthread_join(thread, NULL);
    cr_assert_eq(breakdown_make(&breakdown, f.trace), 0);
    cr_expect_eq(breakdown.dropped, 1);
    cr_assert_eq(breakdown.lane_count, LANES + 1);
    cr_expect_str_eq(breakdown.lanes[LANES].name, "busy");
    cr_expect(breakdown.lanes[LANES].cpu >= 5000, "%g us", breakdown.lanes[LANES].cpu);
    breakdown_free(&breakdown);
    fixture_close(&f);
}
