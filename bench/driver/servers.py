"""What is measured: starting it, checking its answer, stopping it."""

import ctypes
import http.client
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

from . import procfs

START_SECONDS = 20
SETTLE_SECONDS = 120
ANSWER_SECONDS = 5
STOP_SECONDS = 5
ANSWER = b"Hello, World!"
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class ServerError(Exception):
    """A server didn't start or answered wrong; the message is for the user."""


@dataclass(frozen=True)
class Spec:
    """How a server is started. In command and files, `{port}` stands for a free port and `{folder}`
    for a folder of the server's own that holds the files. A command without `{port}` is a program
    that prints `listening on http://HOST:PORT` by itself."""

    name: str
    command: tuple
    path: str = "/"
    cwd: str = None
    files: dict = field(default_factory=dict)  # file name: text
    answer: bytes = ANSWER  # what it has to answer on `path`
    free_threaded: bool = False  # a lab that says so: it has to stay without a GIL

    def announces_port(self):
        return not any("{port}" in text for text in (*self.command, *self.files.values()))


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _environment():
    """Ours, without what would change another Python's behaviour."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return {**env, "PYTHONDONTWRITEBYTECODE": "1"}


def _prepare_child(driver, cpus):
    """In the child, before it becomes the server: it gets its CPUs, and ends when the driver does,
    however that happens."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != driver:
        os._exit(1)
    if cpus:
        os.sched_setaffinity(0, cpus)


class Server:
    """A running server on the CPUs it was given, known to answer. A context manager."""

    def __init__(self, spec, cpus=None):
        self.spec = spec
        self.port = None if spec.announces_port() else free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="looplab-")
        self._output = tempfile.TemporaryFile()  # a pipe would fill up and stop the server
        self.process = None
        try:
            self.process = self._start(cpus)
            if self.port is None:
                self.port = self._announced_port()
            self._check_free_threaded()
            self._check_answer()
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{self.spec.path}"

    def _fill(self, text):
        return text.replace("{port}", str(self.port)).replace("{folder}", self._folder.name)

    def _start(self, cpus):
        for name, text in self.spec.files.items():
            with open(os.path.join(self._folder.name, name), "w") as file:
                file.write(self._fill(text))
        driver = os.getpid()
        try:
            return subprocess.Popen(
                [self._fill(part) for part in self.spec.command],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                cwd=self.spec.cwd,
                env=_environment(),
                start_new_session=True,  # Ctrl-C reaches the driver, which stops its servers
                preexec_fn=lambda: _prepare_child(driver, cpus),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ServerError(f"{self.spec.name} can't be started: {error}") from None

    def _printed(self):
        """All that the server has printed. The file's offset is the server's: read past it."""
        return os.pread(self._output.fileno(), 1 << 20, 0).decode(errors="replace")

    def _fail(self, what):
        printed = self._printed().strip().splitlines()[-15:]
        tail = "; it printed:\n" + "\n".join(f"    {line}" for line in printed) if printed else ""
        raise ServerError(f"{self.spec.name} {what}{tail}")

    def _announced_port(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            match = re.search(r"listening on http://\S+:(\d+)\n", self._printed())
            if match:
                return int(match[1])
            if ended:
                self._fail(f"ended with status {self.process.returncode} before it listened")
            time.sleep(0.02)
        self._fail(f"didn't say where it listens within {START_SECONDS} s")

    def settle(self):
        """Wait until what an earlier load has left behind is done with: a handler that has begun is
        carried through, though its client has gone."""
        try:
            self._get(SETTLE_SECONDS)
        except (OSError, http.client.HTTPException) as error:
            if self.process.poll() is not None:
                self._fail(f"ended with status {self.process.returncode} between two loads")
            self._fail(f"isn't done with an earlier load after {SETTLE_SECONDS} s ({error})")

    def _check_answer(self):
        """A wrong answer would make every figure worthless."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                status, body = self._get()
                break
            except (OSError, http.client.HTTPException) as error:
                if self.process.poll() is not None:
                    self._fail(f"ended with status {self.process.returncode} before it answered")
                if time.monotonic() > deadline:
                    self._fail(f"doesn't answer {self.url} ({error})")
                time.sleep(0.05)
        if (status, body) != (200, self.spec.answer):
            self._fail(f"answers {self.spec.path} with status {status} and {body[:60]!r}")

    def _get(self, timeout=ANSWER_SECONDS):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", self.spec.path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ask_for(self, seconds):
        """One request after the other for so long, on one connection: what runs by now is warm."""
        end = time.monotonic() + seconds
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SETTLE_SECONDS)
        try:
            while time.monotonic() < end:
                connection.request("GET", self.spec.path)
                connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            self._fail(f"doesn't answer {self.url} ({error})")
        finally:
            connection.close()

    def _check_free_threaded(self):
        """Any import can bring the GIL back, and the lab says so: in its banner, or in the log. Its
        figures would stand under the wrong heading."""
        pattern = r"GIL \(turned on by (.+?)\)|importing (\S+) has turned the GIL on"
        found = self.spec.free_threaded and re.search(pattern, self._printed())
        if found:
            raise ServerError(
                f"{self.spec.name} isn't free-threaded any more: {found[1] or found[2]} "
                "has turned the GIL on, so its figures would be another interpreter's")

    def usage(self):
        """What it has had of the scheduler so far."""
        if self.process.poll() is not None:
            self._fail(f"ended with status {self.process.returncode} while it was measured")
        self._check_free_threaded()
        return procfs.usage(self.process.pid)

    def resident_bytes(self):
        return procfs.resident_bytes(self.process.pid)

    def stop(self):
        """End it and everything that it started."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
        self._output.close()
        self._folder.cleanup()
