"""The floor under a hop: two threads in C that wake each other, on one CPU and wherever the system
puts them. What a rung pays for its hops is held against it."""

import re

from . import procfs, programs, stats
from .servers import ServerError

REPEATS = 10
ROUND_TRIPS = 10_000
_LINE = re.compile(r"round_trips=\d+ us=([\d.]+) cpu_us=([\d.]+) switches=([\d.]+)\n")


def parse(text):
    """What the program prints, per round trip."""
    match = _LINE.fullmatch(text)
    if match is None:
        raise ServerError(f"pingpong printed {text!r}, which can't be read")
    return dict(zip(("us", "cpu_us", "switches"), map(float, match.groups())))


def once(program, cpus, round_trips=ROUND_TRIPS):
    return parse(programs.run("pingpong", [program, str(round_trips)], cpus).stdout)


def measure(program, repeats=REPEATS):
    """By placement, in turn: {"pinned": [{"us", "cpu_us", "switches"}, ...], "unpinned": [...]}"""
    one_cpu = (procfs.two_cpus() or (None, None))[1]
    found = {"pinned": [], "unpinned": []}
    for _ in range(repeats):
        found["pinned"].append(once(program, one_cpu))
        found["unpinned"].append(once(program, None))
    return found


def summary(runs, field):
    """(median, low, high) of one placement's runs"""
    values = [run[field] for run in runs]
    return stats.median(values), *stats.interval(values)
