#!/usr/bin/env python3
"""The red gate: the starter fails exactly the tests that it should.

    redgate.py [LAB...] [--only NAME]

Builds each lab with none, 1, 1 and 2, ... of its steps filled in, and with all but one; runs every
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


def assess(outcomes, filled, points):
    """returns (points, what is wrong, a text each)"""
    wrong = []
    for outcome in outcomes:
        check = outcome.check
        needed = {check.step, *check.after} - {0}
        if (outcome.status == "passed") != (needed <= filled):
            expected = "passes" if needed <= filled else "fails"
            wrong.append(f"{check.name} should have: {expected}\n{running.describe(outcome)}")
    score = sum(points[o.check.name] for o in outcomes if o.status == "passed")
    if not filled and score > 0.15 * sum(points.values()):
        wrong.append(f"the starter gets {score} of {sum(points.values())} points")
    return score, wrong


def judge(lab, name, filled):
    """returns (a line that says how it went, what is wrong)"""
    began, lab_checks = time.monotonic(), running.loaded(lab)
    tree = building.write(lab, filled)
    where = building.build(lab)
    outcomes = running.run(lab_checks, tree, where, sandbox.Limits())
    score, wrong = assess(outcomes, filled, grading.weights(lab, lab_checks))
    green = sum(outcome.status == "passed" for outcome in outcomes)
    seconds = time.monotonic() - began
    said = f"lab {lab}, {name}: {green} of {len(outcomes)} green, {score} points, {seconds:.0f} s"
    return said, [f"lab {lab}, {name}: {text}" for text in wrong]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labs", type=labs.number, nargs="*", help="all of them, unless told")
    parser.add_argument("--only", help="one of the selections, by its name")
    arguments = parser.parse_args()
    # From the last lab on: its builds hang for longest, and others have something to do meanwhile.
    jobs = [
        (lab, name, filled)
        for lab in sorted(arguments.labs or labs.FOLDERS, reverse=True)
        for name, filled in selections(markers.steps_of(labs.ROOT, lab))
        if arguments.only in (None, name)
    ]
    began, wrong = time.monotonic(), []
    for said, faults in building.judge_all(judge, jobs):
        print(said, flush=True)
        wrong += faults
    print(*wrong, sep="\n")
    print(f"red gate: {len(jobs)} builds, {len(wrong)} wrong, {time.monotonic() - began:.0f} s")
    sys.exit(bool(wrong) or not jobs)


if __name__ == "__main__":
    main()
