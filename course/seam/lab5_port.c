/*
 * Lab 5, step 1: sockets that share a port, between clients of the test's own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "common/http/internal.h"

#include "course/seam/seam.h"

enum { CLIENTS = 64 };

static uv_loop_t loop;
static unsigned  accepted[2]; /* by each listener */

static void on_connection(uv_stream_t *listener, int status)
{
    static uv_tcp_t clients[CLIENTS];
    uv_tcp_t       *client = &clients[accepted[0] + accepted[1]];

    if (status == 0 && uv_tcp_init(listener->loop, client) == 0 &&
        uv_accept(listener, (uv_stream_t *)client) == 0)
        accepted[(uintptr_t)listener->data]++;
}

static void listen_beside(uv_tcp_t *listener, const struct sockaddr_storage *address,
                          uintptr_t which)
{
    static const char *const cause =
        "SO_REUSEPORT has to be set on every socket of the port, before bind(); libuv's own has "
        "SO_REUSEADDR, which lets nobody listen beside another";
    int err;

    uv_tcp_init(&loop, listener);
    listener->data = (void *)which; // NOLINT(performance-no-int-to-ptr)
    err = http_open_shared(listener, AF_INET);
    SEAM_EXPECT(err == 0, "http_open_shared() gives libuv a socket", cause, "%s", uv_strerror(err));
    err = uv_tcp_bind(listener, (const struct sockaddr *)address, 0);
    SEAM_EXPECT(err == 0, seam_text("socket %d is bound to the port", (int)which + 1), cause, "%s",
                uv_strerror(err));
    err = uv_listen((uv_stream_t *)listener, CLIENTS, on_connection);
    SEAM_EXPECT(err == 0, seam_text("socket %d listens", (int)which + 1), cause, "%s",
                uv_strerror(err));
}

static int reserve(struct sockaddr_storage *address)
{
    int port = 0, fd = http_reserve_port("127.0.0.1", &port);

    SEAM_EXPECT(fd >= 0, "http_reserve_port() gives a socket", "", "%s", uv_strerror(fd));
    SEAM_EXPECT(port != 0, "the port that the kernel chose", "getsockname() tells", "0");
    http_parse_address("127.0.0.1", port, address);
    return fd;
}

static void two_listen_on_one_port(void)
{
    struct sockaddr_storage address;
    uv_tcp_t                listeners[2];

    reserve(&address);
    listen_beside(&listeners[0], &address, 0);
    listen_beside(&listeners[1], &address, 1);
}

static bool listens(int fd)
{
    int       on = 0;
    socklen_t size = sizeof on;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) == 0 && on != 0;
}

/* The chance that the kernel's hash puts all of them on one is one in 2 to the 63. */
static void both_get_connections(void)
{
    struct sockaddr_storage address;
    uv_tcp_t                listeners[2];
    int                     holder;

    holder = reserve(&address);
    SEAM_EXPECT(!listens(holder), "what holds the port doesn't listen",
                "it would be given connections, which nobody takes from it", "it does");
    listen_beside(&listeners[0], &address, 0);
    listen_beside(&listeners[1], &address, 1);
    for (int i = 0; i < CLIENTS; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        SEAM_EXPECT(connect(fd, (struct sockaddr *)&address, sizeof(struct sockaddr_in)) == 0,
                    "a client connects", "", "%s", strerror(errno));
    }
    while (accepted[0] + accepted[1] < CLIENTS)
        uv_run(&loop, UV_RUN_ONCE);
    SEAM_EXPECT(accepted[0] > 0 && accepted[1] > 0, "each listener gets some of 64 connections",
                "all of them have to have SO_REUSEPORT, and one port", "%u and %u", accepted[0],
                accepted[1]);
}

static void who_holds_the_port_shares_it(void)
{
    struct sockaddr_storage address;
    int                     fd = reserve(&address), on = 0;
    socklen_t               size = sizeof on;

    SEAM_EXPECT(getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, &size) == 0 && on != 0,
                "the socket that holds the port has SO_REUSEPORT",
                "without it none of the workers' sockets can be bound beside it", "it hasn't");
}

/* ---------------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    static const seam_test_t tests[] = {
        {"two_listen_on_one_port", two_listen_on_one_port},
        {"both_get_connections", both_get_connections},
        {"who_holds_the_port_shares_it", who_holds_the_port_shares_it},
    };

    uv_loop_init(&loop);
    return seam_main(argc, argv, tests, SEAM_COUNT(tests));
}
