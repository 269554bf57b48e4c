"""The ladder's tables, as (headers, rows), made from a stored run; see reports.py."""

from . import pingpong, rungs, stats
from .blocks import Configuration
from .reports import figures_of, provenance
from .tables import milliseconds, number, thousands, with_interval


def _key(rung, placement="pinned"):
    return Configuration(rung.name, placement).key


def _signed(value):
    return ("+" if value >= 0 else "-") + number(abs(value))


def added(figures, rung, placement="pinned"):
    """CPU µs that a rung adds to its parent: the median of the differences within rounds; None
    where the parent wasn't measured."""
    if rung.parent is None:
        return None
    key, parent = _key(rung, placement), _key(rungs.BY_NAME[rung.parent], placement)
    if not figures.has(key, parent):
        return None
    pairs = zip(figures.values(key, "cpu_us"), figures.values(parent, "cpu_us"))
    return stats.median([mine - theirs for mine, theirs in pairs])


def ladder(data, in_words=False):
    """Each rung pinned to one core, and what it adds to its parent; in a document also in words."""
    figures = figures_of(data)
    headers = ["rung", "parent", "req/s", "p50 ms", "p99 ms", "switches", "CPU µs", "added µs",
               "ratio to parent"]
    headers[1:1] = ["adds"] if in_words else []
    rows = []
    for rung in rungs.RUNGS:
        key, more = _key(rung), added(figures, rung)
        parent = _key(rungs.BY_NAME[rung.parent]) if rung.parent else None
        rows.append([
            rung.name,
            *([rung.adds] if in_words else []),
            (rung.parent or "-")[:2] if rung.parent != "floor" else "floor",
            thousands(figures.median(key, "rps")),
            milliseconds(figures.median(key, "p50_us")),
            milliseconds(figures.median(key, "p99_us")),
            number(figures.median(key, "switches")),
            number(figures.median(key, "cpu_us")),
            "-" if more is None else _signed(more),
            "-" if parent is None else
            with_interval(*figures.ratio(key, parent, "cpu_us"), form="{:.2f}".format),
        ])
    return headers, rows


def hops(data):
    """The rungs with a hop: on one core, and where the system puts their threads; beside it what so
    many switches take of CPU time in the bare ping-pong."""
    figures = figures_of(data)
    headers = ["rung", "pinned µs", "switches", "floor", "unpinned µs", "switches", "floor",
               "added", "req/s ratio"]
    rows = []
    for rung in rungs.WITH_HOP:
        row = [rung.name]
        for placement in ("pinned", "unpinned"):
            key = _key(rung, placement)
            switches = figures.median(key, "switches")
            row += [number(figures.median(key, "cpu_us")), number(switches),
                    _floor(data, placement, switches)]
        more = added(figures, rung, "unpinned")
        ratio = figures.ratio(_key(rung, "unpinned"), _key(rung), "rps")[0]
        rows.append([*row, "-" if more is None else _signed(more), f"{ratio:.2f}"])
    return headers, rows


def _floor(data, placement, switches):
    """What so many switches take of CPU µs in the ping-pong."""
    runs = data.get("pingpong", {}).get(placement)
    if not runs:
        return "-"
    return number(switches * stats.median([run["cpu_us"] / run["switches"] for run in runs]))


def floor_note(data):
    """The bare ping-pong, in words."""
    found = data.get("pingpong")
    if not found:
        return ""
    parts = []
    for placement, where in (("pinned", "on one core"), ("unpinned", "unpinned")):
        runs = found[placement]
        parts.append(
            f"{where} {with_interval(*pingpong.summary(runs, 'us'))} µs a round trip, of which "
            f"{number(pingpong.summary(runs, 'cpu_us')[0])} µs CPU, with "
            f"{number(pingpong.summary(runs, 'switches')[0])} switches"
        )
    return f"The floor under a hop, two threads in C and two eventfds: {'; '.join(parts)}."


LEGEND = (
    "Pinned: wrk on one core, the server on another. CPU time and context switches are the "
    "server's, per request. What a rung adds is the median of the differences of CPU time within "
    "rounds, its ratio likewise; intervals are 95 % bootstraps over blocks."
)
HOPS_LEGEND = (
    "The rungs with a hop, on one core and where the system puts their threads: µs of CPU time and "
    "switches per request. Floor: the µs that so many switches take in the ping-pong of the same "
    "placement. The ping-pong wakes a sleeping core each time, the rungs don't: unpinned that is an "
    "upper bound of what the machine takes for waking threads, and the rest a lower one of what is "
    "the rung's own. Added: µs, unpinned, to the parent. The ratio is unpinned to pinned."
)


# ---- Without sockets -----------------------------------------------------------------------------


def _by_rung(data):
    found = {}
    for block in data["blocks"]:
        found.setdefault(block["rung"], []).append(block)
    return found


def offline(data):
    """Each dispatcher without sockets: CPU time, and instructions where they were counted."""
    headers = ["rung", "parent", "CPU µs", "added µs", "a turn has", "instructions", "added"]
    blocks, counts, rows = _by_rung(data), data["instructions"], []
    for rung in (rung for rung in rungs.RUNGS if rung.name in blocks):
        mine, theirs = blocks[rung.name], blocks.get(rung.parent)
        pairs = zip(mine, theirs or ())
        batch = stats.median([block["requests"] / block["turns"] for block in mine])
        rows.append([
            rung.name,
            rung.parent[:2] if theirs else "-",
            with_interval(*pingpong.summary(mine, "cpu_us")),
            _signed(stats.median([a["cpu_us"] - b["cpu_us"] for a, b in pairs])) if theirs else "-",
            number(batch),
            thousands(counts[rung.name]) if rung.name in counts else "-",
            f"{counts[rung.name] - counts[rung.parent]:+,.0f}"
            if rung.name in counts and rung.parent in counts else "-",
        ])
    return headers, rows


def links_without_rise(data):
    """The parent links along which the instructions per request don't rise, in words."""
    counts = data["instructions"]
    if not counts:
        return "Instructions weren't counted: that needs valgrind."
    flat = [
        f"from {rung.parent} to {rung.name} ({counts[rung.name] - counts[rung.parent]:+,.0f})"
        for rung in rungs.RUNGS
        if rung.parent in counts and rung.name in counts
        and counts[rung.name] <= counts[rung.parent]
    ]
    if not flat:
        return "Instructions per request rise along every parent link."
    return f"Instructions per request don't rise {', '.join(flat)}."


OFFLINE_LEGEND = (
    "The same dispatchers without sockets: 100 requests in flight in one process, on one core. A "
    "turn has so many requests: what one attach of the HTTP thread is shared by. Instructions are "
    "callgrind's, which runs one thread at a time; system calls count nothing there."
)


def offline_caption(data):
    env = data["environment"]
    made = provenance(env, env["kernel"], *env["versions"])
    return f"{made}; {data['rounds']} runs of each"
