/*
 * common/trace: where a request's time goes. Knows nothing of HTTP or Python.
 *
 * Three things meet here:
 *
 *   a record  one request's marks: when, and on which thread, it passed each hop. It travels with
 *             the request and has the same owner at any time; a mark is a clock read and a store.
 *   a lane    one thread's history: what it was doing, since when (polling, waiting to attach,
 *             running request N). Only its own thread writes and reads it, so there is no lock.
 *   a trace   the process's: histograms of the gaps between hops, a sample of the records for
 *             the trace file, the report. The HTTP thread's; records end in trace_finish() there.
 *
 * A gap belongs to the hop that ends it, and is explained by whoever takes that mark: the
 * receiving thread looks up in its own lane what it was doing between the hop before and now. On
 * one request in `sample_every` only: reading a thread's CPU clock and run queue delay is dear.
 * What a sampled mark itself takes is measured, kept out of the gaps, and said in the report.
 *
 * With tracing off there are no records: a mark is one test of a NULL pointer.
 */
#ifndef LOOPLAB_TRACE_H
#define LOOPLAB_TRACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * The hops of a request's critical path, in their order. Each is marked by the request's owner
 * before the request is published to the next. A lab leaves out what it doesn't have. Those of the
 * worker are lab2's, and of rungs of the ladder where a loop hands the coroutine over once more.
 */
typedef enum {
    TRACE_PARSED,           /* the request is complete on the HTTP thread */
    TRACE_ATTACHED,         /* the HTTP thread is attached, this request's turn */
    TRACE_SCHEDULED,        /* just before the hand-off call */
    TRACE_WOKEN,            /* the loop's thread runs our callback */
    TRACE_SCHEDULED_WORKER, /* just before the main loop's hand-off to a worker */
    TRACE_WOKEN_WORKER,     /* the worker makes the task */
    TRACE_STARTED,          /* the handler's first step begins */
    TRACE_FINISHED,         /* the handler has returned */
    TRACE_CONVERTED_WORKER, /* the concurrent.futures.Future is resolved, on the worker */
    TRACE_CONVERTED,        /* the last Python future of the chain is resolved */
    TRACE_POSTED,           /* just before the completion is published */
    TRACE_RECEIVED,         /* the HTTP thread takes it */
    TRACE_WRITTEN,          /* the response is handed to the kernel */
    TRACE_HOPS
} trace_hop_t;

/* "scheduled"; in a lab with workers "scheduled_main", and likewise the others. thread: any */
const char *trace_hop_name(trace_hop_t hop, bool with_workers);

/*
 * What the receiving thread did during a gap, in ns. The rest of the gap is unattributed. From its
 * lane's history, cut to the gap:
 *
 *   the lane was...             the gap is...
 *   attaching                   gil
 *   running another request     queue
 *   running this request        running. Where that is the whole gap, the thread's own clocks say
 *                               more: on a CPU -> running, runnable -> core, neither -> gil (blocked
 *                               while attached, an upper bound; unattributed up to `written`, when
 *                               the HTTP thread isn't attached, and without a run queue clock)
 *   running nothing             the loop's own code: running; but queue once another request has run
 *                               there since its last poll, or if it was there when the gap began on
 *                               another lane: then the request waits for the loop's turn to end
 *   polling, and the gap began
 *     on another lane           core: woken and not running yet (the giver's hand-off call included)
 *     on this lane              suspended, if the gap ends at `finished` (the handler awaits) or at
 *                               `written` (a pipeline's order, a slow client); else running: the
 *                               request stands in the loop's ready list, so the poll is a look that
 *                               doesn't wait
 *   not known                   unattributed: before the lane's history, or no lane at all
 */
typedef struct {
    uint64_t running;   /* this request, or the loop for it */
    uint64_t gil;       /* waiting for the GIL: attaching, or blocked while attached */
    uint64_t core;      /* runnable without a core: woken and not running yet, or preempted */
    uint64_t queue;     /* another request ahead: waiting in line */
    uint64_t suspended; /* the handler itself awaits something */
} trace_split_t;

typedef struct trace      trace_t;
typedef struct trace_lane trace_lane_t;

/*
 * One request's marks. The request's owner writes; whoever gets the request next may read.
 *
 * What marks touch comes first and fills two cache lines: by the next mark others have had the cache.
 */
typedef struct trace_record {
    uint32_t id;               /* 1, 2, 3, ... in order of arrival */
    bool     sampled;          /* its gaps are split */
    uint8_t  lane[TRACE_HOPS]; /* index of the lane that took the mark; TRACE_NO_LANE: none */

    /* Any thread may read; atomic, relaxed: for trace_last_hop(). The last hop passed + 1; 0: none */
    _Atomic uint8_t passed;

    union {
        uint64_t             at_ns[TRACE_HOPS]; /* monotonic; 0: not passed */
        struct trace_record *next;              /* of one in the trace's pool */
    };

    /* Of a sampled one only. */
    trace_split_t split[TRACE_HOPS];  /* of the gap that ends at that hop */
    uint32_t      own_ns[TRACE_HOPS]; /* what taking that mark took; in no gap */
    uint64_t      cpu_ns, delay_ns;   /* the clocks of the thread that took the last mark, then */
} trace_record_t;

enum { TRACE_NO_LANE = UINT8_MAX };

/* ---- The trace: HTTP thread ------------------------------------------------------------------ */

typedef struct {
    unsigned    sample_every;  /* split the gaps of one request in so many; 0: a default */
    const char *file;          /* Chrome trace events go here; NULL: none */
    bool        keep_for_file; /* keep what goes there, for another trace that trace_take()s it */
    bool        with_workers;  /* names of hops */
    bool
        without_splits; /* no gap is split, so lanes keep no history: for who only looks, cheaper */
} trace_options_t;

