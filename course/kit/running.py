"""Runs checks one after the other, and shows what failed."""

import importlib.util
import os
import sys
import time

from . import checks, sandbox, sanitizers
from .checks import Failed, Outcome
from .client import Connection
from .labs import FOLDERS, ROOT
from .server import Server

COURSE = os.path.join(ROOT, "course")
CROWD = 40  # processes: no lab has a reason for any


class Context:
    """What a check gets: the student's programs, and a place for what it has done so far."""

    def __init__(self, check, tree, bin_dir, limits):
        self.lab, self.tree, self.plain_dir = check.lab, tree, bin_dir
        self.bin_dir = sanitizers.bin_dir(bin_dir, check.build)
        self.limits = sanitizers.limits_for(limits, self.bin_dir)
        self.steps, self._open = [], []

    def step(self, text):
        self.steps.append(text)

    def program(self, name):
        path = os.path.join(self.tree, self.bin_dir, name)
        if not os.path.exists(path):
            seen = "it isn't: its code doesn't compile or link, see above"
            raise Failed(f"{name} is built", seen)
        return path

    def start(self, *arguments, app="park", folder="tests/apps"):
        """
        The lab, serving `app` of that folder (None: the bundled app); "module" is one of its two
        apps, "module:app" that object. Returns once it listens.
        """
        kind = "sync_app" if self.lab in (0, 3) else "async_app"
        options = [f"--app={app if ':' in app else f'{app}:{kind}'}"] if app else []
        server = Server(self, self.program(f"lab{self.lab}"), [*options, *arguments], folder)
        self._open.append(server)
        return server

    def connect(self, server, name="", cause=""):
        try:
            connection = Connection(self, server.port, name)
        except OSError as error:
            server.check_alive(cause)
            raise Failed("the server accepts a connection", error.strerror, cause) from None
        self._open.append(connection)
        return connection

    def get(self, server, target, cause=""):
        """GET on a connection of its own. returns the answer; `cause`: why there may be none"""
        return self.connect(server, cause=cause).send(target).answer(cause)

    def explain(self, failed):
        """What a sanitizer has said of a server comes before what a client has seen of it."""
        for thing in self._open:
            found = sanitizers.report(thing.stderr()) if isinstance(thing, Server) else ""
            if found and found != failed.seen:
                return Failed("no word from the sanitizers", found, failed.cause)
        return failed

    def close(self):
        for thing in reversed(self._open):
            thing.close()


def load(lab, hidden=True):
    """Register the checks of a lab: public ones, and the hidden ones where they are."""
    for folder in ("checks", "hidden") if hidden else ("checks",):
        file = os.path.join(COURSE, folder, f"lab{lab}.py")
        if os.path.exists(file):
            spec = importlib.util.spec_from_file_location(f"{folder}_lab{lab}", file)
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return checks.of_lab(lab)


def loaded(lab):
    """The same for who comes back to a lab: they are registered once."""
    return checks.of_lab(lab) or load(lab)


def run_one(check, tree, bin_dir, limits):
    t = Context(check, tree, bin_dir, limits)
    outcome, began = Outcome(check, "passed"), time.monotonic()
    try:
        check.function(t)
    except Failed as error:
        failed = t.explain(error)
        outcome.status = "failed"
        outcome.expected, outcome.seen = failed.expected, failed.seen
        outcome.cause = failed.cause
    except OSError as error:  # a program that isn't there, a server that has gone
        outcome.status = "failed"
        outcome.expected, outcome.seen = "the server can be reached", str(error)
    finally:
        t.close()
        sandbox.end_descendants()
    outcome.steps, outcome.seconds = t.steps, time.monotonic() - began
    return outcome


def run(wanted, tree, bin_dir, limits, show=None, budget_s=None):
    """
    Run checks in their order. One whose `needs` haven't passed isn't run, nor is any once they have
    taken `budget_s` in all, or after one that has left a crowd of processes behind. returns the
    outcomes
    """
    outcomes, began, crowd = {}, time.monotonic(), ""
    for check in wanted:
        missing = [n for n in check.needs if n in outcomes and outcomes[n].status != "passed"]
        if budget_s is not None and time.monotonic() - began > budget_s:
            cause = f"the time for all tests, {budget_s} s, was over: those before hang or crawl"
            outcome = Outcome(check, "not run", cause=cause)
        elif crowd:
            outcome = Outcome(check, "not run", cause=crowd)
        elif missing:
            outcome = Outcome(check, "not run", cause=f"needs {missing[0]}, which has not passed")
        else:
            before = len(sandbox.ended)
            outcome = run_one(check, tree, bin_dir, limits)
            left = len(sandbox.ended) - before
            if left > CROWD:
                crowd = f"{check.name} left {left} processes behind: it forks without end"
        outcomes[check.name] = outcome
        if show:
            show(outcome)
    return list(outcomes.values())


def with_needs(names, lab_checks):
    """The checks of these names and what they need, in the lab's order."""
    by_name = {check.name: check for check in lab_checks}
    wanted, new = set(), set(names)
    while new:
        wanted |= new
        new = {need for name in new for need in by_name[name].needs} - wanted
    return [check for check in lab_checks if check.name in wanted]


def describe(outcome):
    """What a student reads of one check."""
    check = outcome.check
    head = f"{outcome.status:8} step {check.step}  {check.name}: {check.title}"
    if outcome.status != "failed":
        return head + (f"\n             {outcome.cause}" if outcome.status == "not run" else "")
    lines = [head]
    lines += [f"    {number}. {text}" for number, text in enumerate(outcome.steps, 1)]
    lines += [f"    expected  {outcome.expected}", f"    seen      {outcome.seen}"]
    if outcome.cause:
        lines.append("    because?  " + outcome.cause.replace("\n", "\n              "))
    lines.append(f"    again     make check LAB={check.lab} TEST={check.name}")
    where = f", step {check.step}" if check.step else ""
    lines.append(f"    read      {check.read or f'{FOLDERS[check.lab]}/README.md{where}'}")
    return "\n".join(lines)


def complain(text):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {text}")
