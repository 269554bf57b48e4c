"""The tables of runs with several interpreters, as (headers, rows) or (headers, rows, groups)."""

from dataclasses import dataclass

from . import pythons
from .blocks import Configuration
from .catalogue import REPORT_WORKERS, lab2_name
from .promises import PLACEMENTS, verdict
from .reports import LABS, figures_of
from .tables import milliseconds, number, thousands, with_interval

LOADS = [(placement, pipelined) for pipelined in (False, True) for placement in PLACEMENTS]
WORKERS = (1, 2, 4, 8, 16)
SERVERS = ("lab1", *map(lab2_name, WORKERS), "lab3")  # of the run that is about interpreters


def names(data):
    """The interpreters, in the order in which they were asked for."""
    return list(data["environment"]["pythons"])


def _two_digits(value):
    return f"{value:.2f}"


def _ratio(figures, over, base, field="rps"):
    """With its interval, as text; a dash where one of the two wasn't measured."""
    if not figures.has(over, base):
        return "-"
    return with_interval(*figures.ratio(over, base, field), form=_two_digits)


# ---- `make reproduce PYTHONS=...` ----------------------------------------------------------------


def _load_name(server, load):
    return Configuration(server, *load).key


def headline(data):
    """A column group per interpreter, a row per lab and load."""
    figures = figures_of(data)
    headers, groups = [""], []
    for name in names(data):
        about = data["environment"]["pythons"][name]
        title = f"{about['version']} {'GIL' if about['gil'] else 'free-threaded'}"
        headers += ["req/s", "CPU µs", "ratio"]
        groups.append((name, title, 3))
    rows = []
    for load in LOADS:
        for lab in LABS:
            row = [_load_name(lab, load)]
            for name in names(data):
                key, base = (Configuration(s, *load, name).key for s in (lab, "lab1"))
                row += [thousands(figures.median(key, "rps")),
                        number(figures.median(key, "cpu_us")),
                        _two_digits(figures.ratio(key, base, "rps")[0])]
            rows.append(row)
    return headers, rows, groups


HEADLINE_LEGEND = (
    "ratio: requests/s to those of lab1 on the same interpreter. CPU time is the server's, per "
    "request. Pinned: wrk on one CPU, the server on another."
)


def ratios(data):
    """The ratios again with their intervals, a column per interpreter."""
    figures = figures_of(data)
    rows = []
    for load in LOADS:
        for lab in list(LABS)[1:]:
            keys = [[Configuration(s, *load, name).key for s in (lab, "lab1")]
                    for name in names(data)]
            rows.append([f"{lab}/{_load_name('lab1', load)}"] +
                        [_ratio(figures, key, base) for key, base in keys])
    return ["requests/s (95 % interval)", *names(data)], rows


# ---- Without a GIL against with one --------------------------------------------------------------


def without_over_with(data):
    """What the GIL alone makes of each lab: the pair's figures over each other. None where the run
    has no such pair."""
    found = pythons.pair(data["environment"]["pythons"])
    if found is None:
        return None
    figures = figures_of(data)
    have = {(c["placement"], c["pipelined"]) for c in data["configurations"]}
    loads = [load for load in LOADS if load in have]
    headers = [f"{found[1]} / {found[0]}"]
    headers += [f"{_load_name('', load).partition(', ')[2]}: {what}" for load in loads
                for what in ("requests/s", "CPU")]
    rows = []
    for server in dict.fromkeys(c["server"] for c in data["configurations"]):
        row = [server]
        for load in loads:
            gil, free = (Configuration(server, *load, name).key for name in found)
            row += [_ratio(figures, free, gil), _ratio(figures, free, gil, "cpu_us")]
        rows.append(row)
    return headers, rows


# ---- `make interpreters` -------------------------------------------------------------------------


def placement_table(data, placement):
    """Each lab on each interpreter, those of one lab next to each other."""
    figures = figures_of(data)
    headers = [placement, "Python", "requests/s", "p50 ms", "p99 ms", "CPU µs", "switches",
               "CPUs busy", "queued µs", "ratio to lab1"]
    rows = []
    for server in SERVERS:
        for name in names(data):
            key, base = (Configuration(s, placement, python=name).key for s in (server, "lab1"))
            rows.append([
                server if name == names(data)[0] else "",
                name,
                thousands(figures.median(key, "rps")),
                milliseconds(figures.median(key, "p50_us")),
                milliseconds(figures.median(key, "p99_us")),
                number(figures.median(key, "cpu_us")),
                number(figures.median(key, "switches")),
                _two_digits(figures.median(key, "server_busy")),
                number(figures.median(key, "queue_us")),
                "1" if server == "lab1" else _ratio(figures, key, base),
            ])
    return headers, rows


PLACEMENT_LEGEND = (
    "CPU time, context switches and the time in which a thread could have run but had no CPU "
    "(queued) are the server's, per request, summed over its threads. CPUs busy: the server's CPU "
    "time over the block's length."
)


@dataclass(frozen=True)
class Expectation:
    """A ratio of requests/s, and what was expected of it before it was measured."""

    text: str
    over: Configuration
    base: Configuration
    relation: str
    target: float
    why: str


def expectations(data):
    """What the run was made to find out. Empty where it has no pair that differs by the GIL."""
    found = pythons.pair(data["environment"]["pythons"])
    if found is None:
        return []
    gil, free = found
    one, eight = lab2_name(1), lab2_name(REPORT_WORKERS)

    def expect(placement, over, base, relation, target, why):
        over, base = (Configuration(s, placement, python=p) for s, p in (over, base))
        text = f"{placement}: {over.program} / {base.program}"
        return Expectation(text, over, base, relation, target, why)

    return [
        expect("unpinned", ("lab1", free), ("lab1", gil), ">", 1, "its two threads run at once"),
        expect("pinned", ("lab1", free), ("lab1", gil), "<=", 1,
               "on one CPU nothing runs at once, and counting references costs more"),
        expect("unpinned", (eight, free), (eight, gil), ">", 1, "nine threads have no GIL to share"),
        expect("unpinned", (eight, free), ("lab1", free), "<", 0.5,
               "the chain of hand-overs costs more than the GIL does"),
        expect("unpinned", (eight, gil), (one, gil), "<", 1, "more threads want one GIL"),
        expect("unpinned", (eight, free), (one, free), ">", 1, "the loops run at once"),
        expect("unpinned", (one, gil), ("lab1", gil), "<", 1,
               "no worker contends with another: what is left is the chain"),
    ]


def judged(data):
    """The expectations beside what was measured."""
    figures = figures_of(data)
    rows = []
    for one in expectations(data):
        measured, result = "-", "not measured"
        if figures.has(one.over.key, one.base.key):
            found = figures.ratio(one.over.key, one.base.key, "rps")
            kept, straddles = verdict(*found, one.relation, one.target)
            measured = with_interval(*found, form=_two_digits)
            result = "open: the interval straddles" if straddles else "yes" if kept else "no"
        rows.append([one.text, f"{one.relation} {one.target:g}: {one.why}", measured, result])
    return ["ratio of requests/s", "expected", "measured (95 % interval)", "so?"], rows
