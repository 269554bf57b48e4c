"""From which wait on `async def` handlers serve more than `def` handlers: what is run by `make
crossover`, and its tables.

A handler that sleeps can't wait for less than the kernel takes to put a thread to sleep and wake it
again, and that is longer than the waits that matter here. So `def` handlers wait in two ways: by
time.sleep, and by holding their thread until the time has come, which ends in time.
"""

import json
import os

from . import catalogue, programs, stats
from .blocks import Configuration
from .reports import figures_of
from .servers import Spec
from .tables import number, thousands
from .work import THREADS

PROGRAMS = (*catalogue.PROGRAMS, "lab4")
WAITS_US = (0, 5, 10, 20, 50, 100)
HELD = "lab3, held"
SERVERS = {  # name: (program, arguments, object of the app, route)
    "lab1": ("lab1", (), "async_app", "wait"),
    "lab4": ("lab4", (), "async_app", "wait"),
    "lab3": ("lab3", (), "sync_app", "wait"),
    "lab3, pool": ("lab3", ("--pool", str(THREADS)), "sync_app", "wait"),
    HELD: ("lab3", (), "sync_app", "hold"),
}
PAIRS = tuple((loop, sync) for loop in ("lab1", "lab4") for sync in (HELD, "lab3"))
LEGEND = (
    f"Pinned. Labs 1 and 4 wait by asyncio.sleep, lab 3 by time.sleep, with its pool on {THREADS} "
    "threads. lab3, held: its handler keeps the thread until so much time is over, and reads the "
    "clock meanwhile. Sleeps: of a Python alone on the server's CPU, medians; with the system's "
    "timer slack, which is 50 µs unless somebody has changed it, and with the least, 1 ns."
)
FOUND_LEGEND = (
    "Between two waits that were measured, the time that a request takes of its server (one over "
    "the requests/s) is taken for a straight line. 0: async serves more at every wait."
)

# What sleeps of so many µs take, with the slack that the thread has and with the least.
_SLEEPS = """
import ctypes, json, statistics, sys, time
def median(us):
    taken = []
    for _ in range(200):
        start = time.perf_counter()
        time.sleep(us / 1e6)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1e6
def all_of_them():
    return {us: median(int(us)) for us in sys.argv[1:]}
SET_TIMER_SLACK = 29
found = {"slack": all_of_them()}
if ctypes.CDLL(None).prctl(SET_TIMER_SLACK, 1, 0, 0, 0) == 0:
    found["no_slack"] = all_of_them()
print(json.dumps(found))
"""


def sleeps(cpus):
    """What time.sleep takes on these CPUs: {"slack": {wait in µs: µs}, "no_slack": ...}"""
    command = (catalogue.PYTHON, "-c", _SLEEPS, *map(str, WAITS_US))
    return json.loads(programs.run("time.sleep", command, cpus).stdout)


def name(server, us):
    return f"{server}, {us} µs"


def specs(bin_dir):
    found = {}
    for server, (program, arguments, app, route) in SERVERS.items():
        command = (os.path.abspath(os.path.join(bin_dir, program)), "--port", "0", *arguments,
                   "--app", f"workloads_app:{app}")
        for us in WAITS_US:
            key = name(server, us)
            found[key] = Spec(key, command, path=f"/{route}/{us}", cwd=catalogue.APPS,
                              answer=b"waited")
    return found


def configurations():
    return [Configuration(name(server, us)) for us in WAITS_US for server in SERVERS]


def _key(server, us):
    return Configuration(name(server, us)).key


# ---- Tables --------------------------------------------------------------------------------------


def rates(data):
    figures, rows = figures_of(data), []
    slept = data.get("sleeps", {})
    for us in WAITS_US:
        taken = [slept.get(slack, {}).get(str(us)) for slack in ("slack", "no_slack")]
        rows.append([f"wait {us} µs",
                     *(thousands(figures.median(_key(server, us), "rps")) for server in SERVERS),
                     *("-" if one is None else number(one) for one in taken)])
    return ["requests/s", *SERVERS, "time.sleep µs", "without slack"], rows


def _crossing(async_rps, sync_rps):
    """The wait in µs from which on async serves more, by requests/s at each of the waits; None if
    it never does."""
    ahead = [1e6 / sync - 1e6 / loop for loop, sync in zip(async_rps, sync_rps)]
    if ahead[0] >= 0:
        return 0.0
    for at in range(1, len(ahead)):
        if ahead[at] >= 0:
            before, after = WAITS_US[at - 1], WAITS_US[at]
            return before + (after - before) * ahead[at - 1] / (ahead[at - 1] - ahead[at])
    return None


def crossing(figures, loop, sync):
    """(wait in µs, low, high): the median over rounds, its interval; None where they don't cross in
    each of them."""
    rates_of = {server: list(zip(*(figures.values(_key(server, us), "rps") for us in WAITS_US)))
                for server in (loop, sync)}
    found = [_crossing(*both) for both in zip(rates_of[loop], rates_of[sync])]
    if not found or None in found:
        return None
    return stats.median(found), *stats.interval(found)


def microseconds(us):
    return "0" if us == 0 else number(us)


def crossings(data):
    """From which wait on a loop serves more than handlers that keep their thread."""
    figures, rows = figures_of(data), []
    for loop, sync in PAIRS:
        at = crossing(figures, loop, sync)
        found = ("never", "-", "-") if at is None else map(microseconds, at)
        rows.append([f"{loop} over {sync}", *found])
    return ["async over sync", "from a wait of, µs", "low", "high"], rows
