/* Looks at a trace while it goes on: the gaps that were counted, what each thread does. */
#include "common/trace/internal.h"

/* ---- Gaps ------------------------------------------------------------------------------------ */

void trace_visit_gaps(const trace_t *trace, void (*visit)(void *arg, const trace_gap_so_far_t *gap),
                      void          *arg)
{
    for (int from = 0; from < TRACE_HOPS; from++)
        for (int to = from + 1; to < TRACE_HOPS; to++) {
            const trace_gap_t *gap = trace->gaps[from][to];

            if (gap == NULL)
                continue;
            visit(arg, &(trace_gap_so_far_t){.from = (trace_hop_t)from,
                                             .to = (trace_hop_t)to,
                                             .count = gap->all.count,
                                             .total_ns = gap->all.total_ns,
                                             .p50_ns = histogram_quantile(&gap->all, 0.5),
                                             .p99_ns = histogram_quantile(&gap->all, 0.99)});
        }
}

/* ---- Threads --------------------------------------------------------------------------------- */

static uint64_t relaxed(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

/* What it does now counts up to now. */
static trace_lane_so_far_t so_far(const trace_lane_t *lane, uint64_t now_ns)
{
    uint64_t            since_ns = relaxed(&lane->since_ns);
    uint32_t            doing = atomic_load_explicit(&lane->doing, memory_order_relaxed);
    uint64_t            lasts_ns = now_ns > since_ns ? now_ns - since_ns : 0;
    trace_lane_so_far_t found = {.name = lane->name,
                                 .polling_ns = relaxed(&lane->polling_ns),
                                 .attaching_ns = relaxed(&lane->attaching_ns),
                                 .state = TRACE_RUNNING};

    found.cpu_known = thread_clock_cpu(&lane->clock, &found.cpu_ns);
    if (doing == LANE_POLLING) {
        found.state = TRACE_POLLING;
        found.polling_ns += lasts_ns;
    } else if (doing == LANE_ATTACHING) {
        found.state = TRACE_ATTACHING;
        found.attaching_ns += lasts_ns;
    }
    return found;
}

void trace_visit_lanes(trace_t *trace, void (*visit)(void *arg, const trace_lane_so_far_t *lane),
                       void    *arg)
{
    trace_lane_t *oldest_first[TRACE_NO_LANE] = {NULL};

    pthread_mutex_lock(&trace->lock);
    for (trace_lane_t *lane = trace->lanes; lane != NULL; lane = lane->next)
        oldest_first[lane->index] = lane;
    pthread_mutex_unlock(&trace->lock);
    for (int i = 0; i < TRACE_NO_LANE && oldest_first[i] != NULL; i++) {
        trace_lane_so_far_t found = {.name = NULL};

        pthread_mutex_lock(&trace->lock); /* so that the thread can't end in between */
        if (!oldest_first[i]->closed)
            found = so_far(oldest_first[i], trace_clock_ns());
        pthread_mutex_unlock(&trace->lock);
        if (found.name != NULL)
            visit(arg, &found);
    }
}
