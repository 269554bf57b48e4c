"""Runs a student's code as a child process: in limits, and so that nothing of it stays behind.

What binds, and what doesn't:
  RLIMIT_FSIZE   bounds each file, standard output and error among them
  RLIMIT_CPU     ends what computes for ever; what waits for ever meets the caller's deadline
  RLIMIT_AS      memory, per process; kills AddressSanitizer at its start, so not for such builds.
                 Who meets it learns so from malloc() and ends in its own way: ending() says why
  RLIMIT_NPROC   processes and threads of the user: doesn't bind root, so root runs students as
                 the user STUDENT_UID, which nothing else uses
What a program leaves behind, in whatever session, ends with it: as root by its room
(isolation.py), all at once; where there can be none, by the user that nothing else runs as, whose
files in places that everybody may write to go too.
Otherwise the grader adopts orphans (PR_SET_CHILD_SUBREAPER), and end_descendants() ends them by id.
Nothing else is ever ended.
"""

import contextlib
import ctypes
import os
import resource
import select
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass

from . import isolation
from .labs import ROOT

STUDENT_UID = 64123
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_ADDR_NO_RANDOMIZE = 0x0040000
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Limits:
    cpu_s: int = 60
    memory: int = 3 << 30  # bytes of address space; 0: no limit
    resident: int = 0  # bytes in use, which run() looks at now and then; 0: no limit
    processes: int = 128  # of the user, threads included
    file: int = 64 << 20  # bytes
    random_addresses: bool = True  # ThreadSanitizer wants some addresses for itself


# For `make check`: the student's own machine, so only what keeps a runaway from harming them.
AT_HOME = Limits(processes=0)


UNLIMITED = Limits(cpu_s=0, memory=0, processes=0, file=0)

ended = set()  # ids of all that had to be ended besides the programs themselves
_adopts = False
_as_user = None  # a uid, or None: as who we are
_folder = None  # what is theirs, while they are that user
_rooms = {}  # of programs that run: {pid: isolation.Room}


def adopt_orphans():
    """From now on orphans of our descendants are our children. Linux only; harmless elsewhere."""
    global _adopts
    _adopts = hasattr(_libc, "prctl") and _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


@contextlib.contextmanager
def as_student(folder):
    """Inside, what is spawned runs as STUDENT_UID, if we are root; `folder` is where it works."""
    global _as_user, _folder
    _as_user, _folder = STUDENT_UID if os.geteuid() == 0 else None, folder
    try:
        yield
    finally:
        if _as_user is not None and not isolation.available():
            _end_all_of_user()
        _as_user = _folder = None


def _chown(folder, uid):
    for path, folders, names in os.walk(folder):
        os.chown(path, uid, uid)
        for name in [*folders, *names]:
            os.lchown(os.path.join(path, name), uid, uid)


def give_away(folder):
    """Make a folder, and all in it, the student's: they build in there."""
    if _as_user is not None:
        _chown(folder, _as_user)


def take_back(folder):
    """Now it is ours again, and read-only for them."""
    if _as_user is not None:
        _chown(folder, 0)


def _bound(what, value):
    if value:
        hard = resource.getrlimit(what)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (value, value))


def _preparation(limits, room):
    def prepare():
        if room is not None:
            room.furnish()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _bound(resource.RLIMIT_CPU, limits.cpu_s)
        _bound(resource.RLIMIT_AS, limits.memory)
        _bound(resource.RLIMIT_FSIZE, limits.file)
        if _as_user is not None:
            os.setgroups([])
            os.setgid(_as_user)
            os.setuid(_as_user)
            _bound(resource.RLIMIT_NPROC, limits.processes)
        if not limits.random_addresses and hasattr(_libc, "personality"):
            _libc.personality(_ADDR_NO_RANDOMIZE)
        if hasattr(_libc, "prctl"):  # a change of user would clear it
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    return prepare


def environment(more=None):
    """What a student's process sees: no PYTHON*, CRITERION*, MAKE* or LD_* of whoever grades."""
    wanted = ("PATH", "HOME", "LANG", "TERM")
    kept = {name: os.environ[name] for name in wanted if name in os.environ}
    return kept | (more or {})


class Process(subprocess.Popen):
    """Knows, once it has ended, how much memory it had at most: peak, in bytes."""

    limits, peak = UNLIMITED, 0

    def poll(self):
        if self.returncode is not None:
            return self.returncode
        try:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        except ChildProcessError:  # somebody else has collected it: subprocess takes that for a 0
            self.returncode = 0
            return 0
        if pid != 0:
            self.peak = usage.ru_maxrss << 10
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout=None):
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.002)
        return self.returncode


def spawn(command, limits, **options):
    """A Process in a session of its own. `env` is the whole environment."""
    options.setdefault("stdin", subprocess.DEVNULL)
    roomy = _as_user is not None and isolation.available()
    room = isolation.Room(_folder, [ROOT]) if roomy else None
    with room or contextlib.nullcontext():
        process = Process(
            command, start_new_session=True, preexec_fn=_preparation(limits, room), **options
        )
    process.limits = limits
    if room is not None:
        _rooms[process.pid] = room
    return process


