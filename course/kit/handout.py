"""Builds hand-outs: the tree that a student starts from, made from the solutions by their markers.

A hand-out of lab N holds what MANIFEST lists, the labs before N solved, lab N with its gaps, and no
later lab. Nothing that isn't listed gets into it, so a new file is private until somebody says
otherwise.
"""

import gzip
import json
import os
import stat
import tarfile

from . import markers
from .labs import FOLDERS, ROOT

# What is in every hand-out: files, and folders with all that is in them. {N} is the lab.
MANIFEST = [
    ".clang-format",
    ".editorconfig",
    ".gitignore",
    "LICENSE",
    "Makefile",
    "common",
    "course/check.py",
    "course/course.mk",
    "course/doctor.py",
    "course/grade.py",
    "course/handin.py",
    "course/predict.py",
    "course/weights.json",
    "handlers",
    "tests/apps/harness.py",
    "tests/apps/hooks.py",
    "tests/apps/park.py",
    "tests/apps/ping.py",
    "tests/apps/raises.py",
    "tools",
]
KIT = ["__init__", "checks", "client", "grading", "labs", "running", "sandbox", "seams", "server"]

# What the seam tests of all labs share, and those of the queue.
SEAM = ["completions.c", "python.c", "python.h", "seam.c", "seam.h"]

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
    wanted += [FOLDERS[number] for number in sorted(FOLDERS) if number <= lab]
    wanted += [f"course/kit/{name}.py" for name in KIT]
    wanted += [f"course/checks/lab{number}.py" for number in range(1, lab + 1)]
    wanted += [f"course/seam/{name}" for name in SEAM]
    wanted += [f"course/seam/lab{number}.c" for number in range(1, lab + 1)]
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
    with open(os.path.join(root, path), "rb") as file:
        data = file.read()
    if path.endswith((".c", ".h")) and not path.startswith(("course/", "tests/")):
        return markers.render(path, data.decode(), lab, filled).encode()
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
    wanted["README.md"] = (_readme(root, lab), 0o644)
    for path in _files_below(target, ".") if os.path.isdir(target) else []:
        path = os.path.normpath(path)
        if not path.startswith("build/") and path not in wanted:
            os.remove(os.path.join(target, path))
    for path, (data, mode) in wanted.items():
        _write_if_changed(os.path.join(target, path), data, mode)
    return sorted(wanted)


def _readme(root, lab):
    with open(os.path.join(root, "course/handout/README.md"), encoding="utf-8") as file:
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
