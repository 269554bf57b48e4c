"""The tables of runs with several interpreters, as (headers, rows) or (headers, rows, groups)."""

from dataclasses import dataclass

from . import pythons
from .blocks import Configuration
from .catalogue import REPORT_WORKERS, immortal_name, lab2_name
from .promises import PLACEMENTS, verdict
from .reports import figures_of, labs_of
from .tables import milliseconds, number, thousands, with_interval

LOADS = [(placement, pipelined) for pipelined in (False, True) for placement in PLACEMENTS]
WORKERS = (1, 2, 4, 8, 16)
SERVERS = ("lab1", *map(lab2_name, WORKERS), "lab3")  # of the run that is about interpreters
SHARING = ("lab1", lab2_name(REPORT_WORKERS))  # of these also with immortal loops


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
        for lab in labs_of(data):
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
        for lab in list(labs_of(data))[1:]:
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
    headers = [f"{found[1]} / {found[0]}"]
    headers += [f"{placement}: {what}" for placement in PLACEMENTS for what in ("req/s", "CPU")]
    rows = []
    for server in SERVERS:
        row = [server]
        for placement in PLACEMENTS:
            gil, free = (Configuration(server, placement, python=name).key for name in found)
            row += [_ratio(figures, free, gil), _ratio(figures, free, gil, "cpu_us")]
        rows.append(row)
    return headers, rows


def immortal_over_counted(data):
    """What the counts of shared objects cost: each lab without them over itself with them. None
    where no interpreter of the run is free-threaded."""
    figures = figures_of(data)
    free = [name for name, about in data["environment"]["pythons"].items() if not about["gil"]]
    if not free:
        return None
    headers = ["immortal / counted"]
    headers += [f"{placement}: {what}" for placement in PLACEMENTS for what in ("req/s", "CPU")]
    rows = []
    for name in free:
        for server in SHARING:
            row = [f"{server} on {name}"]
            for placement in PLACEMENTS:
                over, base = (Configuration(s, placement, python=name).key
                              for s in (immortal_name(server), server))
                row += [_ratio(figures, over, base), _ratio(figures, over, base, "cpu_us")]
            rows.append(row)
    return headers, rows


# ---- `make interpreters` -------------------------------------------------------------------------


def placement_table(data, placement):
    """Each lab on each interpreter, those of one lab next to each other."""
    figures = figures_of(data)
    headers = [placement, "Python", "req/s", "p50 ms", "p99 ms", "CPU µs", "switches", "queued µs",
               "CPUs", "wrk's", "ratio to lab1"]
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
                number(figures.median(key, "queue_us")),
                _two_digits(figures.median(key, "server_busy")),
                _two_digits(figures.median(key, "wrk_busy")),
                "1" if server == "lab1" else _ratio(figures, key, base),
            ])
    return headers, rows


PLACEMENT_LEGEND = (
    "CPU time, context switches and the time in which a thread could have run but had no CPU "
    "(queued) are the server's, per request, summed over its threads. CPUs: how many the server "
    "kept busy, and wrk beside it. The ratio is that of requests/s to lab1's on the same "
    "interpreter."
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
        """Of the same lab, or on the same interpreter."""
        text = f"{over[0]}: {over[1]} / {base[1]}"
        if over[1] == base[1]:
            text = f"{over[1]}: {over[0]} / {base[0]}"
        over, base = (Configuration(s, placement, python=p) for s, p in (over, base))
        return Expectation(f"{text}, {placement}", over, base, relation, target, why)

    return [
        expect("unpinned", ("lab1", free), ("lab1", gil), ">", 1, "its threads run at once"),
        expect("pinned", ("lab1", free), ("lab1", gil), "<=", 1, "nothing can run at once"),
        expect("unpinned", (eight, free), (eight, gil), ">", 1, "nobody waits for the GIL"),
        expect("unpinned", (eight, free), ("lab1", free), "<", 0.5, "the chain is the cost"),
        expect("unpinned", (one, gil), ("lab1", gil), "<", 1, "no second worker"),
        expect("unpinned", (eight, gil), (one, gil), "<", 1, "more want one GIL"),
        expect("unpinned", (eight, free), (one, free), ">", 1, "loops run at once"),
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
            result = "open" if straddles else "yes" if kept else "no"
        rows.append([one.text, one.why, f"{one.relation} {one.target:g}", measured, result])
    return ["ratio of requests/s", "since", "expected", "measured", "so?"], rows
