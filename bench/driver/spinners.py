"""The ceiling over a pool: threads in C that compute and share nothing. What several of them do
more than one is all that the machine's cores can give."""

import os
import re

from . import programs, stats
from .servers import ServerError

REPEATS = 10
MILLISECONDS = 300
_LINE = re.compile(r"threads=\d+ steps_per_us=([\d.]+) cpus=([\d.]+)\n")


def parse(text):
    """What the program prints."""
    match = _LINE.fullmatch(text)
    if match is None:
        raise ServerError(f"spin printed {text!r}, which can't be read")
    return {"steps_per_us": float(match[1]), "cpus": float(match[2])}


def once(program, threads, milliseconds=MILLISECONDS):
    return parse(programs.run("spin", [program, str(threads), str(milliseconds)]).stdout)


def counts():
    """One thread, and one for each CPU."""
    return sorted({1, os.cpu_count()})


def measure(program, repeats=REPEATS):
    """By number of threads, in turn: {"1": [{"steps_per_us", "cpus"}, ...], "2": [...]}"""
    found = {str(threads): [] for threads in counts()}
    for _ in range(repeats):
        for threads in counts():
            found[str(threads)].append(once(program, threads))
    return found


def ratio(runs, threads):
    """What that many threads do together, over what one does: (ratio, low, high)."""
    over, base = ([run["steps_per_us"] for run in runs[str(n)]] for n in (threads, 1))
    return stats.ratio(over, base)
