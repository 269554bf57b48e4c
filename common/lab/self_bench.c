/* Two runs of wrk, one after the other: a warm-up, whose output is dropped, and the measured one. */
#include "common/lab/self_bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/lab/platform.h"

enum { WARM_UP_SECONDS = 1, OUTPUT_MAX = 8192 };

struct self_bench {
    uv_loop_t          *loop;
    const char         *lab, *url; /* borrowed */
    int                 seconds;
    self_bench_events_t events;
    void               *owner;
    bool                measuring; /* the warm-up is over */
    uv_process_t        process;
    uv_pipe_t           pipe;
    int                 open_handles; /* of the present run: process and pipe */
    bool                running, stopped;
    int64_t             exit_status;
    double              cpu_before; /* seconds */
    wrk_result_t        result;     /* of the measured run */
    double              cpu_us;     /* for each of its requests; 0: there is no result */
    char                output[OUTPUT_MAX];
    size_t              output_len;
};

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_output(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf);
static void on_exit_of_wrk(uv_process_t *process, int64_t status, int signal);
static void on_closed(uv_handle_t *handle);

/* ---- wrk's report ---------------------------------------------------------------------------- */

/* The number behind `label`, as wrk formats it: "1.23ms" with `times`, "45.6k" otherwise. */
static bool number_after(const char *text, const char *label, bool times, double *value)
{
    static const struct {
        const char *unit;
        double      factor;
    } time_units[] = {{"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 6e7}},
      counts[] = {{"k", 1e3}, {"M", 1e6}, {"G", 1e9}};
    const char *at = strstr(text, label);
    char       *end;

    if (at == NULL)
        return false;
    *value = strtod(at + strlen(label), &end);
    for (size_t i = 0; times && i < sizeof time_units / sizeof time_units[0]; i++)
        if (strncmp(end, time_units[i].unit, strlen(time_units[i].unit)) == 0) {
            *value *= time_units[i].factor;
            return true;
        }
    for (size_t i = 0; !times && i < sizeof counts / sizeof counts[0]; i++)
        if (strncmp(end, counts[i].unit, 1) == 0)
            *value *= counts[i].factor;
    return end != at + strlen(label) && !times;
}

/* "Socket errors: connect 0, read 1, write 0, timeout 2": the sum. */
static double socket_errors(const char *text)
{
    static const char *const kinds[] = {"connect ", "read ", "write ", "timeout "};
    const char              *line = strstr(text, "Socket errors:");
    double                   sum = 0, count;

    for (size_t i = 0; line != NULL && i < sizeof kinds / sizeof kinds[0]; i++)
        if (number_after(line, kinds[i], false, &count))
            sum += count;
    return sum;
}

/* "  12345 requests in 5.00s, ...": the number before the words. */
static bool requests_in(const char *text, double *value)
{
    const char *words = strstr(text, " requests in "), *at = words;

    if (words == NULL)
        return false;
    while (at > text && at[-1] >= '0' && at[-1] <= '9')
        at--;
    *value = strtod(at, NULL);
    return at < words;
}

bool wrk_parse(const char *text, wrk_result_t *result)
{
    /* Above it there are other percentages. */
    const char *latency = strstr(text, "Latency Distribution");

    *result = (wrk_result_t){0};
    if (latency == NULL)
        return false;
    if (!number_after(text, "Non-2xx or 3xx responses:", false, &result->bad_answers))
        result->bad_answers = 0;
    result->socket_errors = socket_errors(text);
    return requests_in(text, &result->requests) &&
           number_after(text, "Requests/sec:", false, &result->per_second) &&
           number_after(text, "Latency", true, &result->mean_us) &&
           number_after(latency, "50%", true, &result->p50_us) &&
           number_after(latency, "99%", true, &result->p99_us);
}

/* ---- Runs ------------------------------------------------------------------------------------ */

static double cpu_seconds(const self_bench_t *self)
{
    return self->events.cpu_seconds == NULL ? platform_cpu_seconds()
                                            : self->events.cpu_seconds(self->owner);
}

/* Start wrk for so many seconds. returns 0 or libuv's error */
static int run_wrk(self_bench_t *self, int seconds)
{
    char  duration[16], connections[16];
    char *args[] = {"wrk", "-t1", connections, duration, "--latency", (char *)(uintptr_t)self->url,
                    NULL};
    uv_stdio_container_t stdio[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&self->pipe},
        {.flags = UV_INHERIT_FD, .data.fd = 2}};
    uv_process_options_t options = {
        .exit_cb = on_exit_of_wrk, .file = "wrk", .args = args, .stdio_count = 3, .stdio = stdio};
    int err;

    snprintf(duration, sizeof duration, "-d%ds", seconds);
    snprintf(connections, sizeof connections, "-c%d", SELF_BENCH_CONNECTIONS);
    uv_pipe_init(self->loop, &self->pipe, 0);
    self->pipe.data = self->process.data = self;
    self->open_handles = 2;
    self->output_len = 0;
    self->cpu_before = cpu_seconds(self);
    err = uv_spawn(self->loop, &self->process, &options);
    self->running = err == 0;
    if (err == 0)
        return uv_read_start((uv_stream_t *)&self->pipe, on_alloc, on_output);
    uv_close((uv_handle_t *)&self->process, on_closed);
    uv_close((uv_handle_t *)&self->pipe, on_closed);
    return err;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    self_bench_t *self = handle->data;

    (void)suggested;
    *buf =
        uv_buf_init(self->output + self->output_len, (unsigned)(OUTPUT_MAX - 1 - self->output_len));
}

static void on_output(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    self_bench_t *self = stream->data;

    (void)buf;
    if (nread > 0)
        self->output_len += (size_t)nread;
    else if (nread < 0)
        uv_close((uv_handle_t *)stream, on_closed);
}

static void on_exit_of_wrk(uv_process_t *process, int64_t status, int signal)
{
    self_bench_t *self = process->data;

    self->running = false;
    self->exit_status = signal != 0 ? -1 : status;
    uv_close((uv_handle_t *)process, on_closed);
}

/* Print the row of the measured run. returns the lab's exit status */
static int report(self_bench_t *self, double cpu)
{
    wrk_result_t result;

    self->output[self->output_len] = '\0';
    if (!wrk_parse(self->output, &result) || result.requests <= 0) {
        fprintf(stderr, "--bench: wrk's report can't be read:\n%s\n", self->output);
        return 1;
    }
    self->result = result;
    self->cpu_us = cpu * 1e6 / result.requests;
    printf("%-20s %12s %10s %10s %16s\n", "lab", "requests/s", "p50 ms", "p99 ms",
           "CPU us/request");
    printf("%-20s %12.0f %10.2f %10.2f %16.2f\n", self->lab, result.per_second,
           result.p50_us / 1000, result.p99_us / 1000, self->cpu_us);
    if (result.bad_answers + result.socket_errors == 0)
        return 0;
    fprintf(stderr, "--bench: %.0f answers weren't 2xx, %.0f socket errors\n", result.bad_answers,
            result.socket_errors);
    return 1;
}

/* Process and pipe are closed: this run is over. */
static void on_closed(uv_handle_t *handle)
{
    self_bench_t *self = handle->data;
    double        cpu = cpu_seconds(self) - self->cpu_before;

    if (--self->open_handles > 0 || self->stopped)
        return;
    if (self->exit_status != 0) {
        fprintf(stderr, "--bench: wrk failed (status %d)\n", (int)self->exit_status);
        self->events.on_done(self->owner, 1);
    } else if (self->measuring) {
        self->events.on_done(self->owner, report(self, cpu));
    } else {
        self->measuring = true;
        self->events.on_measure(self->owner);
        printf("measuring for %d s...\n", self->seconds);
        fflush(stdout);
        if (run_wrk(self, self->seconds) != 0)
            self->exit_status = -1;
    }
}

int self_bench_start(self_bench_t **out, uv_loop_t *loop, const char *lab, const char *url,
                     int seconds, const self_bench_events_t *events, void *owner)
{
    self_bench_t *self = calloc(1, sizeof *self);
    int           err;

    if (self == NULL)
        return UV_ENOMEM;
    *self = (self_bench_t){.loop = loop,
                           .lab = lab,
                           .url = url,
                           .seconds = seconds,
                           .events = *events,
                           .owner = owner};
    *out = self;
    printf("warming up for %d s...\n", WARM_UP_SECONDS);
    fflush(stdout);
    err = run_wrk(self, WARM_UP_SECONDS);
    if (err == 0)
        return 0;
    self->stopped = true;
    fprintf(stderr, err == UV_ENOENT ? "--bench: wrk isn't installed: apt-get install wrk\n"
                                     : "--bench: cannot start wrk\n");
    return err;
}

void self_bench_stop(self_bench_t *self)
{
    if (self == NULL)
        return;
    self->stopped = true;
    if (self->running)
        uv_process_kill(&self->process, SIGTERM);
}

bool self_bench_result(const self_bench_t *self, wrk_result_t *result, double *cpu_us)
{
    if (self == NULL || self->cpu_us == 0)
        return false;
    *result = self->result;
    *cpu_us = self->cpu_us;
    return true;
}

void self_bench_free(self_bench_t *self)
{
    free(self);
}
