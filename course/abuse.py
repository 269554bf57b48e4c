#!/usr/bin/env python3
"""The grader against code that is broken, wild or dishonest.

    abuse.py [NAME...]
    abuse.py --check      only say by the exit status whether each program gets a room of its own

Grades lab 1's solution, or for cheats its starter, with one thing added to it, and requires that
the grader comes to its end, gives no more than it may, no less than was earned, and says what
happened. Nothing of what such code starts or writes may be left. Exit status: 0 if all is so."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from unittest import mock

from kit import checks, grading, handout, isolation, labs, sandbox

DISPATCH, QUEUE = labs.ALLOWED[1]
ALL = (1, 2, 3, 4, 5)
INCLUDES = "".join(f"#include <{name}.h>\n" for name in ("fcntl", "signal", "stdio", "unistd"))
IN_OPEN = "int lab_open(lab_t **out, const lab_context_t *context)\n{\n"
IN_READY = "    http_request_t *req;\n\n    bridge_attach(lab->python);"
FILL = """
    char name[64], data[1 << 16] = {1};
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%s/fill-%d", i % 2 ? "/tmp" : "/dev/shm", i);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        while (fd >= 0 && write(fd, data, sizeof data) > 0 && lseek(fd, 0, SEEK_CUR) < 32 << 20)
            ;
        close(fd);
    }
"""
EAT = """
    for (;;) {
        volatile char *piece = malloc(1 << 20);
        for (int i = 0; i < 1 << 20; i += 4096)
            piece[i] = 1;
    }
"""
HARD_CODED = """
    bridge_detach(lab->python);
    while ((req = http_request_list_pop(ready)) != NULL)
        http_respond_transfer(req, http_response_new(200, "text/plain", "Hello, World!", 13));
    return;
"""
RESULTS = '{"score": 100, "tests": [{"score": 100, "max_score": 100, "name": "all"}]}'


def at_start(statements):
    """Code that runs before main()."""
    return f"\n__attribute__((constructor)) static void at_start(void)\n{{\n    {statements}\n}}\n"


@dataclass(frozen=True)
class Case:
    """What lab 1's solution, or as much of it as is `filled`, has besides."""

    least: int  # points of 100
    most: int
    says: str = ""  # the words that must be said
    filled: tuple = ALL
    path: str = DISPATCH
    more: str = ""  # at the end of the file
    first: str = ""  # before its first line
    at: tuple = ()  # (a text in it, what comes behind that)
    files: dict = field(default_factory=dict)  # others, {path: text}
    environment: dict = field(default_factory=dict)  # of who grades
    # Where there can be no room (kit/isolation.py), in place of those above.
    says_outside: str = ""
    least_outside: int = None


def in_open(statements):
    return (IN_OPEN, f"    {statements}\n")


BROKEN = {
    "nothing": Case(100, 100),
    "does_not_compile": Case(15, 25, "doesn't build", more="\nthis is no C\n"),
    "crashes": Case(50, 80, "killed by SIGSEGV", at=in_open("raise(SIGSEGV);")),
    "hangs": Case(50, 80, "doesn't within", at=in_open("for (;;) pause();")),
    "computes_for_ever": Case(50, 80, "doesn't within", at=in_open("for (;;);")),
    "eats_memory": Case(50, 80, "ran out of memory", at=in_open(EAT)),
    "prints_a_gigabyte": Case(
        0, 5, "MiB of", path=QUEUE,
        more=at_start('for (int i = 0; i < 1 << 20; i++) printf("%1024d", i);'),
    ),
    # A room's disk is soon full; without one the server has no time left to start.
    "fills_the_disk": Case(15, 50, "no test of this kind", at=in_open(FILL), least_outside=0),
    "forks_without_end": Case(
        0, 5, "forks without end", path=QUEUE,
        more=at_start("for (;;) if (fork() == 0) setsid();"),
    ),
}  # fmt: skip

