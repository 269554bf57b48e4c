"""bench/apps/upstream_app.py on each lab: what becomes of a request whose handler asks a server
that is down, silent, or answers nonsense; and of the others meanwhile."""

import contextlib
import os
import socket
import threading
import unittest
import urllib.error
from unittest import mock

import support
from labs import Lab, lab_path

APPS = os.path.join(support.BENCH, "apps")
LABS = {
    "lab1": ("lab1", "async_app"),
    "lab2": ("lab2", "async_app", "--workers", "2"),
    "lab3": ("lab3", "sync_app"),
    "lab3, threads": ("lab3", "sync_app", "--pool", "2"),
    "lab4": ("lab4", "async_app"),
    "lab5": ("lab5", "async_app", "--workers", "2"),
}
WAITS_FOR_NOBODY = [name for name in LABS if name != "lab3"]  # other requests, while one waits


class Upstream:
    """A server that does with each connection what `serve`, which a test may change, says."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d/" % self.listener.getsockname()[1]
        self.asked = threading.Event()
        self.let_go = threading.Event()
        self.serve = serve
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        with contextlib.suppress(OSError), connection:
            connection.recv(65536)
            self.asked.set()
            self.serve(self, connection)

    def close(self):
        self.let_go.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # ends accept() too
        self.listener.close()


def silent(upstream, connection):
    upstream.let_go.wait()


def fine_when_let_go(upstream, connection):
    upstream.let_go.wait()
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfine")


def status_of(lab, target):
    try:
        return 200, lab.get(target).decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


ANSWERS = (  # what the upstream sends, what becomes of it
    (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine", (200, "fine")),
    (b"HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\ngone", (404, "gone")),
    (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", (502, "the upstream says 500")),
    (b"SSH-2.0-OpenSSH_9.2\r\n", (502, "the upstream: RemoteProtocolError")),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfine",
     (502, "the upstream: RemoteProtocolError")),
    (b"", (502, "the upstream: RemoteProtocolError")),
)


@unittest.skipUnless(os.access(lab_path("lab5"), os.X_OK), "LAB_BIN_DIR names no labs")
class Faults(unittest.TestCase):
    @contextlib.contextmanager
    def each_lab(self, serve, timeout_s):
        """One after the other, each with an upstream of its own: [(name, lab, upstream)]"""
        with contextlib.ExitStack() as stack:
            yield [self.start(stack, name, Upstream(serve), timeout_s) for name in LABS]

    def start(self, stack, name, upstream, timeout_s):
        stack.callback(upstream.close)
        program, app, *options = LABS[name]
        more = {"UPSTREAM": upstream.url, "UPSTREAM_TIMEOUT": timeout_s}
        with mock.patch.dict(os.environ, more):
            lab = Lab(program, "--app", f"upstream_app:{app}", *options, folder=APPS)
        return name, stack.enter_context(lab), upstream

    def check_others(self, lab):
        self.assertEqual(status_of(lab, "/"), (200, "Hello, World!"), lab.stderr())

    def test_what_it_answers_is_passed_on_or_is_a_502(self):
        with self.each_lab(None, "20") as labs:
            for name, lab, upstream in labs:
                for answer, expected in ANSWERS:
                    with self.subTest(name, answer=answer):
                        upstream.serve = (
                            lambda _, connection, answer=answer: connection.sendall(answer))
                        self.assertEqual(status_of(lab, "/fetch"), expected, lab.stderr())
                        self.check_others(lab)
                with self.subTest(name, answer="it is down"):
                    upstream.close()
                    self.assertEqual(status_of(lab, "/fetch"), (502, "the upstream: ConnectError"))
                    self.check_others(lab)

    def test_no_answer_is_a_504(self):
        with self.each_lab(silent, "0.05") as labs:
            for name, lab, _ in labs:
                with self.subTest(name):
                    self.assertEqual(status_of(lab, "/fetch"), (504, "the upstream: ReadTimeout"))
                    self.check_others(lab)

    def test_while_one_request_waits_for_it_the_others_are_served(self):
        with self.each_lab(fine_when_let_go, "20") as labs:
            for name, lab, upstream in labs:
                if name in WAITS_FOR_NOBODY:
                    with self.subTest(name):
                        self.check_parked(lab, upstream)

    def check_parked(self, lab, upstream):
        found = []
        waiting = threading.Thread(target=lambda: found.append(status_of(lab, "/fetch")))
        waiting.start()
        self.assertTrue(upstream.asked.wait(20), "the upstream wasn't asked")
        self.check_others(lab)
        self.assertEqual(found, [], "it was answered before the upstream had")
        upstream.let_go.set()
        waiting.join()
        self.assertEqual(found, [(200, "fine")])


if __name__ == "__main__":
    unittest.main()
