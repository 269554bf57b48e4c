/*
 * Lanes and marks: what each thread was doing, and what that says of a request that waited for it.
 *
 * A lane is a ring of transitions: at this time the thread began to poll, to attach, to run for
 * nobody in particular, or to run request N. Marks make most of them: who takes a request's mark
 * runs that request until its next mark or poll.
 *
 * Only the lane's own thread writes and reads its ring, so there is neither lock nor atomic. The
 * ring outlives the thread: the trace file is made of it at the end, when every thread is joined.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/trace/internal.h"

/*
 * The calling thread's lane. Thread-local, as a mark is taken deep inside callbacks that Python
 * makes: what they are given is the request, and that travels between threads. Passing a lane to
 * each of them would put it into every signature; with an executable's own TLS this is one load.
 */
static _Thread_local trace_lane_t *lane_here;

trace_lane_t *trace_lane_here(void)
{
    return lane_here;
}

/* Give it a place in the trace's list. returns false if there are too many */
static bool add_to_trace(trace_lane_t *lane)
{
    trace_t *trace = lane->trace;
    bool     fits;

    pthread_mutex_lock(&trace->lock);
    fits = trace->lane_count < TRACE_NO_LANE;
    if (fits) {
        lane->index = (uint8_t)trace->lane_count++;
        lane->next = trace->lanes;
        trace->lanes = lane;
        trace->no_delay |= !lane->clock.has_delay;
    }
    pthread_mutex_unlock(&trace->lock);
    return fits;
}

/* So far. thread: the lane's own, or any while that can't end */
static lane_usage_t usage_now(trace_lane_t *lane)
{
    lane_usage_t usage = {
        .polling_ns = atomic_load_explicit(&lane->polling_ns, memory_order_relaxed),
        .attaching_ns = atomic_load_explicit(&lane->attaching_ns, memory_order_relaxed)};

    if (!thread_clock_cpu(&lane->clock, &usage.cpu_ns))
        usage.cpu_ns = 0;
    return usage;
}

trace_lane_t *trace_lane_open(trace_t *trace, const char *thread_name)
{
    trace_lane_t *lane = trace == NULL ? NULL : trace_alloc_lines(sizeof *lane);

    if (lane == NULL)
        return NULL;
    lane->trace = trace;
    lane->mask = trace->lane_history - 1;
    lane->history = calloc(trace->lane_history, sizeof *lane->history);
    snprintf(lane->name, sizeof lane->name, "%s", thread_name);
    thread_clock_open(&lane->clock);
    thread_clock_cpu(&lane->clock, &lane->from.cpu_ns);
    if (lane->history == NULL || !add_to_trace(lane)) {
        thread_clock_close(&lane->clock);
        free(lane->history);
        free(lane);
        return NULL;
    }
    lane_enter_at(lane, LANE_NOTHING, trace_clock_ns());
    lane_here = lane;
    return lane;
}

void trace_lane_close(trace_lane_t *lane)
{
    lane_usage_t usage;

    if (lane == NULL)
        return;
    usage = usage_now(lane);
    pthread_mutex_lock(&lane->trace->lock);
    lane->to = usage;
    lane->closed = true;
    lane->closed_ns = trace_clock_ns();
    pthread_mutex_unlock(&lane->trace->lock);
    thread_clock_close(&lane->clock);
    if (lane_here == lane)
        lane_here = NULL;
}

bool lane_usage(trace_lane_t *lane, lane_usage_t *usage)
{
    lane_usage_t now;

    pthread_mutex_lock(&lane->trace->lock); /* so that the thread can't end in between */
    now = lane->closed ? lane->to : usage_now(lane);
    *usage = (lane_usage_t){.cpu_ns = now.cpu_ns - lane->from.cpu_ns,
                            .polling_ns = now.polling_ns - lane->from.polling_ns,
                            .attaching_ns = now.attaching_ns - lane->from.attaching_ns};
    pthread_mutex_unlock(&lane->trace->lock);
    return lane->clock.has_cpu;
}

void lanes_start_counting(trace_t *trace)
{
    pthread_mutex_lock(&trace->lock);
    for (trace_lane_t *lane = trace->lanes; lane != NULL; lane = lane->next)
        lane->from = lane->closed ? lane->to : usage_now(lane);
    pthread_mutex_unlock(&trace->lock);
}

/* ---- History --------------------------------------------------------------------------------- */

