"""The labs: their folders, the files that are the student's, and who works on which tree."""

import argparse
import fcntl
import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

FOLDERS = {
    0: "lab0_first_run",
    1: "lab1_single_loop",
    2: "lab2_threadpool",
    3: "lab3_sync_handlers",
    4: "lab4_eager_start",
    5: "lab5_loop_per_core",
}

# What a student may change, and all that is taken from them. Each exists in the hand-out.
ALLOWED = {
    0: [f"lab0_first_run/{name}" for name in ("answers.txt", "app.py", "routes.c", "trace.json")],
    1: ["lab1_single_loop/dispatch.c", "common/bridge/completions.c"],
    2: ["lab2_threadpool/dispatch.c"],
    3: ["lab3_sync_handlers/dispatch.c", "lab3_sync_handlers/pool.c"],
    4: [f"lab4_eager_start/{name}.c" for name in ("dispatch", "nested_loop", "started")],
    5: ["common/http/listen.c", *(f"lab5_loop_per_core/{name}.c" for name in ("team", "worker"))],
}

# Files that aren't written but made: (the step that makes them, what the starter has instead).
MADE = {0: {"lab0_first_run/trace.json": (4, b'{"traceEvents": []}\n')}}


def number(text):
    """A lab's, from a command line."""
    if text not in map(str, FOLDERS):
        known = " or ".join(map(str, FOLDERS))
        raise argparse.ArgumentTypeError(f"LAB={known}, not {text!r}")
    return int(text)


def parser(description):
    """Of a command that is about one lab."""
    found = argparse.ArgumentParser(description=description)
    found.add_argument("lab", type=number, help="its number")
    return found


_locks = {}


def lock(folder):
    """Wait until no other process works in `folder`, then keep it until this one ends."""
    if folder not in _locks:
        os.makedirs(folder, exist_ok=True)
        _locks[folder] = os.open(f"{folder}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(_locks[folder], fcntl.LOCK_EX)