def end(process):
    """End the process, its group, and what it has left behind. Harmless if it has ended."""
    room = _rooms.pop(process.pid, None)
    if room is not None:
        ended.update(set(_descendants()) - {process.pid, room.holder})
        room.end()
        process.wait()
        room.wait()
        return
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()
    end_descendants(known={process.pid})
    if _as_user is not None:
        _end_all_of_user()


def _end_all_of_user():
    _end_user()
    _remove_files()


def _remove_files():
    """What the student's user has left where everybody may write, but for the folder it works in."""
    for place in filter(os.path.isdir, isolation.WRITABLE):
        for entry in os.scandir(place):
            with contextlib.suppress(FileNotFoundError):  # somebody else's, and gone meanwhile
                if entry.stat(follow_symlinks=False).st_uid != _as_user or _is_in(entry.path):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)


def _is_in(path):
    """Is the folder that they work in this one, or somewhere in it?"""
    return os.path.commonpath([path, _folder]) == path


def _end_user():
    """One signal to all processes of the student's user: none can fork on meanwhile."""
    pid = os.fork()
    if pid == 0:
        os.setuid(_as_user)
        os.kill(-1, signal.SIGKILL)  # not to itself
        os._exit(0)
    os.waitpid(pid, 0)


def _children():
    """Of every process of the machine: {parent: [children]}."""
    children = {}
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if fields[0] != b"Z":
                children.setdefault(int(fields[1]), []).append(int(entry))
    return children


def _descendants():
    children, found, new = _children(), [], [os.getpid()]
    while new:
        new = [child for parent in new for child in children.get(parent, [])]
        found += new
    return found


def _reap(known):
    """Collect orphans that have ended; `known` belong to somebody who waits for them."""
    while True:
        try:
            info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if info is None or info.si_pid in known:
            return
        os.waitpid(info.si_pid, 0)


def end_descendants(known=()):
    """
    End every process that descends from this one: first stop them all, so that none forks on while
    another is ended. For when no child of our own is left that should live.
    """
    if not _adopts:
        return
    for stop in (signal.SIGSTOP, signal.SIGKILL):
        for _ in range(200):
            seen = [pid for pid in _descendants() if stop == signal.SIGKILL or not _stopped(pid)]
            ended.update(seen)
            for pid in seen:
                try:
                    os.kill(pid, stop)
                except ProcessLookupError:
                    pass
            _reap(set(known))
            if not seen:
                break
            time.sleep(0.002)


def _stopped(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"T", b"Z", b"t")
    except OSError:
        return True


def run(command, limits, timeout_s, output_limit=1 << 20, **options):
    """
    Run to the end. returns (status, output, what): the exit status or minus the signal, the last
    bytes of standard output and error together, and one line if a limit ended it (else "").
    """
    process = spawn(command, limits, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    os.set_blocking(process.stdout.fileno(), False)
    deadline, output, total, what = time.monotonic() + timeout_s, b"", 0, ""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            what = f"was ended after {timeout_s} s: it neither finished nor gave up"
            break
        if not select.select([process.stdout], [], [], min(left, 0.2))[0]:
            if process.poll() is not None:
                break  # its output is held open by somebody it has left behind
            if limits.resident and _resident(process.pid) > limits.resident:
                what = _had(_resident(process.pid), limits.resident)
                break
            continue
        piece = process.stdout.read(65536)
        if not piece:
            break
        total += len(piece)
        output = (output + piece)[-output_limit:]
        if total > 16 * output_limit:
            what = f"was ended after {total >> 20} MiB of output"
            break
    if not what:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            what = f"was ended after {timeout_s} s: it neither finished nor gave up"
    end(process)
    process.stdout.close()
    if not what and process.returncode != 0:
        what = out_of_memory(process)
    return process.returncode, output.decode(errors="replace"), what


def out_of_memory(process):
    """A line if a process that has ended had most of the memory that it may have; else ""."""
    most = process.limits.memory
    if not most or process.peak < most // 2:
        return ""
    return _had(process.peak, most)


def _had(peak, most):
    return f"ran out of memory: it took {peak / 2**30:.1f} of {most / 2**30:.0f} GiB"


def _resident(pid):
    """Bytes of memory that it has now; 0 where that can't be told."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def ending(process):
    """How a process has ended, in a line."""
    return out_of_memory(process) or describe(process.returncode)


def describe(status):
    """'exit status 1', 'killed by SIGSEGV'."""
    if status >= 0:
        return f"exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    more = {
        "SIGXFSZ": ": it wrote more than it may",
        "SIGXCPU": ": it computed for longer than it may",
        "SIGSEGV": ": it touched memory that isn't its own (SAN=address,undefined says where), "
        "or called Python detached",
    }
    return f"killed by {name}{more.get(name, '')}"