/* The lane's own thread is the only writer: no need for one atomic step. */
static void add_ns(_Atomic uint64_t *total_ns, uint64_t ns)
{
    atomic_store_explicit(total_ns, atomic_load_explicit(total_ns, memory_order_relaxed) + ns,
                          memory_order_relaxed);
}

static uint32_t doing_now(const trace_lane_t *lane)
{
    return atomic_load_explicit(&lane->doing, memory_order_relaxed);
}

/* It has been polling or attaching, and leaves that. */
static void add_usage(trace_lane_t *lane, uint64_t now_ns)
{
    uint64_t since_ns = atomic_load_explicit(&lane->since_ns, memory_order_relaxed);
    uint64_t ns = trace_clock_since(since_ns, now_ns);

    add_ns(doing_now(lane) == LANE_POLLING ? &lane->polling_ns : &lane->attaching_ns, ns);
}

/* Marks are many: they have it in place. */
static inline void enter_at(trace_lane_t *lane, uint32_t doing, uint64_t now_ns)
{
    if (doing_now(lane) >= LANE_ATTACHING)
        add_usage(lane, now_ns);
    lane->history[lane->entries++ & lane->mask] = (lane_entry_t){now_ns, doing};
    atomic_store_explicit(&lane->doing, doing, memory_order_relaxed);
    atomic_store_explicit(&lane->since_ns, now_ns, memory_order_relaxed);
}

void lane_enter_at(trace_lane_t *lane, uint32_t doing, uint64_t now_ns)
{
    enter_at(lane, doing, now_ns);
}

void trace_lane_enter(trace_lane_t *lane, trace_state_t state)
{
    static const uint32_t doing[] = {
        [TRACE_POLLING] = LANE_POLLING,
        [TRACE_ATTACHING] = LANE_ATTACHING,
        [TRACE_RUNNING] = LANE_NOTHING,
    };

    if (doing_now(lane) != doing[state])
        enter_at(lane, doing[state], trace_clock_ns());
}

/* ---- What a gap was spent on ----------------------------------------------------------------- */

/* A walk through the lane's history from the gap's beginning to now. */
typedef struct {
    trace_split_t *split;
    uint32_t       id;
    trace_hop_t    hop;
    bool           same_lane; /* the gap began on this lane */
    bool           others;    /* another request ran, or the loop was at work already */
    bool           whole;     /* nothing but this request ran */
} walk_t;

/* The loop's own code, between polls and requests. */
static void add_loop(walk_t *walk, uint64_t ns)
{
    if (walk->others)
        walk->split->queue += ns;
    else
        walk->split->running += ns;
}

static void add_polling(walk_t *walk, uint64_t ns)
{
    walk->others = false;
    if (!walk->same_lane)
        walk->split->core += ns;
    else if (walk->hop == TRACE_FINISHED || walk->hop == TRACE_WRITTEN)
        walk->split->suspended += ns;
    else
        add_loop(walk, ns);
}

static void add(walk_t *walk, uint32_t doing, uint64_t ns)
{
    walk->whole &= doing == walk->id;
    if (doing == walk->id) {
        walk->split->running += ns;
    } else if (doing == LANE_NOTHING) {
        add_loop(walk, ns);
    } else if (doing == LANE_ATTACHING) {
        walk->split->gil += ns;
    } else if (doing == LANE_POLLING) {
        add_polling(walk, ns);
    } else {
        walk->others = true;
        walk->split->queue += ns;
    }
}

/* The number of the entry in force at `at_ns`, or of the oldest one that is still there. */
static uint64_t find_entry(const trace_lane_t *lane, uint64_t at_ns)
{
    uint64_t oldest = lane->entries > lane->mask + 1 ? lane->entries - lane->mask - 1 : 0;
    uint64_t i = lane->entries - 1;

    while (i > oldest && lane->history[i & lane->mask].at_ns > at_ns)
        i--;
    return i;
}

static void walk_history(walk_t *walk, const trace_lane_t *lane, uint64_t from_ns, uint64_t now_ns)
{
    uint64_t i = find_entry(lane, from_ns);

    walk->others = !walk->same_lane && lane->history[i & lane->mask].doing != LANE_POLLING &&
                   lane->history[i & lane->mask].doing != LANE_ATTACHING;
    for (; i < lane->entries; i++) {
        const lane_entry_t *entry = &lane->history[i & lane->mask];
        uint64_t            begin = entry->at_ns > from_ns ? entry->at_ns : from_ns;
        uint64_t end = i + 1 < lane->entries ? lane->history[(i + 1) & lane->mask].at_ns : now_ns;

        if (end > begin)
            add(walk, entry->doing, end - begin);
    }
}