# What the starter gets, whatever is done to it.
CHEATS = {
    "exits_with_0": Case(0, 20, "before main()", ALL, more=at_start("_exit(0);")),
    "prints_passed": Case(
        0, 15, "before main()", (), more=at_start('puts("passed"), fflush(stdout), _exit(0);')
    ),
    "repeats_the_word": Case(
        0, 15, "before main()", (), more=at_start(
            'char word[99] = ""; fgets(word, 99, stdin); printf("passed %s", word); fflush(stdout);'
            " _exit(0);"
        ),
    ),
    "repeats_the_word_later": Case(
        0, 15, "uses _exit", (), at=in_open(
            'char word[99] = ""; fgets(word, 99, stdin); printf("passed %s", word); fflush(stdout);'
            " _exit(0);"
        ),
    ),
    "redefines_the_tests": Case(
        0, 15, "redefines SEAM_EXPECT", (),
        more="\n#undef SEAM_EXPECT\n#define SEAM_EXPECT(...)\n",
    ),
    "stands_in_for_the_end": Case(
        0, 15, "uses _Exit", (),
        more="\nvoid _Exit(int status)\n{\n    (void)status;\n    for (;;);\n}\n",
    ),
    "hard_codes_answers": Case(0, 15, "", (), at=(IN_READY, HARD_CODED)),
    "includes_the_solution": Case(
        0, 25, "doesn't build", (), says_outside="includes another source file",
        first=f'#include "{labs.ROOT}/{DISPATCH}"\n#if 0\n', more="#endif\n",
    ),
    "edits_the_tests": Case(0, 15, "", (), files={
        "Makefile": "check-programs print-bin:\n\t@echo build/bin\n",
        "course/seam/lab1.c": "int main(void) { return 0; }\n",
        "course/checks/lab1.py": "",
        "course/weights.json": '{"lab1": {"lab1_starts": 100}}',
        "build/grade/lab1/results.json": RESULTS,
    }),
    "prints_results": Case(
        0, 15, "", (), at=in_open(
            f"puts({json.dumps(RESULTS)}); FILE *file = fopen("
            f'"{labs.ROOT}/build/grade/lab1/results.json", "w"); if (file) fclose(file);'
        ),
    ),
    "sets_the_environment": Case(0, 15, "", (), environment={
        "CRITERION_ALWAYS_SUCCEED": "1", "PYTHONOPTIMIZE": "2", "MAKEFLAGS": "-i",
        "ASAN_OPTIONS": "exitcode=0", "LD_PRELOAD": "libSegFault.so",
    }),
}  # fmt: skip
CASES = BROKEN | CHEATS


def write(student, case):
    handout.write_tree(student, 1, filled=set(case.filled))
    path = os.path.join(student, case.path)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    head, comment, rest = text.partition("*/\n")
    text = case.first + head + comment + INCLUDES + rest + case.more
    if case.at:
        before, more = case.at
        if before not in text:
            raise grading.GraderError(f"{case.path} has no {before!r} any more")
        text = text.replace(before, before + more)
    for name, content in {case.path: text, **case.files}.items():
        path = os.path.join(student, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)


def processes_of(uid):
    """Their numbers."""
    found = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended
            if os.stat(f"/proc/{number}").st_uid == uid:
                found.append(number)
    return found


def left_behind():
    """What is left of the student's user: a line about processes, files; or "" """
    places = filter(os.path.isdir, ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue"))
    command = ["find", *places, "-maxdepth", "2", "-user", str(sandbox.STUDENT_UID)]
    files = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for what, found in (
        ("processes", processes_of(sandbox.STUDENT_UID)),
        ("files", files.stdout.split()),
    ):
        if found:
            return f"{len(found)} {what} are left: {' '.join(found)[:200]}"
    return ""


def judge(name):
    """returns what is wrong, or None"""
    case = CASES[name]
    says, least = case.says, case.least
    if not isolation.available():
        says = case.says_outside or says
        least = least if case.least_outside is None else case.least_outside
    student = tempfile.mkdtemp(prefix="looplab-student-")
    try:
        write(student, case)
        with mock.patch.dict(os.environ, case.environment):
            graded = grading.grade(1, student)
    finally:
        shutil.rmtree(student)
    said = "\n".join(graded.complaints) + "\n".join(o.text() for o in graded.outcomes)
    print(f"  {graded.total} of {graded.most} points, {graded.seconds:.0f} s", flush=True)
    if not least <= graded.total <= case.most:
        table = grading.table(graded)
        return f"{graded.total} points, not {least} to {case.most}\n{table}\n{said[:3000]}"
    if says not in said:
        return f"doesn't say {says!r}:\n{said[:3000]}"
    return left_behind() if os.geteuid() == 0 else None


def main():
    if sys.argv[1:] == ["--check"]:
        sys.exit(not isolation.available())
    sandbox.adopt_orphans()
    began, wrong = time.monotonic(), 0
    for name in sys.argv[1:] or CASES:
        print(f"{name}:", flush=True)
        checks.REGISTRY.clear()
        fault = judge(name)
        wrong += bool(fault)
        print(f"  {fault or 'as it should be'}", flush=True)
    print(f"{wrong} wrong, {time.monotonic() - began:.0f} s")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
