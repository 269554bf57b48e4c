"""Lays out a list of rows, for a terminal or for a document."""


def text(headers, rows):
    """Columns aligned, the first to the left, the others to the right."""
    cells = [list(map(str, row)) for row in [headers, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headers))]
    lines = []
    for row in cells:
        parts = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        lines.append("  ".join(parts).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def markdown(headers, rows):
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
