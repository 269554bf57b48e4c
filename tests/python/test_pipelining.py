"""The probe tells a server that answers pipelined requests right from those that don't."""

import socket
import threading
import unittest

import support  # noqa: F401  (puts bench/ on the path)
from driver import pipelining

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!"
CASES = {
    # name: (what the server sends once it has all requests, does it close then?, what is said)
    "all right": (GOOD * 16, False, None),
    "all right, then closes": (GOOD * 16, True, None),
    "header names in lower case": (GOOD.lower().replace(b"http", b"HTTP").replace(
        b"hello, world!", b"Hello, World!") * 16, False, None),
    "one answer, then silence": (GOOD, False, "answers 1 of 16"),
    "silence": (b"", False, "answers 0 of 16"),
    "closes after five": (GOOD * 5, True, "closes the connection after 5 of 16"),
    "closes within a body": (GOOD * 2 + GOOD[:-4], True, "closes the connection after 2 of 16"),
    "closes within a head": (GOOD * 2 + GOOD[:20], True, "closes the connection after 2 of 16"),
    "one too many": (GOOD * 17, False, "more than 16"),
    "refuses": (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", True, "400 Bad Request"),
    "refuses the last": (GOOD * 15 + b"HTTP/1.1 503 Busy\r\n\r\n", True, "503 Busy"),
    "another body": (GOOD.replace(b"World", b"Xorld") * 16, False, "Hello, Xorld!"),
    "no length": (b"HTTP/1.1 200 OK\r\n\r\nHello, World!" * 16, True, "Content-Length"),
    "a length that is none": (GOOD.replace(b"13", b"-3") * 16, True, "Content-Length"),
    "not HTTP": (b"SSH-2.0-x\r\n\r\n", True, "SSH-2.0-x"),
}


class Misbehaving:
    """Accepts one connection, reads 16 requests, sends what it was given. It holds the connection
    until the test is over unless it is to close it."""

    def __init__(self, answer, closes):
        self.answer, self.closes = answer, closes
        self.over = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.received = b""
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(20)
        self.listener.close()

    def _serve(self):
        connection = self.listener.accept()[0]
        with connection:
            while self.received.count(b"\r\n\r\n") < pipelining.REQUESTS:
                self.received += connection.recv(65536)
            connection.sendall(self.answer)
            if not self.closes:
                self.over.wait(20)


class Probe(unittest.TestCase):
    def test_says_what_is_wrong(self):
        for name, (answer, closes, expected) in CASES.items():
            silent = expected is not None and expected.startswith("answers")
            with self.subTest(name), Misbehaving(answer, closes) as server:
                fault = pipelining.fault(server.port, timeout=2 if silent else 20)
                if expected is None:
                    self.assertIsNone(fault)
                else:
                    self.assertIn(expected, fault or "nothing found")

    def test_sends_the_path_sixteen_times_on_one_connection(self):
        with Misbehaving(GOOD * 16, False) as server:
            pipelining.fault(server.port, "/native", timeout=20)
            self.assertEqual(server.received.count(b"GET /native HTTP/1.1\r\n"), 16)

    def test_a_refused_connection_is_a_fault(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.assertIn("fails after 0 of 16", pipelining.fault(port, timeout=20))


if __name__ == "__main__":
    unittest.main()
