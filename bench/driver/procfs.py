"""What the kernel says in /proc: a server's CPU time, switches and memory, and other load."""

import os
import re
import time
from typing import NamedTuple

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def _read(path):
    """A file of /proc; empty if its process has ended."""
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _listdir(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def _stat_fields(path):
    """The fields of a `stat` file after the command, which may itself contain spaces."""
    return _read(path).rpartition(")")[2].split()


def tree(root):
    """A process and all below it: some servers answer in a child."""
    children = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        fields = _stat_fields(f"/proc/{entry}/stat")
        if fields:
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += children.get(pid, [])
    return found


class Usage(NamedTuple):
    """What a server's threads have had of the scheduler so far, or between two such moments."""

    cpu: float = 0.0  # seconds
    switches: int = 0
    waits: int = 0  # of these, how many because a thread had to wait: for a lock, data, a wake-up
    queued: float = 0.0  # seconds in which a thread could have run, and had no CPU

    def __add__(self, other):
        return Usage(*(a + b for a, b in zip(self, other)))

    def __sub__(self, other):
        return Usage(*(a - b for a, b in zip(self, other)))


def usage(root):
    """So far, over all threads of a process and those below it."""
    total = Usage()
    for pid in tree(root):
        for task in _listdir(f"/proc/{pid}/task"):
            total += _task_usage(f"/proc/{pid}/task/{task}")
    return total


def _task_usage(folder):
    counts = dict(re.findall(r"(\w+)_ctxt_switches:\s+(\d+)", _read(f"{folder}/status")))
    waits, preempted = int(counts.get("voluntary", 0)), int(counts.get("nonvoluntary", 0))
    schedule = _read(f"{folder}/schedstat").split()
    queued = int(schedule[1]) / 1e9 if len(schedule) > 1 else 0.0
    return Usage(_cpu_seconds(folder), waits + preempted, waits, queued)


def _cpu_seconds(task):
    """From the scheduler in nanoseconds; where a kernel lacks that, in clock ticks."""
    text = _read(f"{task}/schedstat")
    if text:
        return int(text.split()[0]) / 1e9
    fields = _stat_fields(f"{task}/stat")
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND if fields else 0.0


def resident_bytes(root):
    """Resident memory of a process and those below it. smaps_rollup counts pages; VmRSS, which
    needs no permission, may be off by a few hundred KiB."""
    total = 0
    for pid in tree(root):
        match = re.search(r"^Rss:\s+(\d+)", _read(f"/proc/{pid}/smaps_rollup"), re.MULTILINE)
        match = match or re.search(r"^VmRSS:\s+(\d+)", _read(f"/proc/{pid}/status"), re.MULTILINE)
        total += int(match[1]) * 1024 if match else 0
    return total


class OtherLoad:
    """What everybody but a server, wrk and this driver takes of the CPUs, from now until share().

    Summed over the tasks that live at the end, by the scheduler's own clock: the ticks of
    /proc/stat see a task that sleeps and wakes thousands of times a second 10 % too busy. wrk is
    gone by then, and so is whoever came and went in between.
    """

    def __init__(self):
        self.before, self.start = _all_tasks(), time.monotonic()

    def share(self, *roots):
        """Of all CPUs, since it was made; `roots`: the processes of what is measured."""
        elapsed = time.monotonic() - self.start
        known = {os.getpid()}.union(*map(tree, roots))
        spent = sum(
            seconds - self.before.get((pid, task), 0.0)
            for (pid, task), seconds in _all_tasks().items()
            if pid not in known
        )
        return max(0.0, spent) / (elapsed * os.cpu_count())


def _all_tasks():
    """CPU seconds of every thread of every process, the kernel's too, by (process, thread)."""
    return {
        (int(pid), task): _cpu_seconds(f"/proc/{pid}/task/{task}")
        for pid in filter(str.isdigit, os.listdir("/proc"))
        for task in _listdir(f"/proc/{pid}/task")
    }


def two_cpus():
    """Two CPUs, for wrk and for the server: ({a}, {b}), on different cores if there are any such.
    None where there is only one."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        return None
    first = available[0]
    path = f"/sys/devices/system/cpu/cpu{first}/topology/core_cpus_list"
    siblings = _cpu_list(_read(path))
    others = [cpu for cpu in available[1:] if cpu not in siblings] or available[1:]
    return {first}, {others[0]}


def _cpu_list(text):
    """'0,2-4' -> {0, 2, 3, 4}"""
    cpus = set()
    for part in filter(None, text.strip().split(",")):
        low, _, high = part.partition("-")
        cpus.update(range(int(low), int(high or low) + 1))
    return cpus
