"""A lab as a child process of a test.

From the environment, set by `make test`: LAB_BIN_DIR.
"""

import os
import re
import select
import signal
import subprocess
import tempfile
import time
import urllib.request

DEADLINE_S = 60  # only what hangs takes so long, on a busy machine and with sanitizers too


def lab_path(name):
    return os.path.abspath(os.path.join(os.environ.get("LAB_BIN_DIR", ""), name))


class Lab:
    """A lab on a port that the kernel picked, until the `with` block ends. Lab 5 has one worker
    unless the options say another number."""

    def __init__(self, name, *options, folder=None):
        if name == "lab5":
            options = ("--workers=1", *options)
        self._stderr = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [lab_path(name), "--port", "0", *options],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
        )

    def __enter__(self):
        self.banner = self._read_banner()
        self.url = self.banner.split("listening on ")[1].strip()
        self.port = int(self.url.rsplit(":", 1)[1])
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self._stderr.close()

    def _read_banner(self):
        """What the lab prints up to and with the line that says where it listens."""
        deadline = time.monotonic() + DEADLINE_S
        stdout = self.process.stdout.fileno()
        said = b""
        while not re.search(rb"listening on \S+\n", said):
            left = max(0, deadline - time.monotonic())
            chunk = select.select([stdout], [], [], left)[0] and os.read(stdout, 4096)
            if not chunk:
                message = f"no banner from the lab; it said {said!r} and {self.stderr()!r}"
                self.__exit__()
                raise AssertionError(message)
            said += chunk
        return said.decode()

    def get(self, target="/"):
        with urllib.request.urlopen(self.url + target, timeout=DEADLINE_S) as answer:
            return answer.read()

    def stop(self):
        """SIGTERM; what the lab printed after its banner."""
        self.process.send_signal(signal.SIGTERM)
        rest, _ = self.process.communicate(timeout=DEADLINE_S)
        return rest.decode()

    def stderr(self):
        self._stderr.seek(0)
        return self._stderr.read()
