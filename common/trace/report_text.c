/*
 * The breakdown for a reader at a terminal: where the time goes, hop by hop; the same in the
 * categories of the original report; and what a request demands of each thread. 100 columns.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/trace/breakdown.h"

enum { NAME_WIDTH = 33, WIDTH = 7, SPLIT_WIDTH = 6 };

/* `us` in `width` columns with as many digits as a reader can use: 0.42, 7.3, 156, 66000, 1200k. */
static void put_us(FILE *out, int width, double us)
{
    double size = fabs(us);

    if (!isfinite(us))
        fprintf(out, "%*s", width, "n/a");
    else if (size >= 99999.5)
        fprintf(out, "%*.0fk", width - 1, us / 1e3);
    else
        fprintf(out, "%*.*f", width, size < 0.995 ? 2 : size < 99.95 ? 1 : 0, us);
}

static void put_share(FILE *out, int width, double share)
{
    if (isfinite(share))
        fprintf(out, "%*.1f%%", width - 1, 100 * share);
    else
        fprintf(out, "%*s", width, "n/a");
}

static void put_split(FILE *out, const breakdown_split_t *split)
{
    const double columns[] = {split->running, split->gil,       split->core,
                              split->queue,   split->suspended, split->unattributed};

    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        put_us(out, SPLIT_WIDTH, columns[i]);
}

/* ---- The gaps -------------------------------------------------------------------------------- */

static void put_header(FILE *out, const breakdown_t *self, const trace_run_t *run)
{
    fprintf(out, "\nWhere the time goes: %" PRIu64 " requests", self->requests);
    if (run->lab != NULL)
        fprintf(out, ", %s", run->lab);
    if (run->python != NULL)
        fprintf(out, ", Python %s", run->python);
    fprintf(out,
            "\n\nTable 1: from hop to hop, in us. The right half: means of the %" PRIu64
            " sampled requests (1 in %u).\n\n",
            self->sampled, self->sample_every);
    fprintf(out, "%-*s%7s%7s%7s%7s |  run-%6s  core    in  sus-   un-\n", NAME_WIDTH, "", "", "",
            "", "", run->gil ? "GIL" : "locks");
    fprintf(out, "%-*s%7s%7s%7s%7s |  ning  wait  wait  line  pend attri\n", NAME_WIDTH,
            "from > to", "median", "p99", "mean", "share");
}

static void put_row(FILE *out, const breakdown_t *self, const breakdown_row_t *row,
                    bool with_workers)
{
    char name[64];

    snprintf(name, sizeof name, "%s > %s", trace_hop_name(row->from, with_workers),
             trace_hop_name(row->to, with_workers));
    fprintf(out, "%-*s", NAME_WIDTH, name);
    put_us(out, WIDTH, row->p50);
    put_us(out, WIDTH, row->p99);
    put_us(out, WIDTH, row->mean);
    put_share(out, 7, row->share);
    fputs(" |", out);
    if (row->sampled > 0)
        put_split(out, &row->split);
    else
        fputs("  none sampled", out);
    fputc('\n', out);
    if (row->count != self->requests)
        fprintf(out, "  (%" PRIu64 " of the requests)\n", row->count);
}

/* A line below the rows: a mean, its share of the end-to-end mean, and nothing else. */
static void put_sum(FILE *out, const breakdown_t *self, const char *name, double us)
{
    fprintf(out, "%-*s%14s", NAME_WIDTH, name, "");
    put_us(out, WIDTH, us);
    put_share(out, 7, us / self->mean);
}

static void put_gaps(FILE *out, const breakdown_t *self, const trace_run_t *run, bool with_workers)
{
    double outside = breakdown_outside(self, run);

    put_header(out, self, run);
    for (size_t i = 0; i < self->row_count; i++)
        put_row(out, self, &self->rows[i], with_workers);
    fputc('\n', out);
    put_sum(out, self, "sum of the gaps", self->sum);
    fputs(" |", out);
    if (self->sampled > 0)
        put_split(out, &self->total);
    fputc('\n', out);
    put_sum(out, self, "sampled marks themselves", self->own);
    fputs(" |\n", out);
    put_sum(out, self, "unattributed: in no gap", self->remainder);
    fputs(" |\n", out);
    fprintf(out, "%-*s", NAME_WIDTH, "end to end, by a clock of its own");
    put_us(out, WIDTH, self->p50);
    put_us(out, WIDTH, self->p99);
    put_us(out, WIDTH, self->mean);
    put_share(out, 7, 1);
    fputs(" |\n", out);
    if (isfinite(outside)) {
        fprintf(out, "%-*s%14s", NAME_WIDTH, "kernel + client (wrk - server)", "");
        put_us(out, WIDTH, outside);
        fputc('\n', out);
    }
}

/* How to read the table, and what it can't tell. */
static void put_notes(FILE *out, const breakdown_t *self, const trace_run_t *run, bool file)
{
    if (self->sampled > 0)
        fprintf(out, "\nOf a sampled request's time %.1f%% is unattributed.\n",
                100 * self->unattributed_share);
    fprintf(out,
            "%" PRIu64 " requests counted, %" PRIu64 " sampled, %" PRIu64
            " dropped (no answer was sent). A mark reads a clock (%.0f ns);\n"
            "a sampled one two more of them (%.0f ns), which no gap contains.\n",
            self->requests, self->sampled, self->dropped, self->clock_ns, self->sample_ns);
    if (file)
        fprintf(out,
                "The trace file shows the last %d requests at most, with %d changes a thread.\n",
                RECORDS_FOR_FILE, LANE_HISTORY_FOR_FILE);
    fputs("running: the request's own work, or the loop's for it.  core wait: woken but not "
          "running yet, or\npreempted.  in line: the thread serves another request first.  "
          "suspended: the handler awaits, or\nthe client doesn't read.  ",
          out);
    if (run->gil)
        fputs("GIL wait: attaching; also blocked while attached, so it is an upper bound.\n", out);
    else
        fputs("locks wait: there is no GIL; attaching, or blocked while attached.\n", out);
    if (!self->delay_known)
        fputs("n/a: this system has no schedstat, so preemption isn't known; that time is "
              "unattributed.\n",
              out);
}

