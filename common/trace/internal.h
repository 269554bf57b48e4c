/*
 * common/trace's own: what its files and its tests share. The contract is trace.h.
 */
#ifndef LOOPLAB_TRACE_INTERNAL_H
#define LOOPLAB_TRACE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/trace/clock.h"
#include "common/trace/histogram.h"
#include "common/trace/thread_clock.h"
#include "common/trace/trace.h"

enum {
    LANE_HISTORY = 4096,           /* transitions that a lane remembers: a gap's worth and more */
    LANE_HISTORY_FOR_FILE = 32768, /* with a trace file, which shows that many */
    LANE_NAME_BYTES = 32,
    RECORDS_A_SLAB = 64,
    CACHE_LINE_BYTES = 64,
    RECORDS_FOR_FILE = 2048, /* the trace file shows the last so many requests */
    /* Primes: with 100 connections in turn it isn't always the same ones. A sampled request costs
     * tens of us, up to sixty where system calls are dear, so that at 20 us a request one in 499 is
     * half a percent; with workers it takes ten times as long, and fewer of them come. */
    SAMPLE_EVERY = 499,
    SAMPLE_EVERY_WITH_WORKERS = 127,
};

/* What a lane does: a request's id, or one of these. */
enum {
    LANE_NOTHING = 0,
    LANE_LAST_ID = UINT32_MAX - 2, /* the next request is 1 again */
    LANE_ATTACHING = UINT32_MAX - 1,
    LANE_POLLING = UINT32_MAX,
};

typedef struct {
    uint64_t at_ns;
    uint32_t doing; /* from then on */
} lane_entry_t;

/* What a thread has spent its time on so far, or between two such moments. */
typedef struct {
    uint64_t cpu_ns;       /* on a CPU, whatever it did there; 0: not known */
    uint64_t polling_ns;   /* waiting for something to do */
    uint64_t attaching_ns; /* waiting for the GIL, to attach; blocked while attached isn't in it */
} lane_usage_t;

/* One thread's history. Made by that thread, freed by trace_close(). */
struct trace_lane {
    /* Set by trace_lane_open(), read-only afterwards. */
    trace_t       *trace; /* borrowed */
    trace_lane_t  *next;  /* in the trace's list, newest first */
    thread_clock_t clock;
    char           name[LANE_NAME_BYTES];

    /* The same, from here to `attaching_ns` in one cache line: all that a mark touches. */
    _Alignas(CACHE_LINE_BYTES) size_t mask; /* of `history`, whose length is a power of two */
    uint8_t index;

    /* Its own thread writes, any may read; atomic, relaxed: statistics. */
    _Atomic uint32_t doing;
    _Atomic uint64_t since_ns; /* it does that */
    _Atomic uint64_t polling_ns, attaching_ns;

    /* Its own thread's until it is closed; then the HTTP thread's. */
    uint64_t      entries; /* written so far; the last mask + 1 of them are there */
    lane_entry_t *history; /* owned */

    /* Any thread, under the trace's lock. */
    bool         closed;
    lane_usage_t from; /* when the first request came, or at open */
    lane_usage_t to;   /* at close */
    uint64_t     closed_ns;
};

/* All gaps between one hop and another that is the next which was passed. */
typedef struct {
    histogram_t   all;           /* every request's */
    uint64_t      sampled;       /* requests with a split */
    uint64_t      sampled_ns;    /* those requests' gaps, in all */
    uint64_t      sampled_cross; /* of them, began on another lane */
    trace_split_t split;         /* sums */
} trace_gap_t;

typedef struct record_slab {
    struct record_slab *next;
    struct {
        _Alignas(CACHE_LINE_BYTES) trace_record_t record;
    } padded[RECORDS_A_SLAB];
} record_slab_t;

typedef struct trace_file trace_file_t; /* trace_file.c */

struct trace {
    /* Set by trace_open(), read-only afterwards. */
    unsigned      sample_every;
    bool          with_workers, without_splits;
    size_t        lane_history;
    uint64_t      opened_ns;
    double        mark_cost_ns, sample_cost_ns; /* of one mark, and of a sampled one */
    trace_file_t *file;                         /* owned; NULL: none is written */

    /* HTTP thread only. */
    uint32_t        last_id;
    unsigned        until_sample;
    uint64_t        first_ns, last_ns; /* first request begun, last one finished */
    uint64_t        sampled;           /* records finished that were sampled */
    uint64_t        sampled_end_to_end_ns;
    uint64_t        sampled_gaps_ns; /* all their gaps */
    uint64_t        sampled_own_ns;  /* all their marks but the last, which ends the request */
    uint64_t        lost_gaps;       /* no memory for their histogram */
    histogram_t     end_to_end;
    trace_gap_t    *gaps[TRACE_HOPS][TRACE_HOPS]; /* [from][to]; owned; NULL: never occurred */
    trace_record_t *free_records;
    record_slab_t  *slabs; /* owned */

    /* Any thread, under lock (a leaf: constant work). */
    pthread_mutex_t lock;
    trace_lane_t   *lanes; /* owned */
    unsigned        lane_count;
    trace_record_t *dropped_records; /* not yet in free_records */
    uint64_t        dropped;
    bool            no_delay; /* some lane has no run queue clock */
};

/* Zeroed memory that begins with a cache line, or NULL; `size` is a multiple of one. free() frees it. */
void *trace_alloc_lines(size_t size);

/* Marks and history on a clock of the caller's: what trace_mark_record() does, and tests. */
void trace_mark_at(trace_record_t *record, trace_hop_t hop, trace_lane_t *lane, uint64_t now_ns,
                   const thread_times_t *times); /* `times`: of a sampled record, else NULL */
void lane_enter_at(trace_lane_t *lane, uint32_t doing, uint64_t now_ns);

/* From one hop to the next that was passed, without what a sampled mark itself took. */
uint64_t record_gap_ns(const trace_record_t *record, int from, int to);

/* The latest hop before `hop` that the record has passed, or -1. */
int record_hop_before(const trace_record_t *record, int hop);

/* What the lane's thread has spent since the first request. returns false if its CPU time isn't
 * known. */
bool lane_usage(trace_lane_t *lane, lane_usage_t *usage);

/* Take the first request as the beginning of what the lanes' CPU times count. HTTP thread. */
void lanes_start_counting(trace_t *trace);

/* ---- trace_file.c: HTTP thread --------------------------------------------------------------- */

/* NULL if the file can't be written, which has been said. `path` NULL: only keeps, writes none. */
trace_file_t *trace_file_open(const char *path);
/* Keep a copy of a finished request's marks; it displaces the oldest. */
void trace_file_keep(trace_file_t *self, const trace_record_t *record);
/* How many there are, and the oldest but `i` of them. */
uint64_t              trace_file_kept(const trace_file_t *self);
const trace_record_t *trace_file_record(const trace_file_t *self, uint64_t i);
/*
 * Of another's records have room for those that it has, else the oldest give way; `seen` is how many
 * it has had. Before the first one is displaced.
 */
void     trace_file_room(trace_file_t *self, uint64_t more, uint64_t seen);
uint64_t trace_file_seen(const trace_file_t *self);
/* Write it all and free it. Every lane is closed. */
void trace_file_close(trace_file_t *self, const trace_t *trace);

#endif
