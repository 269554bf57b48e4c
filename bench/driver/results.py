"""What is stored: the environment, and every raw figure of a run, in bench/results/."""

import json
import os
import platform
import re
import subprocess
import tempfile
import time

from . import pythons
from .catalogue import BENCH, PYTHON

SCHEMA_VERSION = 1
FOLDER = os.path.join(BENCH, "results")

# A run for the record: the file that is committed, and from which the documents' tables come. What
# is shorter goes to a file beside it that git ignores.
RECORD_ROUNDS, RECORD_SECONDS = 10, 3
# What has many configurations needs less of each: the ladder 25, the interpreters 46.
LADDER_SECONDS = 2
INTERPRETERS_ROUNDS, INTERPRETERS_SECONDS = 6, 2
ENOUGH = {
    "ladder": (RECORD_ROUNDS, LADDER_SECONDS),
    "interpreters": (INTERPRETERS_ROUNDS, INTERPRETERS_SECONDS),
    "breakdown": (5, 4),
    "tracing": (6, 2),
    "workloads": (2, 1),
    "scaling": (4, 2),
    "open-loop": (3, 4),
    "upstream": (5, 2),
    "crossover": (5, 1),
}
RECORDS = {
    "reproduce": "reference.json",
    "pythons": "reference-pythons.json",
    "measure": "measure.json",
    "peers": "peers.json",
    "interpreters": "interpreters.json",
    "ladder": "ladder.json",
    "ladder-offline": "ladder-offline.json",
    "breakdown": "breakdown.json",
    "tracing": "tracing.json",
    "workloads": "workloads.json",
    "scaling": "scaling.json",
    "open-loop": "open-loop.json",
    "upstream": "upstream.json",
    "crossover": "crossover.json",
    "compare": "compare.json",
    "soak": "soak.json",
    "idle": "idle.json",
    "eager": "eager.json",
    "traces": "traces.json",
    "numbers": "numbers.json",
    "by-hand": "by-hand.json",
    # of `make bench-peers` and `make interpreters` on another machine
    "peers-dear-calls": "peers-dear-calls.json",
    "interpreters-dear-calls": "interpreters-dear-calls.json",
}
ORIENTATIONS = {
    "reproduce": "latest.json",
    "pythons": "latest-pythons.json",
    "measure": "latest-measure.json",
    "peers": "latest-peers.json",
    "interpreters": "latest-interpreters.json",
    "ladder": "latest-ladder.json",
    "ladder-offline": "latest-ladder-offline.json",
    "breakdown": "latest-breakdown.json",
    "tracing": "latest-tracing.json",
    "workloads": "latest-workloads.json",
    "scaling": "latest-scaling.json",
    "open-loop": "latest-open-loop.json",
    "upstream": "latest-upstream.json",
    "crossover": "latest-crossover.json",
    "compare": "latest-compare.json",
    "soak": "latest-soak.json",
    "idle": "latest-idle.json",
    "eager": "latest-eager.json",
    "traces": "latest-traces.json",
    "numbers": "latest-numbers.json",
}


def name_for(kind, rounds, seconds, whole=True):
    """Where a run is stored: what is too short, or measured in part only, is not for the record."""
    least = ENOUGH.get(kind, (RECORD_ROUNDS, RECORD_SECONDS))
    long_enough = rounds >= least[0] and seconds >= least[1]
    return name_of(kind, long_enough and whole)


def name_of(kind, for_the_record):
    return (RECORDS if for_the_record else ORIENTATIONS)[kind]


# ---- Environment ---------------------------------------------------------------------------------


def _output(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, cwd=BENCH)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _cpu_model():
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def _build(bin_dir):
    """What the Makefile wrote beside the programs; without anything that looks like a path."""
    try:
        with open(os.path.join(bin_dir, "build.json")) as file:
            build = json.load(file)
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in build.items() if not re.search(r"(^|[\s=I])/", str(v))}


def _system_call_us(calls=20_000, repeats=9):
    """What a short system call takes, with Python's own share: an eventfd write. Page-table
    isolation and the like make it several times dearer on one machine than on another, and a server
    lives on system calls."""
    if not hasattr(os, "eventfd"):
        return None
    descriptor = os.eventfd(0, os.EFD_NONBLOCK)
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(calls):
            os.eventfd_write(descriptor, 1)
        best = min(best, time.perf_counter() - start)
    os.close(descriptor)
    return best / calls * 1e6


def _modified():
    """Do the sources differ from the commit? Stored results and documents aren't measured."""
    code = ["--", ":/", ":(exclude,top)bench/results", ":(exclude,top)*.md"]
    return bool(_output("git", "status", "--porcelain", "--untracked-files=no", *code))


def environment(bin_dir):
    """The machine and the build; nothing that names the host or a path on it."""
    bin_dir = os.path.abspath(bin_dir)
    python = pythons.ask(bin_dir)
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()}",
        "system_call_us": _system_call_us(),
        "versions": list(python.versions),
        "python": python.about,
        "peers_python": _output(PYTHON, "--version"),
        "wrk": _output("wrk", "-v").partition(" [")[0],
        "commit": _output("git", "rev-parse", "--short=12", "HEAD") or "unknown",
        "modified": _modified(),
        "build": _build(bin_dir),
    }


def environment_of(several):
    """The same for a run with several interpreters, of which each is said."""
    common = environment(several[0].bin_dir)
    libraries = [line for line in common["versions"] if not line.startswith("Python ")]
    return {
        **common,
        "versions": [f"{python.versions[0]} ({python.name})" for python in several] + libraries,
        "python": {},
        "pythons": {python.name: python.about for python in several},
        "build": {},
        "builds": {python.name: _build(python.bin_dir) for python in several},
    }


# ---- Files ---------------------------------------------------------------------------------------


def save(name, data, folder=FOLDER):
    """Write a results file so that it is there whole or not at all. Returns None, or what went
    wrong: what can't be stored can still be shown."""
    path = os.path.join(folder, name)
    temporary = None
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, suffix=".tmp") as file:
            temporary = file.name
            json.dump({"schema_version": SCHEMA_VERSION, **data}, file, indent=1)
            file.write("\n")
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            remove(temporary, folder)
        return f"{name} couldn't be stored in {os.path.relpath(folder)}: {error.strerror}"
    return None


def load(name, folder=FOLDER):
    """A stored results file, or None if there is none that is whole and of this schema."""
    try:
        with open(os.path.join(folder, name)) as file:
            data = json.load(file)
    except (OSError, ValueError):
        return None
    if not isinstance(data, dict) or data.get("schema_version") != SCHEMA_VERSION:
        return None
    return data if isinstance(data.get("blocks"), list) else None


def remove(name, folder=FOLDER):
    try:
        os.unlink(os.path.join(folder, name))
    except OSError:
        pass
