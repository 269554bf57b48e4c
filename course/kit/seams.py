"""Runs the seam tests: programs in C that call one gap at a time, between fake neighbours.

Such a program shares its process with the student's code. So it isn't believed for its exit status
alone, nor for what it prints on the way: its last line has to repeat a word that it reads from
standard input once the test is through; and code that could do that in its place is not run at all
(symbols.py).
"""

import os
import secrets

from . import checks, sandbox, sanitizers, symbols
from .checks import Failed

TIMEOUT_S = 20
_NO_TEST = "such code could pass in the test's place, so no test of this kind is run with it"


def _run(t, program, test, cause):
    odd = "-san-" not in t.plain_dir and symbols.suspicious(
        t.tree, os.path.join(t.tree, os.path.dirname(t.plain_dir)), t.lab
    )
    if odd:
        raise Failed("code that a test can share its process with", odd, _NO_TEST)
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
            env=sandbox.environment(sanitizers.options(t.tree, t.bin_dir)),
        )
    finally:
        os.close(read)
    lines = output.rstrip("\n").split("\n")
    if not what and status == 0 and lines[-1] == f"passed {word}":
        return
    _fail(lines, status, what, cause)


def _fail(lines, status, what, cause):
    """Take apart what seam_fail() in seam.c prints; `cause` is of a sanitizer's report."""
    parts = {"expected": "", "seen": "", "cause": ""}
    for line in lines:
        key, _, rest = line.strip().partition(": ")
        if key in parts and not parts[key]:
            parts[key] = rest
    found = sanitizers.report("\n".join(lines))
    if found:
        raise Failed("no word from the sanitizers", found, cause)
    if parts["expected"] and not what:
        raise Failed(parts["expected"], parts["seen"], parts["cause"])
    raise Failed(
        "the test comes to its end",
        what or f"the test's program ended early: {sandbox.describe(status)}",
        "\n".join(lines[-12:]),
    )


def seam(program, test, title, lab, step, name=None, cause="", **more):
    """
    Register the test `test` of build/.../bin/`program` as a check. `cause` says what a report of a
    sanitizer means, where the check names such a build.
    """

    def function(t):
        t.step(f"ran {program} {test}: the code of step {step} alone, between fakes")
        _run(t, program, test, cause)

    checks.add(name or f"lab{lab}_{test}", function, lab, step, title=title, **more)
