/* All of it goes to standard output, but for what is due at once or is a warning. */
#include "common/lab/console.h"

#include <stdio.h>
#include <string.h>

#include "common/lab/platform.h"

void console_banner(console_t *self, const char *python, int port, const char *more)
{
    const char *host = self->options->host;
    bool        six = strchr(host, ':') != NULL;

    self->started_ns = uv_hrtime();
    snprintf(self->url, sizeof self->url, "http://%s%s%s:%d", six ? "[" : "", host, six ? "]" : "",
             port);
    snprintf(self->python, sizeof self->python, "%s", python);
    printf("%s: %s\n", self->info->name, self->info->summary);
    printf("Python %s; app %s%s\nlistening on %s\n", self->python, self->options->app, more,
           self->url);
    fflush(stdout);
    if (!options_host_is_loopback(host))
        log_message(LOG_WARNING,
                    "%s can be reached from other machines, and this is a lab: no TLS, no users; "
                    "see SECURITY.md",
                    host);
}

void console_cannot_listen(const lab_info_t *info, const char *host, int port, int err)
{
    if (err == UV_EADDRINUSE)
        fprintf(stderr,
                "%s: port %d of %s is in use: stop what listens there (ss -ltnp shows it), or "
                "choose another with --port\n",
                info->name, port, host);
    else
        fprintf(stderr, "%s: cannot listen on %s port %d: %s\n", info->name, host, port,
                uv_strerror(err));
}

void console_stopping(const console_t *self, unsigned in_flight)
{
    char text[160];

    snprintf(text, sizeof text,
             "stopping: %u requests in flight get their answers, for at most %g seconds; "
             "once more to stop at once\n",
             in_flight, self->options->drain_timeout_ms / 1000.0);
    log_plain(text); /* unlike stdio it doesn't wait for whoever reads it */
}

void console_own_usage(console_totals_t *totals)
{
    totals->cpu_us += platform_cpu_seconds() * 1e6;
    totals->max_rss_kib += platform_max_rss_kib();
}

double console_summary(const console_t *self, const console_totals_t *totals)
{
    const http_stats_t *stats = &totals->stats;
    double              seconds = (double)(uv_hrtime() - self->started_ns) / 1e9;
    double              cpu = stats->parsed == 0 ? 0 : totals->cpu_us / (double)stats->parsed;

    printf("served for %.1f s: %llu connections, %llu requests\n", seconds,
           (unsigned long long)stats->connections, (unsigned long long)stats->parsed);
    printf("  answered %llu (", (unsigned long long)stats->answered);
    for (int class = 2; class <= 5; class ++)
        printf("%dxx: %llu%s", class, (unsigned long long)stats->answered_by_class[class],
               class < 5 ? ", " : "");
    printf("), client left %llu, cut off %llu\n", (unsigned long long)stats->abandoned,
           (unsigned long long)stats->cut_off);
    printf("  CPU %.2f us per request, start included; at most %ld MiB of memory\n", cpu,
           totals->max_rss_kib / 1024);
    if (totals->lines_lost > 0)
        printf("  access log: %llu lines lost\n", (unsigned long long)totals->lines_lost);
    if (strcmp(totals->python, self->python) != 0) /* a handler's import has turned the GIL on */
        printf("  not a free-threaded run: Python %s\n", totals->python);
    return cpu;
}

void console_version(const lab_info_t *info)
{
    char python[192];

    bridge_describe_python(NULL, python, sizeof python);
    printf("%s\nPython %s\nlibuv %s\nllhttp %s\n", info->name, python, uv_version_string(),
           http_parser_version());
}
