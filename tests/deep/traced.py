#!/usr/bin/env python3
"""Trace requests by the million: memory stays as it is, and the trace file small and whole.

    traced.py --bin-dir FOLDER [--labs lab1,lab2,lab3,lab4,lab5] [--requests 2000000]

wrk loads each lab, 16 requests pipelined, until it has answered so many of them, with --stats and
--trace into files; lab2, which takes far longer for one, a fifth of them. Prints PASS or FAIL for
each claim; exit status 1 if one fails.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "bench"))

from driver import procfs, wrk  # noqa: E402

ROUND = 2  # seconds of wrk at a time
PART = {"lab2": 5}  # of --requests, one in so many
# In the second half; in the first one pools are filled. What comes and goes with connections is
# some MiB, traced or not; a request's record is a KiB.
MAX_GROWTH = 4 << 20  # bytes
MAX_TRACE_FILE = 40 << 20  # bytes
SHOWN = 2048  # requests in the trace file, the last ones
END = 60  # seconds; only turns a hang into a failure


def start(program, stats, trace):
    one = ["--workers=1"] if program.endswith("lab5") else []  # as many HTTP threads as the others
    lab = subprocess.Popen([program, "--port=0", f"--stats={stats}", f"--trace={trace}", *one],
                           text=True, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for line in lab.stdout:
        if found := re.match(r"listening on (http://\S+)", line):
            return lab, found[1]
    sys.exit(f"{program} doesn't start")


def load(lab, url, wanted):
    """Returns how many were answered, and the resident bytes half-way and at the end."""
    answered, half_way = 0, None
    while answered < wanted:
        answered += wrk.run(url, ROUND, pipelined=True)[0].requests
        if half_way is None and answered >= wanted / 2:
            half_way = procfs.resident_bytes(lab.pid)
    return answered, half_way, procfs.resident_bytes(lab.pid)


def check_trace(path):
    """What tests/support/check_trace.py says of the file, and whether it is content."""
    checker = os.path.join(ROOT, "tests", "support", "check_trace.py")
    done = subprocess.run([sys.executable, checker, path, str(SHOWN)], text=True,
                          capture_output=True)
    return done.returncode == 0, (done.stdout or done.stderr).strip()


def claims(lab, answered, half_way, end, stats, trace):
    """(claim, whether it holds, figures)"""
    yield "exit status 0", lab.returncode == 0, lab.returncode
    yield ("in the second half resident memory grows by at most 4 MiB",
           end - half_way <= MAX_GROWTH,
           f"{half_way >> 10:,} KiB half-way, {end >> 10:,} KiB at the end")
    with open(stats, encoding="utf-8") as file:
        report = json.load(file)
    counted, sampled, dropped = report["requests"], report["sampled"], report["dropped"]
    every = report["sample_every"]
    most = (counted + dropped) // every  # some of these may be among the dropped
    yield ("every answer that wrk got is counted", counted >= answered,
           f"{counted:,} counted, {dropped:,} dropped; {answered:,} answers")
    yield (f"one in {every} is sampled", most - dropped <= sampled <= most, f"{sampled:,}")
    yield ("each gap is counted as often", {row["count"] for row in report["hops"]} == {counted},
           f"{len(report['hops'])} gaps")
    size = os.path.getsize(trace)
    yield "the trace file has at most 40 MiB", size <= MAX_TRACE_FILE, f"{size >> 10:,} KiB"
    yield "a viewer can show it", *check_trace(trace)


def check(bin_dir, name, requests):
    with tempfile.TemporaryDirectory(prefix="looplab-") as folder:
        stats, trace = (os.path.join(folder, file) for file in ("stats.json", "trace.json"))
        lab, url = start(os.path.abspath(os.path.join(bin_dir, name)), stats, trace)
        try:
            loaded = load(lab, url, requests // PART.get(name, 1))
            lab.send_signal(signal.SIGTERM)
            lab.communicate(timeout=END)
        finally:
            lab.kill()
        print(f"{name}: {loaded[0]:,} requests traced")
        failed = 0
        for claim, holds, figures in claims(lab, *loaded, stats, trace):
            print(f"  {'PASS' if holds else 'FAIL'}  {claim}: {figures}")
            failed += not holds
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--labs", default="lab1,lab2,lab3,lab4,lab5")
    parser.add_argument("--requests", type=int, default=2000000)
    options = parser.parse_args()
    return min(1, sum(check(options.bin_dir, name, options.requests)
                      for name in options.labs.split(",")))


if __name__ == "__main__":
    sys.exit(main())
