/*
 * From histograms and sums to the numbers of the reports. Nothing is estimated here: a split is
 * the mean of the sampled requests as it is, and what their marks don't explain stays unattributed.
 */
#include "common/trace/breakdown.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static double mean_us(uint64_t total_ns, uint64_t count)
{
    return count == 0 ? NAN : (double)total_ns / (double)count / 1e3;
}

static double quantile_us(const histogram_t *histogram, double quantile)
{
    return histogram->count == 0 ? NAN : (double)histogram_quantile(histogram, quantile) / 1e3;
}

static uint64_t unattributed_ns(const trace_gap_t *gap)
{
    const trace_split_t *sum = &gap->split;
    uint64_t explained = sum->running + sum->gil + sum->core + sum->queue + sum->suspended;

    return gap->sampled_ns > explained ? gap->sampled_ns - explained : 0;
}

/* ---- Gaps ------------------------------------------------------------------------------------ */

static breakdown_split_t split_means(const breakdown_t *self, const trace_gap_t *gap)
{
    const trace_split_t *sum = &gap->split;
    bool                 core_known = self->delay_known || gap->sampled_cross > 0;

    return (breakdown_split_t){
        .running = mean_us(sum->running, gap->sampled),
        .gil = mean_us(sum->gil, gap->sampled),
        .core = core_known ? mean_us(sum->core, gap->sampled) : NAN,
        .queue = mean_us(sum->queue, gap->sampled),
        .suspended = mean_us(sum->suspended, gap->sampled),
        .unattributed = mean_us(unattributed_ns(gap), gap->sampled),
    };
}

static void add_row(breakdown_t *self, const trace_t *trace, int from, int to)
{
    const trace_gap_t *gap = trace->gaps[from][to];

    self->rows[self->row_count++] = (breakdown_row_t){
        .from = (trace_hop_t)from,
        .to = (trace_hop_t)to,
        .count = gap->all.count,
        .mean = mean_us(gap->all.total_ns, gap->all.count),
        .p50 = quantile_us(&gap->all, 0.5),
        .p99 = quantile_us(&gap->all, 0.99),
        .share = (double)gap->all.total_ns / (double)trace->end_to_end.total_ns,
        .sampled = gap->sampled,
        .split = split_means(self, gap),
    };
    self->sum += mean_us(gap->all.total_ns, self->requests);
}

/* In the order in which a request passes them. */
static void add_rows(breakdown_t *self, const trace_t *trace)
{
    for (int from = 0; from < TRACE_HOPS; from++)
        for (int to = from + 1; to < TRACE_HOPS; to++)
            if (trace->gaps[from][to] != NULL)
                add_row(self, trace, from, to);
    self->own = mean_us(trace->sampled_own_ns, self->requests);
    self->remainder = self->mean - self->sum - self->own;
}

/* ---- Categories ------------------------------------------------------------------------------ */

/* Where the work of a gap goes. */
static category_t category_of_work(int from, int to)
{
    switch (to) {
    case TRACE_SCHEDULED_WORKER:
        return CATEGORY_SCHEDULING;
    case TRACE_STARTED:
        return from == TRACE_ATTACHED ? CATEGORY_REST : CATEGORY_COORDINATION;
    case TRACE_WOKEN:
    case TRACE_WOKEN_WORKER:
    case TRACE_RECEIVED:
        return CATEGORY_COORDINATION;
    case TRACE_FINISHED:
        return CATEGORY_HANDLER;
    case TRACE_CONVERTED_WORKER:
    case TRACE_CONVERTED:
        return CATEGORY_CONVERSION;
    default:
        return CATEGORY_REST;
    }
}

/* Add up one gap's split, in us of a sampled request. */
static void add_gap(breakdown_t *self, const trace_gap_t *gap, int from, int to)
{
    breakdown_category_t *all = self->categories;
    const trace_split_t  *sum = &gap->split;
    double                running = mean_us(sum->running, self->sampled);
    double                gil = mean_us(sum->gil, self->sampled);
    double                core = mean_us(sum->core, self->sampled);
    double                queue = mean_us(sum->queue, self->sampled);
    double                suspended = mean_us(sum->suspended, self->sampled);

    all[category_of_work(from, to)].mean += running;
    all[CATEGORY_GIL].mean += gil;
    all[CATEGORY_SCHEDULING].mean += core;
    all[CATEGORY_COORDINATION].mean += queue;
    all[CATEGORY_COORDINATION].in_line += queue;
    all[to == TRACE_FINISHED ? CATEGORY_HANDLER : CATEGORY_REST].mean += suspended;
    self->total.running += running;
    self->total.gil += gil;
    self->total.core += core;
    self->total.queue += queue;
    self->total.suspended += suspended;
    self->total.unattributed += mean_us(unattributed_ns(gap), self->sampled);
}

