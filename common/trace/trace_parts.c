/*
 * One trace out of several: an HTTP thread's trace is its own, and where a lab has many of them, in
 * one process or more, each saves what it has counted and one trace takes it all in.
 *
 * What is saved is memory as it is: structs of numbers, for the same program on the same machine.
 * Requests and lanes get new numbers on the way, behind those that are there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/trace/internal.h"

typedef struct {
    uint32_t lanes, gaps, last_id;
    uint64_t records, records_seen;
    uint64_t first_ns, last_ns, sampled, sampled_end_to_end_ns, sampled_gaps_ns, sampled_own_ns;
    uint64_t lost_gaps, dropped;
    bool     no_delay;
} header_t;

typedef struct {
    uint8_t from, to; /* hops */
} gap_key_t;

/* ---- Saving ---------------------------------------------------------------------------------- */

static void put(FILE *out, const void *data, size_t size)
{
    fwrite(data, size, 1, out); /* an error stays with the file: trace_save() looks */
}

static size_t history_length(const trace_lane_t *lane)
{
    return lane->entries < lane->mask + 1 ? (size_t)lane->entries : lane->mask + 1;
}

static void save_lanes(const trace_t *trace, FILE *out)
{
    for (const trace_lane_t *lane = trace->lanes; lane != NULL; lane = lane->next) {
        put(out, lane, sizeof *lane);
        put(out, lane->history, history_length(lane) * sizeof *lane->history);
    }
}

static void save_gaps(const trace_t *trace, FILE *out)
{
    for (int from = 0; from < TRACE_HOPS; from++)
        for (int to = 0; to < TRACE_HOPS; to++)
            if (trace->gaps[from][to] != NULL) {
                const gap_key_t key = {.from = (uint8_t)from, .to = (uint8_t)to};

                put(out, &key, sizeof key);
                put(out, trace->gaps[from][to], sizeof *trace->gaps[from][to]);
            }
}

static uint32_t count_gaps(const trace_t *trace)
{
    uint32_t count = 0;

    for (int from = 0; from < TRACE_HOPS; from++)
        for (int to = 0; to < TRACE_HOPS; to++)
            count += trace->gaps[from][to] != NULL;
    return count;
}

int trace_save(const trace_t *trace, FILE *out)
{
    header_t header = {.lanes = trace->lane_count,
                       .gaps = count_gaps(trace),
                       .records = trace->file == NULL ? 0 : trace_file_kept(trace->file),
                       .records_seen = trace->file == NULL ? 0 : trace_file_seen(trace->file),
                       .last_id = trace->last_id,
                       .first_ns = trace->first_ns,
                       .last_ns = trace->last_ns,
                       .sampled = trace->sampled,
                       .sampled_end_to_end_ns = trace->sampled_end_to_end_ns,
                       .sampled_gaps_ns = trace->sampled_gaps_ns,
                       .sampled_own_ns = trace->sampled_own_ns,
                       .lost_gaps = trace->lost_gaps,
                       .dropped = trace->dropped,
                       .no_delay = trace->no_delay};

    put(out, &header, sizeof header);
    put(out, &trace->end_to_end, sizeof trace->end_to_end);
    save_lanes(trace, out);
    save_gaps(trace, out);
    for (uint64_t i = 0; i < header.records; i++)
        put(out, trace_file_record(trace->file, i), sizeof(trace_record_t));
    return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}

/* ---- Taking in ------------------------------------------------------------------------------- */

/* What is read, where it goes, and what numbers change by. */
typedef struct {
    trace_t *into;
    FILE    *in;
    uint32_t id_offset;
    unsigned lane_offset;
    int      err; /* a negative errno; once set, nothing more is read */
} taker_t;

static bool take(taker_t *self, void *data, size_t size)
{
    if (self->err == 0 && fread(data, size, 1, self->in) != 1)
        self->err = -EIO;
    return self->err == 0;
}

/* A request's number, in a lane's history, or something else that a lane does. */
static uint32_t renumber(const taker_t *self, uint32_t doing)
{
    return doing == LANE_NOTHING || doing > LANE_LAST_ID ? doing : doing + self->id_offset;
}

static uint8_t renumber_lane(const taker_t *self, uint8_t lane)
{
    return lane + self->lane_offset < TRACE_NO_LANE ? (uint8_t)(lane + self->lane_offset)
                                                    : TRACE_NO_LANE;
}

