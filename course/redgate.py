#!/usr/bin/env python3
"""The red gate: the starter fails exactly the tests that it should.

    redgate.py LAB [--only NAME]

Builds the lab with none, 1, 1 and 2, ... of its steps filled in, and with all but one; runs every
test, hidden ones too. A test must be green exactly if its step and those it names in `after` are
filled in; the untouched starter gets at most 15 % of the points. Exit status: 0 if all is so."""

import argparse
import sys
import time

from kit import building, grading, labs, markers, running, sandbox


def selections(steps):
    """(name, steps filled in): the starter, every longer beginning, all but one."""
    for count in range(len(steps) + 1):
        yield f"steps 1..{count}" if count else "the starter", set(steps[:count])
    for step in steps:
        yield f"all but step {step}", set(steps) - {step}


def judge(lab, name, filled, lab_checks):
    """returns what is wrong, a line each"""
    tree = building.write(lab, filled)
    where = building.build(lab)
    wrong, points = [], grading.weights(lab, lab_checks)
    outcomes = running.run(lab_checks, tree, where, sandbox.Limits())
    for outcome in outcomes:
        check = outcome.check
        needed = {check.step, *check.after} - {0}
        if (outcome.status == "passed") != (needed <= filled):
            expected = "passes" if needed <= filled else "fails"
            wrong.append(f"{check.name} should have: {expected}\n{running.describe(outcome)}")
    score = sum(points[o.check.name] for o in outcomes if o.status == "passed")
    if not filled and score > 0.15 * sum(points.values()):
        wrong.append(f"the starter gets {score} of {sum(points.values())} points")
    green = sum(outcome.status == "passed" for outcome in outcomes)
    print(f"lab {lab}, {name}: {green} of {len(outcomes)} green, {score} points", flush=True)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lab", type=int, choices=sorted(labs.FOLDERS))
    parser.add_argument("--only", help="one of the selections, by its name")
    arguments = parser.parse_args()
    sandbox.adopt_orphans()
    began, wrong = time.monotonic(), []
    steps = sorted({gap.step for gap in markers.all_gaps(labs.ROOT) if gap.lab == arguments.lab})
    lab_checks = running.load(arguments.lab)
    for name, filled in selections(steps):
        if arguments.only in (None, name):
            wrong += [f"{name}: {text}" for text in judge(arguments.lab, name, filled, lab_checks)]
    print("\n".join(wrong))
    print(f"red gate of lab {arguments.lab}: {len(wrong)} wrong, {time.monotonic() - began:.0f} s")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
