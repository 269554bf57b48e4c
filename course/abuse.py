#!/usr/bin/env python3
"""The grader against code that is broken, wild or dishonest.

    abuse.py [NAME...]

Grades lab 1's solution with one thing added to it, and requires that the grader comes to its end,
gives no more than it may, no less than was earned, and says what happened. Nothing of what such
code starts may be left. Exit status: 0 if all is so."""

import os
import shutil
import subprocess
import sys
import tempfile
import time

from kit import checks, grading, handout, labs, sandbox

DISPATCH, QUEUE = labs.ALLOWED[1]
AT_START = "\n__attribute__((constructor)) static void at_start(void)\n{\n    %s\n}\n"
IN_OPEN = "int lab_open(lab_t **out, const lab_context_t *context)\n{\n"
INCLUDES = "#include <signal.h>\n#include <stdio.h>\n#include <unistd.h>\n"

# name: (what is added where, least and most points of 100, words that must be said)
CASES = {
    "nothing": (None, 100, 100, ""),
    "does_not_compile": ((DISPATCH, "\nthis is no C\n", None), 15, 25, "doesn't build"),
    "crashes": ((DISPATCH, None, "    raise(SIGSEGV);\n"), 50, 80, "killed by SIGSEGV"),
    "hangs": ((DISPATCH, None, "    for (;;)\n        pause();\n"), 50, 80, "doesn't within"),
    "computes_for_ever": ((DISPATCH, None, "    for (;;)\n        ;\n"), 50, 80, "doesn't within"),
    "exits_with_0": ((DISPATCH, AT_START % "_exit(0);", None), 15, 25, "ended early"),
    "prints_passed": (
        (DISPATCH, AT_START % 'puts("passed"), fflush(stdout), _exit(0);', None),
        15, 25, "ended early",
    ),
    "prints_a_gigabyte": (
        (QUEUE, AT_START % "for (int i = 0; i < 1 << 20; i++) printf(\"%1024d\", i);", None),
        0, 100, "of output",
    ),
    "forks_without_end": (
        (QUEUE, AT_START % "for (;;) if (fork() == 0) setsid();", None),
        0, 5, "forks without end",
    ),
}  # fmt: skip


def write(student, case):
    handout.write_tree(student, 1, filled={1, 2, 3, 4, 5})
    if case is None:
        return
    path, more, in_open = case
    path = os.path.join(student, path)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    head, comment, rest = text.partition("*/\n")
    text = head + comment + INCLUDES + rest + (more or "")
    if in_open:
        text = text.replace(IN_OPEN, IN_OPEN + in_open)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def students_processes():
    done = subprocess.run(
        ["pgrep", "-c", "-u", str(sandbox.STUDENT_UID)], capture_output=True, text=True
    )
    return int(done.stdout or 0)


def judge(name):
    """returns what is wrong, or None"""
    case, least, most, words = CASES[name]
    student = tempfile.mkdtemp(prefix="looplab-student-")
    try:
        write(student, case)
        graded = grading.grade(1, student)
    finally:
        shutil.rmtree(student)
    said = "\n".join(graded.complaints) + "\n".join(o.text() for o in graded.outcomes)
    print(f"  {graded.total} of {graded.most} points, {graded.seconds:.0f} s", flush=True)
    if not least <= graded.total <= most:
        table = grading.table(graded)
        return f"{graded.total} points, not {least} to {most}\n{table}\n{said[:3000]}"
    if words not in said:
        return f"doesn't say {words!r}:\n{said[:3000]}"
    if os.geteuid() == 0 and students_processes() > 0:
        return f"{students_processes()} processes are left"
    return None


def main():
    sandbox.adopt_orphans()
    began, wrong = time.monotonic(), 0
    for name in sys.argv[1:] or CASES:
        print(f"{name}:", flush=True)
        checks.REGISTRY.clear()
        fault = judge(name)
        wrong += fault is not None
        print(f"  {fault or 'as it should be'}", flush=True)
    print(f"{wrong} wrong, {time.monotonic() - began:.0f} s")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
