/*
 * The test client: blocking in appearance, poll() with a deadline underneath. See client.h.
 *
 * Received bytes go through one buffer: fill() appends, take() removes from the front. A body that
 * is longer than the buffer is taken piece by piece.
 */
#include "tests/support/client.h"
#include "tests/support/deadline.h"
#include "tests/support/text.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* Fail the test: what was wanted, and the bytes that are in the buffer, made readable. */
static _Noreturn void fail(const client_t *c, const char *format, ...)
{
    char    what[256];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    cr_assert_fail("client: %s; received and not consumed (%zu bytes): \"%s\"", what, c->len,
                   text_readable(c->buf, c->len));
    abort(); /* not reached: the line above leaves the test, which its declaration does not say */
}

/* Wait until the socket is ready for `events` or in error. */
static void wait_for(const client_t *c, short events, const char *what)
{
    int n = deadline_poll(c->fd, events, deadline_in(CLIENT_DEADLINE_MS));

    if (n < 0)
        fail(c, "poll() while waiting for %s: %s", what, strerror(errno));
    if (n == 0)
        fail(c, "no %s within %d ms", what, CLIENT_DEADLINE_MS);
}

/* Receive more. Returns false at the end of the connection, be it a FIN or a reset. */
static bool fill(client_t *c, const char *what)
{
    if (c->len == sizeof c->buf)
        fail(c, "the buffer is full and there is still no %s", what);
    for (;;) {
        wait_for(c, POLLIN, what);
        ssize_t n = recv(c->fd, c->buf + c->len, sizeof c->buf - c->len, MSG_DONTWAIT);
        if (n > 0) {
            c->len += (size_t)n;
            return true;
        }
        if (n == 0 || errno == ECONNRESET || errno == EPIPE)
            return false;
        if (errno != EAGAIN && errno != EINTR)
            fail(c, "recv() while waiting for %s: %s", what, strerror(errno));
    }
}

/* Remove `len` buffered bytes from the front, into `to` unless it is NULL. */
static void take(client_t *c, char *to, size_t len)
{
    if (to != NULL)
        memcpy(to, c->buf, len);
    c->len -= len;
    memmove(c->buf, c->buf + len, c->len);
}

/* The length up to and with `end`, receiving until it is there. */
static size_t find_end(client_t *c, const char *end, const char *what)
{
    for (;;) {
        char *at = memmem(c->buf, c->len, end, strlen(end));
        if (at != NULL)
            return (size_t)(at - c->buf) + strlen(end);
        if (!fill(c, what))
            fail(c, "the connection ended before the end of %s", what);
    }
}

