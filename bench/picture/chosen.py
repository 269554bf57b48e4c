"""Which figures of a stored run are drawn: each function makes one Picture of a run's data.

Whatever a picture needs and the run lacks ends in an exception; sections.py says what is missing.
"""

import re

from driver import comparison, crossing, scaled, spinners, taken_apart, work
from driver.blocks import Configuration
from driver.reports import PEER_NAMES, REPORT, figures_of, labs_of
from driver.tables import milliseconds, number, thousands

from . import bars, dots, lanes, lines, stacked, traced, waterfall
from .bars import Bar
from .dots import Dot, Row
from .lines import Line, Point


class Lacking(Exception):
    """The run hasn't got what the picture would show; the message says what."""


def file_of(data):
    """For the marks: which results file a figure is of."""
    return data["kind"]


def colour_of(server):
    found = re.match(r"lab[1-5]", server)
    return found[0] if found else "other"


def _require(items, what):
    if not items:
        raise Lacking(what)
    return items


def _bar(figures, label, key, field, scale=1.0, beside=None):
    value, low, high = (v * scale for v in figures.with_interval(key, field))
    points = tuple(v * scale for v in figures.values(key, field))
    return Bar(label, key, value, low, high, points, colour_of(key), beside)


def _dot(figures, series, key, field):
    return Dot(series, key, field, *figures.with_interval(key, field))


def in_words(items):
    """'lab1 41,740, lab2 13,911 and lab3 69,062'"""
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last


# ---- The labs ------------------------------------------------------------------------------------


def _said_of(lab):
    """Requests/s, by the report; None where it has no such server."""
    return float(REPORT[lab][0].replace(",", "")) if lab in REPORT else None


def rates(data):
    figures = figures_of(data)
    found = [_bar(figures, name, Configuration(lab).key, "rps",
                  beside=_said_of(lab))
             for lab, name in labs_of(data).items() if figures.has(Configuration(lab).key)]
    _require(found, "a lab, pinned, with one request at a time")
    said = in_words([f"{bar.label} {thousands(bar.value)}" for bar in found])
    return bars.draw("rates", "Requests/s, beside the report's",
                     f"Bars, median requests per second with 95 % intervals: {said}.",
                     found, "rps", "requests/s", thousands, "what the report says", file_of(data))


def costs(data):
    figures = figures_of(data)
    found = [_bar(figures, name, Configuration(lab).key, "cpu_us")
             for lab, name in labs_of(data).items() if figures.has(Configuration(lab).key)]
    _require(found, "a lab, pinned, with one request at a time")
    said = in_words([f"{bar.label} {number(bar.value)}" for bar in found])
    return bars.draw("costs", "CPU time of a request",
                     f"Bars, median µs of the server's CPU time per request: {said}.",
                     found, "cpu_us", "server's CPU µs per request", number, file=file_of(data))


LOADS = tuple((placement, pipelined) for pipelined in (False, True)
              for placement in ("pinned", "unpinned"))


def loads(data):
    figures, rows = figures_of(data), []
    labs = labs_of(data)
    for load in LOADS:
        keys = {name: Configuration(lab, *load).key for lab, name in labs.items()}
        found = tuple(_dot(figures, name, key, "rps") for name, key in keys.items()
                      if figures.has(key))
        if found:
            rows.append(Row(next(iter(keys.values())).partition(", ")[2], found))
    _require(rows, "a lab under load")
    return dots.draw("loads", "The same labs, placed and loaded in other ways",
                     "Dots on a logarithmic scale, requests per second of each lab, pinned and "
                     "unpinned, with one request at a time and 16 pipelined.",
                     rows, {name: lab for lab, name in labs.items()}, "requests/s", thousands,
                     file_of(data))


LATENCIES = {"median": "p50_us", "mean": "mean_us", "99th percentile": "p99_us"}
SHOWN_SHARES = (0.01, 0.1, 0.5, 0.9, 0.99, 0.9999)


def latencies(data):
    """The whole distributions; of a run that was stored without them, what it has."""
    return distributions("latencies", "pinned")(data) or _few_latencies(data)


