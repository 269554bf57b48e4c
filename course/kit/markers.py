"""Markers in the C sources: which statements a student writes, and what stands there until then.

    /* LAB 1, STEP 2 { hand the callable to the loop */
    ... the solution: whole statements ...
    /* } LAB 1, STEP 2; until then:
     *     http_request_unref(req);
     *     return -1;
     */

The words behind the opening brace are the gap's title, which the hand-out shows. The lines behind
"until then:" are the stub; `/* } LAB 1, STEP 2 */` closes a gap whose stub is empty. A comment in a
stub is written with `//` and shown as `/* ... */`.

A gap holds no other gap. Whatever looks like a marker and isn't one is an error.
"""

import os
import re
from dataclasses import dataclass

_OPEN = re.compile(r"^(\s*)/\* LAB (\d+), STEP (\d+) \{ (\S(?:.*\S)?) \*/$")
_CLOSE = re.compile(r"^(\s*)/\* \} LAB (\d+), STEP (\d+)(; until then:| \*/)$")
_SUSPECT = re.compile(r"/\*.*\bSTEP \d+\b.*[{}]|/\*\s*[{}]?\s*LAB \d+, STEP|^\s*/\* \} ")
_STUB = re.compile(r"^\s*\*( (.*))?$")
_END = re.compile(r"^\s*\*/$")


class MarkerError(Exception):
    """A marker that can't be right; the message begins with file and line."""


@dataclass(frozen=True)
class Gap:
    file: str
    line: int  # of the opening marker
    lab: int
    step: int
    title: str
    indent: str
    solution: tuple  # lines, without their ends
    stub: tuple  # lines, indented as they will stand


def _error(file, line, what):
    return MarkerError(f"{file}:{line}: {what}")


def _stub_line(text, indent):
    if "//" in text:
        code, comment = text.split("//", 1)
        text = f"{code}/* {comment.strip()} */"
    return (indent + text).rstrip()


class _Reader:
    """Splits one file into plain lines and gaps."""

    def __init__(self, file, text):
        self.file = file
        self.lines = text.split("\n")
        self.at = 0
        self.parts = []

    def fail(self, what, line=None):
        raise _error(self.file, line or self.at, what)

    def next(self):
        line = self.lines[self.at]
        self.at += 1
        return line

    def read(self):
        while self.at < len(self.lines):
            line = self.next()
            opening = _OPEN.match(line)
            if opening:
                self.parts.append(self.read_gap(opening))
            elif _CLOSE.match(line):
                self.fail("this closes a gap that isn't open")
            elif _SUSPECT.search(line):
                self.fail(f"not a marker, but looks like one: {line.strip()}")
            else:
                self.parts.append(line)
        return self.parts

    def read_gap(self, opening):
        indent, lab, step, title = opening.groups()
        opened, solution = self.at, []
        while self.at < len(self.lines):
            line = self.next()
            closing = _CLOSE.match(line)
            if _OPEN.match(line):
                self.fail(f"a gap inside the gap that line {opened} opens")
            if closing is None and _SUSPECT.search(line):
                self.fail(f"not a marker, but looks like one: {line.strip()}")
            if closing is None:
                solution.append(line)
                continue
            if closing.group(2, 3) != (lab, step):
                self.fail(
                    f"this closes LAB {closing.group(2)}, STEP {closing.group(3)}, but line {opened}"
                    f" has opened LAB {lab}, STEP {step}"
                )
            if not any(text.strip() for text in solution):
                self.fail("nothing stands in this gap")
            stub = () if closing.group(4) == " */" else self.read_stub(closing.group(1))
            return Gap(
                self.file, opened, int(lab), int(step), title, indent, tuple(solution), stub
            )
        return self.fail(f"LAB {lab}, STEP {step} is never closed", opened)

    def read_stub(self, indent):
        opened, stub = self.at, []
        while self.at < len(self.lines):
            line = self.next()
            if _END.match(line):
                if not stub:
                    self.fail("'until then:' and no line of a stub", opened)
                drop = min(len(text) - len(text.lstrip()) for text in stub if text.strip())
                return tuple(_stub_line(text[drop:], indent) for text in stub)
            text = _STUB.match(line)
            if text is None:
                self.fail("a stub's line begins with ' * '")
            stub.append(text.group(2) or "")
        return self.fail("the comment with the stub is never closed", opened)


def parse(file, text):
    """The file as a list: plain lines (str), and a Gap for each gap."""
    return _Reader(file, text).read()


def gaps(file, text):
    return [part for part in parse(file, text) if isinstance(part, Gap)]


def render(file, text, lab, filled=()):
    """
    The file as the hand-out of `lab` shows it: that lab's gaps hold their stubs, but for the steps in
    `filled`; all others their solutions; no marker is left.
    """
    lines = []
    for part in parse(file, text):
        if isinstance(part, str):
            lines.append(part)
        elif part.lab != lab or part.step in filled:
            lines.extend(part.solution)
        else:
            lines.append(f"{part.indent}/* STEP {part.step}, yours: {part.title} */")
            lines.extend(part.stub)
    return "\n".join(lines)


def sources(root):
    """Paths, relative to `root`, of all C files that may hold markers."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in ("build", "tests", "course", ".git"))
        found += [
            os.path.relpath(os.path.join(folder, name), root)
            for name in sorted(names)
            if name.endswith((".c", ".h"))
        ]
    return found


def all_gaps(root):
    """Every gap of the repository, in order of lab, step, file."""
    found = []
    for path in sources(root):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            found += gaps(path, file.read())
    return sorted(found, key=lambda gap: (gap.lab, gap.step, gap.file, gap.line))
