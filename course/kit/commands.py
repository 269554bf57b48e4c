"""The commands that a hand-out names, read out of its pages: its test looks each of them up, and
bare.py runs them."""

import re
from dataclasses import dataclass

_PART = re.compile(r"^```(\w*)\n(.*?)^```$|`([^`]+)`", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"(?:^|\s{2,})#.*$", re.MULTILINE)
_OURS = re.compile(r"(?:make|\.{1,2}/lab\d)\b")
_SERVER = re.compile(r"(?:^|&& )\.{1,2}/(lab\d)\b(?!.*(?:--bench|--help| &))")


@dataclass(frozen=True)
class Command:
    text: str
    server: str = ""  # the lab that it leaves running until Ctrl-C
    meanwhile: tuple = ()  # what is to be run while it does


def _lines(block):
    """Of a block of commands: without comments, a loop as one."""
    lines, loop = [], []
    for line in _COMMENT.sub("", block).splitlines():
        if line.startswith("for ") or loop:
            loop.append(line)
            if line != "done":
                continue
            line, loop = "\n".join(loop), []
        if line.strip():
            lines.append(line.rstrip())
    return lines


def _of_lines(lines):
    found = []
    for line in lines:
        server = _SERVER.search(line)
        if line.startswith("curl") and found and found[-1].server:
            before = found.pop()
            found.append(Command(before.text, before.server, (*before.meanwhile, line)))
        else:
            found.append(Command(line, server.group(1) if server and "\n" not in line else ""))
    return found


def of_page(text):
    """
    Every command of a page, in its order: those in its blocks, and in its sentences those of make
    and of the labs. What only stands for one (`make`, `./labN`) is left out.
    """
    found = []
    for language, block, inline in _PART.findall(text):
        inline = " ".join(inline.split())
        if language == "sh":
            found += _of_lines(_lines(block))
        elif _OURS.match(inline) and " " in inline and not re.search(r"\bN\b", inline):
            found += _of_lines([inline])
    return found
