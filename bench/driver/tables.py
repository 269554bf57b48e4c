"""Tables: one list of rows, shown in a terminal or written into a document."""


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


def ratio(value, low, high):
    """'0.28 (0.27..0.30)'"""
    return f"{value:.2f} ({low:.2f}..{high:.2f})"
