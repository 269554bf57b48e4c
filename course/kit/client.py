"""A small HTTP client over a raw socket: sends the bytes it is given, reads an answer at a time."""

import socket
import struct
import time
from dataclasses import dataclass

from .checks import Failed

DEADLINE_S = 10


@dataclass
class Answer:
    request: str
    status: int
    head: str
    body: str

    def expect(self, status, part=None, cause=""):
        wanted = str(status) if part is None else f"{status} with {part!r} in its body"
        if self.status != status or (part is not None and part not in self.body):
            raise Failed(f"{wanted} as the answer to {self.request}", str(self), cause)
        return self

    def __str__(self):
        body = self.body if len(self.body) < 200 else self.body[:200] + "..."
        return f"{self.status} {body!r}"


class Connection:
    def __init__(self, t, port, name=""):
        self.t, self.name, self.buffer, self.sent = t, name, b"", ""
        self.socket = socket.create_connection(("127.0.0.1", port), DEADLINE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = self.socket.getsockname()[1]

    def send(self, target, method="GET", body=None):
        """One request; read nothing yet."""
        self.t.step(f"sent {method} {target}{self.name and ' on connection ' + self.name}")
        return self.send_quietly(target, method, body)

    def send_quietly(self, target, method="GET", body=None):
        """The same, one of so many that each for itself is no step."""
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        self.sent = f"{method} {target}"
        self.socket.sendall(
            f"{method} {target} HTTP/1.1\r\nHost: lab\r\n{length}\r\n{body or ''}".encode()
        )
        return self

    def send_together(self, *targets):
        """GETs in one piece, so that the server has them in one turn; read nothing yet."""
        self.t.step(f"sent GET {', '.join(targets)} in one piece")
        self.sent = f"GET {targets[0]} and what came with it"
        pieces = [f"GET {target} HTTP/1.1\r\nHost: lab\r\n\r\n" for target in targets]
        self.socket.sendall("".join(pieces).encode())
        return self

    def _more(self, deadline, cause):
        left = deadline - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            self.socket.settimeout(left)
            piece = self.socket.recv(65536)
        except TimeoutError:
            raise Failed(
                f"an answer to {self.sent}",
                f"nothing in {DEADLINE_S} s" + (f" after {self.buffer!r}" if self.buffer else ""),
                cause
                or "the request is lost or waits for ever: was its answer posted, and was the HTTP "
                "thread woken?",
            ) from None
        except ConnectionError as error:
            raise Failed(f"an answer to {self.sent}", f"{error.strerror}", cause) from None
        if not piece:
            raise Failed(
                f"an answer to {self.sent}",
                f"the connection was closed after {self.buffer!r}",
                cause,
            )
        self.buffer += piece

    def answer(self, cause=""):
        """The next one. `cause` says why there may be none."""
        deadline = time.monotonic() + DEADLINE_S
        while b"\r\n\r\n" not in self.buffer:
            self._more(deadline, cause)
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        head = head.decode(errors="replace")
        length = next(
            (
                int(line.split(":")[1])
                for line in head.split("\r\n")
                if line.lower().startswith("content-length:")
            ),
            0,
        )
        while len(self.buffer) < length:
            self._more(deadline, cause)
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        try:
            status = int(head.split()[1])
        except (IndexError, ValueError):
            raise Failed("an answer in HTTP", repr(head)) from None
        return Answer(self.sent, status, head, body.decode(errors="replace"))

    def reset(self):
        """Leave as a process that was killed leaves: RST."""
        self.t.step(f"reset connection {self.name}".rstrip())
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()
