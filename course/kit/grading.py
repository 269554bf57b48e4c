"""Grades one student's files: a clean tree, our Makefile and tests, theirs only what is allowed.

The tree is a copy of a starter that was built before without any code of a student's, so that only
their files are compiled. It is theirs while it is built, and read-only for them while it is tested;
the results are written elsewhere. What is built from their files is removed from the copy first: if
their code doesn't compile, no program of ours may stand in for it.
"""

import glob
import json
import os
import shutil
import stat
import tempfile
import time
from dataclasses import dataclass, field

from . import running, sandbox, sanitizers
from .labs import ALLOWED, ROOT, lock

BUILD_TIMEOUT_S = 400
TESTS_BUDGET_S = 150
_COMPILING = sandbox.Limits(cpu_s=300, memory=4 << 30, processes=256, file=256 << 20)


class GraderError(Exception):
    """The grader itself can't go on: nobody's marks depend on it."""


# ---- Weights -------------------------------------------------------------------------------------


def weights(lab, lab_checks):
    """{test: points}. Every test has a weight and every weight a test, or the grader stops."""
    with open(os.path.join(ROOT, "course/weights.json"), encoding="utf-8") as file:
        found = json.load(file).get(f"lab{lab}", {})
    names = {check.name for check in lab_checks}
    for what, missing in (
        ("no weight in course/weights.json", names - set(found)),
        ("a weight in course/weights.json, but no such test", set(found) - names),
    ):
        if missing:
            raise GraderError(f"lab {lab}: {what}: {', '.join(sorted(missing))}")
    return found


# ---- Trees ---------------------------------------------------------------------------------------


def _copy_of_handout(target):
    """Where this is a hand-out itself, it is the starter."""
    keep = shutil.ignore_patterns("build", ".git", "__pycache__", "lab?", "*.tmp")
    shutil.copytree(ROOT, target, ignore=keep, dirs_exist_ok=True)


def write_starter(target, lab):
    os.makedirs(target, exist_ok=True)
    try:
        from . import handout
    except ImportError:
        _copy_of_handout(target)
    else:
        handout.write_tree(target, lab)
    share_dependencies(target)


def share_dependencies(target):
    """What tools/deps.sh has fetched into build/deps serves the tree too: no second download."""
    ours, theirs = os.path.join(ROOT, "build/deps"), os.path.join(target, "build/deps")
    if os.path.isdir(ours) and not os.path.exists(theirs):
        shutil.copytree(ours, theirs, symlinks=True)


def make(tree, *arguments, limits=_COMPILING):
    """returns (status, output, what) as sandbox.run()"""
    command = ["make", "--no-print-directory", "-C", tree, "DEPS=0", *arguments]
    return sandbox.run(
        command,
        limits,
        BUILD_TIMEOUT_S,
        output_limit=64 << 10,
        cwd=tree,
        env=sandbox.environment(),
    )


def bin_dir(tree):
    """Where that tree's Makefile puts programs."""
    status, output, _ = make(tree, "-s", "print-bin", limits=sandbox.UNLIMITED)
    if status != 0:
        raise GraderError(f"the Makefile in {tree} doesn't say where programs go:\n{output}")
    return output.split()[-1]


def _remove_students_parts(tree, lab):
    """From a built starter: all that is made of the student's files, libraries and programs too."""
    for path in [
        *glob.glob(f"{tree}/build/*/bin"),
        *glob.glob(f"{tree}/build/*/*.a"),
        *glob.glob(f"{tree}/build/*/course"),
        *(
            found
            for allowed in ALLOWED[lab]
            for found in glob.glob(f"{tree}/build/*/{allowed[:-2]}.[od]")
        ),
    ]:
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


