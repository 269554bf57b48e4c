"""Builds with sanitizers, beside the plain one: what makes them, where they are, what they report.

A check that names such a build runs its programs: MEMORY finds what is used after it was freed, and
what is never freed; RACES finds what two threads touch without a lock.
"""

import os
import re
from dataclasses import replace

MEMORY, RACES = "address,undefined", "thread"
TARGETS = {"": "check-programs", MEMORY: "check-memory", RACES: "check-races"}  # of make
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99:hard_rss_limit_mb=2048",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "exitcode=98:halt_on_error=1:memory_limit_mb=2048",
}
RESIDENT = 3 << 30
KNOWN_LEAKS = "course/kit/leaks.txt"  # what Python keeps for good, from 3.13 on
_LEAVES_THINGS = re.compile(r"python-3\.?1[3-9]")
_BEGIN = re.compile(
    r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|hard rss limit exhausted"
)
_FRAME = re.compile(r"^ +#\d+ 0x\w+ in (\w+) \S*?((?:lab\d_|common/|course/)\S+)")
_SHOWN = 8


def bin_dir(plain, build):
    """Where that build's programs are; a build that was made with SAN itself is all there is."""
    if not build or "-san-" in plain:
        return plain
    return os.path.join(f"{os.path.dirname(plain)}-san-{build.replace(',', '-')}", "bin")


def options(tree, where):
    """For the programs in that folder of the tree."""
    if _LEAVES_THINGS.search(where):
        known = os.path.join(tree, KNOWN_LEAKS)
        return OPTIONS | {"LSAN_OPTIONS": f"suppressions={known}:print_suppressions=0"}
    return OPTIONS


def limits_for(limits, where):
    """
    Sanitizers reserve more address space than there is memory. AddressSanitizer bounds what is in
    use by itself; ThreadSanitizer doesn't.
    """
    if "-san-" not in where:
        return limits
    return replace(limits, memory=0, resident=RESIDENT, random_addresses="-san-thread" not in where)


def threads_in(where):
    """How many threads such programs have that aren't theirs: one bounds their memory."""
    return int(re.search(r"-san-\S*(address|thread)", where) is not None)


def report(text):
    """The beginning of a sanitizer's report, and of its frames those in this repository; or ""."""
    found = _BEGIN.search(text)
    if found is None:
        return ""
    lines = text[text.rfind("\n", 0, found.start()) + 1 :].split("\n")
    head = re.sub(r"^=*\d*=*", "", lines[0]).strip()
    frames = filter(None, map(_FRAME.match, lines))
    return "\n".join([head, *(f"  in {f.group(1)}(), {f.group(2)}" for f in frames)][: 1 + _SHOWN])
