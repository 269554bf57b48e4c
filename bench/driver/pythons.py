"""The interpreters that labs embed: whose programs are where, and what each says that it is."""

import argparse
import os
import re
import subprocess
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Python:
    """An interpreter of a run. Without a name it is the only one."""

    name: str  # what the user calls it: "system", "3.13t"
    bin_dir: str  # where the programs that embed it are
    versions: tuple = ()  # what its labs say with --version, the lab's own name left out
    about: dict = field(default_factory=dict)  # "version", "gil", "built_with"; {}: they don't say

    @property
    def free_threaded(self):
        return self.about.get("gil") is False


def embedded(versions):
    """What a lab's --version says of the Python in it; {} if it says nothing of the kind."""
    for line in versions:
        found = re.fullmatch(r"Python (\S+) (GIL|free-threaded), (.+)", line)
        if found:
            return {"version": found[1], "gil": found[2] == "GIL", "built_with": found[3]}
    return {}


def ask(bin_dir, name=""):
    """The interpreter of the labs in a folder, by their own account."""
    labs = [os.path.join(bin_dir, f"lab{number}") for number in (3, 2, 1)]
    lab = next(filter(os.path.exists, labs), labs[0])  # a hand-out hasn't got them all
    try:
        done = subprocess.run([lab, "--version"], capture_output=True, text=True, timeout=20)
        versions = tuple(done.stdout.splitlines()[1:])
    except (OSError, subprocess.TimeoutExpired):
        versions = ()
    return Python(name, bin_dir, versions, embedded(versions))


def named_folder(text):
    """'3.13t=build/python-3.13t/bin' -> ("3.13t", "build/python-3.13t/bin"), for argparse."""
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise argparse.ArgumentTypeError(f"must be NAME=DIR, not {text!r}")
    return name, folder


def describe(about):
    """'Python 3.13.5 free-threaded, -O3'"""
    gil = "GIL" if about["gil"] else "free-threaded"
    return f"Python {about['version']} {gil}, {about['built_with']}"


def pair(stored):
    """Of a stored run's interpreters the two that differ by the GIL alone: (name with, name
    without) it, or None."""
    for free, about in stored.items():
        for gil, other in stored.items():
            if {**about, "gil": True} == other and about["gil"] is False:
                return gil, free
    return None
