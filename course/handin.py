#!/usr/bin/env python3
"""`make handin LAB=N`: pack exactly the files that are yours into build/handin/labN.zip, and beside
them your predictions, your answers to the questions (answers-labN.md) and notes.txt.

Asks how many hours it took and what was unclear (HOURS=8 UNCLEAR='...' answers in advance). In a
git repository it refuses while anything isn't committed: what is handed in is what was tested."""

import os
import subprocess
import sys
import zipfile

from kit import labs, predictions


def uncommitted():
    """What git would commit; None outside a repository."""
    command = ["git", "-C", labs.ROOT, "status", "--porcelain"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    if done.returncode != 0:
        return None
    return [line[3:] for line in done.stdout.splitlines()]


def ask(question, answer):
    if answer is None and sys.stdin.isatty():
        answer = input(f"{question} ")
    return (answer or "").strip()


def add(archive, name, data):
    info = zipfile.ZipInfo(name)  # without a time: the same files make the same bytes
    info.external_attr, info.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
    archive.writestr(info, data)


def main():
    parser = labs.parser(__doc__)
    parser.add_argument("--hours")
    parser.add_argument("--unclear")
    arguments = parser.parse_args()
    lab = arguments.lab
    paths = labs.ALLOWED[lab]
    dirty = uncommitted()
    if dirty:
        sys.exit(
            f"handin: commit first (git add . && git commit), or remove: {', '.join(dirty)}\n"
            "  `make predict` and `make reproduce` write predictions-labN.md: that is yours too"
        )
    missing = [path for path in paths if not os.path.isfile(os.path.join(labs.ROOT, path))]
    if missing:
        sys.exit(f"handin: not there: {', '.join(missing)}")
    hours = ask("How many hours did it take?", arguments.hours)
    unclear = ask("What was unclear?", arguments.unclear)
    file = os.path.join(labs.ROOT, f"build/handin/lab{lab}.zip")
    os.makedirs(os.path.dirname(file), exist_ok=True)
    for path, why in (
        (predictions.path_of(lab), f"no predictions: `make predict LAB={lab}` asks for them"),
        (f"{labs.ROOT}/answers-lab{lab}.md",
         f"no answers: those to the hand-out's questions go into answers-lab{lab}.md"),
    ):
        if os.path.isfile(path):
            paths = [*paths, os.path.relpath(path, labs.ROOT)]
        else:
            print(f"({why})")
    with zipfile.ZipFile(file, "w") as archive:
        for path in paths:
            with open(os.path.join(labs.ROOT, path), "rb") as opened:
                add(archive, path, opened.read())
        add(archive, "notes.txt", f"hours: {hours}\nunclear: {unclear}\n")
    print(f"{file}: {', '.join(paths)}, notes.txt")
    if dirty is None:
        print("(this is no git repository, so nobody has checked that it is what you committed)")


if __name__ == "__main__":
    main()
