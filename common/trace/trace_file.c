/*
 * The trace file: Chrome's trace events, for Perfetto (ui.perfetto.dev) or chrome://tracing.
 *
 * Each thread is a row of slices, one per transition of its lane, so slices never overlap. Requests
 * do, so each is an asynchronous event with its gaps nested in it, on rows of their own; and where
 * a request goes from one thread to another, an arrow joins the slices.
 *
 * Memory is bounded: the last RECORDS_FOR_FILE requests and the last LANE_HISTORY_FOR_FILE
 * transitions of each lane are kept, and the file is made of them when the trace is closed, event
 * by event. It is written under another name and takes its own only once it is complete: what
 * stands there is valid JSON, whatever happens. (A device or a pipe is written as it is.)
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log/log.h"
#include "common/trace/internal.h"

/* HTTP thread only. */
struct trace_file {
    FILE           *out;              /* NULL: nothing is written */
    char           *path, *temporary; /* owned; `temporary` NULL: `path` is written as it is */
    uint64_t        kept;             /* records so far; the last `capacity` are there */
    uint64_t        capacity;
    uint64_t        elsewhere; /* records that another had, and displaced */
    trace_record_t *records;   /* owned */
};

/* ---- Opening --------------------------------------------------------------------------------- */

/* Opens self->out. returns 0 or an errno */
static int open_for_writing(trace_file_t *self)
{
    struct stat info;
    int         fd;

    if (stat(self->path, &info) == 0 && !S_ISREG(info.st_mode)) {
        free(self->temporary);
        self->temporary = NULL;
    }
    fd = open(self->temporary != NULL ? self->temporary : self->path,
              O_WRONLY | O_TRUNC | O_CLOEXEC | (self->temporary != NULL ? O_CREAT : 0), 0666);
    if (fd < 0)
        return errno;
    self->out = fdopen(fd, "w");
    if (self->out != NULL)
        return 0;
    close(fd);
    return ENOMEM;
}

static void file_free(trace_file_t *self)
{
    free(self->path);
    free(self->temporary);
    free(self->records);
    free(self);
}

trace_file_t *trace_file_open(const char *path)
{
    trace_file_t *self = calloc(1, sizeof *self);
    int           err = ENOMEM;

    if (self == NULL)
        goto failed;
    self->capacity = RECORDS_FOR_FILE;
    self->records = calloc(self->capacity, sizeof *self->records);
    if (path == NULL && self->records != NULL)
        return self;
    if (path == NULL)
        path = "";
    self->path = strdup(path);
    if (asprintf(&self->temporary, "%s.%d.tmp", path, (int)getpid()) < 0)
        self->temporary = NULL;
    if (self->path != NULL && self->records != NULL && self->temporary != NULL)
        err = open_for_writing(self);
    if (err == 0)
        return self;
    file_free(self);
failed:
    log_message(LOG_WARNING, "cannot write the trace file %s: %s; going on without it", path,
                strerror(err));
    return NULL;
}

void trace_file_keep(trace_file_t *self, const trace_record_t *record)
{
    trace_record_t *copy = &self->records[self->kept++ % self->capacity];

    memcpy(copy, record, record->sampled ? sizeof *copy : offsetof(trace_record_t, split));
}

uint64_t trace_file_kept(const trace_file_t *self)
{
    return self->kept < self->capacity ? self->kept : self->capacity;
}

const trace_record_t *trace_file_record(const trace_file_t *self, uint64_t i)
{
    return &self->records[(self->kept - trace_file_kept(self) + i) % self->capacity];
}

uint64_t trace_file_seen(const trace_file_t *self)
{
    return self->kept + self->elsewhere;
}

void trace_file_room(trace_file_t *self, uint64_t more, uint64_t seen)
{
    uint64_t        capacity = self->kept + more;
    trace_record_t *grown;

    self->elsewhere += seen - more;
    if (self->kept > self->capacity || capacity <= self->capacity)
        return;
    grown = realloc(self->records, capacity * sizeof *grown);
    if (grown == NULL)
        return;
    self->records = grown;
    self->capacity = capacity;
}

/* ---- Writing --------------------------------------------------------------------------------- */