/*
 * The split of the gap from the hop before to `hop`, which is passed now, by the lane's history.
 * returns true if nothing but this request ran on this thread meanwhile, so that its clocks say
 * more
 */
static bool explain(trace_record_t *record, trace_hop_t hop, const trace_lane_t *lane,
                    uint64_t now_ns)
{
    int    before = record_hop_before(record, (int)hop);
    walk_t walk = {&record->split[hop], .id = record->id, .hop = hop, .whole = true};

    *walk.split = (trace_split_t){0};
    if (before < 0 || lane == NULL)
        return false;
    walk.same_lane = record->lane[before] == lane->index;
    walk_history(&walk, lane, record->at_ns[before] + record->own_ns[before], now_ns);
    return walk.same_lane && walk.whole;
}

/*
 * What the thread's clocks say of a gap in which nothing else ran. They were read at its end, which
 * took `own_ns` on the CPU, and at the end of the mark before.
 */
static void refine(trace_record_t *record, trace_hop_t hop, const trace_lane_t *lane,
                   const thread_times_t *times, uint64_t own_ns)
{
    trace_split_t *split = &record->split[hop];
    uint64_t       wall = split->running, cpu = times->cpu_ns - record->cpu_ns;
    uint64_t       delay = times->delay_ns - record->delay_ns;

    cpu = cpu > own_ns ? cpu - own_ns : 0;
    if (cpu > wall)
        cpu = wall; /* the clocks are read one after the other */
    if (delay > wall - cpu)
        delay = wall - cpu;
    split->running = cpu;
    split->core = delay;
    if (lane->clock.has_delay && hop != TRACE_WRITTEN)
        split->gil = wall - cpu - delay;
}

/* The mark is taken: from here on it is the one before. */
static void keep_clocks(trace_record_t *record, trace_hop_t hop, const thread_times_t *times,
                        uint64_t own_ns)
{
    record->cpu_ns = times->cpu_ns;
    record->delay_ns = times->delay_ns;
    record->own_ns[hop] = (uint32_t)own_ns;
}

/* ---- Marks ----------------------------------------------------------------------------------- */

int record_hop_before(const trace_record_t *record, int hop)
{
    do
        hop--;
    while (hop >= 0 && record->at_ns[hop] == 0);
    return hop;
}

static inline void pass(trace_record_t *record, trace_hop_t hop, trace_lane_t *lane,
                        uint64_t now_ns)
{
    record->at_ns[hop] = now_ns;
    record->lane[hop] = lane == NULL ? TRACE_NO_LANE : lane->index;
    atomic_store_explicit(&record->passed, (uint8_t)(hop + 1), memory_order_relaxed);
    if (lane != NULL && doing_now(lane) != record->id)
        enter_at(lane, record->id, now_ns);
}

void trace_run_record(const trace_record_t *record)
{
    trace_lane_t *lane = lane_here;

    if (lane != NULL && doing_now(lane) != record->id)
        enter_at(lane, record->id, trace_clock_ns());
}

void trace_mark_at(trace_record_t *record, trace_hop_t hop, trace_lane_t *lane, uint64_t now_ns,
                   const thread_times_t *times)
{
    if (times != NULL) {
        if (explain(record, hop, lane, now_ns))
            refine(record, hop, lane, times, 0);
        keep_clocks(record, hop, times, 0);
    }
    pass(record, hop, lane, now_ns);
}

/* The same for a sampled record on the system's clocks; the last thing is to see what it took. */
static void mark_sampled(trace_record_t *record, trace_hop_t hop, trace_lane_t *lane,
                         uint64_t now_ns)
{
    bool           alone = explain(record, hop, lane, now_ns);
    thread_times_t times = {0};
    uint64_t       own_ns;

    pass(record, hop, lane, now_ns);
    if (lane != NULL)
        thread_clock_read(&lane->clock, &times);
    own_ns = trace_clock_since(now_ns, trace_clock_ns());
    if (alone)
        refine(record, hop, lane, &times, own_ns);
    keep_clocks(record, hop, &times, own_ns);
}

void trace_mark_record(trace_record_t *record, trace_hop_t hop)
{
    uint64_t now_ns = trace_clock_ns();

    if (record->sampled)
        mark_sampled(record, hop, lane_here, now_ns);
    else
        pass(record, hop, lane_here, now_ns);
}
