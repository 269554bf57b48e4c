"""The ladder without sockets: running the offline programs, for CPU time and for instructions."""

import os
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor

from . import procfs, programs, rungs
from .servers import ServerError

SECONDS = 0.5  # about what a timed run takes
SECONDS_WITH_START = 0.9  # and what it takes with its interpreter's start; for the time left only
MIN_REQUESTS, MAX_REQUESTS = 5_000, 2_000_000
COUNTS = 500, 2_500  # requests of the two runs whose instructions are subtracted
# Python makes a thread give up the GIL after 5 ms if another waits for it. callgrind is some fifty
# times slower than the machine, so there it is after as many more.
SWITCH_INTERVAL_S = 0.25
LIMIT_SECONDS = 300  # turns a hang into an error
RUNGS = tuple(rung for rung in rungs.RUNGS if rung.offline)
PROGRAMS = tuple(dict.fromkeys(f"offline_{rung.program}" for rung in RUNGS))
_LINE = re.compile(r"requests=(\d+) cpu_us=([\d.]+) wall_us=([\d.]+) turns=(\d+) bad=0\n")
_COLLECTED = re.compile(r"Collected : (\d+)")


def command(bin_dir, rung, requests, *more):
    program = os.path.join(bin_dir, f"offline_{rung.program}")
    return [program, "-n", str(requests), *rung.offline_arguments(), *more, rung.offline]


def parse(text):
    """What an offline program prints, per request."""
    match = _LINE.fullmatch(text)
    if match is None:
        raise ServerError(f"an offline program printed {text!r}, which can't be read")
    requests, cpu_us, wall_us, turns = match.groups()
    return {"requests": int(requests), "cpu_us": float(cpu_us), "wall_us": float(wall_us),
            "turns": int(turns)}


class Timed:
    """Timed runs of each rung, on one CPU, each with as many requests as take about SECONDS."""

    def __init__(self, bin_dir):
        self.bin_dir, self.requests = bin_dir, {}
        self.cpu = (procfs.two_cpus() or (None, None))[1]

    def once(self, rung):
        if rung.name not in self.requests:
            words = command(self.bin_dir, rung, MIN_REQUESTS)
            first = parse(programs.run(rung.name, words, self.cpu, LIMIT_SECONDS).stdout)
            wanted = SECONDS * 1e6 / max(first["wall_us"], 1e-3)
            self.requests[rung.name] = int(min(max(wanted, MIN_REQUESTS), MAX_REQUESTS))
        words = command(self.bin_dir, rung, self.requests[rung.name])
        return parse(programs.run(rung.name, words, self.cpu, LIMIT_SECONDS).stdout)


def has_callgrind():
    return shutil.which("valgrind") is not None


def _collected(words):
    """Instructions of a whole run."""
    with tempfile.TemporaryDirectory(prefix="looplab-") as folder:
        output = f"--callgrind-out-file={folder}/out"
        done = programs.run("callgrind", ["valgrind", "--tool=callgrind", output, *words],
                            limit_seconds=LIMIT_SECONDS)
    match = _COLLECTED.search(done.stderr)
    if match is None:
        raise ServerError(f"callgrind's report can't be read:\n{done.stderr[-500:]}")
    return int(match[1])


def instructions(bin_dir, rung):
    """Per request: the difference of two runs, in which start and end cancel out."""
    few, many = (
        _collected(command(bin_dir, rung, count, "-i", str(SWITCH_INTERVAL_S)))
        for count in COUNTS
    )
    return (many - few) / (COUNTS[1] - COUNTS[0])


def all_instructions(bin_dir, say):
    """By rung: {name: instructions per request}. Counts don't mind company: one per CPU at once."""

    def count(rung):
        found = instructions(bin_dir, rung)
        say(f"{rung.name}: {found:,.0f} instructions")
        return rung.name, found

    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        return dict(pool.map(count, RUNGS))
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C what runs is waited for, the rest is not
