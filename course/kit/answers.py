"""Reads a lab's answers.txt: lines of "name: value", comments after `#`."""

import os

from .checks import Failed


def read(t, path):
    """{name: [values]} of the student's file; a value is what stands between two commas."""
    with open(os.path.join(t.tree, path), encoding="utf-8", errors="replace") as file:
        lines = [line.partition("#")[0] for line in file]
    found = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            found[name.strip()] = [part.strip() for part in value.split(",") if part.strip()]
    t.step(f"read {path}")
    return found


def get(answers, name, count=None):
    """The values of one answer, as many as that."""
    values = answers.get(name, [])
    if not values or (count is not None and len(values) != count):
        wanted = "an answer" if count is None else f"{count} value{'s' if count > 1 else ''}"
        raise Failed(f"{wanted} behind `{name}:`", ", ".join(values) or "nothing yet")
    return values


def numbers(answers, name, count):
    """The same, as numbers."""
    values = get(answers, name, count)
    try:
        return [float(value) for value in values]
    except ValueError:
        raise Failed(f"{count} plain numbers behind `{name}:`", ", ".join(values)) from None


def expect(answers, name, wanted, cause="", in_order=True):
    """The answer is that list of texts."""
    values = get(answers, name)
    if values != wanted and (in_order or sorted(values) != sorted(wanted)):
        raise Failed(f"{name}: {', '.join(wanted)}", ", ".join(values), cause)


def expect_number(answers, name, wanted, tolerance=0.0, cause=""):
    """The answer is that number, but for a share of it."""
    value = numbers(answers, name, 1)[0]
    if abs(value - wanted) > tolerance * abs(wanted):
        raise Failed(f"{name}: {wanted:g}", f"{value:g}", cause)
