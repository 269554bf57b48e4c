"""A bar for each figure: its label above it, its spread and its blocks on it."""

from dataclasses import dataclass

from .canvas import COLOURS, Canvas, legend_height, plain_axis

ROW = 40  # units of height


@dataclass(frozen=True)
class Bar:
    """One figure of a run: the median of a field over the blocks of a key."""

    label: str
    key: str
    value: float
    low: float
    high: float
    points: tuple = ()
    colour: str = "other"
    beside: float = None  # what somebody else says of it


def draw(name, title, alt, bars, field, unit, form, beside="", file=""):
    """unit: what the axis counts. form: a number as text. beside: who says the other figure."""
    extra = legend_height(1) if beside else 0
    canvas = Canvas(name, len(bars) * ROW + 46 + extra, bottom=38 + extra, top=8)
    axes, most = canvas.axes, _most(bars)
    for place, bar in enumerate(bars):
        _draw_one(canvas, -place, bar, field, form, most, file)
    axes.set_xlim(0, most * (1.65 if beside else 1.3))
    axes.set_ylim(-len(bars) + 0.45, 0.75)
    axes.set_yticks([])
    plain_axis(axes.xaxis)
    axes.grid(axis="x")
    axes.set_xlabel(unit)
    if beside:
        canvas.legend([(f"{beside} (in brackets)", "ink", "|")])
    return canvas.finish(title, alt, table(bars, unit, form, beside))


def _most(bars):
    found = [v for bar in bars for v in (bar.value, bar.high, bar.beside or 0, *bar.points)]
    return max(found, default=0) or 1


def _draw_one(canvas, y, bar, field, form, most, file):
    axes, colour = canvas.axes, COLOURS[bar.colour]
    rectangle = axes.barh(y, bar.value, height=0.42, color=colour, alpha=0.75, linewidth=0)[0]
    canvas.mark(rectangle, f"{bar.label}: {form(bar.value)} ({form(bar.low)}..{form(bar.high)})",
                file=file, key=bar.key, field=field, value=repr(float(bar.value)),
                low=repr(float(bar.low)), high=repr(float(bar.high)))
    if bar.points:
        axes.plot(bar.points, [y] * len(bar.points), "o", markersize=2.5, color=COLOURS["ink"],
                  alpha=0.45, markeredgewidth=0)
    if bar.low < bar.high:
        axes.plot([bar.low, bar.high], [y, y], color=COLOURS["ink"], linewidth=1.6,
                  marker="|", markersize=8)
    if bar.beside is not None:
        axes.plot([bar.beside], [y], marker="|", markersize=20, markeredgewidth=2.5,
                  color=COLOURS["ink"])
    canvas.text(0, y + 0.5, bar.label, va="center", fontsize=10.5)
    right = max((bar.value, bar.high, *bar.points, bar.beside or 0))
    said = form(bar.value) + ("" if bar.beside is None else f" ({form(bar.beside)})")
    canvas.text(right + most * 0.03, y, said, va="center", fontweight="bold")


def table(bars, unit, form, beside=""):
    headers = ["", unit, "95 % interval", "blocks"] + ([beside] if beside else [])
    rows = []
    for bar in bars:
        row = [bar.label, form(bar.value),
               "-" if bar.low == bar.high else f"{form(bar.low)}..{form(bar.high)}",
               ", ".join(map(form, bar.points)) or "-"]
        rows.append(row + ([form(bar.beside) if bar.beside is not None else "-"] if beside else []))
    return headers, rows
