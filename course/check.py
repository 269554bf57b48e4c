#!/usr/bin/env python3
"""`make check LAB=N`: the public tests of a lab, on your own tree. Says what was sent, what was
expected, what came, and where to read on. Exit status: 0 if all have passed."""

import os
import sys
import time

from kit import labs, running, sandbox


def wanted(lab_checks, arguments):
    names = [check.name for check in lab_checks]
    if arguments.test:
        if arguments.test not in names:
            known = "\n  ".join(names)
            running.complain(f"no test is called {arguments.test}; there are:\n  {known}")
        return running.with_needs([arguments.test], lab_checks)
    if arguments.step is not None:
        found = [check.name for check in lab_checks if check.step == arguments.step]
        if not found:
            steps = sorted({check.step for check in lab_checks})
            running.complain(f"no step {arguments.step}; there are {', '.join(map(str, steps))}")
        return running.with_needs(found, lab_checks)
    return lab_checks


def main():
    parser = labs.parser(__doc__)
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--step", type=int)
    parser.add_argument("--test")
    arguments = parser.parse_args()
    sandbox.adopt_orphans()
    lab_checks = running.load(arguments.lab, hidden=False)
    if not lab_checks:
        running.complain(f"lab {arguments.lab} has no tests here")
    began = time.monotonic()
    outcomes = running.run(
        wanted(lab_checks, arguments),
        os.path.dirname(running.COURSE),
        arguments.bin_dir,
        sandbox.AT_HOME,
        show=lambda outcome: print(running.describe(outcome), flush=True),
    )
    passed = sum(outcome.status == "passed" for outcome in outcomes)
    print(f"{passed} of {len(outcomes)} passed, {time.monotonic() - began:.0f} s")
    first = next((outcome for outcome in outcomes if outcome.status == "failed"), None)
    if first:
        again = f"make check LAB={first.check.lab} TEST={first.check.name}"
        print(f"next: step {first.check.step}, {again}")
    sys.exit(passed != len(outcomes))


if __name__ == "__main__":
    main()
