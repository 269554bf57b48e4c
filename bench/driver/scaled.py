"""Handlers that compute, and more loops for them: what is run by `make scaling`, and its tables."""

import os
from dataclasses import dataclass, replace

from . import catalogue, spinners
from .blocks import Configuration
from .reports import figures_of
from .tables import thousands, with_interval
from .work import Work

PRIMES = (
    Work("primes below 1,000", "/cpu?n=1000", b'{"n":1000,"primes":168}'),
    Work("primes below 5,000", "/cpu?n=5000", b'{"n":5000,"primes":669}'),
)
LOOPS = (1, 2, 4)
WORKERS = (1, 2, 4)
ISOLATIONS = ("threads", "interpreters", "processes")
PROGRAMS = (*catalogue.PROGRAMS, "lab5")


@dataclass(frozen=True)
class Scaled:
    """A server that has a number of threads for handlers; `over` is itself with fewer."""

    name: str
    over: str | None = None


SERVERS = (
    Scaled("lab1"),
    *(Scaled(catalogue.lab2_name(n), None if n == 1 else catalogue.lab2_name(1)) for n in LOOPS),
    *(Scaled(catalogue.lab5_name(kind, n), None if n == 1 else catalogue.lab5_name(kind, 1))
      for kind in ISOLATIONS for n in WORKERS),
)
# What grows, as lines over how many there are: (its name, [(how many, server's name)]).
GROWING = (
    ("lab2, loops", tuple((n, catalogue.lab2_name(n)) for n in LOOPS)),
    *((f"lab5, {kind}", tuple((n, catalogue.lab5_name(kind, n)) for n in WORKERS))
      for kind in ISOLATIONS),
)
LEGEND = (
    "lab2's loops get their requests from one HTTP thread; each worker of lab5 has its own "
    "connections. Unpinned, wrk and the server on all CPUs; CPU time is the server's, per request; "
    "CPUs: how many it kept busy. The handler computes primes by trial division, in Python; wrk "
    "takes next to nothing of the machine here."
)


def _key(server, work, python):
    return Configuration(f"{server}, {work.text}", "unpinned", python=python).key


def _servers(python):
    """Those that this interpreter can have."""
    lab5 = {catalogue.lab5_name(kind, n) for kind in ISOLATIONS for n in WORKERS}
    possible = {catalogue.lab5_name(kind, n) for kind in catalogue.isolations(python)
                for n in WORKERS}
    return [server for server in SERVERS if server.name not in lab5 - possible]


def specs(python):
    """The servers on one interpreter, one for each kind of work."""
    labs = catalogue.labs_on(python, LOOPS) | catalogue.lab5_on(python, WORKERS)
    found = {}
    for work in PRIMES:
        for server in _servers(python):
            name = f"{server.name}, {work.text} on {python.name}"
            found[name] = replace(labs[f"{server.name} on {python.name}"], name=name,
                                  path=work.path, answer=work.answer)
    return found


def configurations(pythons_of_run):
    """What is compared stands next to each other."""
    return [Configuration(f"{server.name}, {work.text}", "unpinned", python=python.name)
            for work in PRIMES for server in SERVERS for python in pythons_of_run
            if server in _servers(python)]


def _pythons(data):
    return data["environment"]["pythons"]


def table(data):
    """A column group per interpreter."""
    figures = figures_of(data)
    headers, groups = [""], []
    for name, about in _pythons(data).items():
        title = f"{about['version']} {'GIL' if about['gil'] else 'free-threaded'}"
        headers += ["req/s", "CPU µs", "CPUs"]
        groups.append((name, title, 3))
    rows = []
    for work in PRIMES:
        for server in SERVERS:
            row = [f"{server.name}, {work.text}"]
            for name in _pythons(data):
                key = _key(server.name, work, name)
                row += ["-"] * 3 if not figures.has(key) else [
                    thousands(figures.median(key, "rps")),
                    thousands(figures.median(key, "cpu_us")),
                    f"{figures.median(key, 'server_busy'):.2f}"]
            rows.append(row)
    return headers, rows, groups


def _ratios(data, heading, ratio):
    """A row for each server that is held against itself with fewer. ratio(figures, more, fewer)"""
    figures = figures_of(data)
    rows = []
    for work in PRIMES:
        for server in filter(lambda server: server.over, SERVERS):
            row = [f"{server.name} / {server.over}, {work.text}"]
            for name in _pythons(data):
                more, fewer = _key(server.name, work, name), _key(server.over, work, name)
                row.append(with_interval(*ratio(figures, more, fewer), form="{:.2f}".format)
                           if figures.has(more) else "-")
            rows.append(row)
    return [heading, *_pythons(data)], rows


def gained(data):
    """Requests/s with more loops over one, beside what the machine itself gains from more CPUs."""
    return _ratios(data, "requests/s (95 % interval)",
                   lambda figures, more, fewer: figures.ratio(more, fewer, "rps"))


def efficiency(data):
    """The same for a second of the server's CPU time: what sharing costs, whoever has the CPUs."""
    return _ratios(data, "requests per CPU second",
                   lambda figures, more, fewer: figures.ratio(fewer, more, "cpu_us"))


def spinners_note(data):
    """What bare threads gain, of the same run."""
    runs = data.get("spinners")
    if not runs:
        return None
    most = max(map(int, runs))
    if most == 1:
        return "There is one CPU here: nothing can gain from more threads."
    ratio = with_interval(*spinners.ratio(runs, most), form="{:.2f}".format)
    return (f"The machine's own factor: {most} bare threads that compute in C and share nothing do "
            f"{ratio} times the work of one (median of {len(runs['1'])} turns in the same run).")


def program(bin_dir):
    return os.path.join(bin_dir, "spin")
