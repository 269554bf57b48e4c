"""A room of its own for each program of a student's: namespaces, where the grader may make them.

As root on Linux, unless a container forbids it. What is spawned into a room, and all that this
starts, lives in a PID namespace whose first process is ours; when that is killed the kernel ends
all the others at once, whatever they do. They see no process but their own, nothing of the grader's
files, and only a small memory file system where they could write: what they put there goes with the
room.
"""

import ctypes
import functools
import os
import signal
import subprocess

_PR_SET_PDEATHSIG = 1
ROOM_BYTES = 128 << 20  # of all that a room's programs write outside their tree
WRITABLE = ("/tmp", "/var/tmp", "/dev/shm")  # by everybody
_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWPID = 0x20000, 0x8000000, 0x20000000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x2, 0x4, 0x1000, 0x4000, 0x40000
_libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *arguments):
    if getattr(_libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def _mount(source, target, kind, flags, data=None):
    encoded = [None if text is None else text.encode() for text in (source, target, kind, data)]
    _call("mount", *encoded[:3], ctypes.c_ulong(flags), encoded[3])


def _hold():
    """The first process of a room: adopts what its programs leave behind, until it is killed."""
    pid = os.fork()
    if pid != 0:
        return pid
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # the room ends with the grader
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody becomes a zombie
    os.closerange(0, 1 << 16)  # a pipe that is open here would never come to its end
    while True:
        signal.pause()


class Room:
    """
    with Room(folder) as room: what is spawned in this block is born into it, and calls
    room.furnish() before it gives up root. `folder` is what it sees of a place that it may write
    to; of `hidden` it sees nothing.
    """

    def __init__(self, folder, hidden=()):
        self._folder, self._hidden, self.holder, self._ours = folder, hidden, None, -1

    def __enter__(self):
        self._ours = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        _call("unshare", _CLONE_NEWPID)  # for children only
        self.holder = _hold()
        return self

    def __exit__(self, *_):
        _call("setns", self._ours, _CLONE_NEWPID)
        os.close(self._ours)

    def furnish(self):
        """In the child, as root: its own /proc, small places to write to, the folder."""
        here = os.getcwd()
        _call("unshare", _CLONE_NEWNS | _CLONE_NEWIPC)
        _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
        _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV)
        folder = os.open(self._folder, os.O_PATH | os.O_CLOEXEC)
        for place in filter(os.path.isdir, WRITABLE):
            _mount("room", place, "tmpfs", _MS_NOSUID | _MS_NODEV, f"mode=1777,size={ROOM_BYTES}")
        for place in filter(os.path.isdir, self._hidden):
            _mount("room", place, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=700,size=4096")
        os.makedirs(self._folder, exist_ok=True)
        _mount(f"/proc/self/fd/{folder}", self._folder, None, _MS_BIND)
        os.chdir(here if os.path.isdir(here) else self._folder)

    def end(self):
        """Kill every process in it. The caller reaps the ones that it has spawned, then wait()s."""
        os.kill(self.holder, signal.SIGKILL)

    def wait(self):
        """Returns once nothing is left."""
        os.waitpid(self.holder, 0)


@functools.cache
def available():
    """Can there be rooms? Finds out by making one."""
    if os.geteuid() != 0 or not hasattr(_libc, "unshare"):
        return False
    try:
        with Room("/tmp") as room:
            process = subprocess.Popen(["true"], preexec_fn=room.furnish)
    except (OSError, subprocess.SubprocessError):
        process = None
    if room.holder is not None:
        room.end()
        done = process is not None and process.wait() is not None
        room.wait()
        return done
    return False
