/* All of it runs on the HTTP thread. */
#include "common/lab/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log/log.h"

enum {
    BUFFER = 128 * 1024,
    TARGET_BYTES = 4096,                 /* bytes of a target, before they are escaped */
    LINE_BYTES = 6 * TARGET_BYTES + 512, /* an escaped byte takes at most six */
    LAST_WAIT_MS = 1000,                 /* for a slow reader, at the end */
};

struct access_log {
    uv_prepare_t        prepare; /* before the loop waits: the end of its turn */
    const char         *file;    /* borrowed; "": standard output */
    access_log_format_t format;
    int                 fd;
    bool                regular; /* a file on a disk: takes writes of any size */
    bool                said;    /* that lines may be lost */
    time_t              second;  /* what `time_text` says */
    time_t              retry_at;
    uint64_t            lost;
    char                time_text[40];
    size_t              len; /* bytes in `buf`; they always begin where the last write ended */
    char                buf[BUFFER];
};

static void on_prepare(uv_prepare_t *prepare);
static void on_closed(uv_handle_t *handle);

/* ---- The file -------------------------------------------------------------------------------- */

/* returns a descriptor or libuv's error. A fifo without a reader is an error, not a wait. */
static int open_file(const char *file)
{
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = *file == '\0' ? STDOUT_FILENO : open(file, flags, 0644);

    return fd < 0 ? uv_translate_sys_error(errno) : fd;
}

static void close_file(const access_log_t *self)
{
    if (self->fd != STDOUT_FILENO)
        close(self->fd);
}

static void use(access_log_t *self, int fd)
{
    struct stat status;

    self->fd = fd;
    self->regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    self->retry_at = 0;
}

static const char *name(const access_log_t *self)
{
    return *self->file == '\0' ? "standard output" : self->file;
}

static void say_once(access_log_t *self, const char *why)
{
    if (!self->said)
        log_message(LOG_WARNING,
                    "access log: %s: %s; lines may be lost, the summary counts them. Serving goes "
                    "on",
                    name(self), why);
    self->said = true;
}

/* May a piece be written without waiting, or after a wait until `deadline_ns`? */
static bool writable(const access_log_t *self, uint64_t deadline_ns)
{
    struct pollfd fd = {.fd = self->fd, .events = POLLOUT};
    uint64_t      now_ns = deadline_ns == 0 ? 0 : uv_hrtime();

    return self->regular ||
           poll(&fd, 1, deadline_ns <= now_ns ? 0 : (int)((deadline_ns - now_ns) / 1000000)) > 0;
}

/*
 * Write as much as goes. A pipe that is writable takes PIPE_BUF bytes at once, and for more it may
 * make us wait, hence the pieces. After an error the next try comes with the next second.
 */
static void flush(access_log_t *self, uint64_t deadline_ns)
{
    size_t at = 0;

    while (at < self->len && self->retry_at <= self->second && writable(self, deadline_ns)) {
        size_t  left = self->len - at;
        ssize_t n = write(self->fd, self->buf + at,
                          self->regular || left < PIPE_BUF ? left : (size_t)PIPE_BUF);

        if (n >= 0) {
            at += (size_t)n;
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            say_once(self, strerror(errno));
            self->retry_at = self->second + 1;
        }
    }
    self->len -= at;
    memmove(self->buf, self->buf + at, self->len);
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static char *put(char *at, const char *text)
{
    size_t len = strlen(text);

    memcpy(at, text, len);
    return at + len;
}

/* At most six bytes for each, and three more if there are too many. */
static char *put_escaped(char *at, http_slice_t bytes, access_log_format_t format)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t            len = bytes.len < TARGET_BYTES ? bytes.len : TARGET_BYTES;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes.data[i];

        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            *at++ = (char)c;
            continue;
        }
        at = put(at, format == ACCESS_LOG_JSON ? "\\u00" : "\\x");
        *at++ = digits[c >> 4];
        *at++ = digits[c & 15];
    }
    return len < bytes.len ? put(at, "...") : at;
}

static int status_of(const http_outcome_t *outcome)
{
    switch (outcome->end) {
    case HTTP_END_ABANDONED:
        return 499;
    case HTTP_END_CUT_OFF:
        return 444;
    case HTTP_END_ANSWERED:
    case HTTP_ENDS:
        break;
    }
    return outcome->status;
}

/* NULL if it is unknown: the request was refused before all of its line was understood. */
static const char *version_of(const http_request_t *req)
{
    if (req->refused)
        return NULL;
    return req->version_minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
}

static char *put_seconds(char *at, const http_outcome_t *outcome)
{
    uint64_t us = outcome->duration_ns / 1000;

    return at +
           sprintf(at, "%llu.%06u", (unsigned long long)(us / 1000000), (unsigned)(us % 1000000));
}

