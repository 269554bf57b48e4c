"""Runs the seam tests: programs in C that call one gap at a time, between neighbours that are fakes.

Such a program shares its process with the student's code. So it isn't believed for its exit status
alone, nor for what it prints on the way: its last line has to repeat a word that it reads from
standard input once the test is through.
"""

import os
import secrets

from . import checks, sandbox
from .checks import Failed

TIMEOUT_S = 20


def _run(t, program, test):
    word = secrets.token_hex(16)
    read, write = os.pipe()
    os.write(write, f"{word}\n".encode())
    os.close(write)
    try:
        status, output, what = sandbox.run(
            [t.program(program), test],
            t.limits,
            TIMEOUT_S,
            stdin=read,
            cwd=t.tree,
            env=sandbox.environment(),
        )
    finally:
        os.close(read)
    lines = output.rstrip("\n").split("\n")
    if not what and status == 0 and lines[-1] == f"passed {word}":
        return
    _fail(lines, status, what)


def _fail(lines, status, what):
    """Take apart what seam_fail() in course/seam/seam.c prints."""
    parts = {"expected": "", "seen": "", "cause": ""}
    for at, line in enumerate(lines):
        key, _, rest = line.strip().partition(": ")
        if key in parts and not parts[key]:
            parts[key] = rest
        if "Sanitizer" in line:
            raise Failed("no word from the sanitizers", line.strip(), "\n".join(lines[at:][:25]))
    if parts["expected"] and not what:
        raise Failed(parts["expected"], parts["seen"], parts["cause"])
    raise Failed(
        "the test comes to its end",
        what or f"the test's program ended early: {sandbox.describe(status)}",
        "\n".join(lines[-12:]),
    )


def seam(program, test, title, lab, step, name=None, hidden=False, after=()):
    """Register the test `test` of build/.../bin/`program` as a check."""

    def function(t):
        t.step(f"ran {program} {test}: the code of step {step} alone, between fakes")
        _run(t, program, test)

    checks.add(
        name or f"lab{lab}_{test}", function, lab, step, after=after, title=title, hidden=hidden
    )
