"""What a student's file reaches for that no lab needs: then seam tests aren't run with it.

A seam test shares its process, and its source file, with the student's code, and is believed if it
comes to its end. So nothing of theirs may run before main(), read what the grader says to the test,
end the process, or stand in for what the test calls. Whole-server tests don't care.
"""

import functools
import glob
import os
import re
import subprocess

from .labs import ALLOWED

_APART = (  # in no seam test
    "lab4_eager_start/nested_loop.c",
    "lab5_loop_per_core/worker.c",
)
_EARLY = re.compile(r"^\s*\d+\s+\.(preinit_array|init_array|ctors)\b", re.MULTILINE)
_FORBIDDEN = re.compile(
    r"stdin|(__isoc99_)?v?f?scanf|f?getc|getchar|gets|getline"
    r"|(__)?(p?read|readv|open(at)?|fgets|fread|getdelim|fopen|fdopen)(64|_2|_chk|_unlocked)*"
    r"|exit|_exit|_Exit|quick_exit|syscall|dlv?sym|dlopen|ptrace|mprotect|execv?[lpe]*"
    r"|posix_spawnp?"
    r"|uv_fs_\w+|uv_spawn|uv_read_start|PyRun_\w+|Py_CompileString\w*|PyEval_Eval\w*"
    r"|__\w+_default_options|__lsan_\w*"
)
# A directive, behind a comment or with one in it too; digraphs and trigraphs as well.
_SPACE = r"(?:[ \t]|/\*.*?\*/)*"
_DIRECTIVE = rf"(?:^|\*/){_SPACE}(?:#|%:|\?\?=){_SPACE}"
_MACRO = re.compile(rf"{_DIRECTIVE}(?:define|undef){_SPACE}(\w+)", re.MULTILINE)
_INCLUDED = re.compile(rf'{_DIRECTIVE}include\b.*\.c"', re.MULTILINE)


def _run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


def _symbols(path):
    """({names it defines for others}, {names it takes from others})"""
    ours, theirs = set(), set()
    for fields in map(str.split, _run("nm", "-g", path).splitlines()):
        if len(fields) >= 2:
            (theirs if fields[-2] in "Uwv" else ours).add(fields[-1].partition("@")[0])
    return ours, theirs


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _of_source(text, seam_words):
    text = text.replace("\\\n", "")
    macros = sorted(set(_MACRO.findall(text)) & seam_words)
    if macros:
        return f"redefines {macros[0]}, which the tests use"
    return "includes another source file" if _INCLUDED.search(text) else ""


def _of_object(path, seam_takes):
    if _EARLY.search(_run("objdump", "-h", path)):
        return "has code that runs before main()"
    defines, takes = _symbols(path)
    used = sorted(filter(_FORBIDDEN.fullmatch, takes | defines))
    if used:
        return f"uses {', '.join(used[:4])}, which no lab needs"
    stand_ins = sorted(name for name in defines & seam_takes if not name.startswith("completions_"))
    return f"defines {stand_ins[0]}, which the tests use" if stand_ins else ""


def _is_of(lab, path):
    """Is it a seam test that holds that lab's code?"""
    return re.search(rf"/lab{lab}(_\w+)?\.c$", path) is not None


@functools.cache
def suspicious(tree, objects, lab):
    """A line about the student's files in `tree`, compiled in `objects`; "" if nothing is wrong."""
    seam = glob.glob(os.path.join(tree, "course/seam/*.[ch]"))
    seams = [f"course/seam/{os.path.basename(path)}" for path in seam if _is_of(lab, path)]
    words = set(re.findall(r"\w+", " ".join(map(_read, seam))))
    tests = glob.glob(f"{objects}/../*/course/seam/[!l]*.o")  # those without the student's code
    takes = set().union(*(_symbols(file)[1] for file in tests))
    paths = [path for path in ALLOWED[lab] if path not in _APART]
    found = {path: _of_source(_read(os.path.join(tree, path)), words) for path in paths}
    # Once more as the seam test has it: the preprocessor can tell where it is.
    for path in [*paths, *seams]:
        file = os.path.join(objects, f"{os.path.splitext(path)[0]}.o")
        if not found.get(path) and os.path.exists(file):
            found[path] = _of_object(file, takes)
    return next((f"{path} {what}" for path, what in found.items() if what), "")
