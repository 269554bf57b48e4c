/* What a gap was spent on: the rules of trace_split_t, one by one, on lanes with a made-up clock. */
#include <criterion/criterion.h>
#include <inttypes.h>

#include "tests/unit/trace/fixture.h"

enum { OTHER = 7777777, NEVER = TRACE_HOPS, MAX_STEPS = 12 };

/* A mark of our request, or what a lane does from then on. */
typedef struct {
    int      lane;
    int      hop; /* NEVER: no mark */
    uint32_t doing;
    uint64_t at, cpu, delay;
} step_t;

#define MARK_T(lane, hop, at, cpu, delay) \
    {                                     \
        lane, hop, 0, at, cpu, delay      \
    }
#define MARK(lane, hop, at) MARK_T(lane, hop, at, 0, 0)
#define ENTER(lane, doing, at)       \
    {                                \
        lane, NEVER, doing, at, 0, 0 \
    }

typedef struct {
    const char   *name;
    step_t        steps[MAX_STEPS]; /* up to the first whose `at` is 0 */
    trace_split_t expected;         /* of the gap that ends at the last mark */
    uint64_t      unattributed;
    bool          no_schedstat;
} case_t;

static void run_case(const case_t *c)
{
    fixture_t       f;
    trace_record_t *record;
    uint64_t        start, rest;
    int             last = 0, before;
    trace_split_t  *seen;

    fixture_open(&f, 1, NULL);
    record = trace_begin(f.trace);
    start = f.now_ns;
    for (const step_t *step = c->steps; step < c->steps + MAX_STEPS && step->at != 0; step++) {
        thread_times_t times = {step->cpu, step->delay};

        f.lanes[step->lane]->clock.has_delay = !c->no_schedstat;
        if (step->hop == NEVER) {
            lane_enter_at(f.lanes[step->lane], step->doing, start + step->at);
            continue;
        }
        trace_mark_at(record, (trace_hop_t)step->hop, f.lanes[step->lane], start + step->at,
                      &times);
        last = step->hop;
    }
    before = record_hop_before(record, last);
    seen = &record->split[last];
    rest = record_gap_ns(record, before, last) - seen->running - seen->gil - seen->core -
           seen->queue - seen->suspended;
    for (int state = 0; state < STATES; state++) {
        trace_split_t expected = c->expected;

        cr_expect_eq(*fixture_state(seen, state), *fixture_state(&expected, state),
                     "%s: %s: expected %" PRIu64 ", seen %" PRIu64, c->name,
                     fixture_state_name(state), *fixture_state(&expected, state),
                     *fixture_state(seen, state));
    }
    cr_expect_eq(rest, c->unattributed, "%s: unattributed: expected %" PRIu64 ", seen %" PRIu64,
                 c->name, c->unattributed, rest);
    trace_finish(f.trace, record, 1);
    fixture_close(&f);
}

static void run_cases(const case_t *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        run_case(&cases[i]);
}

Test(trace_lane, a_gap_from_another_thread_is_what_the_receiver_did)
{
    static const case_t cases[] = {
        {"asleep until woken",
         {MARK(HTTP, TRACE_SCHEDULED, 100), ENTER(MAIN, LANE_NOTHING, 150),
          MARK(MAIN, TRACE_WOKEN, 160)},
         {.core = 50, .running = 10},
         0,
         false},
        {"waits to attach",
         {MARK(HTTP, TRACE_SCHEDULED, 100), ENTER(MAIN, LANE_ATTACHING, 150),
          ENTER(MAIN, LANE_NOTHING, 180), MARK(MAIN, TRACE_WOKEN, 185)},
         {.core = 50, .gil = 30, .running = 5},
         0,
         false},
        {"another request runs",
         {ENTER(MAIN, OTHER, 50), MARK(HTTP, TRACE_SCHEDULED, 100), MARK(MAIN, TRACE_WOKEN, 160)},
         {.queue = 60},
         0,
         false},
        {"the loop was at work already",
         {ENTER(MAIN, LANE_NOTHING, 50), MARK(HTTP, TRACE_SCHEDULED, 100),
          ENTER(MAIN, LANE_POLLING, 120), ENTER(MAIN, LANE_NOTHING, 125),
          MARK(MAIN, TRACE_WOKEN, 130)},
         {.queue = 20, .core = 5, .running = 5},
         0,
         false},
        {"the loop is at work from that very moment on",
         {ENTER(MAIN, LANE_NOTHING, 100), MARK(HTTP, TRACE_SCHEDULED, 100),
          MARK(MAIN, TRACE_WOKEN, 130)},
         {.queue = 30},
         0,
         false},
        {"the loop's code after another request",
         {MARK(HTTP, TRACE_SCHEDULED, 100), ENTER(MAIN, LANE_NOTHING, 110), ENTER(MAIN, OTHER, 120),
          ENTER(MAIN, LANE_NOTHING, 140), MARK(MAIN, TRACE_WOKEN, 150)},
         {.core = 10, .running = 10, .queue = 30},
         0,
         false},
        {"the loop's code after a poll after another request",
         {ENTER(MAIN, OTHER, 90), MARK(HTTP, TRACE_SCHEDULED, 100), ENTER(MAIN, LANE_POLLING, 120),
          ENTER(MAIN, LANE_ATTACHING, 130), ENTER(MAIN, LANE_NOTHING, 140),
          MARK(MAIN, TRACE_WOKEN, 144)},
         {.queue = 20, .core = 10, .gil = 10, .running = 4},
         0,
         false},
        {"the receiver still runs this request",
         {MARK(MAIN, TRACE_SCHEDULED_WORKER, 100), MARK(WORKER, TRACE_WOKEN_WORKER, 110),
          MARK(MAIN, TRACE_CONVERTED, 150)},
         {.running = 40},
         0,
         false},
    };

    run_cases(cases, sizeof cases / sizeof *cases);
}

