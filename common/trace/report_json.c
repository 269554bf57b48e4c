/*
 * The breakdown as one JSON object, for scripts: `--stats=FILE`. Times are in us unless a name says
 * otherwise; what isn't known is null.
 *
 * Every function here that returns a json_t returns a new reference, or NULL without memory. A
 * member that is NULL makes its object NULL, so the error need be tested only once, at the end.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>

#include "common/trace/breakdown.h"

/* Takes `value`. After a failure `*object` is NULL and stays so. */
static void set(json_t **object, const char *key, json_t *value)
{
    if (json_object_set_new(*object, key, value) != 0) {
        json_decref(*object);
        *object = NULL;
    }
}

/* Likewise. */
static void append(json_t **array, json_t *value)
{
    if (json_array_append_new(*array, value) != 0) {
        json_decref(*array);
        *array = NULL;
    }
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* Of a figure that is 0 if the caller doesn't know it. */
static json_t *known_number(double value)
{
    return number(value > 0 ? value : NAN);
}

static json_t *count(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* NULL, and what isn't UTF-8, becomes null. */
static json_t *text(const char *value)
{
    json_t *string = value == NULL ? NULL : json_string(value);

    return string != NULL ? string : json_null();
}

/* ---- Parts ----------------------------------------------------------------------------------- */

static json_t *row_object(const breakdown_row_t *row, bool with_workers)
{
    json_t *object = json_object();

    set(&object, "from", text(trace_hop_name(row->from, with_workers)));
    set(&object, "to", text(trace_hop_name(row->to, with_workers)));
    set(&object, "count", count(row->count));
    set(&object, "mean_us", number(row->mean));
    set(&object, "p50_us", number(row->p50));
    set(&object, "p99_us", number(row->p99));
    set(&object, "share", number(row->share));
    set(&object, "sampled", count(row->sampled));
    set(&object, "running_us", number(row->split.running));
    set(&object, "gil_wait_us", number(row->split.gil));
    set(&object, "core_wait_us", number(row->split.core));
    set(&object, "queue_us", number(row->split.queue));
    set(&object, "suspended_us", number(row->split.suspended));
    set(&object, "unattributed_us", number(row->split.unattributed));
    return object;
}

static json_t *rows_array(const breakdown_t *self, bool with_workers)
{
    json_t *array = json_array();

    for (size_t i = 0; i < self->row_count; i++)
        append(&array, row_object(&self->rows[i], with_workers));
    return array;
}

static json_t *category_object(const breakdown_category_t *category)
{
    json_t *object = json_object();

    set(&object, "name", text(category->name));
    set(&object, "mean_us", number(category->mean));
    set(&object, "queue_us", number(category->in_line));
    set(&object, "reported_ms", number(category->reported_ms));
    return object;
}

static json_t *categories_array(const breakdown_t *self)
{
    json_t *array = json_array();

    for (int i = 0; i < CATEGORIES && self->sampled > 0; i++)
        append(&array, category_object(&self->categories[i]));
    return array;
}

static json_t *thread_object(const breakdown_lane_t *lane)
{
    json_t *object = json_object();

    set(&object, "name", text(lane->name));
    set(&object, "cpu_us_per_request", number(lane->cpu));
    set(&object, "utilisation", number(lane->utilisation));
    set(&object, "gil_wait_share", number(lane->attaching));
    set(&object, "idle_share", number(lane->polling));
    set(&object, "held_up_share", number(lane->waiting));
    return object;
}

static json_t *threads_array(const breakdown_t *self)
{
    json_t *array = json_array();

    for (size_t i = 0; i < self->lane_count; i++)
        append(&array, thread_object(&self->lanes[i]));
    return array;
}

static json_t *end_to_end_object(const breakdown_t *self)
{
    json_t *object = json_object();

    set(&object, "mean", number(self->mean));
    set(&object, "p50", number(self->p50));
    set(&object, "p99", number(self->p99));
    return object;
}

static json_t *bench_object(const breakdown_t *self, const trace_run_t *run)
{
    json_t *object;

    if (run->bench_rps <= 0)
        return json_null();
    object = json_object();
    set(&object, "rps", number(run->bench_rps));
    set(&object, "mean_us", known_number(run->bench_mean_us));
    set(&object, "p50_us", known_number(run->bench_p50_us));
    set(&object, "p99_us", known_number(run->bench_p99_us));
    set(&object, "connections", count(run->bench_connections));
    set(&object, "kernel_and_client_us", number(breakdown_outside(self, run)));
    set(&object, "in_flight", known_number(run->bench_rps * run->bench_mean_us / 1e6));
    return object;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static json_t *report_object(const breakdown_t *self, const trace_run_t *run, bool with_workers)
{
    json_t *object = json_object();

    set(&object, "lab", text(run->lab));
    set(&object, "python", text(run->python));
    set(&object, "gil", json_boolean(run->gil));
    set(&object, "requests", count(self->requests));
    set(&object, "sampled", count(self->sampled));
    set(&object, "dropped", count(self->dropped));
    set(&object, "sample_every", count(self->sample_every));
    set(&object, "clock_ns", number(self->clock_ns));
    set(&object, "sample_ns", number(self->sample_ns));
    set(&object, "schedstat", json_boolean(self->delay_known));
    set(&object, "seconds", number(self->seconds));
    set(&object, "end_to_end_us", end_to_end_object(self));
    set(&object, "gaps_sum_us", number(self->sum));
    set(&object, "instrument_us", number(self->own));
    set(&object, "in_flight", number(self->in_flight));
    set(&object, "cpu_us_per_request", known_number(run->cpu_us_per_request));
    set(&object, "hops", rows_array(self, with_workers));
    set(&object, "unattributed_share", number(self->unattributed_share));
    set(&object, "categories", categories_array(self));
    set(&object, "threads", threads_array(self));
    set(&object, "bench", bench_object(self, run));
    return object;
}

int trace_report_json(trace_t *trace, const trace_run_t *run, FILE *out)
{
    breakdown_t breakdown;
    json_t     *root;
    int         err = breakdown_make(&breakdown, trace);

    if (err != 0)
        return err;
    root = report_object(&breakdown, run, trace->with_workers);
    if (root == NULL)
        err = -ENOMEM;
    else if (json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) != 0 ||
             fputc('\n', out) == EOF || fflush(out) != 0)
        err = -EIO;
    json_decref(root);
    breakdown_free(&breakdown);
    return err;
}
