#!/usr/bin/env python3
"""`make handin LAB=N`: pack exactly the files that are yours into build/handin/labN.tar.gz.

Asks how many hours it took and what was unclear (HOURS=8 UNCLEAR='...' answers in advance). In a
git repository it refuses while one of these files isn't committed."""

import argparse
import io
import os
import subprocess
import sys
import tarfile

from kit import labs


def uncommitted(paths):
    """Those of the paths that git would commit; None outside a repository."""
    command = ["git", "-C", labs.ROOT, "status", "--porcelain", "--", *paths]
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


def add(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, io.BytesIO(data))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lab", choices=["1", "2", "3"], help="LAB=1, 2 or 3")
    parser.add_argument("--hours")
    parser.add_argument("--unclear")
    arguments = parser.parse_args()
    lab = int(arguments.lab)
    paths = labs.ALLOWED[lab]
    dirty = uncommitted(paths)
    if dirty:
        sys.exit(f"handin: commit first: {', '.join(dirty)}")
    missing = [path for path in paths if not os.path.isfile(os.path.join(labs.ROOT, path))]
    if missing:
        sys.exit(f"handin: not there: {', '.join(missing)}")
    hours = ask("How many hours did it take?", arguments.hours)
    unclear = ask("What was unclear?", arguments.unclear)
    file = os.path.join(labs.ROOT, f"build/handin/lab{lab}.tar.gz")
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with tarfile.open(file, "w:gz") as tar:
        for path in paths:
            with open(os.path.join(labs.ROOT, path), "rb") as opened:
                add(tar, path, opened.read())
        add(tar, "notes.txt", f"hours: {hours}\nunclear: {unclear}\n".encode())
    print(f"{file}: {', '.join(paths)}")
    if dirty is None:
        print("(this is no git repository, so nobody has checked that it is what you committed)")


if __name__ == "__main__":
    main()