/* returns 0 or a negative errno. An unwritable file is said once in the log, and is no error. */
int trace_open(trace_t **out, const trace_options_t *options);

/* Every lane is closed by now. Ends the trace file, frees everything. NULL is allowed. */
void trace_close(trace_t *trace);

/*
 * Where there are several HTTP threads each has a trace of its own. In the end it saves what it has
 * counted, its lanes included, which are closed by now; and one trace, which may be another
 * process's of the same program, takes it in. From then on it is as if those requests had been its
 * own.
 * returns 0 or a negative errno; after an error a part of it may be in `into`
 */
int trace_save(const trace_t *trace, FILE *out);
int trace_take(trace_t *into, FILE *in);

/* A request begins: a record with no marks, or NULL (no memory: it isn't traced). */
trace_record_t *trace_begin(trace_t *trace);

/*
 * The request is answered: takes the record, counts its gaps. `end_to_end_ns` is measured by the
 * caller on clock reads of its own, so that the sum of the gaps can fail to match it: one just
 * before the first mark, one just before the last (a sampled mark takes microseconds).
 */
void trace_finish(trace_t *trace, trace_record_t *record, uint64_t end_to_end_ns);

/*
 * It never will be (client gone, cut off, timed out): takes the record, counts it as dropped.
 * thread: any, the record's owner
 */
void trace_drop(trace_t *trace, trace_record_t *record);

/* ---- Lanes: each on its own thread ----------------------------------------------------------- */

/*
 * Open the calling thread's lane; its marks go there until it is closed. `trace` NULL: tracing is
 * off, and there is none. NULL also without memory, and for more than 255 threads.
 */
trace_lane_t *trace_lane_open(trace_t *trace, const char *thread_name);
void trace_lane_close(trace_lane_t *lane); /* hands its figures to the trace; NULL: nothing */

typedef enum { TRACE_POLLING, TRACE_ATTACHING, TRACE_RUNNING } trace_state_t;

/* What this thread does from now on. RUNNING here is the thread's own work, for no request yet. */
void trace_lane_enter(trace_lane_t *lane, trace_state_t state);

/* The same where tracing may be off, `lane` NULL. */
static inline void trace_lane_state(trace_lane_t *lane, trace_state_t state)
{
    if (lane != NULL)
        trace_lane_enter(lane, state);
}

/* The calling thread's lane, or NULL: tracing is off, or it has none. */
trace_lane_t *trace_lane_here(void);

/* The record passes `hop` now, on this thread, which runs it from here on. Never NULL. */
void trace_mark_record(trace_record_t *record, trace_hop_t hop);

/* thread: the request's owner. `record` NULL: this request isn't traced */
static inline void trace_mark(trace_record_t *record, trace_hop_t hop)
{
    if (record != NULL)
        trace_mark_record(record, hop);
}

/*
 * The name of the hop that the record passed last, for who looks in from outside while its owner may
 * be marking. NULL: none, or `record` is NULL. thread: any; async-signal-safe
 */
const char *trace_last_hop(const trace_t *trace, const trace_record_t *record);

/*
 * This thread runs the record's request from here on, without passing a hop: it resumes a handler,
 * or writes an answer. Never NULL.
 */
void trace_run_record(const trace_record_t *record);

/* thread: the request's owner. `record` NULL: this request isn't traced */
static inline void trace_run(const trace_record_t *record)
{
    if (record != NULL)
        trace_run_record(record);
}

/* ---- While it runs: HTTP thread -------------------------------------------------------------- */

/* What the gap between two hops has come to so far. */
typedef struct {
    trace_hop_t from, to;
    uint64_t    count; /* requests that had it */
    uint64_t    total_ns, p50_ns, p99_ns;
} trace_gap_so_far_t;

/*
 * Call `visit` for each gap that has occurred, in the order of the hops. Records end on this very
 * thread, so the figures are those of whole requests; some 10 us a gap.
 */
void trace_visit_gaps(const trace_t *trace, void (*visit)(void *arg, const trace_gap_so_far_t *gap),
                      void          *arg);

/* What a thread has spent its time on since it opened its lane, and what it does now. */
typedef struct {
    const char   *name;         /* borrowed: as long as the trace */
    bool          cpu_known;    /* else cpu_ns is 0 */
    uint64_t      cpu_ns;       /* on a CPU, whatever it did there */
    uint64_t      polling_ns;   /* waiting for something to do */
    uint64_t      attaching_ns; /* waiting for the GIL, to attach */
    trace_state_t state;
} trace_lane_so_far_t;

/*
 * Call `visit` for each open lane, the oldest first. The threads run meanwhile, so a figure may be a
 * transition behind the others.
 */
void trace_visit_lanes(trace_t *trace, void (*visit)(void *arg, const trace_lane_so_far_t *lane),
                       void    *arg);

/* ---- The report: HTTP thread, after trace_finish() of what it is about ------------------------ */

/* What only the caller knows of the run. Zero or NULL: unknown, left out. */
typedef struct {
    const char *lab, *python;
    bool        gil;
    double      cpu_us_per_request;
    double      bench_rps, bench_mean_us, bench_p50_us, bench_p99_us; /* wrk's */
    unsigned    bench_connections;
} trace_run_t;

/* The breakdown as text (three tables) or as one JSON object. returns 0 or a negative errno */
int trace_report_text(trace_t *trace, const trace_run_t *run, FILE *out);
int trace_report_json(trace_t *trace, const trace_run_t *run, FILE *out);

#endif
