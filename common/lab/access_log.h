/*
 * The access log: a line for each request, once it has ended.
 *
 *   common  127.0.0.1 - - [31/Jan/2026:12:00:00 +0000] "GET /json HTTP/1.1" 200 27 0.000113
 *           the Common Log Format with the seconds that the request took at the end
 *   json    {"time":"2026-01-31T12:00:00Z","peer":"127.0.0.1","method":"GET","target":"/json",
 *            "version":"HTTP/1.1","status":200,"bytes":27,"seconds":0.000113,"end":"answered"}
 *           as one line; what isn't known is null
 *
 * The time is that of the end, in UTC. A client that left before its whole answer is logged with
 * status 499, a request that the drain time-out cut off with 444: nginx's numbers, which are never
 * sent. What comes from the client is escaped byte by byte (\x22, in JSON \u0022) unless it is
 * printable ASCII, so that a line is a line; a target beyond 4096 bytes is cut.
 *
 * Lines are gathered and leave at the end of the loop's turn. What can't be written (the disk is
 * full, a pipe's reader is slow or gone) waits in a bounded buffer; what doesn't fit is lost and
 * counted. It is said once, and serving goes on: the loop never waits for a pipe.
 *
 * thread: HTTP
 */
#ifndef LOOPLAB_ACCESS_LOG_H
#define LOOPLAB_ACCESS_LOG_H

#include "common/http/http.h"

typedef enum { ACCESS_LOG_COMMON, ACCESS_LOG_JSON } access_log_format_t;

typedef struct access_log access_log_t;

/*
 * Log to the end of `file` (borrowed), which is made if it isn't there; "": standard output.
 * returns 0 or libuv's error
 */
int access_log_open(access_log_t **out, uv_loop_t *loop, const char *file,
                    access_log_format_t format);

/* An http_events_t's on_finished. */
void access_log_add(access_log_t *self, const http_request_t *req, const http_outcome_t *outcome);

/* The file was moved away: go on in a new one of its name. Standard output stays. */
void access_log_reopen(access_log_t *self);

/* Lines that were lost so far. */
uint64_t access_log_lost(const access_log_t *self);

/*
 * Write what is left, waiting a moment for a slow reader; free it (the loop must run once more).
 * returns the lines that were lost in all
 */
uint64_t access_log_close(access_log_t *self);

#endif