static bool take_history(taker_t *self, trace_lane_t *lane)
{
    size_t length = history_length(lane);

    lane->history = calloc(lane->mask + 1, sizeof *lane->history);
    if (lane->history == NULL)
        self->err = -ENOMEM;
    for (size_t i = 0; i < length && take(self, &lane->history[i], sizeof *lane->history); i++)
        lane->history[i].doing = renumber(self, lane->history[i].doing);
    return self->err == 0;
}

/* The lane's thread has ended; what is kept of its clock is what it could tell. */
static void take_lane(taker_t *self)
{
    trace_lane_t *lane = calloc(1, sizeof *lane);

    if (lane == NULL) {
        self->err = -ENOMEM;
        return;
    }
    if (!take(self, lane, sizeof *lane)) {
        free(lane);
        return;
    }
    lane->trace = self->into;
    if (!take_history(self, lane) || renumber_lane(self, lane->index) == TRACE_NO_LANE) {
        free(lane->history);
        free(lane);
        return;
    }
    lane->index = renumber_lane(self, lane->index);
    lane->next = self->into->lanes;
    self->into->lanes = lane;
    self->into->lane_count++;
}

static void add_gap(trace_gap_t *gap, const trace_gap_t *more)
{
    histogram_add_all(&gap->all, &more->all);
    gap->sampled += more->sampled;
    gap->sampled_ns += more->sampled_ns;
    gap->sampled_cross += more->sampled_cross;
    gap->split.running += more->split.running;
    gap->split.gil += more->split.gil;
    gap->split.core += more->split.core;
    gap->split.queue += more->split.queue;
    gap->split.suspended += more->split.suspended;
}

static void take_gap(taker_t *self)
{
    trace_gap_t **gap, *more = calloc(1, sizeof *more);
    gap_key_t     key;

    if (more == NULL)
        self->err = -ENOMEM;
    if (self->err != 0 || !take(self, &key, sizeof key) || !take(self, more, sizeof *more)) {
        free(more);
        return;
    }
    gap = &self->into->gaps[key.from % TRACE_HOPS][key.to % TRACE_HOPS];
    if (*gap == NULL) {
        *gap = more;
        return;
    }
    add_gap(*gap, more);
    free(more);
}

static void take_record(taker_t *self)
{
    trace_record_t record;

    if (!take(self, &record, sizeof record) || self->into->file == NULL)
        return;
    record.id += self->id_offset;
    for (int hop = 0; hop < TRACE_HOPS; hop++)
        record.lane[hop] = renumber_lane(self, record.lane[hop]);
    trace_file_keep(self->into->file, &record);
}

static void add_header(trace_t *into, const header_t *header)
{
    if (header->first_ns != 0 && (into->first_ns == 0 || header->first_ns < into->first_ns))
        into->first_ns = header->first_ns;
    if (header->last_ns > into->last_ns)
        into->last_ns = header->last_ns;
    into->sampled += header->sampled;
    into->sampled_end_to_end_ns += header->sampled_end_to_end_ns;
    into->sampled_gaps_ns += header->sampled_gaps_ns;
    into->sampled_own_ns += header->sampled_own_ns;
    into->lost_gaps += header->lost_gaps;
    into->dropped += header->dropped;
    into->no_delay |= header->no_delay;
    into->last_id += header->last_id;
}

int trace_take(trace_t *into, FILE *in)
{
    taker_t taker = {
        .into = into, .in = in, .id_offset = into->last_id, .lane_offset = into->lane_count};
    header_t    header = {0};
    histogram_t end_to_end;

    if (!take(&taker, &header, sizeof header) || !take(&taker, &end_to_end, sizeof end_to_end))
        return taker.err;
    add_header(into, &header);
    histogram_add_all(&into->end_to_end, &end_to_end);
    if (into->file != NULL)
        trace_file_room(into->file, header.records, header.records_seen);
    for (uint32_t i = 0; i < header.lanes && taker.err == 0; i++)
        take_lane(&taker);
    for (uint32_t i = 0; i < header.gaps && taker.err == 0; i++)
        take_gap(&taker);
    for (uint64_t i = 0; i < header.records && taker.err == 0; i++)
        take_record(&taker);
    return taker.err;
}
