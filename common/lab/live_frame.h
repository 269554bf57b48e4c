/*
 * What the live page shows, as JSON: figures of the interval since the last frame. HTTP thread.
 *
 *   {"lab", "python", "gil", "interval_ms", "per_second", "in_flight", "connections", "viewers",
 *    "traced_one_in",
 *    "queues":  [{"name", "depth"}],
 *    "threads": [{"name", "state", "cpu", "gil_wait", "idle", "held_up"}],   parts of the interval
 *    "hops":    [{"from", "to", "count", "mean_us", "p50_us", "p99_us"}]}
 *
 * A hop's count and mean are of the interval (null: no request had it), its quantiles of all traced
 * requests since the start. A thread's `cpu` and `held_up` are null where the system doesn't tell.
 */
#ifndef LOOPLAB_LIVE_FRAME_H
#define LOOPLAB_LIVE_FRAME_H

#include "common/lab/live.h"

enum { LIVE_LANES = 256 };

/* What was true at the last frame. Zeroed at first. */
typedef struct {
    uint64_t at_ns, answered;
    uint64_t gap_count[TRACE_HOPS][TRACE_HOPS], gap_ns[TRACE_HOPS][TRACE_HOPS];
    struct {
        uint64_t cpu_ns, polling_ns, attaching_ns;
    } lanes[LIVE_LANES];
} live_frame_t;

/* The next frame counts from now on. */
void live_frame_start(live_frame_t *self, const live_sources_t *from);

/*
 * `viewers`: of this thread. `traced_one_in`: for the page.
 * returns a text to free(), or NULL without memory
 */
char *live_frame_make(live_frame_t *self, const live_sources_t *from, unsigned viewers,
                      unsigned traced_one_in);

#endif
