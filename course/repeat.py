#!/usr/bin/env python3
"""`make check-repeat LAB=N REPEAT=20 BUSY=1`: the solution gets full marks every time.

Grades the solution REPEAT times in a row, with BUSY=1 beside a busy loop on each core. A test that
fails now and then costs somebody points that they have earned. Exit status: 0 if none has, and each
came to a grade."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from kit import handout, labs

_SPIN = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(1 << 16))\n"


@contextlib.contextmanager
def busy_cores(wanted):
    """A loop on each core that ends with this block, or with this process."""
    loops = []
    try:
        for core in os.sched_getaffinity(0) if wanted else ():
            loop = subprocess.Popen([sys.executable, "-c", _SPIN])
            os.sched_setaffinity(loop.pid, {core})
            loops.append(loop)
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def solution(lab):
    """A folder with what a student hands in who has solved everything."""
    folder = tempfile.mkdtemp(prefix="looplab-solution-")
    handout.write_solution(folder, lab)
    return folder


def grade_once(lab, student):
    """In a process of its own, which ends whatever descends from it. returns what went wrong"""
    command = [sys.executable, os.path.join(labs.ROOT, "course/grade.py"), str(lab)]
    done = subprocess.run([*command, "--from", student], capture_output=True, text=True)
    if done.returncode != 0:  # it came to no grade, nor would the next time
        sys.exit(done.stderr.strip() or f"grade.py: exit status {done.returncode}")
    path = os.path.join(labs.ROOT, f"build/grade/lab{lab}/results.json")
    with open(path, encoding="utf-8") as file:
        results = json.load(file)
    failed = [test["output"] for test in results["tests"] if test["status"] != "passed"]
    return "\n".join([results["output"], *failed]).strip()


def main():
    parser = labs.parser(__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--busy", action="store_true")
    arguments = parser.parse_args()
    lab, wrong, began = arguments.lab, 0, time.monotonic()
    student = solution(lab)
    try:
        for number in range(1, arguments.times + 1):
            start = time.monotonic()
            with busy_cores(arguments.busy):
                fault = grade_once(lab, student)
            wrong += bool(fault)
            print(
                f"lab {lab}, {number} of {arguments.times}, {time.monotonic() - start:.0f} s:"
                f" {fault or 'full marks'}",
                flush=True,
            )
    finally:
        shutil.rmtree(student)
    print(f"lab {lab}: {wrong} of {arguments.times} wrong, {time.monotonic() - began:.0f} s")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
