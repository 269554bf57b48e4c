"""Markers in the sources: which statements a student writes, and what stands there until then.

    /* LAB 1, STEP 2 { hand the callable to the loop */
    ... the solution: whole statements ...
    /* } LAB 1, STEP 2; until then:
     *     http_request_unref(req);
     *     return -1;
     */

The words behind the opening brace are the gap's title, which the hand-out shows. The lines behind
"until then:" are the stub; `/* } LAB 1, STEP 2 */` closes a gap whose stub is empty. A comment in a
stub is written with `//` and shown as `/* ... */`.

Where a line's comment begins with `#` (Python, plain text) the same looks like this; the stub ends
with the first line that is no comment:

    # LAB 0, STEP 2 { greet by the name in the path
    ... the solution ...
    # } LAB 0, STEP 2; until then:
    #     return Response("yours to write", status=501)

A gap holds no other gap. Whatever looks like a marker and isn't one is an error.
"""

import os
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Syntax:
    """How comments are written, and so markers."""

    open: re.Pattern
    close: re.Pattern  # group 4: "; until then:" if there is a stub
    suspect: re.Pattern
    stub: re.Pattern  # group 2: the line
    end: re.Pattern  # of the stub
    end_belongs: bool  # to the stub; else it is the next line of the file
    shown: str  # what the hand-out says above the stub


C = Syntax(
    open=re.compile(r"^(\s*)/\* LAB (\d+), STEP (\d+) \{ (\S(?:.*\S)?) \*/$"),
    close=re.compile(r"^(\s*)/\* \} LAB (\d+), STEP (\d+)(; until then:| \*/)$"),
    suspect=re.compile(r"/\*.*\bSTEP \d+\b.*[{}]|/\*\s*[{}]?\s*LAB \d+, STEP|^\s*/\* \} "),
    stub=re.compile(r"^\s*\*( (.*))?$"),
    end=re.compile(r"^\s*\*/$"),
    end_belongs=True,
    shown="/* {} */",
)
HASH = Syntax(
    open=re.compile(r"^(\s*)# LAB (\d+), STEP (\d+) \{ (\S(?:.*\S)?)$"),
    close=re.compile(r"^(\s*)# \} LAB (\d+), STEP (\d+)(; until then:|)$"),
    suspect=re.compile(r"#.*\bSTEP \d+\b.*[{}]|#\s*[{}]?\s*LAB \d+, STEP|^\s*# \} "),
    stub=re.compile(r"^\s*#( (.*))?$"),
    end=re.compile(r"^(?!\s*#)"),
    end_belongs=False,
    shown="# {}",
)
_SYNTAX = {".c": C, ".h": C, ".py": HASH, ".txt": HASH}


def _syntax_of(path):
    return _SYNTAX.get(os.path.splitext(path)[1], C)


def may_hold_gaps(path):
    """C files, but for the course's and the tests' own; of a lab's folder also Python and text."""
    kind = os.path.splitext(path)[1]
    if path.startswith(("build/", "course/", "tests/")):
        return False
    return _SYNTAX.get(kind) is C or (kind in _SYNTAX and re.match(r"lab\d", path) is not None)


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


def _stub_line(text, indent, syntax):
    if syntax is C and "//" in text:
        code, comment = text.split("//", 1)
        text = f"{code}/* {comment.strip()} */"
    return (indent + text).rstrip()


class _Reader:
    """Splits one file into plain lines and gaps."""

    def __init__(self, file, text):
        self.file = file
        self.syntax = _syntax_of(file)
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
            opening = self.syntax.open.match(line)
            if opening:
                self.parts.append(self.read_gap(opening))
            elif self.syntax.close.match(line):
                self.fail("this closes a gap that isn't open")
            elif self.syntax.suspect.search(line):
                self.fail(f"not a marker, but looks like one: {line.strip()}")
            else:
                self.parts.append(line)
        return self.parts

    def read_gap(self, opening):
        indent, lab, step, title = opening.groups()
        opened, solution = self.at, []
        while self.at < len(self.lines):
            line = self.next()
            closing = self.syntax.close.match(line)
            if self.syntax.open.match(line):
                self.fail(f"a gap inside the gap that line {opened} opens")
            if closing is None and self.syntax.suspect.search(line):
                self.fail(f"not a marker, but looks like one: {line.strip()}")
            if closing is None:
                solution.append(line)
                continue
            if closing.group(2, 3) != (lab, step):
                self.fail(
                    f"this closes LAB {closing.group(2)}, STEP {closing.group(3)}, but line"
                    f" {opened} has opened LAB {lab}, STEP {step}"
                )
            if not any(text.strip() for text in solution):
                self.fail("nothing stands in this gap")
            has_stub = closing.group(4) == "; until then:"
            stub = self.read_stub(closing.group(1)) if has_stub else ()
            return Gap(
                self.file, opened, int(lab), int(step), title, indent, tuple(solution), stub
            )
        return self.fail(f"LAB {lab}, STEP {step} is never closed", opened)

    def read_stub(self, indent):
        opened, stub = self.at, []
        while self.at < len(self.lines):
            line = self.next()
            if self.syntax.end.match(line):
                if not stub:
                    self.fail("'until then:' and no line of a stub", opened)
                self.at -= not self.syntax.end_belongs
                drop = min(len(text) - len(text.lstrip()) for text in stub if text.strip())
                return tuple(_stub_line(text[drop:], indent, self.syntax) for text in stub)
            text = self.syntax.stub.match(line)
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
    The file as the hand-out of `lab` shows it. That lab's gaps hold their stubs, but for the steps
    in `filled`; so do those of later labs, which aren't to be seen yet. Those of earlier labs hold
    their solutions. No marker is left.
    """
    lines, shown = [], _syntax_of(file).shown
    for part in parse(file, text):
        if isinstance(part, str):
            lines.append(part)
        elif part.lab < lab or (part.lab == lab and part.step in filled):
            lines.extend(part.solution)
        else:
            whose = f"STEP {part.step}, yours" if part.lab == lab else f"lab {part.lab}'s"
            lines.append(part.indent + shown.format(f"{whose}: {part.title}"))
            lines.extend(part.stub)
    return "\n".join(lines)


def sources(root):
    """Paths, relative to `root`, of all files that may hold markers."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in ("build", "tests", "course", ".git"))
        paths = [os.path.relpath(os.path.join(folder, name), root) for name in sorted(names)]
        found += [path for path in paths if may_hold_gaps(path)]
    return found


def all_gaps(root):
    """Every gap of the repository, in order of lab, step, file."""
    found = []
    for path in sources(root):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            found += gaps(path, file.read())
    return sorted(found, key=lambda gap: (gap.lab, gap.step, gap.file, gap.line))


def gaps_of(root, lab):
    return [gap for gap in all_gaps(root) if gap.lab == lab]


def steps_of(root, lab):
    """The numbers of the lab's steps, in their order."""
    return sorted({gap.step for gap in gaps_of(root, lab)})
