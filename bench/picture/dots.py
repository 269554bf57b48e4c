"""Several figures a row, each a dot with its interval, on a logarithmic scale."""

from dataclasses import dataclass

from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from .canvas import COLOURS, MARKERS, Canvas, clean, legend_height


@dataclass(frozen=True)
class Dot:
    series: str
    key: str
    field: str
    value: float
    low: float
    high: float
    base: str = None  # the key that this is held to, where the value is a ratio


@dataclass(frozen=True)
class Row:
    label: str
    dots: tuple


def draw(name, title, alt, rows, series, unit, form, file="", line=None):
    """series: {name: colour}, in the legend's order. line: a value that everything is held to."""
    rows = [Row(row.label, tuple(d for d in row.dots if d.value > 0)) for row in rows]
    height = 22 + 13 * max(len(series), 1)
    bottom = 40 + legend_height(len(series))
    canvas = Canvas(name, len(rows) * height + bottom + 8, bottom=bottom, top=8)
    axes, step = canvas.axes, 13 / height
    for place, row in enumerate(rows):
        canvas.text(0.0, -place + 0.36, row.label, va="center", fontsize=10.5,
                    transform=axes.get_yaxis_transform())
        for dot in row.dots:
            number = list(series).index(dot.series)
            y = -place + 0.36 - step * (number + 1.05)
            _draw_one(canvas, y, row, dot, series[dot.series], MARKERS[number % len(MARKERS)],
                      form, file)
    if line is not None:
        axes.axvline(line, color=COLOURS["ink"], linewidth=1)
    _scale(axes, rows, line)
    axes.set_ylim(-len(rows) + 0.42, 0.6)
    axes.set_yticks([])
    axes.grid(axis="x")
    axes.set_xlabel(unit)
    canvas.legend([(text, colour, MARKERS[number % len(MARKERS)])
                   for number, (text, colour) in enumerate(series.items())])
    return canvas.finish(title, alt, table(rows, series, form))


def _draw_one(canvas, y, row, dot, colour, marker, form, file):
    axes = canvas.axes
    if 0 < dot.low < dot.high:
        axes.plot([dot.low, dot.high], [y, y], color=COLOURS[colour], linewidth=1.6)
    drawn, = axes.plot([dot.value], [y], marker=marker, markersize=6, color=COLOURS[colour])
    canvas.mark(drawn, f"{row.label}, {dot.series}: {form(dot.value)} "
                       f"({form(dot.low)}..{form(dot.high)})",
                file=file, key=dot.key, field=dot.field, base=dot.base,
                value=repr(float(dot.value)), low=repr(float(dot.low)), high=repr(float(dot.high)))
    right = max(dot.value, dot.high)
    axes.annotate(clean(form(dot.value)), (right, y), xytext=(6, 0), textcoords="offset points",
                  va="center", fontsize=9, color=COLOURS["ink"])


def _scale(axes, rows, line):
    values = [v for row in rows for d in row.dots for v in (d.value, d.low, d.high) if v > 0]
    values += [line] if line else []
    least, most = min(values, default=1), max(values, default=1)
    axes.set_xscale("log")
    axes.set_xlim(least / (most / least * 4) ** 0.05, most * (most / least * 10) ** 0.16)
    wide = most / least > 100
    subs = (1,) if wide else (1, 3) if most / least > 10 else (1, 2, 5)
    axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    if wide:
        axes.tick_params(axis="x", labelsize=9.5)


def table(rows, series, form):
    made = []
    for row in rows:
        found = {dot.series: dot for dot in row.dots}
        made.append([row.label, *(_cell(found.get(name), form) for name in series)])
    return ["", *series], made


def _cell(dot, form):
    if dot is None:
        return "-"
    return form(dot.value) if dot.low == dot.high else (
        f"{form(dot.value)} ({form(dot.low)}..{form(dot.high)})")
