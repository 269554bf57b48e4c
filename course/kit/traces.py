"""Reads the trace file that `./labN --trace=FILE` writes: what a check asks of it."""

import json
import os
from dataclasses import dataclass, field

from .checks import Failed

_TEXT = "`./lab0 --trace=trace.json` writes one when the server is stopped with Ctrl-C"


@dataclass
class Traced:
    """One request: how long it took, its gaps by name in their order, in µs."""

    number: int
    total_us: float = 0.0
    gaps: dict = field(default_factory=dict)

    def hops(self):
        names = list(self.gaps)
        return [names[0].split(" > ")[0], *(name.split(" > ")[1] for name in names)]

    def longest_gap(self):
        return max(self.gaps, key=self.gaps.get)


@dataclass
class Trace:
    requests: dict  # number: Traced, whole ones only
    handovers: int  # of all requests together


def read(t, path):
    try:
        with open(os.path.join(t.tree, path), encoding="utf-8") as file:
            events = json.load(file)["traceEvents"]
        found = _parse(events)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise Failed(f"a trace in {path}", f"it can't be read: {error!r}", _TEXT) from None
    t.step(f"read {path}: {len(found.requests)} requests")
    return found


def _parse(events):
    began, requests, handovers = {}, {}, 0
    for event in events:
        if event.get("cat") == "hand-off" and event["ph"] == "s":
            handovers += 1
        if event.get("cat") != "request":
            continue
        number, name = int(event["id"]), event["name"]
        if event["ph"] == "b":
            began[number, name] = float(event["ts"])
            continue
        taken = float(event["ts"]) - began.pop((number, name))
        traced = requests.setdefault(number, Traced(number))
        if " > " in name:
            traced.gaps[name] = taken
        else:
            traced.total_us = taken
    whole = {n: traced for n, traced in requests.items() if traced.gaps and traced.total_us}
    return Trace(whole, handovers)
