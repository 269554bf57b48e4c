"""Does a server answer pipelined requests right? wrk only counts answers, so this comes first."""

import socket

from .servers import ANSWER

REQUESTS = 16
TIMEOUT_SECONDS = 5
_REQUEST = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class _Fault(Exception):
    """What is wrong with an answer; reads on from the server's name."""


def fault(port, path="/", timeout=TIMEOUT_SECONDS):
    """Send 16 requests at once and read 16 answers. Returns None, or what is wrong."""
    answered = 0
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as sock:
            sock.sendall(_REQUEST % path.encode() * REQUESTS)
            stream = sock.makefile("rb")
            for answered in range(REQUESTS):
                _read_answer(stream)
            answered = REQUESTS
            sock.settimeout(0.05)
            if _reads_more(stream):
                raise _Fault(f"sends more than {REQUESTS} answers to {REQUESTS} requests")
    except _Fault as error:
        return str(error)
    except TimeoutError:
        return f"answers {answered} of {REQUESTS} requests sent at once"
    except EOFError:
        return f"closes the connection after {answered} of {REQUESTS} requests sent at once"
    except OSError as error:
        return f"fails after {answered} of {REQUESTS} requests sent at once ({error.strerror})"
    return None


def _reads_more(stream):
    try:
        return bool(stream.peek(1))
    except TimeoutError:
        return False


def _line(stream):
    line = stream.readline(8192)
    if not line.endswith(b"\n"):
        raise EOFError
    return line.rstrip(b"\r\n")


def _read_answer(stream):
    """One answer, which must be 200 with the right body and a Content-Length."""
    status = _line(stream)
    headers = {}
    while line := _line(stream):
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    if status.split()[:2] != [b"HTTP/1.1", b"200"]:
        raise _Fault(f"answers pipelined requests with {status.decode(errors='replace')!r}")
    length = headers.get(b"content-length", b"")
    if not length.isdigit():
        raise _Fault("answers pipelined requests without a Content-Length")
    body = stream.read(int(length))
    if len(body) < int(length):
        raise EOFError
    if body != ANSWER:
        raise _Fault(f"answers pipelined requests with {body[:40]!r}")
