/* Addresses and ports: where a server listens, alone or with others that share its port. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/http/internal.h"

int http_parse_address(const char *host, int port, struct sockaddr_storage *address)
{
    *address = (struct sockaddr_storage){0};
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)address) == 0)
        return 0;
    return uv_ip6_addr(host, port, (struct sockaddr_in6 *)address);
}

int http_port_of(const struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
                                                : ((const struct sockaddr_in *)address)->sin_port);
}

/* A socket with this option set, or libuv's error. */
static int open_socket(int family, int option)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, err;

    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, option, &on, sizeof on) == 0)
        return fd;
    err = uv_translate_sys_error(errno);
    if (fd >= 0)
        close(fd);
    return err;
}

/* libuv 1.44 has no flag for SO_REUSEPORT: it is set on a socket of our own, before bind(). */
int http_open_shared(uv_tcp_t *tcp, int family)
{
    /* LAB 5, STEP 1 { a socket that shares its port with others, for libuv to use */
    int fd = open_socket(family, SO_REUSEPORT), err;

    if (fd < 0)
        return fd;
    err = uv_tcp_open(tcp, fd);
    if (err != 0)
        close(fd);
    return err;
    /* } LAB 5, STEP 1; until then:
     *     (void)tcp, (void)family;
     *     return 0; // uv_tcp_bind() opens one, which shares nothing
     */
}

/* The same bound to the address; or libuv's error. */
static int bind_socket(const struct sockaddr_storage *address, int option)
{
    socklen_t size =
        address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int fd = open_socket(address->ss_family, option), err;

    if (fd < 0 || bind(fd, (const struct sockaddr *)address, size) == 0)
        return fd;
    err = uv_translate_sys_error(errno);
    close(fd);
    return err;
}

/*
 * With SO_REUSEPORT one may listen beside a stranger who has set it too: hence the first look, with
 * what a server sets that has a port for itself.
 */
int http_reserve_port(const char *host, int *port)
{
    struct sockaddr_storage address;
    socklen_t               size = sizeof address;
    int                     fd;

    if (http_parse_address(host, *port, &address) != 0)
        return UV_EINVAL;
    if (*port != 0) {
        fd = bind_socket(&address, SO_REUSEADDR);
        if (fd < 0)
            return fd;
        close(fd);
    }
    /* LAB 5, STEP 1 { hold the port for those that will share it, and say which it is */
    fd = bind_socket(&address, SO_REUSEPORT);
    if (fd >= 0 && getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        *port = http_port_of(&address);
    return fd;
    /* } LAB 5, STEP 1; until then:
     *     fd = bind_socket(&address, SO_REUSEADDR); // for one that listens there alone
     *     if (fd >= 0 && getsockname(fd, (struct sockaddr *)&address, &size) == 0)
     *         *port = http_port_of(&address);
     *     return fd;
     */
}
