"""A lab whose log is a pipe that nobody reads: it serves on, and it can be stopped.

From the environment, set by `make test`: LAB_BIN_DIR.
"""

import http.client
import os
import re
import select
import signal
import socket
import subprocess
import unittest

from labs import DEADLINE_S, lab_path

APPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "apps")
LABS = {"lab1": "async_app", "lab2": "async_app", "lab3": "sync_app",
        "lab4": "async_app", "lab5": "async_app"}
WORKERS = {"lab5": ("--workers=1",)}
ERRORS = 400  # each logs a traceback of a few hundred bytes; a pipe takes 64 KiB


class UnreadLog(unittest.TestCase):
    def pipe(self):
        ends = os.pipe()
        for end in ends:
            self.addCleanup(os.close, end)
        return ends

    def start(self, name, *options):
        self.events, events = self.pipe()
        gate, self.gate = self.pipe()
        lab = subprocess.Popen(
            [lab_path(name), "--port=0", *WORKERS.get(name, ()), f"--app=faults:{LABS[name]}",
             *options],
            cwd=APPS, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "TEST_EVENTS": str(events), "TEST_GATES": str(gate)},
            pass_fds=(events, gate))
        self.addCleanup(self.end, lab)
        for line in lab.stdout:
            if found := re.match(r"listening on http://127\.0\.0\.1:(\d+)", line):
                return lab, int(found[1])
        self.fail(f"{name} doesn't start: {lab.stderr.read()}")

    def end(self, lab):
        lab.kill()
        lab.communicate()

    def fill_the_log(self, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
        for _ in range(ERRORS):
            connection.request("GET", "/leave/raise")
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(500, answer.status)
        connection.close()

    def test_requests_are_answered_and_a_signal_ends_the_lab(self):
        for name in LABS:
            with self.subTest(lab=name):
                lab, port = self.start(name)
                self.fill_the_log(port)
                lab.send_signal(signal.SIGTERM)
                self.assertEqual(0, lab.wait(DEADLINE_S))
                self.assertIn(lab.stderr.read().count("Traceback"), range(1, ERRORS))

    def test_the_watchdog_ends_a_lab_whose_handler_is_stuck(self):
        lab, port = self.start("lab3", "--drain-timeout=0")
        self.fill_the_log(port)
        with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as client:
            client.sendall(b"GET /park/0 HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertTrue(select.select([self.events], [], [], DEADLINE_S)[0], "no handler began")
            lab.send_signal(signal.SIGTERM)
            self.assertEqual(3, lab.wait(DEADLINE_S))


if __name__ == "__main__":
    unittest.main()
