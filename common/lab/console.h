/*
 * What a lab's program prints: the banner when it serves, the summary when it has ended. Lines that
 * tests, the experiment's driver and readers wait for.
 *
 * thread: the main one
 */
#ifndef LOOPLAB_CONSOLE_H
#define LOOPLAB_CONSOLE_H

#include "common/lab/lab.h"
#include "common/lab/options.h"

typedef struct {
    const lab_info_t    *info;    /* borrowed, as the next */
    const lab_options_t *options; /* set by whoever has it, as `info`; the rest by the banner */
    char                 url[96];
    char                 python[192];
    uint64_t             started_ns;
} console_t;

/* What it all came to. */
typedef struct {
    http_stats_t stats;
    uint64_t     lines_lost;  /* of the access log */
    double       cpu_us;      /* of all processes, start included */
    long         max_rss_kib; /* likewise */
    const char  *python;      /* bridge_describe_python(), at the end */
} console_totals_t;

/* What runs here, then the line that others wait for. `more`: about this lab, ", 4 workers", or "" */
void console_banner(console_t *self, const char *python, int port, const char *more);

/* Say why a lab can't listen there. `err` is libuv's */
void console_cannot_listen(const lab_info_t *info, const char *host, int port, int err);

/* A signal has said so; `in_flight`: requests that are yet to be answered. */
void console_stopping(const console_t *self, unsigned in_flight);

/* What of the process's own is in the totals: CPU time and memory. */
void console_own_usage(console_totals_t *totals);

/* returns the CPU time in us for each request, start included */
double console_summary(const console_t *self, const console_totals_t *totals);

void console_version(const lab_info_t *info);

#endif
