"""What is measured: starting it, stopping it, reading its CPU time."""

import os
import re
import select
import signal
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field

START_SECONDS = 20


class ServerError(Exception):
    """A server didn't start or answered wrong; the message is for the user."""


@dataclass
class Spec:
    """How a server is started. `{port}` in the command stands for a free port; without one the server
    prints `listening on http://HOST:PORT` by itself."""

    name: str
    command: list
    path: str = "/"
    cwd: str = None
    env: dict = field(default_factory=dict)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def clean_environment(extra):
    """Ours, without what would change another Python's behaviour."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return {**env, **extra}


class Server:
    """A running server, on the CPUs it was given."""

    def __init__(self, spec, cpus=None):
        self.spec = spec
        port = free_port()
        command = [part.replace("{port}", str(port)) for part in spec.command]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=spec.cwd,
            env=clean_environment(spec.env),
            start_new_session=True,  # Ctrl-C is ours to pass on
            preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None,
        )
        try:
            if command == spec.command:
                port = self._announced_port()
            self.base = f"http://127.0.0.1:{port}"
            self._check_answer()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self):
        return self.base + self.spec.path

    def _announced_port(self):
        """Wait for the line `listening on http://...:PORT`."""
        deadline = time.monotonic() + START_SECONDS
        seen = b""
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self.process.stdout], [], [], 0.2)
            chunk = os.read(self.process.stdout.fileno(), 4096) if ready else None
            if chunk == b"":
                break
            seen += chunk or b""
            match = re.search(rb"listening on http://\S+:(\d+)\n", seen)
            if match:
                return int(match[1])
        raise ServerError(f"{self.spec.name} didn't start; it printed:\n{seen.decode(errors='replace')}")

    def _check_answer(self):
        """A wrong answer would make every figure worthless."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(self.url, timeout=5) as answer:
                    body = answer.read()
                break
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise ServerError(f"{self.spec.name} doesn't answer {self.url}: {error}") from None
                time.sleep(0.05)
        if body != b"Hello, World!":
            raise ServerError(f"{self.spec.name} answers {body[:60]!r} at {self.url}")

    def pids(self):
        """The server's process and all below it."""
        children = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat") as stat:
                        parent = int(stat.read().rpartition(")")[2].split()[1])
                    children.setdefault(parent, []).append(int(entry))
                except OSError:
                    continue
        found, queue = [], [self.process.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            queue += children.get(pid, [])
        return found

    def usage(self):
        """CPU seconds, voluntary and involuntary context switches so far, over all threads."""
        total = [0.0, 0, 0]
        for pid in self.pids():
            for task in _listdir(f"/proc/{pid}/task"):
                total[0] += _cpu_seconds(f"/proc/{pid}/task/{task}")
                status = _read(f"/proc/{pid}/task/{task}/status")
                for index, key in ((1, "voluntary_ctxt_switches"), (2, "nonvoluntary_ctxt_switches")):
                    match = re.search(rf"^{key}:\s+(\d+)", status, re.MULTILINE)
                    total[index] += int(match[1]) if match else 0
        return total

    def memory_kib(self):
        """Resident memory of the server's processes."""
        return sum(
            int(re.search(r"^Rss:\s+(\d+)", _read(f"/proc/{pid}/smaps_rollup"), re.MULTILINE)[1])
            for pid in self.pids()
        )

    def stop(self):
        """End it and everything that it started."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdout.close()


def _read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def _listdir(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def _cpu_seconds(task):
    """From the scheduler in nanoseconds; where a kernel lacks that, in clock ticks."""
    text = _read(f"{task}/schedstat")
    if text:
        return int(text.split()[0]) / 1e9
    fields = _read(f"{task}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0
