/* A frame takes some hundred microseconds of the HTTP thread, most of them for the quantiles. */
#include "common/lab/live_frame.h"

#include <jansson.h>

/* One frame under way. */
typedef struct {
    live_frame_t         *last;
    const live_sources_t *from;
    json_t               *list; /* that is being filled; NULL: only the figures are taken over */
    uint64_t              lasts_ns;
    unsigned              lane;
} making_t;

/* Of all HTTP threads; requests in flight without the viewers'. */
typedef struct {
    uint64_t answered, in_flight, connections, viewers;
} totals_t;

/* The two are counted one after the other, so that for a moment there may be more viewers. */
static uint64_t without_viewers(uint64_t in_flight, uint64_t viewers)
{
    return viewers < in_flight ? in_flight - viewers : 0;
}

static json_t *real_or_null(bool known, double value)
{
    return known ? json_real(value) : json_null();
}

/* ---- Hops ------------------------------------------------------------------------------------ */

static void on_gap(void *arg, const trace_gap_so_far_t *gap)
{
    making_t *making = arg;
    bool      with_workers = making->from->info->options & LAB_HAS_WORKERS;
    uint64_t *count = &making->last->gap_count[gap->from][gap->to];
    uint64_t *total_ns = &making->last->gap_ns[gap->from][gap->to];
    uint64_t  had = gap->count - *count;

    if (making->list != NULL)
        json_array_append_new(
            making->list,
            json_pack("{s:s, s:s, s:I, s:o, s:f, s:f}", "from",
                      trace_hop_name(gap->from, with_workers), "to",
                      trace_hop_name(gap->to, with_workers), "count", (json_int_t)had, "mean_us",
                      real_or_null(had > 0, had == 0 ? 0
                                                     : (double)(gap->total_ns - *total_ns) /
                                                           (double)had / 1e3),
                      "p50_us", (double)gap->p50_ns / 1e3, "p99_us", (double)gap->p99_ns / 1e3));
    *count = gap->count;
    *total_ns = gap->total_ns;
}

/* ---- Threads --------------------------------------------------------------------------------- */

/* The part of the interval that went by between two figures; reading them takes time too. */
static double part(const making_t *making, uint64_t before_ns, uint64_t now_ns)
{
    double found = now_ns <= before_ns || making->lasts_ns == 0
                       ? 0
                       : (double)(now_ns - before_ns) / (double)making->lasts_ns;

    return found > 1 ? 1 : found;
}

static void on_lane(void *arg, const trace_lane_so_far_t *lane)
{
    static const char *const states[] = {[TRACE_POLLING] = "idle",
                                         [TRACE_ATTACHING] = "waits for the GIL",
                                         [TRACE_RUNNING] = "runs"};
    making_t                *making = arg;
    unsigned                 i = making->lane++ % LIVE_LANES;
    double                   cpu = part(making, making->last->lanes[i].cpu_ns, lane->cpu_ns);
    double idle = part(making, making->last->lanes[i].polling_ns, lane->polling_ns);
    double gil = part(making, making->last->lanes[i].attaching_ns, lane->attaching_ns);
    double rest = 1 - cpu - idle - gil;

    if (making->list != NULL)
        json_array_append_new(
            making->list, json_pack("{s:s, s:s, s:o, s:f, s:f, s:o}", "name", lane->name, "state",
                                    states[lane->state], "cpu", real_or_null(lane->cpu_known, cpu),
                                    "gil_wait", gil, "idle", idle, "held_up",
                                    real_or_null(lane->cpu_known, rest > 0 ? rest : 0)));
    making->last->lanes[i].cpu_ns = lane->cpu_ns;
    making->last->lanes[i].polling_ns = lane->polling_ns;
    making->last->lanes[i].attaching_ns = lane->attaching_ns;
}

/* ---- Queues ---------------------------------------------------------------------------------- */

static void add_queue(json_t *list, unsigned worker, uint64_t depth)
{
    char name[32];

    snprintf(name, sizeof name, "worker %u", worker);
    json_array_append_new(list, json_pack("{s:s, s:I}", "name", name, "depth", (json_int_t)depth));
}

static json_t *queues(const live_sources_t *from)
{
    json_t *list = json_pack("[{s:s, s:i}]", "name", "answers for the HTTP thread", "depth",
                             (int)completions_queued(from->completions));

    for (unsigned i = 0; i < from->workers && from->queued != NULL; i++)
        if (from->queued[i] != NULL)
            add_queue(list, i, atomic_load_explicit(from->queued[i], memory_order_relaxed));
    for (unsigned i = 0; from->books->count > 1 && i < from->books->count; i++)
        add_queue(list, i + 1,
                  without_viewers(book_get(&from->books->books[i], BOOK_IN_FLIGHT),
                                  book_get(&from->books->books[i], BOOK_VIEWERS)));
    return list;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static json_t *hops(making_t *making)
{
    making->list = json_array();
    if (making->from->trace != NULL)
        trace_visit_gaps(making->from->trace, on_gap, making);
    return making->list;
}

static json_t *threads(making_t *making)
{
    making->list = json_array();
    if (making->from->trace != NULL)
        trace_visit_lanes(making->from->trace, on_lane, making);
    return making->list;
}

/* All servers' together, where there are several. */
static totals_t totals(const live_sources_t *from, unsigned viewers)
{
    const books_t *books = from->books;
    totals_t       found = {.answered = http_server_stats(from->server)->answered,
                            .in_flight = http_server_in_flight(from->server),
                            .connections = http_server_connections(from->server),
                            .viewers = viewers};

    if (books->count > 0) {
        book_update(books_own(books), from->server);
        found = (totals_t){.answered = books_sum(books, BOOK_ANSWERED),
                           .in_flight = books_sum(books, BOOK_IN_FLIGHT),
                           .connections = books_sum(books, BOOK_OPEN),
                           .viewers = books_sum(books, BOOK_VIEWERS)};
    }
    found.in_flight = without_viewers(found.in_flight, found.viewers);
    return found;
}

void live_frame_start(live_frame_t *self, const live_sources_t *from)
{
    making_t making = {.last = self, .from = from};

    self->at_ns = uv_hrtime();
    self->answered = totals(from, 0).answered;
    if (from->trace == NULL)
        return;
    trace_visit_gaps(from->trace, on_gap, &making);
    trace_visit_lanes(from->trace, on_lane, &making);
}

char *live_frame_make(live_frame_t *self, const live_sources_t *from, unsigned viewers,
                      unsigned traced_one_in)
{
    uint64_t now_ns = uv_hrtime();
    making_t making = {.last = self, .from = from, .lasts_ns = now_ns - self->at_ns};
    totals_t now = totals(from, viewers);
    double   seconds = (double)making.lasts_ns / 1e9;
    json_t  *frame;
    char    *text;

    frame = json_pack("{s:s, s:s, s:b, s:f, s:f, s:I, s:I, s:I, s:i, s:o, s:o, s:o}", "lab",
                      from->info->name, "python", bridge_python_version(), "gil",
                      bridge_gil_enabled(from->bridge), "interval_ms", seconds * 1e3, "per_second",
                      seconds > 0 ? (double)(now.answered - self->answered) / seconds : 0.0,
                      "in_flight", (json_int_t)now.in_flight, "connections",
                      (json_int_t)now.connections, "viewers", (json_int_t)now.viewers,
                      "traced_one_in", (int)traced_one_in, "queues", queues(from), "threads",
                      threads(&making), "hops", hops(&making));
    self->at_ns = now_ns;
    self->answered = now.answered;
    text = frame == NULL ? NULL : json_dumps(frame, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(frame);
    return text;
}
