"""lab4 beside lab3, lab1 and other servers: how each is started, what is promised, the table.

A handler either returns at once, or gives way once by `await asyncio.sleep(0)`: the least that
makes its loop go on with it.
"""

from dataclasses import replace

from . import catalogue, promises
from .blocks import Configuration
from .catalogue import NGINX, UVICORN
from .promises import Promise

PROGRAMS = (*catalogue.PROGRAMS, "lab4")
FEW = (1, 10)  # connections, where little comes at once

LEGEND = (
    "Pinned: wrk on one CPU, the server on another. `At once`: the handler returns without "
    "waiting. `Giving way`: it awaits asyncio.sleep(0) once. nginx, which has no handler, is "
    "`return 200` in both. CPU time is the server's, per request."
)


def giving_way(server):
    return f"{server}, giving way"


def _at(server, pipelined=False, connections=None):
    load = Configuration(server, pipelined=pipelined)
    return load if connections is None else replace(load, connections=connections)


def _at_once():
    lab4, lab3 = _at("lab4"), _at("lab3")
    return [
        *(Promise("at once", f"at once, {lab}: CPU µs per request", ("median", "cpu_us", _at(lab)))
          for lab in ("lab4", "lab3", "lab1")),
        Promise("at once", "at once, lab4: CPU per request, against lab3's",
                ("ratio", "cpu_us", lab4, lab3), "<=", 1.05),
        Promise("at once", "at once, lab4, 16 pipelined: requests/s, against lab3's",
                ("ratio", "rps", _at("lab4", True), _at("lab3", True)), ">=", 0.9),
    ]


def _giving_way():
    lab4, lab1, uvicorn = map(_at, map(giving_way, ("lab4", "lab1", UVICORN)))
    return [
        *(Promise("giving way", f"giving way, {lab}: CPU µs per request",
                  ("median", "cpu_us", _at(giving_way(lab)))) for lab in ("lab4", "lab1")),
        Promise("giving way", "giving way, lab4: CPU per request, against nginx's",
                ("ratio", "cpu_us", lab4, _at(NGINX)), "<=", 1.25),
        Promise("giving way", "giving way, lab4: requests/s, against uvicorn's (uvloop, httptools)",
                ("ratio", "rps", lab4, uvicorn), ">=", 1.9),
        Promise("giving way", "giving way, lab4: requests/s, against lab1's",
                ("ratio", "rps", lab4, lab1), ">=", 1),
        Promise("giving way", "giving way, lab4: CPU per request, against lab1's",
                ("ratio", "cpu_us", lab4, lab1), "<=", 1),
    ]


def _few(count):
    """With so few connections a turn has little to share its cost among."""
    lab4, lab1, uvicorn = (_at(giving_way(server), connections=count)
                           for server in ("lab4", "lab1", UVICORN))
    many = f"{count} connection{'s' * (count > 1)}"
    return [
        Promise("few", f"giving way, lab4, {many}: CPU µs per request", ("median", "cpu_us", lab4)),
        Promise("few", f"giving way, lab4, {many}: CPU per request, against nginx's",
                ("ratio", "cpu_us", lab4, _at(NGINX, connections=count))),
        Promise("few", f"giving way, lab4, {many}: requests/s, against uvicorn's",
                ("ratio", "rps", lab4, uvicorn)),
        Promise("few", f"giving way, lab4, {many}: requests/s, against lab1's",
                ("ratio", "rps", lab4, lab1), ">=", 1),
        Promise("few", f"giving way, lab4, {many}: CPU per request, against lab1's",
                ("ratio", "cpu_us", lab4, lab1), "<=", 1),
    ]


PROMISES = (*_at_once(), *_giving_way(), *(one for count in FEW for one in _few(count)))


def specs(bin_dir, peers):
    """What the promises are about; `peers` are those that are installed."""
    found = {lab: spec for lab, spec in catalogue.labs(bin_dir).items() if lab in ("lab1", "lab3")}
    found |= catalogue.later_labs(bin_dir, ["lab4"])
    for lab in ("lab1", "lab4"):
        name = giving_way(lab)
        found[name] = replace(found[lab], name=name, cwd=catalogue.APPS,
                              command=(*found[lab].command, "--app", "gives_way:app"))
    if NGINX in peers:
        found[NGINX] = peers[NGINX]
    if UVICORN in peers:
        name = giving_way(UVICORN)
        command = [part.replace("asgi_app:app", "asgi_app:waiting_app")
                   for part in peers[UVICORN].command]
        found[name] = replace(peers[UVICORN], name=name, command=tuple(command))
    return found


def outcomes(data):
    return [promises.outcome(promise, data) for promise in PROMISES]


def table(data):
    return promises.table(outcomes(data))
