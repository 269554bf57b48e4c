#!/usr/bin/env python3
"""What the labs' --stats costs, and whether its breakdown adds up; `make tracing`.

Each lab with --stats and without, interleaved; then what the breakdowns themselves say of the same
load. Nothing is stored: this checks the instrument, not the servers.
"""

import json
import os
import tempfile
from dataclasses import replace

from driver import catalogue, session, tables
from driver.blocks import Configuration
from driver.figures import Figures
from driver.servers import ServerError

DEFAULT_ROUNDS, DEFAULT_SECONDS = 10, 3
LABS = ("lab1", "lab2", "lab3")
LEAST_SPEED = 0.97  # lab1's requests/s with tracing, against without
SUM_WITHIN = 0.02  # the gaps' sum against the independent end-to-end mean
MOST_UNATTRIBUTED = 0.10
EXIT_STATUS = session.EXIT_STATUS.format(more=", and every figure passes").replace(
    "shown and stored", "shown").replace("  1    ", "  1    a figure fails, ")


def traced(lab):
    return f"{lab} --stats"


def specs_of(labs, folder):
    """Each lab as it is, and with its breakdown going to a file in `folder`."""
    specs = {}
    for lab in LABS:
        stats = f"--stats={os.path.join(folder, lab)}.json"
        specs[lab] = labs[lab]
        specs[traced(lab)] = replace(labs[lab], name=traced(lab),
                                     command=(*labs[lab].command, stats))
    return specs


def verdict(passes):
    return "PASS" if passes else "FAIL"


def cost_rows(figures):
    """With --stats against without: requests/s and CPU time. lab1's speed has a target."""
    rows = []
    for lab in LABS:
        keys = Configuration(traced(lab)).key, Configuration(lab).key
        speed = figures.ratio(*keys, "rps")
        cpu = figures.ratio(*keys, "cpu_us")
        said = verdict(speed[0] >= LEAST_SPEED) if lab == "lab1" else ""
        rows.append([lab, tables.with_interval(*speed), tables.with_interval(*cpu), said])
    return rows


def sum_rows(folder):
    """What each breakdown leaves unexplained, and its sum against the end-to-end mean."""
    rows = []
    for lab in LABS:
        with open(os.path.join(folder, f"{lab}.json"), encoding="utf-8") as file:
            report = json.load(file)
        off = report["gaps_sum_us"] / report["end_to_end_us"]["mean"] - 1
        left = report["unattributed_share"]
        counts = {row["count"] for row in report["hops"]}
        good = (abs(off) <= SUM_WITHIN and left < MOST_UNATTRIBUTED
                and counts == {report["requests"]})
        rows.append([lab, f"{report['requests']:,}", f"{off:+.2%}", f"{left:.1%}", verdict(good)])
    return rows


def show(figures, folder):
    """Returns whether everything passes."""
    cost, sums = cost_rows(figures), sum_rows(folder)
    print("\nWith --stats against without (95 % interval); lab1's requests/s: at least "
          f"{LEAST_SPEED}\n")
    print(tables.text(["lab", "requests/s", "CPU per request", ""], cost))
    print(f"\nThe breakdowns of that load: the gaps' sum within {SUM_WITHIN:.0%} of the end-to-end "
          f"mean, unattributed below {MOST_UNATTRIBUTED:.0%},\nas many gaps of each kind as "
          "requests\n")
    print(tables.text(["lab", "requests", "sum", "unattributed", ""], sums))
    return all(row[-1] != "FAIL" for row in cost + sums)


def main():
    parser = session.parser(__doc__, DEFAULT_ROUNDS, DEFAULT_SECONDS, EXIT_STATUS)
    parser.set_defaults(rounds=DEFAULT_ROUNDS, seconds=DEFAULT_SECONDS, resume=False)
    parsed = parser.parse_args()
    session.check_programs(parsed.bin_dir)
    with tempfile.TemporaryDirectory(prefix="looplab-") as folder:
        specs = specs_of(catalogue.labs(parsed.bin_dir), folder)
        run = session.new_run("tracing", specs, map(Configuration, specs), parsed)
        run.measure()
        run.forget_partial()
        figures = Figures(run.blocks, [c.key for c in run.configurations])
        if not figures.rounds:
            raise ServerError("nothing was measured")
        return 0 if show(figures, folder) else 1


if __name__ == "__main__":
    session.run_script(main)
