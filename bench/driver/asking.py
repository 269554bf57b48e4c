"""Handlers that ask another server: what `make upstream` runs, and its table.

The other server is lab4, whose handler sleeps; it has the CPU that wrk has.
"""

import os

from . import catalogue
from .blocks import Configuration
from .reports import figures_of
from .servers import Server, Spec
from .tables import milliseconds, number, thousands
from .work import PROGRAMS, SERVERS, THREADS, WAIT, turns_seconds

CONNECTIONS = (1, 10, 100)
LEGEND = (
    f"Pinned; lab3's pool has {THREADS} threads. Each handler asks a server that answers after 10 "
    "ms, by httpx, which is pure Python: AsyncClient, in lab3 Client. That server runs on wrk's "
    "CPU. CPU time is the lab's, per request: most of it is the client's."
)


def _program(bin_dir, name):
    return os.path.abspath(os.path.join(bin_dir, name))


def start_upstream(bin_dir, cpus):
    """The server that is asked. Labs that are started from now on find it in their environment."""
    command = (_program(bin_dir, "lab4"), "--port", "0", "--app", "workloads_app:async_app")
    upstream = Server(Spec("upstream", command, path=WAIT.path, cwd=catalogue.APPS,
                           answer=WAIT.answer), cpus)
    os.environ["UPSTREAM"] = upstream.url
    return upstream


def specs(bin_dir):
    return {name: Spec(name, (_program(bin_dir, program), "--port", "0", *arguments,
                              "--app", f"upstream_app:{app}"),
                       path="/fetch", cwd=catalogue.APPS, answer=WAIT.answer)
            for name, (program, arguments, app) in SERVERS.items()}


def configurations():
    return [Configuration(name, connections=count) for count in CONNECTIONS for name in SERVERS]


def least_seconds(configuration):
    """As in `make workloads`: lab3 without threads comes round when it has waited for them all."""
    waits_in_turn = configuration.server == "lab3"
    return turns_seconds(configuration.connections * WAIT.wait_s * waits_in_turn)


def table(data):
    figures, rows = figures_of(data), []
    for one in configurations():
        if not figures.has(one.key):
            continue
        rows.append([f"{one.server}, {one.connections} connection{'s' * (one.connections > 1)}",
                     thousands(figures.median(one.key, "rps")),
                     milliseconds(figures.median(one.key, "p50_us")),
                     milliseconds(figures.median(one.key, "p99_us")),
                     number(figures.median(one.key, "cpu_us"))])
    return ["asking a server", "requests/s", "p50 ms", "p99 ms", "CPU µs"], rows
