/* Opens the trace with the HTTP thread's lane; at the end the report goes where it was asked for. */
#include "common/lab/tracing.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int cannot_write(const tracing_t *self, const char *path, int err)
{
    fprintf(stderr, "%s: --stats: cannot write %s: %s\n", self->info->name, path, strerror(err));
    return -1;
}

bool tracing_is_for_all(const lab_options_t *options)
{
    return options->stats || options->trace_file[0] != '\0';
}

int tracing_open(tracing_t *self, const lab_options_t *options, const lab_info_t *info)
{
    trace_options_t trace = {.with_workers = info->options & LAB_HAS_WORKERS,
                             .without_splits = !tracing_is_for_all(options)};
    int             err;

    *self = (tracing_t){.info = info, .options = options};
    if (!tracing_is_for_all(options) && !options->live)
        return 0;
    if (options->stats_file[0] != '\0') {
        self->stats = fopen(options->stats_file, "w");
        if (self->stats == NULL)
            return cannot_write(self, options->stats_file, errno);
    }
    if (options->trace_file[0] != '\0')
        trace.file = options->trace_file;
    err = trace_open(&self->trace, &trace);
    if (err != 0) {
        fprintf(stderr, "%s: cannot trace: %s\n", info->name, strerror(-err));
        return -1;
    }
    return 0;
}

void tracing_open_lane(tracing_t *self, const char *name)
{
    self->lane = trace_lane_open(self->trace, name);
}

/* returns 0 or errno, of all that was ever written to it; what a full disk kept out shows here */
static int close_stats(tracing_t *self)
{
    FILE *file = self->stats;
    int   err = ferror(file) ? EIO : 0;

    self->stats = NULL;
    errno = 0;
    return fclose(file) == 0 ? err : errno;
}

trace_t *tracing_open_part(const lab_options_t *options, const char *lane_name)
{
    const trace_options_t with = {.keep_for_file = options->trace_file[0] != '\0',
                                  .without_splits = !tracing_is_for_all(options)};
    trace_t              *part = NULL;

    if ((!tracing_is_for_all(options) && !options->live) || trace_open(&part, &with) != 0)
        return NULL;
    trace_lane_open(part, lane_name);
    return part;
}

void tracing_close_part(trace_t *part, int fd)
{
    FILE *file;
    int   copy, err = -1;

    if (part == NULL)
        return;
    trace_lane_close(trace_lane_here());
    copy = dup(fd);
    file = copy < 0 ? NULL : fdopen(copy, "w");
    if (file != NULL) {
        err = trace_save(part, file);
        fclose(file);
    } else if (copy >= 0) {
        close(copy);
    }
    if (err != 0)
        log_message(LOG_WARNING, "what a worker has traced is lost: there is no room for it");
    trace_close(part);
}

void tracing_take_part(tracing_t *self, FILE *file)
{
    rewind(file);
    if (self->trace != NULL && trace_take(self->trace, file) != 0)
        log_message(LOG_WARNING, "what a worker has traced is lost, or a part of it");
}

static trace_run_t describe_run(const tracing_t *self, const self_bench_t *bench, double cpu_us,
                                bool gil)
{
    trace_run_t  run = {.lab = self->info->name,
                        .python = bridge_python_version(),
                        .gil = gil,
                        .cpu_us_per_request = cpu_us};
    wrk_result_t wrk;

    if (self_bench_result(bench, &wrk, &run.cpu_us_per_request)) {
        run.bench_rps = wrk.per_second;
        run.bench_mean_us = wrk.mean_us;
        run.bench_p50_us = wrk.p50_us;
        run.bench_p99_us = wrk.p99_us;
        run.bench_connections = SELF_BENCH_CONNECTIONS;
    }
    return run;
}

int tracing_report(tracing_t *self, const self_bench_t *bench, double cpu_us, bool gil)
{
    trace_run_t run = describe_run(self, bench, cpu_us, gil);
    int         err;

    if (!self->options->stats)
        return 0;
    if (self->stats == NULL) {
        err = -trace_report_text(self->trace, &run, stdout);
        if (err == 0 && fflush(stdout) != 0)
            err = errno;
        return err == 0 ? 0 : cannot_write(self, "to standard output", err);
    }
    err = -trace_report_json(self->trace, &run, self->stats);
    if (err == 0)
        err = close_stats(self);
    return err == 0 ? 0 : cannot_write(self, self->options->stats_file, err);
}

void tracing_close(tracing_t *self)
{
    if (self->stats != NULL)
        fclose(self->stats);
    trace_lane_close(self->lane);
    trace_close(self->trace);
}
