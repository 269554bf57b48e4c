"""Builds hand-outs: the tree that a student starts from, made from the solutions by their markers.

A hand-out of lab N holds what MANIFEST lists, the labs from 1 to N - 1 solved, lab N with its
gaps, and no later lab; lab 0 is alone in its own. Nothing that isn't listed gets into it, so a new
file is private until somebody says otherwise.
"""

import glob
import gzip
import json
import os
import stat
import tarfile

from . import markers, writeup
from .labs import FOLDERS, MADE, ROOT

# What is in every hand-out: files, and folders with all that is in them. {N} is the lab.
MANIFEST = [
    ".clang-format",
    ".editorconfig",
    ".gitignore",
    "LICENSE",
    "Makefile",
    "SECURITY.md",
    "bench/floor.c",
    "bench/pipeline.lua",
    "bench/quantiles.lua",
    "bench/reproduce.py",
    "bench/results/.gitignore",
    "bench/results/numbers.json",
    "bench/results/peers.json",
    "bench/results/reference.json",
    "common",
    "course/check.py",
    "course/course.mk",
    "course/doctor.py",
    "course/grade.py",
    "course/handin.py",
    "course/kit/leaks.txt",
    "course/own.py",
    "course/predict.py",
    "course/setup.sh",
    "course/weights.json",
    "docs",
    "handlers",
    "tests/apps/cores.py",
    "tests/apps/first_step.py",
    "tests/apps/growth.py",
    "tests/apps/harness.py",
    "tests/apps/hooks.py",
    "tests/apps/park.py",
    "tests/apps/ping.py",
    "tests/apps/raises.py",
    "tools",
]
KIT = [
    *("__init__", "answers", "checks", "client", "grading", "isolation", "labs", "predictions"),
    *("running", "sandbox", "sanitizers", "seams", "server", "situations", "symbols", "traces"),
    *("watching", "workers"),
]

# What bench/reproduce.py and course/own.py import. The ladder's modules stay out, like the ladder.
DRIVER = [
    *("__init__", "blocks", "catalogue", "comparison", "figures", "memory", "procfs", "progress"),
    *("promises", "pythons", "reports", "results", "servers", "session", "stats", "tables", "wrk"),
]

# Written for the hand-out: file there, template in course/handout/.
TEMPLATES = {
    "README.md": "README.md",
    ".devcontainer/devcontainer.json": "devcontainer.json",
    ".github/workflows/classroom.yml": "classroom.yml",
}

# What the seam tests of all labs share, and those of the queue.
SEAM = ["blocking.h", "completions.c", "python.c", "python.h", "seam.c", "seam.h"]

_SKIPPED = ("__pycache__", ".tmp", ".pyc")


def _files_below(root, path):
    full = os.path.join(root, path)
    if os.path.isfile(full):
        return [path]
    found = []
    for folder, folders, names in os.walk(full):
        folders[:] = sorted(f for f in folders if not f.endswith(_SKIPPED))
        found += [
            os.path.relpath(os.path.join(folder, name), root)
            for name in sorted(names)
            if not name.endswith(_SKIPPED)
        ]
    return found


def contents(root, lab):
    """Paths of what the hand-out of `lab` takes from the repository."""
    wanted = list(MANIFEST)
    numbers = range(1, lab + 1) if lab > 0 else [0]
    wanted += [FOLDERS[number] for number in numbers]
    wanted += [f"course/kit/{name}.py" for name in KIT]
    wanted += [f"bench/driver/{name}.py" for name in DRIVER]
    wanted += [f"course/checks/lab{number}.py" for number in numbers]
    wanted += [f"course/seam/{name}" for name in SEAM]
    for number in numbers:
        wanted += sorted(glob.glob(f"course/seam/lab{number}*.c", root_dir=root))
    found = []
    for path in wanted:
        found += _files_below(root, path)
    return found


def _weights(text, lab):
    """Without what a hand-out has no test for: hidden ones, later labs."""
    weights = json.loads(text)
    kept = {}
    for name, tests in weights.items():
        if int(name.removeprefix("lab")) <= lab:
            kept[name] = {
                test: points for test, points in tests.items() if not test.startswith("hidden_")
            }
    return json.dumps(kept, indent=4) + "\n"


def _content(root, path, lab, filled):
    made_by, before = MADE.get(lab, {}).get(path, (None, b""))
    if made_by is not None and made_by not in filled:
        return before
    with open(os.path.join(root, path), "rb") as file:
        data = file.read()
    if markers.may_hold_gaps(path):
        text = writeup.without_pointer(data.decode())
        return markers.render(path, text, lab, filled).encode()
    if path == "course/weights.json":
        return _weights(data.decode(), lab).encode()
    return data


def _write_if_changed(path, data, mode):
    """Leave alone what is right already, so that a second build compiles only what changed."""
    try:
        with open(path, "rb") as file:
            if file.read() == data:
                return
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)


def write_tree(target, lab, filled=(), root=ROOT, extra=()):
    """
    Make `target` the hand-out of `lab`, with the solutions of the steps in `filled`, and with
    `extra` paths of the repository. What else is there goes, but for build/.
    """
    wanted = {}
    for path in [*contents(root, lab), *extra]:
        mode = stat.S_IMODE(os.stat(os.path.join(root, path)).st_mode)
        wanted[path] = (_content(root, path, lab, filled), mode)
    for path, template in TEMPLATES.items():
        wanted[path] = (_from_template(root, template, lab), 0o644)
    for path in _files_below(target, ".") if os.path.isdir(target) else []:
        path = os.path.normpath(path)
        if not path.startswith("build/") and path not in wanted:
            os.remove(os.path.join(target, path))
    for path, (data, mode) in wanted.items():
        _write_if_changed(os.path.join(target, path), data, mode)
    return sorted(wanted)


def write_solution(target, lab):
    """The same with all steps filled in. returns the steps"""
    steps = markers.steps_of(ROOT, lab)
    write_tree(target, lab, set(steps))
    return steps


def _from_template(root, template, lab):
    with open(os.path.join(root, "course/handout", template), encoding="utf-8") as file:
        text = file.read()
    return text.replace("{N}", str(lab)).replace("{FOLDER}", FOLDERS[lab]).encode()


def write_tarball(tree, paths, file):
    """The tree's `paths`, below one folder, the same bytes whenever the same files go in."""

    def plain(info):
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = "root"
        return info

    name = os.path.basename(tree)
    with open(file, "wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for path in paths:
                tar.add(os.path.join(tree, path), arcname=f"looplab-{name}/{path}", filter=plain)