def distributions(picture, placement):
    """Nothing is drawn of a run that was stored without quantiles."""
    def draw(data):
        figures = figures_of(data)
        found = [Line(name, lab, _quantiles(figures, Configuration(lab, placement).key))
                 for lab, name in labs_of(data).items()]
        found = [line for line in found if line.points]
        if not found:
            return None
        said = in_words([f"{line.name} {milliseconds(line.points[0].value)} to "
                         f"{milliseconds(line.points[-1].value)} ms" for line in found])
        ends = (_percent_of(found[0].points[at].field) for at in (0, -1))
        return lines.draw(picture, f"Latency: how many requests took how long, {placement}",
                          "Curves, logarithmic in the latency, of the time that a share of a lab's "
                          f"requests didn't exceed; from {' to '.join(ends)} of them: {said}.",
                          found, "of the requests took at most", "µs", number, file_of(data),
                          shares=SHOWN_SHARES)

    return draw


def _percent_of(field):
    return f"{field.partition(':')[2]} %"


def _quantiles(figures, key):
    """The points of a configuration's curve, of the shares that all its blocks have."""
    blocks = [block.get("quantiles_us") for block in figures.blocks if block["key"] == key]
    if not blocks or not all(isinstance(quantiles, dict) for quantiles in blocks):
        return ()
    shares = set.intersection(*map(set, blocks))
    found = [Point(float(share) / 100, key, f"quantiles_us:{share}",
                   *figures.with_interval(key, f"quantiles_us:{share}")) for share in shares]
    return tuple(sorted((p for p in found if p.value > 0 and 0 < p.x < 1), key=lambda p: p.x))


def _few_latencies(data):
    figures, rows = figures_of(data), []
    for placement in ("pinned", "unpinned"):
        for lab, name in labs_of(data).items():
            key = Configuration(lab, placement).key
            if figures.has(key):
                rows.append(Row(f"{name}, {placement}", tuple(
                    _dot(figures, series, key, field) for series, field in LATENCIES.items())))
    _require(rows, "a lab with one request at a time")
    said = in_words([f"{row.label} {milliseconds(row.dots[0].value)} and "
                     f"{milliseconds(row.dots[2].value)} ms" for row in rows])
    return dots.draw("latencies", "Latency: from the median to the 99th percentile",
                     f"Dots on a logarithmic scale; medians and 99th percentiles: {said}.",
                     rows, dict(zip(LATENCIES, ("lab1", "lab3", "lab2"))), "µs", number,
                     file_of(data))


# ---- The ladder, and where the time goes ---------------------------------------------------------


def ladder(placement):
    def draw(data):
        figures = figures_of(data)
        found = waterfall.steps(figures, placement)
        _require(found, f"a rung of the ladder, {placement}")
        said = in_words([f"{rung.name} {number(value)}" for rung, _, value, _, _ in found])
        return waterfall.draw(f"ladder-{placement}", f"What each layer adds, {placement}",
                              "A waterfall of the CPU time per request, each rung beside its "
                              f"parent; in µs: {said}.", figures, placement, file_of(data))

    return draw


def breakdown(lab):
    def draw(data):
        if lab not in taken_apart.labs_of(data):
            return None
        python = comparison.names(data)[0]
        report = taken_apart.shown(data, lab, python)
        key = Configuration(lab, "unpinned", python=python).key
        longest = max(report["hops"], key=lambda gap: gap["mean_us"])
        return stacked.draw(f"breakdown-{lab}",
                            f"Where a request's time goes: {taken_apart.LABS[lab]}",
                            f"Bars, one for each gap from hop to hop of {lab} under load. The "
                            f"longest is from {longest['from']} to {longest['to']}, "
                            f"{number(longest['mean_us'])} µs of "
                            f"{number(report['end_to_end_us']['mean'])}.",
                            report, key, file_of(data))

    return draw


def overheads(data):
    """The report's four overheads, in ms, beside what lab2 has."""
    python = comparison.names(data)[0]
    report = taken_apart.shown(data, "lab2", python)
    key = Configuration("lab2", "unpinned", python=python).key
    found = [Bar(one["name"], f"{key} | {one['name']}", one["mean_us"] / 1000,
                 one["mean_us"] / 1000, one["mean_us"] / 1000, (), "lab2", one["reported_ms"])
             for one in report["categories"] if one["mean_us"] is not None]
    _require(found, "the categories of lab2")
    said = in_words([f"{bar.label} {number(bar.value)} ms" for bar in found])
    return bars.draw("overheads", "The report's four overheads, beside lab2's",
                     f"Bars, mean time of a request of lab2 under load: {said}.",
                     found, "category_ms", "ms of a request's time", number,
                     "what the report says", file_of(data))