/* ---- The report's categories ----------------------------------------------------------------- */

/* `in_line`, `reported_ms` NAN: no such figure */
static void put_category_row(FILE *out, const breakdown_t *self, const char *name, double us,
                             double in_line, double reported_ms)
{
    fprintf(out, "%-*s", NAME_WIDTH, name);
    fprintf(out, "%12.3f", us / 1e3);
    put_share(out, 7, us / self->sampled_mean);
    if (isfinite(in_line))
        fprintf(out, "%16.3f", in_line / 1e3);
    if (isfinite(reported_ms))
        fprintf(out, "%*.0f", isfinite(in_line) ? 14 : 30, reported_ms);
    fputc('\n', out);
}

static void put_categories(FILE *out, const breakdown_t *self)
{
    double reported_ms = 0;

    if (self->sampled == 0)
        return;
    fputs("\nTable 2: the same requests in the categories of the original report, in ms\n\n", out);
    fprintf(out, "%-*s%12s%7s%16s%14s\n", NAME_WIDTH, "", "this run", "share", "of it in line",
            "the report");
    for (int i = 0; i < CATEGORIES; i++) {
        const breakdown_category_t *category = &self->categories[i];

        put_category_row(out, self, category->name, category->mean,
                         category->in_line > 0 ? category->in_line : NAN, category->reported_ms);
        if (isfinite(category->reported_ms))
            reported_ms += category->reported_ms;
    }
    put_category_row(out, self, "unattributed", self->total.unattributed, NAN, NAN);
    put_category_row(out, self, "sampled marks themselves", self->sampled_own, NAN, NAN);
    put_category_row(out, self, "end to end", self->sampled_mean, self->total.queue, reported_ms);
}

/* ---- Demand ---------------------------------------------------------------------------------- */

/* Little's law: what comes in at a rate and stays for a while is so many at a time. */
static void put_in_flight(FILE *out, const breakdown_t *self, const trace_run_t *run)
{
    fprintf(out, "\nIn flight (requests/s x mean latency): %.0f/s x ", self->rate);
    put_us(out, 0, self->mean);
    fprintf(out, " us = %.1f in the server\n", self->in_flight);
    if (run->bench_rps > 0 && run->bench_mean_us > 0) {
        fprintf(out, "%39s%.0f/s x ", "by wrk's figures: ", run->bench_rps);
        put_us(out, 0, run->bench_mean_us);
        fprintf(out, " us = %.1f", run->bench_rps * run->bench_mean_us / 1e6);
        if (run->bench_connections > 0)
            fprintf(out, "; there were %u connections", run->bench_connections);
        fputc('\n', out);
    }
    fputs("Latency is what is in flight divided by the rate: it isn't one request's work. The rate "
          "is limited\nby what is busy all the time: a thread above, the cores together, or the "
          "GIL.\n",
          out);
}

static void put_demand(FILE *out, const breakdown_t *self, const trace_run_t *run)
{
    double total = 0;

    if (!isfinite(self->rate))
        return;
    fprintf(out, "\nTable 3: what one request takes of each thread: at %.0f requests/s at most ",
            self->rate);
    put_us(out, 0, 1e6 / self->rate);
    fprintf(out, " us\n\n%-*s%14s%10s%10s%10s%12s\n", NAME_WIDTH, "thread", "CPU us/request",
            "on a CPU", run->gil ? "GIL wait" : "attaching", "idle", "held up");
    for (size_t i = 0; i < self->lane_count; i++) {
        const breakdown_lane_t *lane = &self->lanes[i];

        fprintf(out, "%-*s", NAME_WIDTH, lane->name);
        put_us(out, 14, lane->cpu);
        put_share(out, 10, lane->utilisation);
        put_share(out, 10, lane->attaching);
        put_share(out, 10, lane->polling);
        put_share(out, 12, lane->waiting);
        fputc('\n', out);
        total += lane->cpu;
    }
    fprintf(out, "%-*s", NAME_WIDTH, "together");
    put_us(out, 14, total);
    fputc('\n', out);
    if (run->cpu_us_per_request > 0) {
        fprintf(out, "%-*s", NAME_WIDTH, "the whole process");
        put_us(out, 14, run->cpu_us_per_request);
        fputc('\n', out);
    }
    fputs("Idle: waiting for something to do. Held up: woken and without a core, or blocked while "
          "attached.\n",
          out);
    put_in_flight(out, self, run);
}

int trace_report_text(trace_t *trace, const trace_run_t *run, FILE *out)
{
    breakdown_t breakdown;
    int         err = breakdown_make(&breakdown, trace);

    if (err != 0)
        return err;
    if (breakdown.requests > 0) {
        put_gaps(out, &breakdown, run, trace->with_workers);
        put_notes(out, &breakdown, run, trace->file != NULL);
        put_categories(out, &breakdown);
        put_demand(out, &breakdown, run);
    } else {
        fprintf(out, "\nWhere the time goes: no request was answered, %" PRIu64 " were dropped\n",
                breakdown.dropped);
    }
    breakdown_free(&breakdown);
    return fflush(out) != 0 || ferror(out) ? -EIO : 0;
}
