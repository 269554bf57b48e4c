"""The autograder's bundle, a zip for Gradescope: setup.sh, run_autograder, and what the grader
needs of this repository, solutions and hidden tests included. For the instructor's eyes only."""

import os
import stat
import zipfile

from . import handout
from .labs import ROOT

_KIT = ("bundle", "handout", "leaderboard", "markers", "writeup")


def contents(lab):
    """Paths of the repository that the bundle holds as they are."""
    wanted = handout.contents(ROOT, lab)
    wanted += [f"course/kit/{name}.py" for name in _KIT]
    wanted += [f"course/handout/{name}" for name in sorted(handout.TEMPLATES.values())]
    wanted.append(f"course/hidden/lab{lab}.py")
    return [path for path in wanted if os.path.isfile(os.path.join(ROOT, path))]


def _scripts(lab):
    for name in ("run_autograder", "setup.sh"):
        with open(os.path.join(ROOT, "course/autograder", name), encoding="utf-8") as file:
            yield name, file.read().replace("{N}", str(lab)).encode(), 0o755


def _files(lab):
    for path in contents(lab):
        full = os.path.join(ROOT, path)
        with open(full, "rb") as file:
            yield path, file.read(), stat.S_IMODE(os.stat(full).st_mode)


def write(lab, path):
    """returns how many files are in it. The same files make the same bytes."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    count = 0
    with zipfile.ZipFile(path, "w") as archive:
        for name, data, mode in (*_scripts(lab), *_files(lab)):
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFREG | mode) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
            count += 1
    return count