static char *put_common(char *at, const access_log_t *self, const http_request_t *req,
                        const http_outcome_t *outcome)
{
    const char *method = http_request_method_sent(req), *version = version_of(req);

    at += sprintf(at, "%s - - [%s] \"%s", outcome->peer, self->time_text,
                  method == NULL ? "-" : method);
    if (method != NULL) {
        *at++ = ' ';
        at = put_escaped(at, http_request_target(req), self->format);
    }
    if (version != NULL)
        at += sprintf(at, " %s", version);
    at += sprintf(at, "\" %d ", status_of(outcome));
    at += outcome->bytes == 0 ? sprintf(at, "- ")
                              : sprintf(at, "%llu ", (unsigned long long)outcome->bytes);
    return put(put_seconds(at, outcome), "\n");
}

/* "key":"value", or "key":null; the value needs no escape. */
static char *put_json_text(char *at, const char *key, const char *value)
{
    const char *quote = value == NULL ? "" : "\"";

    return at + sprintf(at, "\"%s\":%s%s%s,", key, quote, value == NULL ? "null" : value, quote);
}

static char *put_json(char *at, const access_log_t *self, const http_request_t *req,
                      const http_outcome_t *outcome)
{
    static const char *const ends[HTTP_ENDS + 1] = {
        [HTTP_END_ANSWERED] = "answered",
        [HTTP_END_ABANDONED] = "abandoned",
        [HTTP_END_CUT_OFF] = "cut off",
        [HTTP_ENDS] = "", /* none is that */
    };
    const char *method = http_request_method_sent(req);

    *at++ = '{';
    at = put_json_text(at, "time", self->time_text);
    at = put_json_text(at, "peer", outcome->peer);
    at = put_json_text(at, "method", method);
    if (method == NULL) {
        at = put_json_text(at, "target", NULL);
    } else {
        at = put(at, "\"target\":\"");
        at = put(put_escaped(at, http_request_target(req), self->format), "\",");
    }
    at = put_json_text(at, "version", version_of(req));
    at += sprintf(at, "\"status\":%d,\"bytes\":%llu,\"seconds\":", status_of(outcome),
                  (unsigned long long)outcome->bytes);
    at = put_seconds(at, outcome);
    return at + sprintf(at, ",\"end\":\"%s\"}\n", ends[outcome->end]);
}

/* A new second: format the time once for all lines of it. */
static void tick(access_log_t *self)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t            now = time(NULL);
    struct tm         tm;
    char              date[16];

    if (now == self->second)
        return;
    self->second = now;
    gmtime_r(&now, &tm);
    if (self->format == ACCESS_LOG_JSON) {
        strftime(self->time_text, sizeof self->time_text, "%Y-%m-%dT%H:%M:%SZ", &tm);
        return;
    }
    snprintf(date, sizeof date, "%02d/%.3s", tm.tm_mday % 100, months + 3 * tm.tm_mon);
    strftime(self->time_text, sizeof self->time_text, "xx/xxx/%Y:%H:%M:%S +0000", &tm);
    memcpy(self->time_text, date, 6); /* strftime()'s month depends on the locale */
}

void access_log_add(access_log_t *self, const http_request_t *req, const http_outcome_t *outcome)
{
    char *at;

    tick(self);
    if (BUFFER - self->len < LINE_BYTES)
        flush(self, 0);
    if (BUFFER - self->len < LINE_BYTES) {
        say_once(self, "takes lines slower than they come");
        self->lost++;
        return;
    }
    at = self->buf + self->len;
    at = self->format == ACCESS_LOG_JSON ? put_json(at, self, req, outcome)
                                         : put_common(at, self, req, outcome);
    self->len = (size_t)(at - self->buf);
}

static void on_prepare(uv_prepare_t *prepare)
{
    access_log_t *self = prepare->data;

    if (self->len == 0)
        return;
    tick(self);
    flush(self, 0);
}

/* ---- Start and end --------------------------------------------------------------------------- */

int access_log_open(access_log_t **out, uv_loop_t *loop, const char *file,
                    access_log_format_t format)
{
    access_log_t *self;
    int           fd = open_file(file);

    if (fd < 0)
        return fd;
    self = calloc(1, sizeof *self);
    if (self == NULL) {
        if (fd != STDOUT_FILENO)
            close(fd);
        return UV_ENOMEM;
    }
    self->file = file;
    self->format = format;
    use(self, fd);
    uv_prepare_init(loop, &self->prepare);
    self->prepare.data = self;
    uv_prepare_start(&self->prepare, on_prepare);
    *out = self;
    return 0;
}

void access_log_reopen(access_log_t *self)
{
    int fd = open_file(self->file);

    if (fd < 0) {
        log_message(LOG_WARNING, "access log: %s: %s; the old file stays in use", name(self),
                    uv_strerror(fd));
        return;
    }
    tick(self);
    flush(self, 0);
    close_file(self);
    use(self, fd);
}

uint64_t access_log_lost(const access_log_t *self)
{
    return self->lost;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

uint64_t access_log_close(access_log_t *self)
{
    uint64_t lost;

    self->retry_at = 0; /* one more try */
    flush(self, uv_hrtime() + LAST_WAIT_MS * 1000000ULL);
    for (size_t i = 0; i < self->len; i++)
        self->lost += self->buf[i] == '\n';
    lost = self->lost;
    close_file(self);
    uv_close((uv_handle_t *)&self->prepare, on_closed);
    return lost;
}
