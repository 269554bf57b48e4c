"""What taking requests apart costs, and if it adds up: what `make tracing` runs, its tables."""

import json
import os
from dataclasses import replace

from . import catalogue
from .blocks import Configuration
from .reports import figures_of
from .tables import number, with_interval
from .taken_apart import LABS, SUM_LIMIT, UNATTRIBUTED_LIMIT, labs_of, sum_error

LEAST_SPEED = 0.97  # lab1's requests/s with --stats, against without
LEGEND = (
    "Pinned. Each lab with --stats and without, in interleaved rounds; CPU time is the server's, "
    "per request. Sum: of all gaps and of what the marks themselves take, against the mean "
    "end-to-end time by clock reads of the HTTP side's own. Passes: lab1 keeps at least "
    f"{LEAST_SPEED} of its requests/s; the sum is within {SUM_LIMIT:.0%}, unattributed below "
    f"{UNATTRIBUTED_LIMIT:.0%}, and each kind of gap counted once a request."
)


def _traced(lab):
    return f"{lab} --stats"


def _stats_file(folder, lab, python_name):
    return os.path.join(folder, f"{lab}-{python_name}.json")


def specs(python, folder):
    """Each lab as it is, and with its breakdown going to a file in `folder`, when it is stopped."""
    found = {}
    for key, spec in catalogue.labs_taken_apart(python).items():
        lab = key.split(" on ")[0]
        name = f"{_traced(lab)} on {python.name}"
        stats = f"--stats={_stats_file(folder, lab, python.name)}"
        found[key] = spec
        found[name] = replace(spec, name=name, command=(*spec.command, stats))
    return found


def configurations(python_names, there):
    """there: the keys of specs()."""
    return [Configuration(server, python=python) for lab in LABS for python in python_names
            if f"{lab} on {python}" in there for server in (lab, _traced(lab))]


def breakdowns(pythons_of_run, folder):
    """What the labs that are stopped by now have written of all their load."""
    found = {}
    for python in pythons_of_run:
        for key in catalogue.labs_taken_apart(python):
            lab = key.split(" on ")[0]
            with open(_stats_file(folder, lab, python.name), encoding="utf-8") as file:
                found[key] = json.load(file)
    return found


def _verdict(passes):
    return "PASS" if passes else "FAIL"


def _names(data):
    return list(data["environment"]["pythons"])


def cost(data):
    """With --stats against without. lab1's speed has a target."""
    figures, rows = figures_of(data), []
    for lab in labs_of(data):
        for python in _names(data):
            with_it, without = (Configuration(server, python=python).key
                                for server in (_traced(lab), lab))
            speed = figures.ratio(with_it, without, "rps")
            more_us = figures.median(with_it, "cpu_us") - figures.median(without, "cpu_us")
            rows.append([lab, python, with_interval(*speed),
                         with_interval(*figures.ratio(with_it, without, "cpu_us")),
                         number(more_us),
                         _verdict(speed[0] >= LEAST_SPEED) if lab == "lab1" else ""])
    return ["lab", "Python", "requests/s", "CPU per request", "more CPU µs", "so?"], rows


def sums(data):
    """What each breakdown leaves unexplained, and its sum against the end-to-end mean."""
    rows = []
    for lab in labs_of(data):
        for python in _names(data):
            report = data.get("breakdowns", {}).get(f"{lab} on {python}")
            if report is None:
                continue
            off = sum_error(report)
            left = report["unattributed_share"]
            counts = {row["count"] for row in report["hops"]}
            good = (abs(off) <= SUM_LIMIT and left < UNATTRIBUTED_LIMIT
                    and counts == {report["requests"]})
            rows.append([lab, python, f"{report['requests']:,}", f"{off:+.2%}", f"{left:.1%}",
                         _verdict(good)])
    return ["lab", "Python", "requests", "sum", "unattributed", "so?"], rows


def passes(data):
    return all(row[-1] != "FAIL" for row in cost(data)[1] + sums(data)[1])

