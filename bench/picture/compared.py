"""Two results files beside each other: what became of each configuration that both have."""

import random

from driver import stats
from driver.reports import figures_of
from driver.tables import number, with_interval

from . import dots
from .chosen import Lacking
from .dots import Dot, Row

RESAMPLES = 2000
FIELDS = {"rps": "requests/s", "cpu_us": "CPU µs per request", "p99_us": "99th percentile, µs"}


def ratio(before, after):
    """after/before of medians of runs that don't belong together: (ratio, low, high), a percentile
    bootstrap over the blocks of each, always the same random numbers."""
    rng = random.Random(1)
    found = sorted(
        stats.median(rng.choices(after, k=len(after))) /
        stats.median(rng.choices(before, k=len(before)))
        for _ in range(RESAMPLES if len(after) + len(before) > 2 else 1)
    )
    least, most = int(0.025 * len(found)), int(0.975 * len(found))
    return stats.median(after) / stats.median(before), found[least], found[most]


def common_keys(one, other):
    """Those of the first, in its order."""
    return [key for key in figures_of(one).keys if figures_of(other).has(key)
            and figures_of(one).has(key)]


def _values(one, other, key, field):
    """The values of both, or None where a ratio makes no sense."""
    pair = [figures_of(data).values(key, field) for data in (one, other)]
    return pair if all(values and min(values) > 0 for values in pair) else None


def rows_of(one, other, field):
    """[(key, median of A, of B, (ratio, low, high))]"""
    found = []
    for key in common_keys(one, other):
        pair = _values(one, other, key, field)
        if pair:
            found.append((key, *map(stats.median, pair), ratio(*pair)))
    return found


def table(field):
    def make(one, other):
        rows = [[key, number(a), number(b), with_interval(*found, form="{:.2f}".format),
                 _verdict(found)] for key, a, b, found in rows_of(one, other, field)]
        if not rows:
            raise Lacking(f"a configuration that both files have, with {FIELDS[field]}")
        return [FIELDS[field], "A", "B", "B / A (95 % interval)", ""], rows

    return make


def _verdict(found):
    _, low, high = found
    return "differs" if low > 1 or high < 1 else "no difference to be seen"


def draw(field):
    def make(one, other):
        rows = [Row(key, (Dot("B / A", key, field, *found),))
                for key, _, _, found in rows_of(one, other, field)]
        if not rows:
            raise Lacking(f"a configuration that both files have, with {FIELDS[field]}")
        return dots.draw(f"compared-{field.replace('_', '-')}", f"B over A: {FIELDS[field]}",
                         f"Dots, {FIELDS[field]} of the second file over those of the first, with "
                         "95 % intervals; a line at 1 is no change.", rows, {"B / A": "lab1"},
                         "B / A", "{:.2f}".format, "compared", line=1.0)

    return make


def environments(one, other):
    """What differs between the machines and builds, as a table."""
    rows = []
    for name in dict.fromkeys((*one["environment"], *other["environment"])):
        pair = [_short(data["environment"].get(name)) for data in (one, other)]
        if pair[0] != pair[1]:
            rows.append([name, *pair])
    for name in ("rounds", "seconds", "connections"):
        if one.get(name) != other.get(name):
            rows.append([name, _short(one.get(name)), _short(other.get(name))])
    return ["measured", "A", "B"], rows


def _short(value):
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_short(v)}" for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    return number(value) if isinstance(value, float) else str(value)
