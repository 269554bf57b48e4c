#include "tests/unit/trace/fixture.h"

#include <criterion/criterion.h>

enum { ANOTHER_REQUEST = 7777777 };

void fixture_open(fixture_t *f, unsigned sample_every, const char *file)
{
    static const char *const names[LANES] = {"http", "main-loop", "worker-0"};
    trace_options_t options = {.sample_every = sample_every, .with_workers = true, .file = file};

    *f = (fixture_t){0};
    cr_assert_eq(trace_open(&f->trace, &options), 0);
    f->now_ns = trace_clock_ns();
    for (int i = 0; i < LANES; i++) {
        f->lanes[i] = trace_lane_open(f->trace, names[i]);
        cr_assert(f->lanes[i] != NULL);
        f->lanes[i]->clock.has_delay = true; /* the test's clock, whatever this system has */
        fixture_restart(f, i, LANE_POLLING);
    }
}

void fixture_close(fixture_t *f)
{
    for (int i = 0; i < LANES; i++)
        trace_lane_close(f->lanes[i]);
    trace_close(f->trace);
}

void fixture_restart(fixture_t *f, int lane, uint32_t doing)
{
    f->lanes[lane]->entries = 0;
    lane_enter_at(f->lanes[lane], doing, f->now_ns);
}

int fixture_lane_of(int hop)
{
    static const int lanes[TRACE_HOPS] = {
        [TRACE_PARSED] = HTTP,
        [TRACE_ATTACHED] = HTTP,
        [TRACE_SCHEDULED] = HTTP,
        [TRACE_WOKEN] = MAIN,
        [TRACE_SCHEDULED_WORKER] = MAIN,
        [TRACE_WOKEN_WORKER] = WORKER,
        [TRACE_STARTED] = WORKER,
        [TRACE_FINISHED] = WORKER,
        [TRACE_CONVERTED_WORKER] = WORKER,
        [TRACE_CONVERTED] = MAIN,
        [TRACE_POSTED] = MAIN,
        [TRACE_RECEIVED] = HTTP,
        [TRACE_WRITTEN] = HTTP,
    };

    return lanes[hop];
}

static bool crosses(int hop)
{
    return hop > 0 && fixture_lane_of(hop) != fixture_lane_of(hop - 1);
}

bool fixture_can_plan(int hop, int state)
{
    switch (state) {
    case STATE_GIL:
        return hop != TRACE_WRITTEN; /* the HTTP thread isn't attached then */
    case STATE_SUSPENDED:
        return hop == TRACE_FINISHED || hop == TRACE_WRITTEN;
    default:
        return true;
    }
}

void fixture_plan(gap_plan_t plan[TRACE_HOPS])
{
    for (int hop = 0; hop < TRACE_HOPS; hop++) {
        uint64_t unit = 100 * (uint64_t)(hop + 1);

        plan[hop] = (gap_plan_t){.running = unit};
        if (fixture_can_plan(hop, STATE_GIL))
            plan[hop].gil = 2 * unit;
        if (crosses(hop))
            plan[hop].core = 3 * unit;
    }
}

uint64_t *fixture_state(trace_split_t *split, int state)
{
    uint64_t *const states[STATES] = {&split->running, &split->gil, &split->core, &split->queue,
                                      &split->suspended};

    return states[state];
}

const char *fixture_state_name(int state)
{
    static const char *const names[STATES] = {"running", "gil", "core", "queue", "suspended"};

    return names[state];
}

static void enter_for(fixture_t *f, int lane, uint32_t doing, uint64_t ns)
{
    if (ns == 0)
        return;
    lane_enter_at(f->lanes[lane], doing, f->now_ns);
    f->now_ns += ns;
}

/* Nothing but this request: the thread's clocks tell what became of the time. */
static void pass_time_alone(fixture_t *f, int lane, const gap_plan_t *plan)
{
    f->now_ns += plan->running + plan->core + plan->gil;
    f->cpu_ns[lane] += plan->running;
    f->delay_ns[lane] += plan->core;
}

/* Another request, or a poll, in between; then only the history tells. */
static void pass_time_in_turn(fixture_t *f, int lane, const gap_plan_t *plan)
{
    f->now_ns += plan->running;
    enter_for(f, lane, LANE_POLLING, plan->suspended);
    enter_for(f, lane, LANE_ATTACHING, plan->gil);
    enter_for(f, lane, ANOTHER_REQUEST, plan->queue);
}

/* The thread was asleep, and wakes for it. */
static void pass_time_woken(fixture_t *f, int lane, const gap_plan_t *plan)
{
    enter_for(f, lane, LANE_POLLING, plan->core);
    enter_for(f, lane, LANE_ATTACHING, plan->gil);
    enter_for(f, lane, LANE_NOTHING, plan->running);
    enter_for(f, lane, ANOTHER_REQUEST, plan->queue);
}

void fixture_pass(fixture_t *f, trace_record_t *record, int hop, const gap_plan_t *plan)
{
    int            lane = fixture_lane_of(hop);
    thread_times_t times;

    if (crosses(hop)) {
        lane_enter_at(f->lanes[fixture_lane_of(hop - 1)], LANE_POLLING, f->now_ns);
        pass_time_woken(f, lane, plan);
    } else if (plan->queue == 0 && plan->suspended == 0) {
        pass_time_alone(f, lane, plan);
    } else {
        pass_time_in_turn(f, lane, plan);
    }
    times = (thread_times_t){.cpu_ns = f->cpu_ns[lane], .delay_ns = f->delay_ns[lane]};
    trace_mark_at(record, (trace_hop_t)hop, f->lanes[lane], f->now_ns,
                  record->sampled ? &times : NULL);
}

void fixture_request(fixture_t *f, const gap_plan_t plan[TRACE_HOPS], unsigned skip)
{
    trace_record_t *record = trace_begin(f->trace);
    uint64_t        begun_ns = f->now_ns;

    cr_assert(record != NULL);
    lane_enter_at(f->lanes[HTTP], LANE_NOTHING, f->now_ns);
    for (int hop = 0; hop < TRACE_HOPS; hop++) {
        static const gap_plan_t none = {0};

        if (skip & 1u << hop)
            f->now_ns += plan[hop].running + plan[hop].core + plan[hop].gil;
        else
            fixture_pass(f, record, hop, hop == 0 ? &none : &plan[hop]);
    }
    lane_enter_at(f->lanes[HTTP], LANE_POLLING, f->now_ns);
    trace_finish(f->trace, record, f->now_ns - begun_ns);
}