# ---- Interpreters, other servers -----------------------------------------------------------------

SERIES_COLOURS = ("lab1", "lab2", "lab3", "lab4", "lab5", "other")


def interpreters(data):
    figures, rows = figures_of(data), []
    names = comparison.names(data)
    for server in comparison.SERVERS:
        keys = {name: Configuration(server, "unpinned", python=name).key for name in names}
        found = tuple(_dot(figures, name, key, "rps") for name, key in keys.items()
                      if figures.has(key))
        if found:
            rows.append(Row(server, found))
    _require(rows, "a lab on several interpreters")
    return dots.draw("interpreters", "With and without a GIL, unpinned",
                     "Dots on a logarithmic scale, requests per second of each lab on each "
                     "interpreter.", rows, dict(zip(names, SERIES_COLOURS)), "requests/s",
                     thousands, file_of(data))


def peers(data):
    figures = figures_of(data)
    servers = [c["server"] for c in data["configurations"] if not c["pipelined"]]
    found = [_bar(figures, PEER_NAMES.get(server, server), Configuration(server).key, "cpu_us")
             for server in dict.fromkeys(servers) if figures.has(Configuration(server).key)]
    found.sort(key=lambda bar: bar.value)
    _require(found, "a server")
    said = in_words([f"{bar.label} {number(bar.value)}" for bar in found])
    return bars.draw("peers", "CPU time of a request, beside other servers",
                     f"Bars, median µs of the server's CPU time per request: {said}.", found,
                     "cpu_us", "server's CPU µs per request", number, file=file_of(data))


# ---- Other work ----------------------------------------------------------------------------------


def _work_lines(data, found, field="rps", **more):
    """A line for each server; found: [(x, work, what else the configuration has)]"""
    figures, made = figures_of(data), []
    python = comparison.names(data)[0]
    for server in work.SERVERS:
        points = []
        for x, one, load in found:
            key = Configuration(work.name(server, one), **{"python": python, **more, **load}).key
            if figures.has(key):
                points.append(Point(x, key, field, *figures.with_interval(key, field)))
        if points:
            colour = "other" if server.startswith("lab3,") else colour_of(server)
            made.append(Line(server, colour, tuple(points)))
    return _require(made, "a lab under other work")


def _crossings(made):
    """Which server is the fastest where, in words."""
    said, before = [], None
    for x in sorted({point.x for line in made for point in line.points}):
        best = max(((p.value, line.name) for line in made for p in line.points if p.x == x))
        if best[1] != before:
            said.append(f"{best[1]} from {x:,.10g} on")
        before = best[1]
    return in_words(said)


def _crossover(name, title, pattern, over):
    def draw(data):
        found = []
        for one in work.WORK:
            match = re.fullmatch(pattern, one.text)
            if match and float(match[1].replace(",", "")) > 0:
                found.append((float(match[1].replace(",", "")), one, {}))
        made = _work_lines(data, found)
        return lines.draw(name, title, f"Lines, requests per second over {over}, both "
                          f"logarithmic. The fastest: {_crossings(made)}.", made, over,
                          "requests/s", thousands, file_of(data))

    return draw


waits = _crossover("crossover-waits", "Where the labs cross: handlers that wait",
                   r"wait ([\d.,]+) ms", "ms that the handler waits")
primes = _crossover("crossover-primes", "Where the labs cross: handlers that compute",
                    r"primes below ([\d,]+) in Python", "n, of the primes below n")


def short_waits(data):
    """The waits about which async and sync cross."""
    figures, made = figures_of(data), []
    for place, server in enumerate(crossing.SERVERS):
        keys = [(us, Configuration(crossing.name(server, us)).key) for us in crossing.WAITS_US]
        made.append(Line(server, SERIES_COLOURS[place], tuple(
            Point(us, key, "rps", *figures.with_interval(key, "rps")) for us, key in keys)))
    said = []
    for loop, sync in crossing.PAIRS:
        at = crossing.crossing(figures, loop, sync)
        said.append(f"{loop} over {sync} " + ("at no wait" if at is None else
                                              f"from {crossing.microseconds(at[0])} µs on"))
    return lines.draw("crossover-short", "Where async overtakes sync",
                      "Lines, requests per second over the wait that is asked for: "
                      f"{in_words(said)}.",
                      made, "µs that the handler waits", "requests/s", thousands, file_of(data),
                      log=False)