Test(trace_lane, a_gap_on_one_thread_is_refined_by_its_clocks)
{
    static const case_t cases[] = {
        {"on a CPU",
         {MARK_T(MAIN, TRACE_WOKEN, 100, 1000, 0),
          MARK_T(MAIN, TRACE_SCHEDULED_WORKER, 150, 1050, 0)},
         {.running = 50},
         0,
         false},
        {"preempted for a while",
         {MARK_T(MAIN, TRACE_WOKEN, 100, 1000, 7),
          MARK_T(MAIN, TRACE_SCHEDULED_WORKER, 150, 1030, 27)},
         {.running = 30, .core = 20},
         0,
         false},
        {"blocked for a while",
         {MARK_T(MAIN, TRACE_WOKEN, 100, 1000, 7),
          MARK_T(MAIN, TRACE_SCHEDULED_WORKER, 150, 1030, 12)},
         {.running = 30, .core = 5, .gil = 15},
         0,
         false},
        {"clocks that say more than there is",
         {MARK_T(MAIN, TRACE_WOKEN, 100, 1000, 0),
          MARK_T(MAIN, TRACE_SCHEDULED_WORKER, 150, 1045, 9)},
         {.running = 45, .core = 5},
         0,
         false},
        {"blocked where there is no GIL",
         {MARK_T(HTTP, TRACE_RECEIVED, 100, 1000, 0), MARK_T(HTTP, TRACE_WRITTEN, 150, 1010, 20)},
         {.running = 10, .core = 20},
         20,
         false},
        {"without a run queue clock the rest isn't known",
         {MARK_T(MAIN, TRACE_WOKEN, 100, 1000, 0),
          MARK_T(MAIN, TRACE_SCHEDULED_WORKER, 150, 1030, 0)},
         {.running = 30},
         20,
         true},
        {"other work in between: the history alone tells",
         {MARK_T(WORKER, TRACE_WOKEN_WORKER, 100, 1000, 0), ENTER(WORKER, OTHER, 110),
          MARK_T(WORKER, TRACE_STARTED, 150, 1010, 0)},
         {.running = 10, .queue = 40},
         0,
         false},
    };

    run_cases(cases, sizeof cases / sizeof *cases);
}

Test(trace_lane, a_poll_on_the_same_thread_is_suspended_only_where_something_is_awaited)
{
    static const case_t cases[] = {
        {"a handler awaits",
         {MARK(WORKER, TRACE_STARTED, 100), ENTER(WORKER, LANE_POLLING, 110),
          ENTER(WORKER, LANE_ATTACHING, 150), ENTER(WORKER, LANE_NOTHING, 155),
          MARK(WORKER, TRACE_FINISHED, 160)},
         {.running = 15, .suspended = 40, .gil = 5},
         0,
         false},
        {"a client doesn't read",
         {MARK(HTTP, TRACE_RECEIVED, 100), ENTER(HTTP, LANE_POLLING, 110),
          ENTER(HTTP, LANE_NOTHING, 150), MARK(HTTP, TRACE_WRITTEN, 151)},
         {.running = 11, .suspended = 40},
         0,
         false},
        {"the loop looks for events between two steps of a request",
         {MARK(MAIN, TRACE_WOKEN, 100), ENTER(MAIN, LANE_POLLING, 110),
          ENTER(MAIN, LANE_ATTACHING, 113), ENTER(MAIN, LANE_NOTHING, 120),
          MARK(MAIN, TRACE_STARTED, 130)},
         {.running = 23, .gil = 7},
         0,
         false},
        {"a turn's other requests, and the GIL",
         {MARK(HTTP, TRACE_PARSED, 100), ENTER(HTTP, OTHER, 110), ENTER(HTTP, LANE_ATTACHING, 130),
          ENTER(HTTP, LANE_NOTHING, 135), ENTER(HTTP, OTHER, 136), MARK(HTTP, TRACE_ATTACHED, 140)},
         {.running = 10, .queue = 25, .gil = 5},
         0,
         false},
    };

    run_cases(cases, sizeof cases / sizeof *cases);
}

