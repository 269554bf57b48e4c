"""Named regions of the code: what a document points to by name, and a check finds again after the
code has moved. A region is the definition of a function or a struct; its name is its name."""

import os
import re


class RegionError(Exception):
    """There is no such region, or no such file; the message is for the user."""


def _patterns(name):
    name = re.escape(name)
    yield rf"^[A-Za-z][^;{{}}=]*\b{name}\([^;{{}}]*\)\n\{{$.*?^\}}$"  # a function
    yield rf"^(?:typedef )?(?:struct|enum) {name} \{{$.*?^\}}[^;]*;$"
    yield rf"^typedef (?:struct|enum)[^{{;]*\{{$(?:(?!^\}}).)*?^\}}\s*{name};$"


def find(text, name):
    """(first line, last line) of the region."""
    for pattern in _patterns(name):
        found = list(re.finditer(pattern, text, re.MULTILINE | re.DOTALL))
        if len(found) == 1:
            first = text.count("\n", 0, found[0].start()) + 1
            return first, first + found[0].group().count("\n")
    raise RegionError(f"there is no function or struct {name!r}")


def link(root, path, name):
    """`[name](path#L10-L20)`, as it is written into a document."""
    try:
        with open(os.path.join(root, path), encoding="utf-8") as file:
            first, last = find(file.read(), name)
    except OSError as error:
        raise RegionError(f"{path}: {error.strerror}") from None
    except RegionError as error:
        raise RegionError(f"{path}: {error}") from None
    return f"[`{name}`]({path}#L{first}-L{last})"
