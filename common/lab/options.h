/*
 * The command line that all labs share. Parsed by libpopt from one table; every value is checked
 * against its range, and what is wrong is said in one line.
 */
#ifndef LOOPLAB_OPTIONS_H
#define LOOPLAB_OPTIONS_H

#include "common/lab/access_log.h"
#include "common/lab/lab.h"
#include "common/log/log.h"

/* What workers that share nothing are. In the order of what they keep apart. */
typedef enum { ISOLATION_THREADS, ISOLATION_INTERPRETERS, ISOLATION_PROCESSES } isolation_t;

typedef struct {
    char                host[64]; /* numeric address */
    int                 port;
    char                app[256]; /* MODULE:OBJECT */
    bool                debug;
    http_options_t      http;
    uint32_t            drain_timeout_ms;
    unsigned            workers;       /* labs with LAB_HAS_WORKERS, LAB_HAS_ISOLATION */
    isolation_t         isolation;     /* labs with LAB_HAS_ISOLATION */
    char                worker[64];    /* likewise, of a process that is one; empty: it isn't */
    unsigned            pool;          /* labs with LAB_HAS_POOL; 0: none */
    unsigned            worker_queue;  /* likewise */
    int                 bench_seconds; /* 0: no --bench */
    char                pin[256];      /* CPU list, or empty */
    bool                stats;         /* --stats, with a file or without */
    char                stats_file[1024];
    char                trace_file[1024]; /* both empty: none */
    log_level_t         log_level;
    bool                access_log;            /* --access-log was given */
    char                access_log_file[4096]; /* empty: standard output */
    access_log_format_t access_log_format;
    bool                metrics;
    bool                live;
} lab_options_t;

typedef enum { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_BAD } options_result_t;

/*
 * Parse the command line. OPTIONS_HELP: the help is printed already; OPTIONS_BAD: so is what is
 * wrong. thread: the main one, before any other
 */
options_result_t options_parse(lab_options_t *out, int argc, const char **argv,
                               const lab_info_t *info);

/* "threads". thread: any */
const char *options_isolation_name(isolation_t isolation);

/* Is there an access log in a file, which SIGHUP opens again? thread: any */
static inline bool options_access_log_in_file(const lab_options_t *options)
{
    return options->access_log && options->access_log_file[0] != '\0';
}

/* Is `host`, a numeric address, one that only this machine can reach? thread: any */
bool options_host_is_loopback(const char *host);

#endif
