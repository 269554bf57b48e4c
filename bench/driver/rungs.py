"""The ladder: its rungs, the parent of each, and how each is started."""

import os
from dataclasses import dataclass

from .blocks import Configuration
from .servers import Spec


@dataclass(frozen=True)
class Rung:
    name: str  # its number and what it is; the key of a server
    parent: str  # the rung to which it adds one thing; None: the lowest
    adds: str
    program: str
    arguments: tuple = ()
    path: str = "/"
    hop: bool = False  # requests change threads: measured unpinned too
    offline: str = "async"  # which app the program without sockets serves; "": there is none

    def offline_arguments(self):
        return ("-w", self.arguments[1]) if self.arguments else ()


RUNGS = (
    Rung("floor", None, "libuv, one fixed answer", "floor", offline=""),
    Rung("00 native", "floor", "HTTP: parsing, routes, limits", "lab3", path="/native",
         offline="native"),
    Rung("01 sync call", "00 native", "Python: attach, request object, call, result", "lab3",
         offline="sync"),
    Rung("02 coroutine", "01 sync call", "a coroutine, stepped to its end in place",
         "02_coroutine_in_place"),
    Rung("03 loop", "02 coroutine", "asyncio on the same thread: a task, its done callback",
         "03_loop_same_thread"),
    Rung("04 hop", "03 loop", "a loop thread, woken once per batch", "04_hop_batched", hop=True),
    Rung("05 wake-up each", "04 hop", "a wake-up per request: lab1", "lab1", hop=True),
    Rung("06 future", "05 wake-up each", "a concurrent.futures.Future", "06_concurrent_future",
         hop=True),
    Rung("07 wrapped", "06 future", "asyncio.wrap_future", "07_wrap_future", hop=True),
    *(
        Rung(f"{number:02} pool of {workers}", parent, adds, "lab2", ("--workers", str(workers)),
             hop=True)
        for number, workers, parent, adds in (
            (8, 1, "07 wrapped", "the coroutine on another loop's thread: lab2"),
            (9, 2, "08 pool of 1", "a second worker loop"),
            (10, 4, "09 pool of 2", "two more"),
            (11, 8, "10 pool of 4", "four more"),
            (12, 16, "11 pool of 8", "eight more"),
        )
    ),
    Rung("13 blocked threads", "06 future", "a thread blocked per request",
         "13_thread_per_request", hop=True),
)
WITH_HOP = tuple(rung for rung in RUNGS if rung.hop)
BY_NAME = {rung.name: rung for rung in RUNGS}
PROGRAMS = tuple(dict.fromkeys(rung.program for rung in RUNGS))
PINGPONG = "pingpong"


def specs(bin_dir):
    """How each rung is started, by its name."""
    found = {}
    for rung in RUNGS:
        program = os.path.abspath(os.path.join(bin_dir, rung.program))
        arguments = () if rung.program == "floor" else ("--port", "0", *rung.arguments)
        found[rung.name] = Spec(rung.name, (program, *arguments), path=rung.path)
    return found


def configurations():
    """Every rung pinned to one core, wrk on another; those with a hop also unpinned."""
    pinned = [Configuration(rung.name) for rung in RUNGS]
    return pinned + [Configuration(rung.name, "unpinned") for rung in WITH_HOP]
