"""Lays out a list of rows, for a terminal or for a document."""


def text(headers, rows, groups=()):
    """Columns aligned, the first to the left, the others to the right. `groups` are headings of
    several columns each, as (name, title, columns), for all columns but the first."""
    cells = [list(map(str, row)) for row in [headers, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    headings = _headings(widths, groups)
    lines = []
    for row in cells:
        parts = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        lines.append("  ".join(parts).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(headings + lines)


def _headings(widths, groups):
    """The lines above the columns' own headers: names, then titles. Makes a group's first column
    wider if need be."""
    if not groups:
        return []
    lines, first = [" " * widths[0], " " * widths[0]], 1
    for name, title, columns in groups:
        width = sum(widths[first:first + columns]) + 2 * (columns - 1)
        missing = max(0, len(name) - width, len(title) - width)
        widths[first] += missing
        lines = [line + "  " + part.rjust(width + missing)
                 for line, part in zip(lines, (name, title))]
        first += columns
    return lines


def markdown(headers, rows, groups=()):
    """A group's name goes before each of its columns' headers: Markdown knows no wider cells."""
    if groups:
        names = [name for name, _, columns in groups for _ in range(columns)]
        headers = headers[:1] + [f"{name}: {header}" for name, header in zip(names, headers[1:])]
    lines = ["| " + " | ".join(headers) + " |", "|---" + "|---:" * (len(headers) - 1) + "|"]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)


def thousands(value):
    return f"{value:,.0f}"


def milliseconds(microseconds):
    return f"{microseconds / 1000:.2f}"


def number(value):
    """Three digits that mean something: 0.512, 5.12, 51.2, 5,123."""
    if abs(value) >= 100:
        return thousands(value)
    return f"{value:.{3 if abs(value) < 1 else 2 if abs(value) < 10 else 1}f}"


def with_interval(value, low, high, form=number):
    """'0.280 (0.270..0.300)'; one block alone has no interval"""
    return form(value) if low == high else f"{form(value)} ({form(low)}..{form(high)})"