static void add_categories(breakdown_t *self, const trace_t *trace)
{
    static const struct {
        const char *name;
        double      reported_ms;
    } known[CATEGORIES] = {
        [CATEGORY_SCHEDULING] = {"thread scheduling", 15},
        [CATEGORY_COORDINATION] = {"event-loop coordination", 20},
        [CATEGORY_CONVERSION] = {"future conversion", 15},
        [CATEGORY_GIL] = {"GIL contention", 10},
        [CATEGORY_HANDLER] = {"handler", NAN},
        [CATEGORY_REST] = {"rest (HTTP, bridge, client)", NAN},
    };
    double outside_gaps;

    for (int i = 0; i < CATEGORIES; i++)
        self->categories[i] =
            (breakdown_category_t){.name = known[i].name, .reported_ms = known[i].reported_ms};
    self->sampled_mean = mean_us(trace->sampled_end_to_end_ns, self->sampled);
    self->unattributed_share = NAN;
    if (self->sampled == 0)
        return;
    for (int from = 0; from < TRACE_HOPS; from++)
        for (int to = from + 1; to < TRACE_HOPS; to++)
            if (trace->gaps[from][to] != NULL)
                add_gap(self, trace->gaps[from][to], from, to);
    /* Time that lies in no gap is as little explained as time in gaps that is said twice. */
    self->sampled_own = mean_us(trace->sampled_own_ns, self->sampled);
    outside_gaps =
        self->sampled_mean - self->sampled_own - mean_us(trace->sampled_gaps_ns, self->sampled);
    self->total.unattributed += fabs(outside_gaps);
    self->unattributed_share = self->total.unattributed / self->sampled_mean;
}

/* ---- Threads --------------------------------------------------------------------------------- */

/* How a thread has spent the run. What it neither ran nor waited for by our own account is time in
 * which it could have run and had no core, or was blocked while attached. */
static breakdown_lane_t lane_row(const breakdown_t *self, trace_lane_t *lane)
{
    breakdown_lane_t row = {.name = lane->name,
                            .cpu = NAN,
                            .utilisation = NAN,
                            .attaching = NAN,
                            .polling = NAN,
                            .waiting = NAN};
    lane_usage_t     usage;
    bool             known = lane_usage(lane, &usage);
    double           rest;

    if (self->requests == 0 || self->seconds <= 0)
        return row;
    row.attaching = (double)usage.attaching_ns / 1e9 / self->seconds;
    row.polling = (double)usage.polling_ns / 1e9 / self->seconds;
    if (!known)
        return row;
    row.cpu = mean_us(usage.cpu_ns, self->requests);
    row.utilisation = (double)usage.cpu_ns / 1e9 / self->seconds;
    rest = 1 - row.utilisation - row.attaching - row.polling;
    row.waiting = rest > 0 ? rest : 0; /* the threads live a little longer than the run */
    return row;
}

static int add_lanes(breakdown_t *self, trace_t *trace)
{
    trace_lane_t *newest;
    size_t        i;

    pthread_mutex_lock(&trace->lock);
    newest = trace->lanes; /* what hangs on it stays as it is */
    self->lane_count = trace->lane_count;
    self->dropped = trace->dropped;
    self->delay_known = !trace->no_delay;
    pthread_mutex_unlock(&trace->lock);
    self->lanes = calloc(self->lane_count + 1, sizeof *self->lanes);
    if (self->lanes == NULL)
        return -ENOMEM;
    i = self->lane_count;
    for (trace_lane_t *lane = newest; lane != NULL; lane = lane->next)
        self->lanes[--i] = lane_row(self, lane);
    return 0;
}

int breakdown_make(breakdown_t *self, trace_t *trace)
{
    const histogram_t *all = &trace->end_to_end;

    *self = (breakdown_t){
        .requests = all->count,
        .sampled = trace->sampled,
        .sample_every = trace->sample_every,
        .mean = mean_us(all->total_ns, all->count),
        .p50 = quantile_us(all, 0.5),
        .p99 = quantile_us(all, 0.99),
        .seconds = (double)(trace->last_ns - trace->first_ns) / 1e9,
        .clock_ns = trace->mark_cost_ns,
        .sample_ns = trace->sample_cost_ns,
    };
    self->rate =
        self->requests > 0 && self->seconds > 0 ? (double)self->requests / self->seconds : NAN;
    self->in_flight = self->rate * self->mean / 1e6;
    if (add_lanes(self, trace) != 0)
        return -ENOMEM;
    add_rows(self, trace);
    add_categories(self, trace);
    return 0;
}

void breakdown_free(breakdown_t *self)
{
    free(self->lanes);
}

double breakdown_outside(const breakdown_t *self, const trace_run_t *run)
{
    return run->bench_mean_us > 0 ? run->bench_mean_us - self->mean : NAN;
}