def _take(path, target):
    """Copy one file of the student's: a plain file of a sane size, nothing else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return f"{path}: {error.strerror}"
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return f"{path} is no file"
    with open(descriptor, "rb") as file:
        data = file.read((1 << 20) + 1)
    if len(data) > 1 << 20:
        return f"{path} is larger than 1 MiB"
    with open(target, "wb") as file:
        file.write(data)
    return ""


@dataclass
class Grading:
    outcomes: list
    points: dict
    complaints: list
    seconds: float
    leaderboard: list = field(default_factory=list)

    def score(self, outcome):
        return self.points[outcome.check.name] if outcome.status == "passed" else 0

    @property
    def total(self):
        return sum(map(self.score, self.outcomes))

    @property
    def most(self):
        return sum(self.points.values())


def grade(lab, student, only=None, show=None, leaderboard=False):
    """
    Grade the files in `student`, a tree like a hand-out's. With `leaderboard`, and full marks, say
    how fast they are beside the solution.
    """
    began = time.monotonic()
    lab_checks = running.load(lab)
    points = weights(lab, lab_checks)
    if os.geteuid() == 0:
        # Limits are per user: one grading at a time.
        lock(f"/run/looplab/uid-{sandbox.STUDENT_UID}")
    base = os.path.join(ROOT, f"build/grade/lab{lab}/base")
    lock(base)
    write_starter(base, lab)
    status, output, _ = make(
        base, "-j2", *sanitizers.TARGETS.values(), f"LAB={lab}", limits=sandbox.UNLIMITED
    )
    if status != 0:
        raise GraderError(f"the starter doesn't build:\n{output}")
    where = bin_dir(base)
    folder = tempfile.mkdtemp(prefix="looplab-grade-")
    try:
        os.chmod(folder, 0o755)
        with sandbox.as_student(folder):
            complaints, outcomes = _grade_in(
                folder, base, where, lab, student, only or lab_checks, show
            )
        graded = Grading(outcomes, points, complaints, time.monotonic() - began)
        if leaderboard and graded.total == graded.most:
            _add_leaderboard(graded, lab, os.path.join(folder, "tree"), where, folder)
    finally:
        sandbox.end_descendants()
        shutil.rmtree(folder, ignore_errors=True)
    return graded


def _add_leaderboard(graded, lab, tree, where, folder):
    try:
        from . import leaderboard
    except ImportError:  # a hand-out has no solution
        return
    graded.leaderboard, complaint = leaderboard.entries(lab, tree, where, folder)
    graded.complaints += [complaint] if complaint else []


def _grade_in(folder, base, where, lab, student, wanted, show):
    tree, complaints = os.path.join(folder, "tree"), []
    shutil.copytree(base, tree, symlinks=True)
    _remove_students_parts(tree, lab)
    for path in ALLOWED[lab]:
        complaint = _take(os.path.join(student, path), os.path.join(tree, path))
        if complaint:
            complaints.append(f"{complaint}: the starter's stands in for it")
    sandbox.give_away(tree)
    targets = sanitizers.TARGETS.values()
    status, output, what = make(tree, "-j2", "-k", *targets, f"LAB={lab}")
    sandbox.end_descendants()
    sandbox.take_back(tree)
    if status != 0:
        complaints.append(f"doesn't build{what and ': ' + what}\n{output[-4000:]}")
    return complaints, running.run(
        wanted, tree, where, sandbox.Limits(), show, TESTS_BUDGET_S
    )


# ---- Results -------------------------------------------------------------------------------------


def table(grading):
    lines, steps = [], {}
    for outcome in grading.outcomes:
        got, most = steps.get(outcome.check.step, (0, 0))
        steps[outcome.check.step] = (
            got + grading.score(outcome),
            most + grading.points[outcome.check.name],
        )
        note = "" if outcome.status == "passed" else f"  {outcome.status}"
        lines.append(
            f"  {grading.score(outcome):3}/{grading.points[outcome.check.name]:<3}"
            f" step {outcome.check.step}  {outcome.check.name}{note}"
        )
    lines.append("")
    lines += [f"  step {step}: {got}/{most}" for step, (got, most) in sorted(steps.items())]
    lines.append(f"  total: {grading.total}/{grading.most}, {grading.seconds:.0f} s")
    return "\n".join(lines)


def gradescope(grading):
    """The autograder's results.json, as a dict."""
    return {
        "score": grading.total,
        "execution_time": round(grading.seconds),
        "output": "\n".join(grading.complaints),
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [
            {
                "name": outcome.check.name,
                "number": f"{outcome.check.step}.{number}",
                "score": grading.score(outcome),
                "max_score": grading.points[outcome.check.name],
                "status": "passed" if outcome.status == "passed" else "failed",
                "output": running.describe(outcome),
                "visibility": "after_published" if outcome.check.hidden else "visible",
            }
            for number, outcome in enumerate(grading.outcomes, 1)
        ],
        "leaderboard": grading.leaderboard,
    }


def write_results(grading, lab):
    folder = os.path.join(ROOT, f"build/grade/lab{lab}")
    path = os.path.join(folder, "results.json")
    os.makedirs(folder, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(gradescope(grading), file, indent=1)
        file.write("\n")
    return path
