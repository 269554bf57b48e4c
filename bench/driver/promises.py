"""The figures that the project promises, how each is computed, and when it is kept."""

from dataclasses import dataclass

from . import stats
from .blocks import Configuration
from .catalogue import NGINX, UVICORN
from .memory import CONNECTIONS as IDLE_CONNECTIONS
from .reports import REPORT, figures_of
from .tables import with_interval

PLACEMENTS = ("pinned", "unpinned")


@dataclass(frozen=True)
class Promise:
    """One line of `make measure`. `figure` names what is computed:

    ("ratio", field, configuration, base)   of the same round
    ("median", field, configuration)
    ("memory", server)
    """

    group: str  # what --only takes
    text: str
    figure: tuple
    relation: str = None  # "<=", "<", ">="; None: only reported
    target: float = None
    beside: str = ""

    def configurations(self):
        return [part for part in self.figure if isinstance(part, Configuration)]


@dataclass(frozen=True)
class Outcome:
    """A promise beside what was measured."""

    promise: Promise
    measured: tuple  # (value, low, high), or None if it could not be measured
    verdict: str  # "PASS", "FAIL", "not measured", or "" where nothing is promised
    straddles: bool = False  # the interval lies on both sides of the target


def _pinned(server, pipelined=False):
    return Configuration(server, "pinned", pipelined)


def _fixed():
    """Everything that has a target, pinned; and what the floor reaches beside absolute targets."""
    native, floor, nginx, uvicorn = map(_pinned, ("native", "floor", NGINX, UVICORN))
    lab1, lab3 = _pinned("lab1"), _pinned("lab3")
    piped, native_piped = _pinned("lab3", True), _pinned("native", True)
    floor_piped = _pinned("floor", True)
    return [
        Promise("native", "/native: CPU per request, against the floor's",
                ("ratio", "cpu_us", native, floor), "<=", 1.05),
        Promise("nginx", "lab3: CPU per request, against nginx's `return 200`",
                ("ratio", "cpu_us", lab3, nginx), "<", 1.0),
        Promise("nginx", "lab3: requests/s, against nginx's",
                ("ratio", "rps", lab3, nginx), ">=", 0.97),
        Promise("pipelined", "the floor, 16 pipelined: requests/s", ("median", "rps", floor_piped)),
        Promise("pipelined", "the floor, 16 pipelined: CPU µs per request",
                ("median", "cpu_us", floor_piped)),
        Promise("pipelined", "lab3, 16 pipelined: CPU per request, against the floor's",
                ("ratio", "cpu_us", piped, floor_piped)),
        Promise("pipelined", "lab3, 16 pipelined: requests/s",
                ("median", "rps", piped), ">=", 1.5e6),
        Promise("pipelined", "lab3, 16 pipelined: CPU µs per request",
                ("median", "cpu_us", piped), "<=", 0.6),
        Promise("pipelined", "lab3, 16 pipelined: requests/s, against /native's",
                ("ratio", "rps", piped, native_piped), ">=", 0.9),
        Promise("uvicorn", "lab1: requests/s, against uvicorn's (uvloop, httptools)",
                ("ratio", "rps", lab1, uvicorn), ">=", 1.1),
        Promise("uvicorn", "lab3: requests/s, against uvicorn's (uvloop, httptools)",
                ("ratio", "rps", lab3, uvicorn), ">=", 2.0),
    ]


def _shape():
    """The report's question, each way it was asked."""
    promises = []
    for placement in PLACEMENTS:
        for pipelined in (False, True):
            base = Configuration("lab1", placement, pipelined)
            for lab in ("lab2", "lab3"):
                over = Configuration(lab, placement, pipelined)
                text = f"{lab}/lab1: requests/s, {over.key.partition(', ')[2]}"
                beside = f"the report: {REPORT[lab][1]}"
                promises.append(Promise("labs", text, ("ratio", "rps", over, base), beside=beside))
    return promises


def _memory():
    text = f"RSS per idle connection, bytes, at {IDLE_CONNECTIONS:,}"
    return [
        Promise("memory", f"lab3: {text}", ("memory", "lab3"), "<=", 512),
        Promise("memory", f"nginx: {text}", ("memory", NGINX)),
    ]


PROMISES = (*_fixed(), *_shape(), *_memory())
GROUPS = tuple(dict.fromkeys(promise.group for promise in PROMISES))


def configurations(promises):
    """What must be loaded to judge these, each once."""
    return list(dict.fromkeys(c for promise in promises for c in promise.configurations()))


def verdict(value, low, high, relation, target):
    """(kept?, does the interval lie on both sides of the target?). The median decides."""
    kept = {"<=": value <= target, "<": value < target, ">=": value >= target,
            ">": value > target}[relation]
    return kept, low < target < high


def measured(promise, data):
    """(value, low, high) from a stored run, or None if it isn't there."""
    kind = promise.figure[0]
    if kind == "memory":
        samples = data.get("memory", {}).get(promise.figure[1])
        values = [sample["bytes_each"] for sample in samples or []]
        return (stats.median(values), min(values), max(values)) if values else None
    figures = figures_of(data)
    field, *keys = promise.figure[1], *(c.key for c in promise.configurations())
    if not figures.has(*keys):
        return None
    return figures.ratio(*keys, field) if kind == "ratio" else figures.with_interval(*keys, field)


def in_words(said, straddles):
    return said + (" (interval straddles)" if straddles else "")


def outcome(promise, data):
    found = measured(promise, data)
    if found is None:
        return Outcome(promise, None, "not measured")
    if promise.relation is None:
        return Outcome(promise, found, "")
    kept, straddles = verdict(*found, promise.relation, promise.target)
    return Outcome(promise, found, "PASS" if kept else "FAIL", straddles)


def outcomes(data):
    """For the groups that the run was asked for."""
    return [outcome(promise, data) for promise in PROMISES if promise.group in data["groups"]]


def kept(found):
    """Is every promise kept, and none left open?"""
    return all(one.verdict in ("PASS", "") for one in found)


def table(found):
    headers = ["figure", "measured (95 % interval)", "target", "verdict"]
    rows = []
    for one in found:
        promise = one.promise
        target = promise.beside
        if promise.relation:
            target = f"{promise.relation} {promise.target:,.10g}"
        rows.append([
            promise.text,
            with_interval(*one.measured) if one.measured else "-",
            target or "-",
            in_words(one.verdict, one.straddles) or "-",
        ])
    return headers, rows
