/* The log. A line is put together on the stack or the heap and leaves in one write(). */
#include "common/log/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static log_level_t least = LOG_INFO; /* set before threads start */

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

static void write_all(const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, data, len);

        if (n <= 0)
            return; /* nowhere to complain */
        data += n;
        len -= (size_t)n;
    }
}

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
    write_all(line, (size_t)(at - line));
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
