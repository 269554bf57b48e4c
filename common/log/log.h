/*
 * The log: one line per event on standard error, "2026-01-31T12:00:00.123Z warning message".
 * Text is UTF-8; what isn't printable is escaped, so a client can't forge a line or steer a
 * terminal. Lines of a multi-line text (a traceback) are indented by two spaces.
 *
 * Nobody waits for whoever reads the log: where that is a pipe, or a terminal that was stopped, and
 * it takes nothing for a moment, messages are lost until it does; then their number is said.
 *
 * thread: any; a line is one write(), so lines of several threads don't mix (beyond PIPE_BUF bytes
 * several, on what isn't a file)
 */
#ifndef LOOPLAB_LOG_H
#define LOOPLAB_LOG_H

#include <stdarg.h>

typedef enum { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR } log_level_t;

/* Drop what is below `level`. Call it before threads start; LOG_INFO is the default. */
void log_set_level(log_level_t level);

void log_message(log_level_t level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Text as it is, terminated: no time, nothing escaped. It is lost like any other. */
void log_plain(const char *text);

/* A message followed by a text of several lines, as one event. `text` is terminated. */
void log_text(log_level_t level, const char *text, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
