/*
 * The trace: records from a pool, gaps counted as their requests end. All of it on the HTTP thread,
 * but for trace_drop(), whose caller may be whoever had the request last.
 *
 * Memory is bounded: records by the requests in flight at a time, everything else from the start
 * or the first time that a gap occurs (a lab has a dozen different ones).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/trace/internal.h"

const char *trace_hop_name(trace_hop_t hop, bool with_workers)
{
    static const char *const names[TRACE_HOPS][2] = {
        [TRACE_PARSED] = {"parsed", "parsed"},
        [TRACE_ATTACHED] = {"attached", "attached"},
        [TRACE_SCHEDULED] = {"scheduled", "scheduled_main"},
        [TRACE_WOKEN] = {"woken", "woken_main"},
        [TRACE_SCHEDULED_WORKER] = {"scheduled_worker", "scheduled_worker"},
        [TRACE_WOKEN_WORKER] = {"woken_worker", "woken_worker"},
        [TRACE_STARTED] = {"started", "started"},
        [TRACE_FINISHED] = {"finished", "finished"},
        [TRACE_CONVERTED_WORKER] = {"converted_worker", "converted_worker"},
        [TRACE_CONVERTED] = {"converted", "converted_main"},
        [TRACE_POSTED] = {"posted", "posted"},
        [TRACE_RECEIVED] = {"received", "received"},
        [TRACE_WRITTEN] = {"written", "written"},
    };

    return names[hop][with_workers];
}

const char *trace_last_hop(const trace_t *trace, const trace_record_t *record)
{
    unsigned passed =
        record == NULL ? 0 : atomic_load_explicit(&record->passed, memory_order_relaxed);

    return passed == 0 ? NULL : trace_hop_name((trace_hop_t)(passed - 1), trace->with_workers);
}

/* What the clocks cost here: every mark's, and a sampled one's. */
static void measure_cost(trace_t *trace)
{
    enum { ROUNDS = 200 };
    thread_clock_t clock;
    thread_times_t times;
    uint64_t       start, middle, end;

    thread_clock_open(&clock);
    start = trace_clock_ns();
    for (int i = 0; i < ROUNDS; i++)
        (void)trace_clock_ns();
    middle = trace_clock_ns();
    for (int i = 0; i < ROUNDS; i++)
        thread_clock_read(&clock, &times);
    end = trace_clock_ns();
    trace->mark_cost_ns = (double)(middle - start) / ROUNDS;
    trace->sample_cost_ns = (double)(end - middle) / ROUNDS;
    trace->no_delay = !clock.has_delay;
    thread_clock_close(&clock);
}

int trace_open(trace_t **out, const trace_options_t *options)
{
    trace_t *trace = calloc(1, sizeof *trace);
    int      err;

    if (trace == NULL)
        return -ENOMEM;
    err = pthread_mutex_init(&trace->lock, NULL);
    if (err != 0) {
        free(trace);
        return -err;
    }
    trace->sample_every = options->sample_every != 0 ? options->sample_every
                          : options->with_workers    ? SAMPLE_EVERY_WITH_WORKERS
                                                     : SAMPLE_EVERY;
    trace->with_workers = options->with_workers;
    trace->without_splits = options->without_splits;
    if (options->file != NULL || options->keep_for_file)
        trace->file = trace_file_open(options->file);
    trace->lane_history = trace->file != NULL       ? LANE_HISTORY_FOR_FILE
                          : options->without_splits ? 1
                                                    : LANE_HISTORY;
    trace_clock_open();
    trace->opened_ns = trace_clock_ns();
    measure_cost(trace);
    *out = trace;
    return 0;
}

static void free_lanes(trace_t *trace)
{
    trace_lane_t *next;

    for (trace_lane_t *lane = trace->lanes; lane != NULL; lane = next) {
        next = lane->next;
        free(lane->history);
        free(lane);
    }
}

void trace_close(trace_t *trace)
{
    record_slab_t *next;

    if (trace == NULL)
        return;
    if (trace->file != NULL)
        trace_file_close(trace->file, trace);
    free_lanes(trace);
    for (record_slab_t *slab = trace->slabs; slab != NULL; slab = next) {
        next = slab->next;
        free(slab);
    }
    for (int from = 0; from < TRACE_HOPS; from++)
        for (int to = 0; to < TRACE_HOPS; to++)
            free(trace->gaps[from][to]);
    pthread_mutex_destroy(&trace->lock);
    free(trace);
}

