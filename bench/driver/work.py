"""What a request makes a lab do, beside saying hello: what `make workloads` runs, and its tables.

Three parts in one run: every work at 100 connections, in interleaved rounds; once, every work at
other numbers of connections; and once, every work on each interpreter, where the system puts the
threads.
"""

import json
import math
import os
from dataclasses import dataclass

from apps import documents

from . import catalogue
from .blocks import Configuration
from .reports import figures_of
from .servers import Spec
from .tables import milliseconds, number, thousands


@dataclass(frozen=True)
class Work:
    text: str
    path: str
    answer: bytes
    wait_s: float = 0.0  # how long a handler waits, on average
    busy_s: float = 0.0  # how long it computes, about; only where that is long
    app: str = "workloads_app"
    most_connections: int = 1000


def _json(kib, busy_s=0.0):
    answer = json.dumps(documents.DOCUMENTS[kib], separators=(",", ":")).encode()
    return Work(f"JSON, {kib} KiB", f"/json/{kib}", answer, busy_s=busy_s)


def _wait(us):
    return Work(f"wait {us / 1000:g} ms", f"/wait/{us}", b"waited", us / 1e6)


def _primes(n, count, busy_s=0.0):
    return Work(f"primes below {n:,} in Python", f"/primes/{n}", str(count).encode(), busy_s=busy_s)


def _native_primes(n, count):
    return Work(f"primes below {n:,} in C", f"/native/cpu?n={n}",
                f'{{"n":{n},"primes":{count}}}'.encode())


HELLO = Work("hello", "/", b"Hello, World!")
WAIT = _wait(10_000)
COMPUTE = _primes(3_000, 430, busy_s=0.0015)
NATIVE = _native_primes(3_000, 430)
# With 1,000 connections of its own the client would be all that is measured.
ASK = Work("asking a server", "/fetch", WAIT.answer, wait_s=0.011, busy_s=0.001,
           app="upstream_app", most_connections=100)
MIX = Work("a mix of them", "/mix", b"mixed", wait_s=0.0015)
WORK = (
    HELLO,
    _json("1"),
    _json("64", busy_s=0.0008),
    _wait(0),
    _wait(100),
    _wait(1_000),
    WAIT,
    _wait(100_000),
    _primes(100, 25),
    _primes(700, 125, busy_s=0.0002),
    COMPUTE,
    _primes(20_000, 2262, busy_s=0.02),
    _native_primes(100, 25),
    _native_primes(700, 125),
    NATIVE,
    _native_primes(20_000, 2262),
    ASK,
    MIX,
)
SOME = (HELLO, WAIT, COMPUTE)
OTHER_CONNECTIONS = (1, 10, 1000)
THREADS = 32
LONGEST_TURN_S = 5  # what would take longer isn't run a single time

PROGRAMS = (*catalogue.PROGRAMS, "lab4", "lab5")
SERVERS = {  # name: (program, arguments, object of the app)
    "lab1": ("lab1", (), "async_app"),
    "lab2": ("lab2", ("--workers", str(catalogue.REPORT_WORKERS)), "async_app"),
    "lab3": ("lab3", (), "sync_app"),
    "lab3, pool": ("lab3", ("--pool", str(THREADS)), "sync_app"),
    "lab4": ("lab4", (), "async_app"),
    "lab5": ("lab5", (), "async_app"),
}
LEGEND = (
    f"lab2 has {catalogue.REPORT_WORKERS} loops, lab3's pool {THREADS} threads, lab5 a "
    "worker for each CPU that it may use: one where it is pinned. Waits: "
    "asyncio.sleep, in lab3 time.sleep, which takes longer than it is asked to. Primes: by trial "
    "division, on the handler's thread in Python, on libuv's pool in C. Asking a server: one that "
    "answers after 10 ms and has wrk's CPU, by httpx. The mix: of twenty requests sixteen say "
    "hello, three wait for 10 ms, one computes primes below 2,000."
)
_HOW_OFTEN = (
    "At 100 connections, pinned, on the first interpreter: a block in each round. All else: one "
    "block, so single figures there show factors, not per cents. Blocks are longer than the line "
    "below says where a loop would have less than two turns of all that it is asked in them. A "
    f"dash: not run, as a turn would take more than {LONGEST_TURN_S} s. A server is asked at up to "
    "100 connections, as more would measure the client alone."
)


