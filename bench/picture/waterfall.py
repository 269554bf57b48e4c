"""The ladder: each rung's cost stands on its parent's; what is coloured is what the rung adds."""

from matplotlib.patches import Patch

from driver import ladder_report, rungs
from driver.blocks import Configuration
from driver.tables import number

from .canvas import COLOURS, Canvas, clean, legend_height

ROW = 36


def steps(figures, placement):
    """[(rung, key, its median, its parent's median or None, what it adds)], those in the run."""
    found = []
    for rung in rungs.RUNGS:
        key = Configuration(rung.name, placement).key
        if not figures.has(key):
            continue
        more = ladder_report.added(figures, rung, placement)
        parent = rungs.BY_NAME[rung.parent] if rung.parent else None
        base = None if more is None else figures.median(Configuration(parent.name, placement).key,
                                                        "cpu_us")
        found.append((rung, key, figures.median(key, "cpu_us"), base, more))
    return found


def draw(name, title, alt, figures, placement, file=""):
    """placement: "pinned" or "unpinned"."""
    found = steps(figures, placement)
    extra = legend_height(2)
    canvas = Canvas(name, len(found) * ROW + 42 + extra, bottom=38 + extra, top=6)
    axes = canvas.axes
    places = {rung.name: -place for place, (rung, *_) in enumerate(found)}
    most = max((value for _, _, value, _, _ in found), default=1)
    for rung, key, value, base, more in found:
        _draw_one(canvas, places, rung, key, value, base, more, most, file)
    axes.set_xlim(0, most * 1.26)
    axes.set_ylim(-len(found) + 0.45, 0.75)
    axes.set_yticks([])
    axes.grid(axis="x")
    axes.set_xlabel(f"server's CPU µs per request, {placement}")
    canvas.legend([_patch("what the rung adds to its parent", "lab2", 0.8),
                   _patch("the parent's own", "other", 0.3)])
    return canvas.finish(title, alt, table(found))


def _patch(text, colour, alpha):
    return Patch(facecolor=COLOURS[colour], alpha=alpha, label=clean(text), linewidth=0)


def _draw_one(canvas, places, rung, key, value, base, more, most, file):
    axes, y = canvas.axes, places[rung.name]
    start = base if base is not None else 0
    if start:
        axes.barh(y, min(start, value), height=0.4, color=COLOURS["other"], alpha=0.3, linewidth=0)
    drawn = axes.barh(y, value - start, left=start, height=0.4, linewidth=0,
                      color=COLOURS["lab2" if base is not None else "other"], alpha=0.8)[0]
    said = f"{rung.name}: {number(value)} µs"
    said += "" if more is None else f", {_signed(more)} µs to {rung.parent}"
    canvas.mark(drawn, said, file=file, key=key, field="cpu_us", value=repr(float(value)),
                added=None if more is None else repr(float(more)))
    canvas.text(0, y + 0.48, f"{rung.name}: {rung.adds}", fontsize=9.5, va="center")
    shown = number(value) if more is None else f"{number(value)} ({_signed(more)})"
    canvas.text(max(value, start) + most * 0.02, y, shown, va="center", fontsize=10,
                fontweight="bold")


def _signed(value):
    return ("+" if value >= 0 else "-") + number(abs(value))


def table(found):
    return (["rung", "adds", "parent", "CPU µs", "added µs"],
            [[rung.name, rung.adds, rung.parent or "-", number(value),
              "-" if more is None else _signed(more)] for rung, _, value, _, more in found])