/* ---- Records --------------------------------------------------------------------------------- */

void *trace_alloc_lines(size_t size)
{
    void *lines = aligned_alloc(CACHE_LINE_BYTES, size);

    return lines == NULL ? NULL : memset(lines, 0, size);
}

/* The pool is empty: what other threads have dropped goes back into it, else a new slab. */
static void refill(trace_t *trace)
{
    record_slab_t *slab;

    pthread_mutex_lock(&trace->lock);
    trace->free_records = trace->dropped_records;
    trace->dropped_records = NULL;
    pthread_mutex_unlock(&trace->lock);
    if (trace->free_records != NULL)
        return;
    slab = trace_alloc_lines(sizeof *slab);
    if (slab == NULL)
        return;
    slab->next = trace->slabs;
    trace->slabs = slab;
    for (int i = 0; i < RECORDS_A_SLAB; i++) {
        trace_record_t *record = &slab->padded[i].record;

        record->next = trace->free_records;
        trace->free_records = record;
    }
}

trace_record_t *trace_begin(trace_t *trace)
{
    trace_record_t *record;

    if (trace->free_records == NULL)
        refill(trace);
    record = trace->free_records;
    if (record == NULL)
        return NULL;
    trace->free_records = record->next;
    if (trace->first_ns == 0) {
        trace->first_ns = trace_clock_ns();
        lanes_start_counting(trace);
    }
    memset(record->at_ns, 0, sizeof record->at_ns);
    atomic_store_explicit(&record->passed, 0, memory_order_relaxed);
    record->id = trace->last_id == (uint32_t)LANE_LAST_ID ? 1 : trace->last_id + 1;
    trace->last_id = record->id;
    if (trace->until_sample == 0)
        trace->until_sample = trace->sample_every;
    record->sampled = --trace->until_sample == 0 && !trace->without_splits;
    return record;
}

void trace_drop(trace_t *trace, trace_record_t *record)
{
    pthread_mutex_lock(&trace->lock);
    record->next = trace->dropped_records;
    trace->dropped_records = record;
    trace->dropped++;
    pthread_mutex_unlock(&trace->lock);
}

/* ---- Counting -------------------------------------------------------------------------------- */

/* Threads share one monotonic clock, so this isn't negative; if it were, the sums would tell. */
uint64_t record_gap_ns(const trace_record_t *record, int from, int to)
{
    uint64_t from_ns = record->at_ns[from] + (record->sampled ? record->own_ns[from] : 0);

    return record->at_ns[to] > from_ns ? record->at_ns[to] - from_ns : 0;
}

static void add_split(trace_gap_t *gap, const trace_record_t *record, int from, int to)
{
    const trace_split_t *split = &record->split[to];

    gap->sampled++;
    gap->sampled_ns += record_gap_ns(record, from, to);
    gap->sampled_cross += record->lane[to] != record->lane[from];
    gap->split.running += split->running;
    gap->split.gil += split->gil;
    gap->split.core += split->core;
    gap->split.queue += split->queue;
    gap->split.suspended += split->suspended;
}

static void count_gap(trace_t *trace, const trace_record_t *record, int from, int to)
{
    trace_gap_t *gap = trace->gaps[from][to];

    if (gap == NULL) {
        gap = trace->gaps[from][to] = calloc(1, sizeof *gap);
        if (gap == NULL) {
            trace->lost_gaps++;
            return;
        }
    }
    histogram_add(&gap->all, record_gap_ns(record, from, to));
    if (record->sampled) {
        add_split(gap, record, from, to);
        trace->sampled_gaps_ns += record_gap_ns(record, from, to);
        trace->sampled_own_ns += record->own_ns[from];
    }
}

void trace_finish(trace_t *trace, trace_record_t *record, uint64_t end_to_end_ns)
{
    int from = -1;

    for (int to = 0; to < TRACE_HOPS; to++) {
        if (record->at_ns[to] == 0)
            continue;
        if (from >= 0)
            count_gap(trace, record, from, to);
        from = to;
    }
    histogram_add(&trace->end_to_end, end_to_end_ns);
    if (from >= 0 && record->at_ns[from] > trace->last_ns)
        trace->last_ns = record->at_ns[from];
    if (record->sampled) {
        trace->sampled++;
        trace->sampled_end_to_end_ns += end_to_end_ns;
    }
    if (trace->file != NULL)
        trace_file_keep(trace->file, record);
    record->next = trace->free_records;
    trace->free_records = record;
}