void client_connect(client_t *c, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int                on = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->len = 0;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(c->fd >= 0, "client: socket(): %s", strerror(errno));
    cr_assert(connect(c->fd, (struct sockaddr *)&to, sizeof to) == 0,
              "client: connect() to 127.0.0.1:%d: %s", port, strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void client_send_bytes(client_t *c, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = send(c->fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            at += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            wait_for(c, POLLOUT, "room to send");
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return;
        } else if (errno != EINTR) {
            fail(c, "send(): %s", strerror(errno));
        }
    }
}

void client_send(client_t *c, const char *bytes)
{
    client_send_bytes(c, bytes, strlen(bytes));
}

/* Append `len` bytes from the connection to the body. */
static void read_sized(client_t *c, answer_t *a, size_t len)
{
    a->body = realloc(a->body, a->body_len + len + 1);
    cr_assert(a->body != NULL, "client: no memory for a body of %zu bytes", a->body_len + len);
    for (size_t left = len; left > 0;) {
        size_t n = c->len < left ? c->len : left;
        take(c, a->body + a->body_len, n);
        a->body_len += n;
        left -= n;
        if (left > 0 && c->len == 0 && !fill(c, "the rest of the body"))
            fail(c, "the connection ended with %zu bytes of the body missing after \"%s\"", left,
                 a->head);
    }
    a->body[a->body_len] = '\0';
}

static void read_chunks(client_t *c, answer_t *a)
{
    for (;;) {
        size_t line = find_end(c, "\r\n", "a chunk's size");
        char  *end;
        size_t len = strtoul(c->buf, &end, 16);
        if (end == c->buf || end != c->buf + line - 2)
            fail(c, "a chunk's size was expected");
        take(c, NULL, line);
        if (len == 0)
            break;
        read_sized(c, a, len);
        if (find_end(c, "\r\n", "a chunk") != 2)
            fail(c, "a chunk of %zu bytes does not end with CR LF", len);
        take(c, NULL, 2);
    }
    if (find_end(c, "\r\n", "the trailers") != 2)
        fail(c, "no trailers were expected");
    take(c, NULL, 2);
}

static void read_to_end(client_t *c, answer_t *a)
{
    do
        read_sized(c, a, c->len);
    while (fill(c, "the end of the connection"));
}

/* RFC 9112, 6.3: which rule delimits the body. */
static void read_body(client_t *c, answer_t *a, const char *method)
{
    const char *coding = answer_field(a, "Transfer-Encoding");

    if (strcmp(method, "HEAD") == 0 || a->status < 200 || a->status == 204 || a->status == 304)
        return;
    if (coding != NULL) {
        if (strcasecmp(coding, "chunked") != 0)
            fail(c, "a transfer coding \"%s\"", coding);
        read_chunks(c, a);
        return;
    }

    const char *length = answer_field(a, "Content-Length");
    if (length == NULL) {
        read_to_end(c, a);
        return;
    }
    char *end;
    errno = 0;
    unsigned long len = strtoul(length, &end, 10);
    if (!isdigit((unsigned char)*length) || *end != '\0' || errno != 0)
        fail(c, "Content-Length \"%s\"", length);
    read_sized(c, a, len);
}

answer_t client_read_answer_to(client_t *c, const char *method)
{
    answer_t    a = {0};
    size_t      len = find_end(c, "\r\n\r\n", "an answer's head");
    const char *connection;

    if (len < sizeof "HTTP/1.1 200 \r\n\r\n" - 1 || memcmp(c->buf, "HTTP/1.1 ", 9) != 0 ||
        !isdigit((unsigned char)c->buf[9]) || !isdigit((unsigned char)c->buf[10]) ||
        !isdigit((unsigned char)c->buf[11]) || c->buf[12] != ' ')
        fail(c, "a status line was expected");
    a.status = (c->buf[9] - '0') * 100 + (c->buf[10] - '0') * 10 + (c->buf[11] - '0');
    a.head = malloc(len + 1);
    a.body = calloc(1, 1);
    cr_assert(a.head != NULL && a.body != NULL, "client: no memory for an answer");
    take(c, a.head, len);
    a.head[len] = '\0';
    connection = answer_field(&a, "Connection");
    a.close = connection != NULL && strcasecmp(connection, "close") == 0;
    read_body(c, &a, method);
    return a;
}

answer_t client_read_answer(client_t *c)
{
    return client_read_answer_to(c, "GET");
}

void answer_free(answer_t *a)
{
    free(a->head);
    free(a->body);
    *a = (answer_t){0};
}

const char *answer_field(const answer_t *a, const char *name)
{
    static char value[4096];
    size_t      name_len = strlen(name);

    for (const char *line = strchr(a->head, '\n'); line != NULL; line = strchr(line, '\n')) {
        line++;
        if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
            continue;
        const char *at = line + name_len + 1;
        at += strspn(at, " \t");
        size_t len = strcspn(at, "\r\n");
        if (len >= sizeof value)
            len = sizeof value - 1;
        memcpy(value, at, len);
        value[len] = '\0';
        return value;
    }
    return NULL;
}

answer_t client_get(client_t *c, const char *target)
{
    client_send(c, "GET ");
    client_send(c, target);
    client_send(c, " HTTP/1.1\r\nHost: test\r\n\r\n");
    return client_read_answer(c);
}

void client_expect_answer(client_t *c, int status, const char *body)
{
    answer_t a = client_read_answer(c);

    cr_assert(a.status == status && (body == NULL || strcmp(a.body, body) == 0),
              "expected %d \"%s\", seen %d:\n%s%s", status, body == NULL ? "" : body, a.status,
              a.head, a.body);
    answer_free(&a);
}

bool client_at_eof(client_t *c)
{
    return c->len == 0 && !fill(c, "the end of the connection");
}

void client_half_close(client_t *c)
{
    shutdown(c->fd, SHUT_WR);
}

void client_reset(client_t *c)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    client_close(c);
}

void client_close(client_t *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}