typedef struct {
    FILE          *out;
    const trace_t *trace;
    uint64_t       events, flows;
    int            err; /* an errno; once set, nothing more is written */
} writer_t;

/* Takes `event`, which is NULL if there was no memory for it. */
static void put(writer_t *self, json_t *event)
{
    if (event == NULL)
        self->err = ENOMEM;
    if (self->err == 0 && (fputs(self->events++ == 0 ? "\n" : ",\n", self->out) == EOF ||
                           json_dumpf(event, self->out, JSON_COMPACT | JSON_REAL_PRECISION(15))))
        self->err = errno != 0 ? errno : EIO;
    json_decref(event);
}

static double ts_us(const writer_t *self, uint64_t at_ns)
{
    return ((double)at_ns - (double)self->trace->opened_ns) / 1e3;
}

/* An event of `phase` on the lane's row. returns a new reference, or NULL without memory */
static json_t *make(const writer_t *self, const char *phase, const char *name, unsigned lane,
                    uint64_t at_ns)
{
    return json_pack("{s:s, s:s, s:i, s:i, s:f}", "ph", phase, "name", name, "pid", (int)getpid(),
                     "tid", (int)lane, "ts", ts_us(self, at_ns));
}

/* Steals `value`, of which there is none without memory. */
static void set(json_t **event, const char *key, json_t *value)
{
    if (json_object_set_new(*event, key, value) != 0) {
        json_decref(*event);
        *event = NULL;
    }
}

static void put_name(writer_t *self, const char *what, unsigned lane, const char *name)
{
    put(self, json_pack("{s:s, s:s, s:i, s:i, s:{s:s}}", "ph", "M", "name", what, "pid",
                        (int)getpid(), "tid", (int)lane, "args", "name", name));
}

/* ---- Threads --------------------------------------------------------------------------------- */

static const char *slice_name(uint32_t doing, char *buf, size_t size)
{
    switch (doing) {
    case LANE_NOTHING:
        return "loop";
    case LANE_ATTACHING:
        return "attaching";
    case LANE_POLLING:
        return "polling";
    default:
        snprintf(buf, size, "request %" PRIu32, doing);
        return buf;
    }
}

/* What the lane did from then on, as far as its history goes. returns the number of slices */
static uint64_t put_lane(writer_t *self, const trace_lane_t *lane, uint64_t from_ns)
{
    uint64_t i = lane->entries > lane->mask + 1 ? lane->entries - lane->mask - 1 : 0;
    uint64_t count = 0;
    char     buf[32];

    put_name(self, "thread_name", lane->index, lane->name);
    for (; i < lane->entries && self->err == 0; i++) {
        const lane_entry_t *entry = &lane->history[i & lane->mask];
        uint64_t            end_ns =
            i + 1 < lane->entries ? lane->history[(i + 1) & lane->mask].at_ns : lane->closed_ns;
        json_t *event;

        if (end_ns < from_ns || end_ns < entry->at_ns) /* the latter: not closed */
            continue;
        event =
            make(self, "X", slice_name(entry->doing, buf, sizeof buf), lane->index, entry->at_ns);
        set(&event, "dur", json_real((double)(end_ns - entry->at_ns) / 1e3));
        put(self, event);
        count++;
    }
    return count;
}

/* ---- Requests -------------------------------------------------------------------------------- */

/* An asynchronous event: one that belongs to a request. */
static json_t *make_async(const writer_t *self, const char *phase, const char *name,
                          const trace_record_t *record, int hop)
{
    json_t *event = make(self, phase, name, record->lane[hop], record->at_ns[hop]);

    set(&event, "cat", json_string("request"));
    set(&event, "id", json_integer((json_int_t)record->id));
    return event;
}

static json_t *split_object(const trace_split_t *split)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f}", "running_us", (double)split->running / 1e3,
                     "gil_wait_us", (double)split->gil / 1e3, "core_wait_us",
                     (double)split->core / 1e3, "queue_us", (double)split->queue / 1e3,
                     "suspended_us", (double)split->suspended / 1e3);
}

