"""What single steps cost: the numbers to know. Each is measured by a small program; what a mark of
the tracing costs is held against what it may."""

import os
import re
import sys

from . import pingpong, procfs, programs, stats
from .catalogue import BENCH
from .promises import in_words, verdict
from .reports import provenance
from .servers import ServerError
from .tables import with_interval

RUNS = 10
PROGRAMS = ("costs", "trace_cost", "pingpong")
MARK, MARK_NS = "a trace mark: a clock read, and its gap", 30.0
_LINE = re.compile(r"^(.+?) +(-?[\d.]+) ns$")

# What is shown, in order: (name in the table, program, its line).
_C = {
    "an atomic counter goes up": "an atomic counter goes up",
    "a lock that nobody holds, taken and released": "a lock that nobody holds, taken and released",
    "the kernel's clock read": "clock_gettime()",
    "a short system call": "a short system call: write() to an eventfd",
    "detach from Python and attach": "detach and attach",
    "C calls an empty Python function": "C calls an empty Python function",
    "C makes a coroutine and steps it to its end": "C makes a coroutine and steps it to its end",
}
_TRACE = {
    "a trace's clock read": "a clock read",
    MARK: "of it a mark: a clock read, and its gap",
    "a trace mark while nobody traces": "a mark with tracing off",
}
_PYTHON = {
    "a concurrent.futures.Future made": "a concurrent.futures.Future made",
    "a task made, run and awaited": "asyncio: a task made, run and awaited",
}
WAKE_UP = "a thread wakes another one"
ROUND_TRIP = "run_coroutine_threadsafe().result()"
PLACES = (("on one CPU", "pinned"), ("unpinned", "unpinned"))
NAMES = (*_C, *_PYTHON,
         *(f"{what}, {place}" for what in (WAKE_UP, ROUND_TRIP) for place, _ in PLACES), *_TRACE)


def parse(name, text):
    """{line: ns} of what a program prints."""
    found = {}
    for line in text.splitlines():
        match = _LINE.match(line.strip())
        if match is None:
            raise ServerError(f"{name} printed {line!r}, which can't be read")
        found[match[1]] = float(match[2])
    return found


def _once(name, command, cpus, wanted):
    """{name in the table: ns}"""
    printed = parse(name, programs.run(name, command, cpus).stdout)
    lacking = [line for line in wanted.values() if line not in printed]
    if lacking:
        raise ServerError(f"{name} didn't print {lacking[0]!r}")
    return {shown: printed[line] for shown, line in wanted.items()}


def measure_once(bin_dir):
    """One run of each program: {name: ns}"""
    one = (procfs.two_cpus() or (None, None))[1]
    python = [sys.executable, os.path.join(BENCH, "python_costs.py")]
    found = {
        **_once("costs", [os.path.join(bin_dir, "costs")], one, _C),
        **_once("trace_cost", [os.path.join(bin_dir, "trace_cost")], one, _TRACE),
    }
    for place, cpus in zip((place for place, _ in PLACES), (one, None)):
        trip = pingpong.once(os.path.join(bin_dir, "pingpong"), cpus)
        found[f"{WAKE_UP}, {place}"] = trip["us"] * 1000 / 2  # a round trip is two
        costs = _once("python_costs", python, cpus, {**_PYTHON, ROUND_TRIP: ROUND_TRIP})
        found[f"{ROUND_TRIP}, {place}"] = costs.pop(ROUND_TRIP)
        if cpus:
            found.update(costs)
    return found


def figures(data, name):
    """(median, low, high) in ns"""
    values = [block["ns"][name] for block in data["blocks"]]
    return (stats.median(values), *stats.interval(values))


def _in_words(ns):
    return f"{ns:,.1f}" if ns < 100 else f"{ns:,.0f}"


def table(data):
    return ["numbers to know", "ns (95 % interval)"], [
        [name, with_interval(*figures(data, name), form=_in_words)] for name in NAMES]


def judged(data):
    """The one figure with a target."""
    found = figures(data, MARK)
    kept, straddles = verdict(*found, "<=", MARK_NS)
    row = [MARK, with_interval(*found, form=_in_words), f"<= {MARK_NS:g}",
           in_words("PASS" if kept else "FAIL", straddles)]
    return ["ns", "measured (95 % interval)", "target", "verdict"], [row]


LEGEND = (
    "Everything in the cache, and nobody else wants the lock or the GIL: the least that each can "
    "cost. A run gives the best of many short rounds, of run_coroutine_threadsafe() the median. "
    "A thread wakes another one: half a round trip of two threads in C through two eventfds, both "
    "system calls and the switch in it."
)


def caption(data):
    env = data["environment"]
    made = provenance(env, f"{env['cores']} cores", env["kernel"], *env["versions"][:1])
    return f"{made}; {len(data['blocks'])} runs of each program"
