/* Bytes in, answers out, on one thread: see feed.h. */
#include "tests/unit/http/feed.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "common/http/internal.h"
#include "tests/support/client.h"
#include "tests/unit/http/routes.h"

enum { DEADLINE_MS = 20000 }; /* only turns a hang into a failure */

static void on_ready(void *owner, http_request_list_t *ready)
{
    feed_t *feed = owner;

    feed->requests += ready->count;
    feed->turns++;
    routes_on_ready(owner, ready);
}

static void on_drained(void *owner)
{
    (void)owner;
}

void feed_open(feed_t *feed, const http_options_t *options)
{
    const http_events_t events = {.on_ready = on_ready, .on_drained = on_drained};
    http_options_t      defaults;

    http_options_default(&defaults);
    *feed = (feed_t){.router = routes_new(NULL)};
    cr_assert(uv_loop_init(&feed->loop) == 0);
    cr_assert(http_server_open(&feed->server, &feed->loop, options != NULL ? options : &defaults,
                               feed->router, &events, feed) == 0);
    cr_assert(http_server_listen(feed->server, "127.0.0.1", 0, false) == 0);
}

void feed_close(feed_t *feed)
{
    const http_stats_t *stats = http_server_stats(feed->server);

    http_server_drain(feed->server, 0);
    while (!feed->server->drained)
        uv_run(&feed->loop, UV_RUN_ONCE);
    cr_assert(stats->parsed == stats->answered + stats->abandoned + stats->cut_off,
              "parsed %ju, answered %ju, abandoned %ju, cut off %ju", (uintmax_t)stats->parsed,
              (uintmax_t)stats->answered, (uintmax_t)stats->abandoned, (uintmax_t)stats->cut_off);
    http_server_close(feed->server);
    uv_run(&feed->loop, UV_RUN_DEFAULT);
    cr_assert(uv_loop_close(&feed->loop) == 0);
    http_router_free(feed->router);
}

/* Has the server anything still to read of what was sent? */
static bool unread(const feed_t *feed, const client_t *c)
{
    const http_conn_t *conn = feed->server->conns;
    uv_os_fd_t         fd;
    int                queued = 0, waiting = 0, on = 1;

    if (conn ==
        NULL) /* not accepted yet; a connection that has closed leaves the socket in error */
        return feed->server->stats.connections == 0;
    ioctl(c->fd, SIOCOUTQ, &queued);
    if (uv_fileno((const uv_handle_t *)&conn->tcp, &fd) != 0)
        return false;
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on,
               sizeof on); /* a delayed ACK would keep it queued */
    if (conn->reading)
        ioctl(fd, FIONREAD, &waiting);
    return queued > 0 || waiting > 0;
}

static uint64_t deadline(void)
{
    return uv_hrtime() + DEADLINE_MS * 1000000ULL;
}

static void step_until_read(feed_t *feed, const client_t *c)
{
    uint64_t end = deadline();

    do {
        uv_run(&feed->loop, UV_RUN_NOWAIT);
        cr_assert(uv_hrtime() < end, "the server does not read what was sent");
    } while (unread(feed, c));
}

/* Sleep until the server or the client has something to do. */
static void wait_for_either(feed_t *feed, const client_t *c)
{
    struct pollfd p[] = {{.fd = c->fd, .events = POLLIN},
                         {.fd = uv_backend_fd(&feed->loop), .events = POLLIN}};
    int           timeout = uv_backend_timeout(&feed->loop);

    poll(p, 2, timeout < 0 || timeout > 100 ? 100 : timeout);
}

static char *read_all(feed_t *feed, const client_t *c)
{
    uint64_t end = deadline();
    size_t   len = 0, cap = 65536;
    char    *output = malloc(cap);

    cr_assert(output != NULL);
    for (;;) {
        uv_run(&feed->loop, UV_RUN_NOWAIT);
        cr_assert(uv_hrtime() < end, "the server does not close; so far: %.*s", (int)len, output);
        ssize_t n = recv(c->fd, output + len, cap - len - 1, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            break;
        if (n > 0)
            len += (size_t)n;
        else
            wait_for_either(feed, c);
        if (cap - len < 2) {
            char *grown = realloc(output, cap *= 2);
            cr_assert(grown != NULL, "no memory for %zu bytes of answers", cap);
            output = grown;
        }
    }
    output[len] = '\0';
    return output;
}

static void blank_dates(char *output)
{
    static const char label[] = "\r\nDate: ";

    for (char *at = output; (at = strstr(at, label)) != NULL;) {
        at += sizeof label - 1;
        memset(at, '-', strcspn(at, "\r"));
    }
}

char *feed_run(feed_t *feed, const char *data, size_t len, size_t piece)
{
    uint64_t end = deadline();
    client_t c;
    char    *output;

    client_connect(&c, http_server_port(feed->server));
    while (feed->server->conns == NULL) {
        uv_run(&feed->loop, UV_RUN_NOWAIT);
        cr_assert(uv_hrtime() < end, "the server does not accept");
    }
    for (size_t at = 0, n; at < len; at += n) {
        n = piece == 0 || piece > len - at ? len - at : piece;
        client_send_bytes(&c, data + at, n);
        step_until_read(feed, &c);
    }
    client_half_close(&c);
    output = read_all(feed, &c);
    client_close(&c);
    while (feed->server->conn_count > 0) {
        uv_run(&feed->loop, UV_RUN_NOWAIT);
        cr_assert(uv_hrtime() < end, "the server does not close its connection");
    }
    blank_dates(output);
    return output;
}

const char *feed_statuses(const char *output)
{
    static char statuses[256];
    size_t      len = 0;

    statuses[0] = '\0';
    for (const char *at = output; (at = strstr(at, "HTTP/1.1 ")) != NULL; at += 9) {
        bool begins = at == output || at[-1] == '\n' || strncmp(at + 9 + 3, " ", 1) == 0;
        if (begins && at[9] >= '1' && at[9] <= '5' && len + 5 < sizeof statuses)
            len += (size_t)snprintf(statuses + len, sizeof statuses - len, "%s%.3s",
                                    len > 0 ? " " : "", at + 9);
    }
    return statuses;
}
