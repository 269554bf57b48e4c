"""How fast a student's server is beside the solution: for a leaderboard, never for the score.

Ratios, since seconds are the machine's: both servers are loaded by wrk in short rounds, in turn,
and the ratio is formed in each round. Only for who has full marks: what is fast and wrong is no
use.
"""

import os
import sys

from . import grading, handout, sandbox
from .checks import Failed
from .labs import ROOT, lock
from .server import Server

sys.path.insert(0, os.path.join(ROOT, "bench"))

from driver import procfs, stats, wrk  # noqa: E402

ROUNDS, SECONDS = 5, 1


class _Program:
    """One of the two; what Server wants to know of a check."""

    limits = sandbox.Limits()

    def __init__(self, lab, tree, where):
        self.tree, self.path = tree, os.path.join(tree, where, f"lab{lab}")

    def step(self, text):
        pass

    def load(self):
        """A round. returns (requests/s, CPU µs of the server per request)"""
        server = Server(self, self.path, [], "handlers")
        try:
            before = procfs.usage(server.process.pid).cpu
            report, _ = wrk.run(f"http://127.0.0.1:{server.port}/", SECONDS)
            used = procfs.usage(server.process.pid).cpu - before
        finally:
            server.close()
        if report.requests == 0 or report.bad_answers > 0 or used <= 0:
            raise wrk.WrkError(f"{report.requests} answers, {report.bad_answers} of them bad")
        return report.rps, 1e6 * used / report.requests


def _reference(lab):
    """The solution, built beside the starter that grading copies."""
    tree = os.path.join(ROOT, f"build/grade/lab{lab}/reference")
    lock(tree)
    handout.write_solution(tree, lab)
    grading.share_dependencies(tree)
    status, output, _ = grading.make(tree, "-j2", f"lab{lab}", limits=sandbox.UNLIMITED)
    if status != 0:
        raise grading.GraderError(f"the reference doesn't build:\n{output}")
    return _Program(lab, tree, grading.bin_dir(tree))


def _rounds(student, folder, reference):
    """[(student's figures, the reference's)]"""

    def of_student():
        with sandbox.as_student(folder):
            return student.load()

    found = []
    for number in range(ROUNDS):
        if number % 2:
            theirs = reference.load()
            found.append((of_student(), theirs))
        else:
            found.append((of_student(), reference.load()))
    return found


def entries(lab, tree, where, folder):
    """
    For results.json: of the student's programs in `tree`, which is in `folder`. returns (entries, a
    line that says why there are none)
    """
    try:
        wrk.check_installed()
        rounds = _rounds(_Program(lab, tree, where), folder, _reference(lab))
    except (Failed, OSError, wrk.WrkError) as error:
        return [], f"no leaderboard: {error}"
    ratios = [
        stats.ratio([theirs[at] for theirs, _ in rounds], [ours[at] for _, ours in rounds])[0]
        for at in (0, 1)
    ]
    return [
        {"name": "requests/s, as a share of the solution's", "value": round(ratios[0], 2)},
        {
            "name": "CPU per request, as a share of the solution's",
            "value": round(ratios[1], 2),
            "order": "asc",
        },
    ], ""
