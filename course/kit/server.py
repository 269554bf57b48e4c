"""A lab as a child process of a check, with pipes to the app that it serves: events come out, gates
hold handlers back (tests/apps/harness.py). So a check needs no clock to know what runs, what waits
and what came first; every wait has a deadline that only turns a hang into a failure.
"""

import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import time

from . import sandbox, sanitizers
from .checks import Failed

DEADLINE_S = 20
GATES = 4
_LISTENING = re.compile(rb"listening on http://127\.0\.0\.1:(\d+)\n")
_OUTPUT_LIMIT = 1 << 20


class Server:
    def __init__(self, t, program, arguments, folder="tests/apps"):
        self.t, self.name = t, os.path.basename(program)
        self.out, self.events, self.port, self.status = b"", b"", None, None
        self.err = tempfile.TemporaryFile()
        out, out_theirs = os.pipe()
        self.events_fd, events_theirs = os.pipe()
        pairs = [os.pipe() for _ in range(GATES)]
        self.gates = [write for _, write in pairs]
        self.out_fd = out
        theirs = [events_theirs, *(read for read, _ in pairs)]
        self.process = sandbox.spawn(
            [program, "--port=0", *arguments],
            t.limits,
            cwd=os.path.join(t.tree, folder),
            stdout=out_theirs,
            stderr=self.err,
            pass_fds=theirs,
            env=sandbox.environment(
                sanitizers.options(t.tree, program)
                | {
                    "TEST_EVENTS": str(events_theirs),
                    "TEST_GATES": " ".join(str(read) for read, _ in pairs),
                }
            ),
        )
        for fd in (out_theirs, *theirs):
            os.close(fd)
        self._wait_listening(" ".join([f"./{self.name}", *arguments]))

    # ---- What it says ----------------------------------------------------------------------------

    def _read(self, fd, deadline):
        """Some bytes, b"" at the end. Fails at the deadline."""
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            return None
        return os.read(fd, 65536)

    def _wait_listening(self, command):
        deadline = time.monotonic() + DEADLINE_S
        while self.port is None:
            piece = self._read(self.out_fd, deadline)
            if piece is None:
                raise Failed(f"{command} listens", f"it doesn't within {DEADLINE_S} s", self.tail())
            if not piece:
                self.process.wait()
                raise Failed(f"{command} listens", self._ending(), self.tail())
            self.out += piece
            if len(self.out) > _OUTPUT_LIMIT:
                raise Failed(f"{command} listens", "more than 1 MiB of standard output")
            found = _LISTENING.search(self.out)
            self.port = int(found.group(1)) if found else None
        self.t.step(f"started {command}: it listens")

    def stderr(self):
        size = os.fstat(self.err.fileno()).st_size
        start = max(0, size - _OUTPUT_LIMIT)
        return os.pread(self.err.fileno(), _OUTPUT_LIMIT, start).decode(errors="replace")

    def tail(self):
        found = sanitizers.report(self.stderr())
        if found:
            return found
        lines = self.stderr().strip().split("\n")[-12:]
        return "" if lines == [""] else "its standard error ends with:\n" + "\n".join(lines)

    def _with_tail(self, cause):
        return "\n".join(filter(None, [cause, self.tail()]))

    def _ending(self):
        return f"it ended: {sandbox.ending(self.process)}"

    def check_alive(self, cause=""):
        if self.process.poll() is not None:
            raise Failed("the server runs on", self._ending(), self._with_tail(cause))

    # ---- The app ---------------------------------------------------------------------------------

    def event(self, expected, cause="", already=False):
        """
        The app's next event is this one, or one of this set; waits for it, unless it must have
        happened already. returns it
        """
        wanted = {expected} if isinstance(expected, str) else set(expected)
        text = " or ".join(sorted(map(repr, wanted)))
        deadline = time.monotonic() + DEADLINE_S
        while b"\n" not in self.events:
            if already and not select.select([self.events_fd], [], [], 0)[0]:
                raise Failed(f"the app has said {text} by now", "not a word", cause)
            piece = self._read(self.events_fd, deadline)
            if piece is None:
                raise Failed(f"the handler says {text}", f"nothing in {DEADLINE_S} s", cause)
            if not piece:
                self.process.wait()
                raise Failed(f"the handler says {text}", self._ending(), self.tail())
            self.events += piece
        line, _, self.events = self.events.partition(b"\n")
        seen = line.decode(errors="replace")
        if seen not in wanted:
            raise Failed(f"the handler says {text}", repr(seen), cause)
        self.t.step(f"the handler said {seen!r}")
        return seen

    def event_before_sleep(self, expected, cause=""):
        """
        The app's next event is this one, and comes of what is ready already: it won't come any more
        once every thread sleeps. Linux only.
        """
        self._until_asleep(lambda: select.select([self.events_fd], [], [], 0)[0])
        return self.event(expected, cause, already=True)

    def expect_silence(self, cause=""):
        ready = select.select([self.events_fd], [], [], 0)[0]
        if ready or self.events:
            seen = self.events or os.read(self.events_fd, 4096)
            raise Failed("no handler runs", repr(seen.decode(errors="replace")), cause)

    def open_gate(self, gate):
        self.t.step(f"opened gate {gate}")
        os.close(self.gates[gate])
        self.gates[gate] = -1

    # ---- Asleep ----------------------------------------------------------------------------------

    def _asleep(self):
        """(all threads sleep, how often they have been switched so far)"""
        switches = 0
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/status", encoding="ascii") as file:
                text = file.read()
            if re.search(r"^State:\s+(\w)", text, re.M).group(1) != "S":
                return False, 0
            switches += sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", text)))
        return True, switches

    def thread_name(self, thread):
        """What the system calls the thread that knows itself by that id. Linux only."""
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            folder = f"/proc/{self.process.pid}/task/{task}"
            with open(f"{folder}/status", encoding="utf-8") as file:
                ids = re.search(r"^NSpid:.*$", file.read(), re.MULTILINE)
            if ids and ids.group().split()[-1] == str(thread):  # in its own room's numbers
                with open(f"{folder}/comm", encoding="utf-8") as file:
                    return file.read().strip()
        raise Failed(f"the server has a thread {thread}", "it has none")

    def thread_names(self):
        """As the system knows them; a sanitizer's own is left out. Linux only."""
        names = []
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/comm", encoding="utf-8") as file:
                names.append(file.read().strip())
        extra = sanitizers.threads_in(self.t.bin_dir)
        ours = [name for name in names if name == self.name]
        return [name for name in names if name != self.name] + ours[extra:]

    def _until_asleep(self, or_else=lambda: False):
        """
        Until every thread sleeps, and has slept between two looks, or or_else() is true. returns
        False if neither comes
        """
        deadline, before = time.monotonic() + DEADLINE_S, None
        while time.monotonic() < deadline:
            if or_else():
                return True
            asleep, switches = self._asleep()
            if asleep and switches == before:
                return True
            before = switches if asleep else None
            time.sleep(0.003)
        return False

    def wait_asleep(self, cause=""):
        """Wait until every thread sleeps. Linux only."""
        if not self._until_asleep():
            expected = "the server has nothing left to do and sleeps"
            raise Failed(expected, "a thread keeps running", cause)

    def unread(self, port):
        """Bytes from the client's `port` that the server hasn't read. Linux only."""
        with open("/proc/net/tcp", encoding="ascii") as file:
            for line in file:
                fields = line.split()
                if fields[1].endswith(f":{self.port:04X}") and fields[2].endswith(f":{port:04X}"):
                    return int(fields[4].split(":")[1], 16)
        return 0

    # ---- Processes of its own --------------------------------------------------------------------

    def kill_child(self, number):
        """SIGKILL for the child that knows itself by that number. Linux only."""
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/status", encoding="utf-8", errors="replace") as file:
                    text = file.read()
            except OSError:
                continue  # it has ended
            parent = re.search(r"^PPid:\s+(\d+)$", text, re.MULTILINE)
            ids = re.search(r"^NSpid:.*$", text, re.MULTILINE)
            if int(parent.group(1)) == self.process.pid and ids.group().split()[-1] == str(number):
                os.kill(int(entry), signal.SIGKILL)
                self.t.step(f"killed its process {number}")
                return
        raise Failed(f"the server has a child process {number}", "it has none")

    # ---- The end ---------------------------------------------------------------------------------

    def wait_until(self, condition, expected, cause=""):
        """Until condition() is true; `expected` says what that means."""
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > deadline:
                raise Failed(expected, f"nothing of it in {DEADLINE_S} s", cause)
            if self.process.poll() is not None and not condition():
                raise Failed(expected, self._ending(), self._with_tail(cause))
            time.sleep(0.003)

    def terminate(self):
        """SIGTERM: it drains. Says nothing of its end."""
        self.check_alive()
        self.t.step("sent SIGTERM")
        self.process.send_signal(signal.SIGTERM)

    def _refuses(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), DEADLINE_S).close()
        except OSError as error:
            return isinstance(error, ConnectionRefusedError)
        return False

    def begin_drain(self, cause=""):
        """SIGTERM, until nobody is accepted any more: from then on all of it drains."""
        self.terminate()
        self.wait_until(self._refuses, "the server accepts no more connections", cause)
        self.t.step("nobody is accepted any more: it drains")

    def expect_end(self, expected, cause=""):
        """It ends by itself, with that status."""
        try:
            self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise Failed("it drains and ends", f"it runs on after {DEADLINE_S} s", cause) from None
        if self.process.returncode != expected:
            raise Failed(
                f"exit status {expected} in the end",
                sandbox.ending(self.process),
                cause or self.tail(),
            )

    def stop(self, expected=0, cause=""):
        """SIGTERM: it drains and ends with that status."""
        self.terminate()
        self.expect_end(expected, cause)

    def close(self):
        sandbox.end(self.process)
        for fd in (self.out_fd, self.events_fd, *(g for g in self.gates if g >= 0)):
            os.close(fd)
        self.err.close()
