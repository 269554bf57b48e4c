/*
 * What tracing costs on this machine: ns per mark, per request, and per sampled mark, each the best
 * of many short rounds, since whatever disturbs a round only adds to it. `make trace-cost` runs it.
 *
 * One thread, one lane, one request after the other, all in the cache: a lower bound of what a
 * server pays, and the figure that the code itself is to blame for.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/trace/clock.h" /* the clock that a mark reads */
#include "common/trace/trace.h"

enum { ROUNDS = 300, REQUESTS = 398, MARKS = 10 }; /* 398: two samples a round */

/* A lab2 request has 13 hops, a lab1 request 10: these. */
static const trace_hop_t hops[MARKS] = {
    TRACE_PARSED,   TRACE_ATTACHED,  TRACE_SCHEDULED, TRACE_WOKEN,    TRACE_STARTED,
    TRACE_FINISHED, TRACE_CONVERTED, TRACE_POSTED,    TRACE_RECEIVED, TRACE_WRITTEN,
};

static void run_clock(trace_t *trace)
{
    (void)trace;
    for (int i = 0; i < REQUESTS * MARKS; i++)
        (void)trace_clock_ns();
}

static void run_requests(trace_t *trace)
{
    for (int i = 0; i < REQUESTS; i++) {
        trace_record_t *record = trace_begin(trace);

        for (int mark = 0; mark < MARKS; mark++)
            trace_mark(record, hops[mark]);
        trace_finish(trace, record, record->at_ns[TRACE_WRITTEN] - record->at_ns[TRACE_PARSED]);
    }
}

static void run_bare(trace_t *trace)
{
    for (int i = 0; i < REQUESTS; i++)
        trace_finish(trace, trace_begin(trace), 0);
}

static void run_states(trace_t *trace)
{
    (void)trace;
    for (int i = 0; i < REQUESTS; i++) {
        trace_lane_state(trace_lane_here(), TRACE_POLLING);
        trace_lane_state(trace_lane_here(), TRACE_RUNNING);
    }
}

/* What every request pays where nobody traces. */
static void run_off(trace_t *trace)
{
    trace_record_t *volatile none = NULL;

    (void)trace;
    for (int i = 0; i < REQUESTS * MARKS; i++)
        trace_mark(none, TRACE_PARSED);
}

/* ns of one of `count` parts of `run`, in the best round. */
static double best(void (*run)(trace_t *), unsigned sample_every, unsigned count)
{
    trace_options_t options = {.sample_every = sample_every};
    trace_t        *trace;
    double          least = 0;

    if (trace_open(&trace, &options) != 0 || trace_lane_open(trace, "bench") == NULL) {
        fprintf(stderr, "trace_cost: no memory\n");
        exit(1);
    }
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = trace_clock_ns();
        double   ns;

        run(trace);
        ns = (double)(trace_clock_ns() - start) / count;
        if (round == 0 || ns < least)
            least = ns;
    }
    trace_lane_close(trace_lane_here());
    trace_close(trace);
    return least;
}

int main(void)
{
    enum { NEVER = 1000000000 };
    double clock_ns = best(run_clock, NEVER, REQUESTS * MARKS);
    double bare = best(run_bare, NEVER, REQUESTS);
    double request = best(run_requests, NEVER, REQUESTS);
    double sampled = best(run_requests, 1, REQUESTS);
    double typical = best(run_requests, 0, REQUESTS);

    printf("a clock read                                %7.1f ns\n", clock_ns);
    printf("a mark with tracing off                     %7.1f ns\n",
           best(run_off, NEVER, REQUESTS * MARKS));
    printf("begin + finish without a mark               %7.1f ns\n", bare);
    printf("begin + %d marks + finish                   %7.1f ns\n", MARKS, request);
    printf("  of it a mark: a clock read, and its gap   %7.1f ns\n", (request - bare) / MARKS);
    printf("the same, sampled                           %7.1f ns\n", sampled);
    printf("the same, sampled as often as by default    %7.1f ns\n", typical);
    printf("a lane's change of state                    %7.1f ns\n",
           best(run_states, NEVER, 2 * REQUESTS));
    return 0;
}
