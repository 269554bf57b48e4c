"""What an idle keep-alive connection costs a server in resident memory, the kernel's own apart.

This process holds the connections. Each has had one request answered, so that whatever a server
allocates at a connection's first request is in the figure.
"""

import contextlib
import resource
import socket

from .servers import ANSWER, Server, ServerError

CONNECTIONS = 5000
REPEATS = 3
_SPARE_FILES = 200
_REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def measure(spec, cpus=None, connections=CONNECTIONS, repeats=REPEATS):
    """A fresh server each time: [{"rss_before", "rss_idle", "bytes_each"}, ...]"""
    allow_files(connections + _SPARE_FILES)
    return [_once(spec, cpus, connections) for _ in range(repeats)]


def allow_files(wanted):
    """Raise the limit of open files, which the server inherits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < wanted:
        if hard != unlimited and hard < wanted:
            raise ServerError(f"{wanted} open files are needed, {hard} allowed here (ulimit -n)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _once(spec, cpus, connections):
    with Server(spec, cpus) as server:
        with contextlib.ExitStack() as warm_up:  # the code's own pages come in with the first few
            _open_all(server, 20, warm_up)
        before = server.resident_bytes()
        with contextlib.ExitStack() as held:
            _open_all(server, connections, held)
            idle = server.resident_bytes()
    each = (idle - before) / connections
    return {"rss_before": before, "rss_idle": idle, "connections": connections, "bytes_each": each}


def _open_all(server, count, stack):
    for number in range(1, count + 1):
        try:
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            stack.enter_context(connection)
            connection.sendall(_REQUEST)
            _read_answer(connection)
        except OSError as error:
            raise ServerError(
                f"{server.spec.name} failed at idle connection {number} of {count}: {error}"
            ) from None


def _read_answer(connection):
    received = b""
    while not received.endswith(ANSWER):
        chunk = connection.recv(4096)
        if not chunk:
            raise OSError("it closed the connection")
        received += chunk