def how_often(data):
    """For the legend: which figures come of a single block. "" where none does."""
    once = any(one.get("once") for one in data["configurations"])
    return _HOW_OFTEN if once else ""


def name(server, work):
    return f"{server}, {work.text}"


def specs(python):
    """Every server for each work, on one interpreter."""
    found = {}
    for server, (program, arguments, app) in SERVERS.items():
        command = (os.path.abspath(os.path.join(python.bin_dir, program)), "--port", "0",
                   *arguments, "--app")
        for work in WORK:
            key = f"{name(server, work)} on {python.name}"
            found[key] = Spec(key, (*command, f"{work.app}:{app}"), path=work.path,
                              cwd=catalogue.APPS, answer=work.answer,
                              free_threaded=python.free_threaded)
    return found


_HELD_UP_S = {  # how long a request keeps its server's loop; the pool has others for the next
    name(server, work): work.busy_s + (work.wait_s if server == "lab3" else 0)
    for work in WORK for server in SERVERS if server != "lab3, pool"}


def _turn_seconds(configuration):
    """A loop calls the handlers of all that it has at once before an answer gets out. In lab3 a
    handler that waits is in it, too."""
    return configuration.connections * _HELD_UP_S.get(configuration.server, 0)


def least_seconds(configuration):
    """A block has a few turns, or it counts one more or one less at random."""
    turn_s = _turn_seconds(configuration)
    return math.ceil(2.1 * turn_s) if configuration.once else turns_seconds(turn_s)


def turns_seconds(turn_s):
    """Time for five turns and a half; for two and a little where they are long."""
    return math.ceil(5.5 * turn_s if turn_s < 2 else 2.1 * turn_s)


def configurations(python_names, few=False):
    """What is compared stands next to each other. few: just enough to see that it runs."""
    works, counts = (SOME, (10,)) if few else (WORK, OTHER_CONNECTIONS)
    first = python_names[0]
    planned = [Configuration(name(server, work), python=first)
               for work in works for server in SERVERS]
    once = [Configuration(name(server, work), python=first, connections=count, once=True)
            for work in works for count in counts if count <= work.most_connections
            for server in SERVERS]
    once += [Configuration(name(server, work), "unpinned", python=python, once=True)
             for work in works for server in SERVERS for python in python_names]
    return planned + [one for one in once if _turn_seconds(one) <= LONGEST_TURN_S]


# ---- Tables --------------------------------------------------------------------------------------


def _first(data):
    return next(iter(data["environment"]["pythons"]))


def _table(data, rows, field, form):
    """A column for each server. rows: [(heading, work, what else the configuration has)], of which
    those are left out that no server was asked for."""
    figures = figures_of(data)
    made = []
    for heading, work, more in rows:
        keys = [Configuration(name(server, work), **{"python": _first(data), **more}).key
                for server in SERVERS]
        if any(figures.has(key) for key in keys):
            made.append([heading, *(form(figures.median(key, field)) if figures.has(key) else "-"
                                    for key in keys)])
    return made


def by_work(data, field, form, heading):
    rows = [(work.text, work, {}) for work in WORK]
    return [heading, *SERVERS], _table(data, rows, field, form)


def rates(data):
    return by_work(data, "rps", thousands, "requests/s")


def costs(data):
    return by_work(data, "cpu_us", number, "CPU µs per request")


def tails(data):
    return by_work(data, "p99_us", milliseconds, "p99, ms")


def _by_connections(works):
    counts = (1, 10, 100, 1000)

    def table(data):
        rows = [(f"{work.text}, {count:,} connection{'s' if count > 1 else ''}", work,
                 {"connections": count}) for work in works for count in counts]
        return ["requests/s", *SERVERS], _table(data, rows, "rps", thousands)

    return table


by_connections = _by_connections((*SOME, MIX))
all_by_connections = _by_connections(WORK)


def _by_python(works):
    def table(data):
        rows = [(f"{work.text}, on {python}", work, {"placement": "unpinned", "python": python})
                for work in works for python in data["environment"]["pythons"]]
        return ["requests/s, unpinned", *SERVERS], _table(data, rows, "rps", thousands)

    return table


by_python = _by_python((*SOME, ASK))
all_by_python = _by_python(WORK)


def alone(data):
    """What a wait takes where nothing else is asked."""
    rows = [(work.text, work, {"connections": 1}) for work in WORK if work.path.startswith("/wait")]
    return ["p50, ms, 1 connection", *SERVERS], _table(data, rows, "p50_us", milliseconds)
