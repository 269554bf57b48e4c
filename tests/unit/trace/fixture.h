/*
 * Lanes and marks on a clock of the test's own, so that every split is exact: a script of steps,
 * and a whole request of lab2 whose gaps last as long, and for the reasons, that the test says.
 */
#ifndef LOOPLAB_TESTS_TRACE_FIXTURE_H
#define LOOPLAB_TESTS_TRACE_FIXTURE_H

#include "common/trace/breakdown.h"
#include "common/trace/internal.h"

enum { HTTP, MAIN, WORKER, LANES };

/* One request at a time, on three lanes that all belong to the test's thread. */
typedef struct {
    trace_t      *trace;
    trace_lane_t *lanes[LANES];
    uint64_t      now_ns;
    uint64_t      cpu_ns[LANES], delay_ns[LANES]; /* what the threads' clocks say */
} fixture_t;

/* A gap's length by reason. */
typedef trace_split_t gap_plan_t;

void fixture_open(fixture_t *f, unsigned sample_every, const char *file);
void fixture_close(fixture_t *f);

/* The lane's history begins now, with `doing`. */
void fixture_restart(fixture_t *f, int lane, uint32_t doing);

/* The lane on which lab2 passes the hop. */
int fixture_lane_of(int hop);

/* Each gap of a request through lab2, as a start: different in length, and none is 0. */
void fixture_plan(gap_plan_t plan[TRACE_HOPS]);

/* A split's fields by number. */
enum { STATE_RUNNING, STATE_GIL, STATE_CORE, STATE_QUEUE, STATE_SUSPENDED, STATES };

/* Whether a gap that ends at `hop` can be spent that way in lab2. */
bool        fixture_can_plan(int hop, int state);
uint64_t   *fixture_state(trace_split_t *split, int state);
const char *fixture_state_name(int state);

/* Pass `hop` after a gap like that. */
void fixture_pass(fixture_t *f, trace_record_t *record, int hop, const gap_plan_t *plan);

/* A request from its first hop to the last; a hop in `skip` (bits) is not marked. It is finished. */
void fixture_request(fixture_t *f, const gap_plan_t plan[TRACE_HOPS], unsigned skip);

#endif