def connections(which):
    one = work.SOME[which]

    def draw(data):
        found = [(count, one, {"connections": count}) for count in (1, 10, 100, 1000)]
        made = _work_lines(data, found)
        return lines.draw(f"connections-{which}", f"More connections: {one.text}",
                          "Lines, requests per second over the number of connections, both "
                          f"logarithmic. The fastest: {_crossings(made)}.", made, "connections",
                          "requests/s", thousands, file_of(data))

    return draw


GROWING_COLOURS = ("lab2", "lab5", "lab1", "lab3")


def scaling(which, place):
    """On one interpreter of the run, by its place among them: each server over itself with one."""
    one = scaled.PRIMES[which]

    def draw(data):
        names = comparison.names(data)
        if place >= len(names):
            return None
        figures, python = figures_of(data), names[place]
        made = []
        for (line, servers), colour in zip(scaled.GROWING, GROWING_COLOURS):
            keys = [(count, Configuration(f"{server}, {one.text}", "unpinned", python=python).key)
                    for count, server in servers]
            base = keys[0][1]
            points = [Point(count, key, "rps", *figures.ratio(key, base, "rps"), base=base)
                      for count, key in keys if figures.has(key, base)]
            if points:
                made.append(Line(line, colour, tuple(points)))
        _require(made, "a server with several numbers of threads")
        said = in_words([f"{line.name} {line.points[-1].value:.2f} times with "
                         f"{line.points[-1].x}" for line in made])
        return lines.draw(f"scaling-{which}-{place}",
                          f"What more loops and workers gain on {python}: {one.text}",
                          f"Lines, requests per second over those of one: {said}.", made,
                          "loops of lab2, workers of lab5", "times the requests/s of one",
                          "{:.2f}".format, file_of(data), log=False, extra=_machine(data))

    return draw


def gained(which):
    """Each server that has more threads over itself with one, on each interpreter."""
    one = scaled.PRIMES[which]

    def draw(data):
        figures, rows = figures_of(data), []
        pythons = comparison.names(data)
        for server in scaled.SERVERS:
            found = []
            for python in pythons:
                keys = [Configuration(f"{name}, {one.text}", "unpinned", python=python).key
                        for name in (server.name, server.over)]
                if figures.has(*keys):
                    found.append(Dot(python, keys[0], "rps", *figures.ratio(*keys, "rps"), keys[1]))
            if found:
                rows.append(Row(f"{server.name} / {server.over}", tuple(found)))
        _require(rows, "a server with several numbers of threads")
        return dots.draw(f"gained-{which}", f"Loops and workers over one: {one.text}",
                         "Dots, requests per second over those of the same server with one loop or "
                         "worker, on each interpreter; a line at 1 is no gain.", rows,
                         dict(zip(pythons, SERIES_COLOURS)), "times the requests/s of one",
                         "{:.2f}".format, file_of(data), line=1.0)

    return draw


def _machine(data):
    """What bare threads gain, as a line to hold the others to."""
    runs = data.get("spinners") or {}
    most = max(map(int, runs), default=1)
    if most == 1:
        return ()
    ratio = spinners.ratio(runs, most)[0]
    return (("what the machine gains (threads in C)",
             [(1, 1.0), (most, ratio), (max(scaled.LOOPS), ratio)]),)


# ---- One request ---------------------------------------------------------------------------------


def lanes_name(lab, load):
    return f"lanes-{lab}-{'alone' if load == traced.LOADS[0] else 'loaded'}"


def swim_lanes(lab, load):
    def draw(data):
        found = [block for block in data["blocks"]
                 if block["lab"] == lab and block["load"] == load]
        block = _require(found, f"a trace of {lab}, {load}")[0]
        threads = [lane["name"] for lane in block["lanes"]]
        way = [block["hops"][0]["lane"]]
        way += [hop["lane"] for hop, before in zip(block["hops"][1:], block["hops"])
                if hop["lane"] != before["lane"]]
        return lanes.draw(
            lanes_name(lab, load), f"{lab}, {load}",
            f"Lanes for the threads {in_words(threads)}. The request takes "
            f"{number(block['total_us'])} µs, and goes {' → '.join(way)}.", block, file_of(data))

    return draw