Test(trace_lane, what_the_history_does_not_reach_stays_unattributed)
{
    fixture_t       f;
    trace_record_t *record;
    uint64_t        reach;

    fixture_open(&f, 1, NULL);
    record = trace_begin(f.trace);
    trace_mark_at(record, TRACE_SCHEDULED, f.lanes[HTTP], f.now_ns, &(thread_times_t){0});
    for (int i = 0; i < 2 * LANE_HISTORY; i++)
        lane_enter_at(f.lanes[MAIN], i % 2 == 0 ? OTHER : LANE_ATTACHING, f.now_ns += 10);
    trace_mark_at(record, TRACE_WOKEN, f.lanes[MAIN], f.now_ns += 10, &(thread_times_t){0});

    reach = LANE_HISTORY / 2 * 10; /* a half each of what is there */
    cr_expect_eq(record->split[TRACE_WOKEN].queue, reach);
    cr_expect_eq(record->split[TRACE_WOKEN].gil, reach);
    cr_expect_eq(record->split[TRACE_WOKEN].core, 0);
    cr_expect_eq(record->split[TRACE_WOKEN].running, 0);
    trace_finish(f.trace, record, 1);
    fixture_close(&f);
}

Test(trace_lane, a_mark_on_a_thread_without_a_lane_explains_nothing)
{
    fixture_t       f;
    trace_record_t *record;

    fixture_open(&f, 1, NULL);
    record = trace_begin(f.trace);
    trace_mark_at(record, TRACE_SCHEDULED, f.lanes[HTTP], f.now_ns, &(thread_times_t){0});
    trace_mark_at(record, TRACE_WOKEN, NULL, f.now_ns + 100, &(thread_times_t){0});
    cr_expect_eq(record->lane[TRACE_WOKEN], TRACE_NO_LANE);
    for (int state = 0; state < STATES; state++)
        cr_expect_eq(*fixture_state(&record->split[TRACE_WOKEN], state), 0, "%s",
                     fixture_state_name(state));
    trace_finish(f.trace, record, 1);
    fixture_close(&f);
}

Test(trace_lane, a_mark_makes_the_thread_run_that_request_once)
{
    fixture_t       f;
    trace_record_t *record;
    trace_lane_t   *lane;
    uint64_t        entries;

    fixture_open(&f, 1000, NULL);
    record = trace_begin(f.trace);
    lane = trace_lane_here();
    entries = lane->entries;
    cr_assert_not(record->sampled);
    trace_mark(record, TRACE_WOKEN);
    trace_mark(record, TRACE_STARTED);
    cr_expect_eq(lane->doing, record->id);
    cr_expect_eq(lane->entries, entries + 1);
    trace_lane_state(lane, TRACE_POLLING);
    trace_lane_state(lane, TRACE_POLLING);
    cr_expect_eq(lane->entries, entries + 2);
    trace_finish(f.trace, record, 1);
    fixture_close(&f);
}

Test(trace_lane, the_last_hop_is_the_one_that_was_marked_last)
{
    fixture_t       f;
    trace_record_t *record;

    fixture_open(&f, 2, NULL); /* the first request isn't sampled, the second one is */
    for (int i = 0; i < 2; i++) {
        record = trace_begin(f.trace);
        cr_expect_null(trace_last_hop(f.trace, record), "of a request before: %s",
                       trace_last_hop(f.trace, record));
        for (int hop = 0; hop < TRACE_HOPS; hop += 3) {
            trace_mark(record, (trace_hop_t)hop);
            cr_expect_str_eq(trace_last_hop(f.trace, record),
                             trace_hop_name((trace_hop_t)hop, true));
        }
        trace_finish(f.trace, record, 1);
    }
    cr_expect_null(trace_last_hop(NULL, NULL));
    fixture_close(&f);
}

Test(trace_lane, tracing_that_is_off_is_a_null_pointer_everywhere)
{
    trace_lane_t *lane = trace_lane_open(NULL, "http");

    cr_expect_null(lane);
    cr_expect_null(trace_lane_here());
    trace_lane_state(lane, TRACE_POLLING);
    trace_mark(NULL, TRACE_PARSED);
    trace_lane_close(lane);
    trace_close(NULL);
}

Test(trace_lane, polling_and_attaching_add_up_from_the_first_request_on)
{
    fixture_t     f;
    lane_usage_t  usage;
    trace_lane_t *lane;
    uint64_t      at;

    fixture_open(&f, 0, NULL);
    lane = f.lanes[MAIN];
    at = f.now_ns;
    lane_enter_at(lane, LANE_POLLING, at); /* before: doesn't count */
    lane_enter_at(lane, LANE_NOTHING, at += 1000);
    lanes_start_counting(f.trace);
    for (int i = 0; i < 2; i++) {
        lane_enter_at(lane, LANE_POLLING, at += 7);
        lane_enter_at(lane, LANE_ATTACHING, at += 200);
        lane_enter_at(lane, OTHER, at += 30);
        lane_enter_at(lane, LANE_NOTHING, at += 5000);
    }
    lane_usage(lane, &usage);
    cr_expect_eq(usage.polling_ns, 400, "expected 400, seen %" PRIu64, usage.polling_ns);
    cr_expect_eq(usage.attaching_ns, 60, "expected 60, seen %" PRIu64, usage.attaching_ns);
    fixture_close(&f);
}
