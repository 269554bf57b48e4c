#!/usr/bin/env python3
"""Draws stored runs as one page, report.html, that needs no network: `make report`.

Without files: the runs in bench/results/, those for the record, and where there is none the latest.
With one (`make report A=FILE`): that run in place of the stored one of its kind. With two (`make
report A=FILE B=FILE`): the second beside the first.

What is missing, damaged or of another version is said in the page, and the rest is drawn.

exit status:
  0  the page is written, whatever it lacks
  1  it can't be written, or matplotlib isn't installed
  2  wrong options
"""

import argparse
import os
import sys
import tempfile

from driver import results
from driver.commands import COMMANDS

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


def stored(kind, folder):
    """The run for the record, or else the latest."""
    from picture import source
    record = source.read(os.path.join(folder, results.RECORDS[kind]), kind)
    latest = os.path.join(folder, results.ORIENTATIONS[kind])
    if record.data is None and os.path.exists(latest):
        found = source.read(latest, kind)
        if found.data is not None:
            found.notes.append("a quick run, for orientation")
            return found
    return record


def collected(folder, given=()):
    """(made sections, what is absent), of the given files and of the folder."""
    from picture import sections, source
    made, absent, read = [], [], [source.read(path) for path in given]
    for one in read:
        if one.data is None:
            absent.append((one.file, one.problem, COMMANDS.get(one.kind, "make reproduce")))
    if len(read) == 2 and all(one.data for one in read):
        if read[0].kind == read[1].kind:
            made.append(sections.compare(*read))
        else:
            absent.append((" and ".join(one.file for one in read),
                           f"{read[0].kind} and {read[1].kind} can't be compared",
                           COMMANDS[read[0].kind]))
    by_kind = {one.kind: one for one in read[:1] if one.data}
    for section in sections.SECTIONS:
        found = by_kind.get(section.kind) or stored(section.kind, folder)
        if found.data is None:
            absent.append((f"{section.title} ({found.file})", found.problem,
                           COMMANDS[section.kind]))
        else:
            made.append(sections.make(section, found))
    return made, absent


def write(path, text):
    """Whole or not at all."""
    with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(os.path.abspath(path)), delete=False,
                                     suffix=".tmp", encoding="utf-8") as file:
        file.write(text)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help="one results file, or two")
    parser.add_argument("--output", default=os.path.join(ROOT, "report.html"), metavar="FILE")
    parser.add_argument("--results", default=results.FOLDER, metavar="DIR",
                        help="where the stored runs are")
    parsed = parser.parse_args()
    if len(parsed.files) > 2:
        parser.error("two files can be compared, no more")
    try:
        from picture import page
    except ImportError as error:
        print(f"report.py: {error}: `tools/deps.sh --report` installs it", file=sys.stderr)
        return 1
    made, absent = collected(parsed.results, parsed.files)
    try:
        write(parsed.output, page.whole(made, absent))
    except OSError as error:
        print(f"report.py: {parsed.output}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{os.path.relpath(parsed.output)}: "
          f"{sum(len(one.pictures) for one in made)} pictures in {len(made)} sections")
    for what, why, command in absent:
        print(f"  not in it: {what}: {why} ({command})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
