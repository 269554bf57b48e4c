/* common/http/listen.c: a port that several servers share, held from before the first of them. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/http/internal.h"

/* Listen on 127.0.0.1, as a stranger who has set this option. returns a descriptor */
static int listen_as_stranger(int option, int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t          size = sizeof address;
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert(setsockopt(fd, SOL_SOCKET, option, &on, sizeof on) == 0 &&
              bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, 1) == 0 &&
              getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    *port = ntohs(address.sin_port);
    return fd;
}

Test(http_listen, a_port_that_the_kernel_picks_is_told)
{
    int port = 0, fd = http_reserve_port("127.0.0.1", &port), again = port;

    cr_expect(fd >= 0 && port > 0, "descriptor %d, port %d", fd, port);
    close(fd);
    fd = http_reserve_port("127.0.0.1", &again);
    cr_expect(fd >= 0 && again == port, "it can be asked for by its number: descriptor %d", fd);
    close(fd);
}

Test(http_listen, a_reserved_port_takes_no_connection_by_itself)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int                port = 0, reserved = http_reserve_port("127.0.0.1", &port);
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)port);
    cr_expect_eq(connect(fd, (struct sockaddr *)&address, sizeof address), -1);
    close(fd);
    close(reserved);
}

/* Also if the stranger would share it. */
Test(http_listen, a_stranger_s_port_is_in_use)
{
    static const int options[] = {SO_REUSEADDR, SO_REUSEPORT};

    for (size_t i = 0; i < 2; i++) {
        int port, stranger = listen_as_stranger(options[i], &port);

        cr_expect_eq(http_reserve_port("127.0.0.1", &port), UV_EADDRINUSE, "option %d", options[i]);
        close(stranger);
    }
}

Test(http_listen, both_families_are_addresses_and_a_name_is_none)
{
    int port = 0, fd = http_reserve_port("::1", &port);

    cr_expect(fd >= 0 || fd == UV_EADDRNOTAVAIL || fd == UV_EAFNOSUPPORT, "::1: %d", fd);
    if (fd >= 0)
        close(fd);
    cr_expect_eq(http_reserve_port("localhost", &port), UV_EINVAL);
}