/* An arrow from the slice in which the request was handed over to the one that took it. */
static void put_flow(writer_t *self, const char *name, const trace_record_t *record, int from,
                     int to)
{
    json_t *start = make(self, "s", name, record->lane[from], record->at_ns[from]);
    json_t *finish = make(self, "f", name, record->lane[to], record->at_ns[to]);

    set(&start, "cat", json_string("hand-off"));
    set(&start, "id", json_integer((json_int_t)self->flows));
    set(&finish, "cat", json_string("hand-off"));
    set(&finish, "id", json_integer((json_int_t)self->flows));
    set(&finish, "bp", json_string("e")); /* ends in the slice around it, not in the next one */
    put(self, start);
    put(self, finish);
    self->flows++;
}

static void put_gap(writer_t *self, const trace_record_t *record, int from, int to)
{
    bool    with_workers = self->trace->with_workers;
    char    name[64];
    json_t *begin;

    snprintf(name, sizeof name, "%s > %s", trace_hop_name((trace_hop_t)from, with_workers),
             trace_hop_name((trace_hop_t)to, with_workers));
    begin = make_async(self, "b", name, record, from);
    if (record->sampled)
        set(&begin, "args", split_object(&record->split[to]));
    put(self, begin);
    put(self, make_async(self, "e", name, record, to));
    if (record->lane[from] != record->lane[to] && record->lane[from] != TRACE_NO_LANE &&
        record->lane[to] != TRACE_NO_LANE)
        put_flow(self, name, record, from, to);
}

static int first_hop(const trace_record_t *record)
{
    int hop = 0;

    while (hop < TRACE_HOPS - 1 && record->at_ns[hop] == 0)
        hop++;
    return hop;
}

static void put_request(writer_t *self, const trace_record_t *record)
{
    int  first = first_hop(record), last = record_hop_before(record, TRACE_HOPS), from = first;
    char name[32];

    if (last < 0)
        return;
    snprintf(name, sizeof name, "request %" PRIu32, record->id);
    put(self, make_async(self, "b", name, record, first));
    for (int to = first + 1; to <= last && self->err == 0; to++) {
        if (record->at_ns[to] == 0)
            continue;
        put_gap(self, record, from, to);
        from = to;
    }
    put(self, make_async(self, "e", name, record, last));
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* When the oldest request that is shown began: threads are shown from then on. */
static uint64_t window_start(const trace_file_t *self, uint64_t shown)
{
    uint64_t start = shown == 0 ? 0 : UINT64_MAX;

    for (uint64_t i = 0; i < shown; i++) {
        uint64_t at_ns = self->records[i].at_ns[first_hop(&self->records[i])];

        if (at_ns < start)
            start = at_ns;
    }
    return start;
}

static void write_all(trace_file_t *self, writer_t *writer)
{
    uint64_t shown = trace_file_kept(self), slices = 0;
    uint64_t from_ns = window_start(self, shown);

    errno = 0;
    if (fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", self->out) == EOF)
        writer->err = errno;
    put_name(writer, "process_name", 0, "looplab");
    for (const trace_lane_t *lane = writer->trace->lanes; lane != NULL; lane = lane->next)
        slices += put_lane(writer, lane, from_ns);
    for (uint64_t i = 0; i < shown && writer->err == 0; i++)
        put_request(writer, trace_file_record(self, i));
    fputs("\n]}\n", self->out);
    if (fclose(self->out) != 0 && writer->err == 0)
        writer->err = errno;
    if (writer->err == 0 && self->temporary != NULL && rename(self->temporary, self->path) != 0)
        writer->err = errno;
    if (writer->err == 0)
        log_message(LOG_INFO,
                    "wrote the trace file %s: the last %" PRIu64 " of %" PRIu64
                    " requests, %" PRIu64 " slices of threads",
                    self->path, shown, trace_file_seen(self), slices);
}

void trace_file_close(trace_file_t *self, const trace_t *trace)
{
    writer_t writer = {.out = self->out, .trace = trace};

    if (self->out != NULL)
        write_all(self, &writer);
    if (writer.err != 0) {
        log_message(LOG_WARNING, "cannot write the trace file %s: %s%s", self->path,
                    strerror(writer.err), self->temporary != NULL ? "; it stays as it was" : "");
        if (self->temporary != NULL)
            unlink(self->temporary);
    }
    file_free(self);
}
