#!/usr/bin/env python3
"""Mutants: wrong solutions, one mistake each; the grader must fail every one, where it belongs.

    mutants.py [LAB...] [NAME...]

A mutant is a patch against the solved lab, course/mutants/labN/NAME.patch, below a header:

    Mistake: what the student got wrong
    Step: 2                     where it must fail
    Test: lab1_submit_...       the test that must fail there
    Says: lost wake-up          words that the failure must contain
    Ends: by a signal           only if it can't be caught by an assertion: how it is
    Alone: yes                  no other test notices: these must all pass
    Given: yes                  the mistake is in code that is no student's: it shows that this test
                                can fail, where no file of theirs could make it

Exit status: 0 if all are caught by that test, with those words."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from kit import building, grading, labs, markers, running, sandbox, sanitizers


@dataclass
class Mutant:
    name: str
    path: str
    header: dict


def read(path):
    header = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith(("---", "diff ")):
                break
            key, colon, value = line.partition(":")
            if colon:
                header[key.strip()] = value.strip()
    missing = {"Mistake", "Step", "Test", "Says"} - set(header)
    if missing:
        raise grading.GraderError(f"{path}: no {', '.join(sorted(missing))} in its header")
    return Mutant(os.path.basename(path).removesuffix(".patch"), path, header)


def of_lab(lab):
    folder = os.path.join(labs.ROOT, f"course/mutants/lab{lab}")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [read(os.path.join(folder, name)) for name in names if name.endswith(".patch")]


def apply(mutant, tree):
    done = subprocess.run(
        ["patch", "-p1", "--batch", "--no-backup-if-mismatch", "-i", mutant.path],
        cwd=tree,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise grading.GraderError(f"{mutant.path} doesn't apply:\n{done.stdout}{done.stderr}")


def fault_of(lab, mutant):
    """returns what is wrong, or None"""
    by_name = {check.name: check for check in running.loaded(lab)}
    check = by_name.get(mutant.header["Test"])
    if check is None or str(check.step) != mutant.header["Step"]:
        return f"no test {mutant.header['Test']} at step {mutant.header['Step']}"
    alone = "Alone" in mutant.header
    tree = building.write(lab, set(markers.steps_of(labs.ROOT, lab)))
    apply(mutant, tree)
    where = building.build(lab, sanitizers.TARGETS if alone else [check.build], warnings=True)
    outcome = running.run_one(check, tree, where, sandbox.Limits())
    if outcome.status == "passed":
        return "survives: the test passes"
    text = outcome.text()
    if mutant.header["Says"] not in text:
        return f"caught, but the message doesn't say {mutant.header['Says']!r}:\n{text}"
    by_signal = "ended early" in text or "nothing in" in text
    if by_signal and "Ends" not in mutant.header:
        return f"caught by its end only, not by an assertion:\n{text}"
    others = [other for other in by_name.values() if other is not check] if alone else []
    for outcome in running.run(others, tree, where, sandbox.Limits()):
        if outcome.status != "passed":
            return f"not that test alone fails:\n{running.describe(outcome)}"
    return None


def judge(lab, mutant):
    """returns (a line that says how it went, is something wrong)"""
    fault = fault_of(lab, mutant)
    return f"lab {lab}, {mutant.name}: {fault or 'caught'}", fault is not None


def main():
    began, wrong = time.monotonic(), 0
    wanted_labs = [int(a) for a in sys.argv[1:] if a.isdigit()] or labs.FOLDERS
    names = [a for a in sys.argv[1:] if not a.isdigit()]
    jobs = [
        (lab, mutant)
        for lab in sorted(wanted_labs, reverse=True)
        for mutant in of_lab(lab)
        if not names or mutant.name in names
    ]
    for said, is_wrong in building.judge_all(judge, jobs) if jobs else ():
        print(said, flush=True)
        wrong += is_wrong
    seconds = time.monotonic() - began
    print(f"{len(jobs)} mutants, {wrong} not caught as they should be, {seconds:.0f} s")
    sys.exit(wrong > 0 or not jobs)


if __name__ == "__main__":
    main()
