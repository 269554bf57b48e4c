/*
 * common/lab's own: what is between options.c, which parses the command line, and options_check.c,
 * which checks what came of it.
 */
#ifndef LOOPLAB_OPTIONS_RAW_H
#define LOOPLAB_OPTIONS_RAW_H

#include "common/lab/options.h"

/* Which text; plus VAL_TEXT it is what popt returns for its option. */
enum {
    TEXT_HOST,
    TEXT_APP,
    TEXT_PIN,
    TEXT_LOG_LEVEL,
    TEXT_BENCH,
    TEXT_STATS,
    TEXT_TRACE,
    TEXT_ACCESS_LOG,
    TEXT_ACCESS_LOG_FORMAT,
    TEXT_ISOLATION,
    TEXT_WORKER,
    TEXTS
};

/* A text: our default, or a copy that popt has made and leaves to us. */
typedef struct {
    const char *value;
    const char *owned; /* the copy */
} options_text_t;

/* What popt fills in: seconds as fractions, counts as int. */
typedef struct {
    options_text_t texts[TEXTS];
    int            metrics;
    int            live;
    int            port, backlog, max_connections, max_in_flight, pipeline_window;
    int            max_request_line, max_header_bytes, max_headers, max_body, workers, debug;
    int            worker_queue, pool;
    double         header_timeout, body_timeout, keepalive_timeout, write_timeout, request_timeout;
    double         drain_timeout;
} options_raw_t;

/* An option that may stand without a value, and wasn't given; popt makes it NULL if it stands so. */
extern const char options_not_given[];

/*
 * Check each value against its range and copy it to where it belongs.
 * returns false if one is wrong, which has been said on stderr
 */
bool options_check(lab_options_t *out, const options_raw_t *raw, const lab_info_t *info);

#endif
