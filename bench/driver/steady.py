"""The labs at a constant rate of requests: what `make open-loop` runs, and its table."""

import re
from dataclasses import replace

from . import pythons, stats, work
from .blocks import Configuration
from .reports import figures_of
from .tables import milliseconds, thousands

RATES = (200, 500)
LEGEND = (
    "Open loop: a request is sent when it is due, whether the last ones are answered or not, and "
    "its latency counts from then. Unanswered: of all that were due, those without an answer "
    "some seconds after the last one was sent; a quantile that falls among them is a dash. Lag: "
    "how late the client itself was, 99 of 100 times at most; what it adds is no server's. Medians "
    "over blocks."
)


def _name(server, rate):
    return f"{server} at {rate}/s"


def rate_of(configuration):
    return int(re.fullmatch(r".* at (\d+)/s", configuration.server)[1])


def specs(bin_dir):
    labs = work.specs(pythons.ask(bin_dir, "it"))
    mixed = {server: labs[f"{work.name(server, work.MIX)} on it"] for server in work.SERVERS}
    return {_name(server, rate): replace(spec, name=_name(server, rate))
            for server, spec in mixed.items() for rate in RATES}


def configurations():
    return [Configuration(_name(server, rate)) for rate in RATES for server in work.SERVERS]


def _quantile(figures, key, field):
    """In ms; a dash where half of the blocks or more had no answer there."""
    found = [value if value is not None else float("inf") for value in figures.values(key, field)]
    middle = stats.median(found)
    return "-" if middle == float("inf") else milliseconds(middle)


def table(data):
    figures, rows = figures_of(data), []
    for one in (Configuration(**c) for c in data["configurations"]):
        values = [figures.median(one.key, field) for field in ("requests", "outstanding")]
        unanswered = values[1] / max(1, sum(values))
        rows.append([one.server, *(_quantile(figures, one.key, f"p{share}_us")
                                   for share in (50, 99, 99.9)),
                     f"{unanswered:.0%}", milliseconds(figures.median(one.key, "lag_p99_us")),
                     thousands(figures.median(one.key, "cpu_us"))])
    headers = ["mix, open loop", "p50 ms", "p99 ms", "p99.9 ms", "unanswered", "client's lag ms",
               "CPU µs"]
    return headers, rows
