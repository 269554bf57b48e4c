/* The log. A line is put together on the stack or the heap and leaves in one write(). */
#include "common/log/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 100 }; /* with a reader who is slow, before messages are lost */

static log_level_t least = LOG_INFO; /* set before threads start */

/* Any thread, under lock (a leaf). */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long   lost; /* messages, since the last one that was written */
static bool            torn; /* the first of them was written in part */

static const char *const names[] = {"debug", "info", "warning", "error"};

void log_set_level(log_level_t level)
{
    least = level;
}

static size_t put_prefix(char *buf, size_t cap, log_level_t level)
{
    struct timespec now;
    struct tm       tm;
    size_t          len;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    len = strftime(buf, cap, "%Y-%m-%dT%H:%M:%S", &tm);
    return len + (size_t)snprintf(buf + len, cap - len, ".%03ldZ %s ", now.tv_nsec / 1000000,
                                  names[level]);
}

/*
 * Bytes of the printable character at `text`, in UTF-8; 0 if there is none: a control character
 * (U+0080 to U+009F too, which terminals obey), or bytes that are no UTF-8.
 */
static size_t printable_len(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    size_t               len = 1;

    if (c[0] < 0x80)
        return (c[0] >= 0x20 && c[0] != 0x7f) || c[0] == '\t' ? 1 : 0;
    if (c[0] < 0xc2 || c[0] > 0xf4 || (c[0] == 0xc2 && c[1] < 0xa0) ||
        (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xf0 && c[1] < 0x90))
        return 0;
    for (size_t needed = c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4; len < needed; len++)
        if ((c[len] & 0xc0) != 0x80)
            return 0;
    return len;
}

/* Copy text so that it can't forge a line: what isn't printable as \xNN, new lines as `newline`. */
static size_t put_escaped(char *at, const char *text, const char *newline)
{
    char *start = at;

    while (*text != '\0') {
        size_t len = printable_len(text);

        if (*text == '\n' && newline != NULL)
            at += sprintf(at, "%s", newline);
        else if (len == 0)
            at += sprintf(at, "\\x%02x", (unsigned char)*text);
        else
            at = (char *)memcpy(at, text, len) + len;
        text += len == 0 ? 1 : len;
    }
    return (size_t)(at - start);
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* Standard error takes PIPE_BUF bytes without making us wait; if not at once, then within a moment
 * that is granted once. */
static bool writable(void)
{
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    int           ready;

    do {
        ready = poll(&fd, 1, lost == 0 ? PATIENCE_MS : 0);
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

/* How much of `len` bytes may go at once. */
static size_t piece(size_t len)
{
    struct stat status;

    if (len <= PIPE_BUF || (fstat(STDERR_FILENO, &status) == 0 && S_ISREG(status.st_mode)))
        return len;
    return PIPE_BUF;
}

/* returns how much of it was written; there is nowhere to complain */
static size_t write_some(const char *data, size_t len)
{
    size_t at = 0;

    while (at < len && writable()) {
        ssize_t n = write(STDERR_FILENO, data + at, piece(len - at));

        if (n >= 0)
            at += (size_t)n;
        else if (errno != EINTR)
            break;
    }
    return at;
}

/* Under lock: if messages were lost, say so before the next one. returns whether that went */
static bool say_lost(void)
{
    char   line[128], *at = line;
    size_t len;

    if (lost == 0)
        return true;
    if (torn)
        *at++ = '\n';
    at += put_prefix(at, 64, LOG_WARNING);
    at += sprintf(at, "%lu messages are lost here: nobody read them\n", lost);
    len = (size_t)(at - line);
    if (write_some(line, len) < len)
        return false;
    lost = 0;
    torn = false;
    return true;
}

static void put_out(const char *data, size_t len)
{
    size_t written = 0;

    pthread_mutex_lock(&lock);
    if (say_lost())
        written = write_some(data, len);
    if (written < len) {
        torn |= written > 0;
        lost++;
    }
    pthread_mutex_unlock(&lock);
}

void log_plain(const char *text)
{
    put_out(text, strlen(text));
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static void emit(log_level_t level, const char *headline, const char *text)
{
    size_t text_len = text == NULL ? 0 : strlen(text);
    char  *line, *at;

    /* A character becomes at most four, "\xNN"; a new line three. */
    line = malloc(64 + 4 * (strlen(headline) + text_len) + 8);
    if (line == NULL)
        return;
    at = line + put_prefix(line, 64, level);
    at += put_escaped(at, headline, NULL);
    if (text_len > 0) {
        at += sprintf(at, "\n  ");
        at += put_escaped(at, text, "\n  ");
        while (at[-1] == ' ' || at[-1] == '\n')
            at--;
    }
    *at++ = '\n';
    put_out(line, (size_t)(at - line));
    free(line);
}

static void emit_formatted(log_level_t level, const char *text, const char *format, va_list args)
{
    char headline[1024];

    if (level < least)
        return;
    vsnprintf(headline, sizeof headline, format, args);
    emit(level, headline, text);
}

void log_message(log_level_t level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    emit_formatted(level, NULL, format, args);
    va_end(args);
}

void log_text(log_level_t level, const char *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    emit_formatted(level, text, format, args);
    va_end(args);
}
