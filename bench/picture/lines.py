"""Figures over a quantity: where lines cross, and what more threads gain."""

from dataclasses import dataclass

from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from .canvas import COLOURS, MARKERS, Canvas, legend_height


@dataclass(frozen=True)
class Point:
    x: float
    key: str
    field: str
    value: float
    low: float
    high: float
    base: str = None  # the key that this is held to, where the value is a ratio


@dataclass(frozen=True)
class Line:
    name: str
    colour: str
    points: tuple


def draw(name, title, alt, lines, over, unit, form, file="", log=True, extra=(), shares=()):
    """over: what the points' x is. extra: lines that weren't measured here, as (text, [(x, y)]).
    shares: x is a share, between 0 and 1; these are named on an axis with room for both ends."""
    bottom = 42 + legend_height(len(lines) + len(extra))
    canvas = Canvas(name, 246 + bottom, left=56, bottom=bottom, top=26)
    axes, entries, place = canvas.axes, [], _percent if shares else _plain
    for number, line in enumerate(lines):
        marker = MARKERS[number % len(MARKERS)]
        _draw_one(canvas, line, marker, form, file, place)
        entries.append((line.name, line.colour, marker))
    for text, points in extra:
        drawn, = axes.plot(*zip(*points), color=COLOURS["soft"], linestyle="--", linewidth=1.2,
                           label=text)
        entries.append(drawn)
    _scale(axes, lines, log)
    if shares:
        _scale_shares(axes, shares)
    axes.grid()
    axes.set_xlabel(over)
    axes.set_title(unit, fontsize=10, loc="left", color=COLOURS["soft"], x=-0.14, pad=6)
    canvas.legend(entries)
    return canvas.finish(title, alt, table(lines, over, form, place))


def _draw_one(canvas, line, marker, form, file, place):
    axes, colour = canvas.axes, COLOURS[line.colour]
    axes.plot([p.x for p in line.points], [p.value for p in line.points], color=colour,
              linewidth=1.8)
    for point in line.points:
        if 0 < point.low < point.high:
            axes.plot([point.x] * 2, [point.low, point.high], color=colour, linewidth=1.2)
        drawn, = axes.plot([point.x], [point.value], marker=marker, markersize=6, color=colour)
        canvas.mark(drawn, f"{line.name}, {place(point.x)}: {form(point.value)} "
                           f"({form(point.low)}..{form(point.high)})",
                    file=file, key=point.key, field=point.field, base=point.base,
                    value=repr(float(point.value)), low=repr(float(point.low)),
                    high=repr(float(point.high)))


def _scale(axes, lines, log):
    places = sorted({p.x for line in lines for p in line.points})
    if log:
        axes.set_xscale("log")
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.yaxis.set_major_locator(LogLocator(subs=(1,) if high / low > 200 else (1, 2, 5),
                                                numticks=12))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.xaxis.set_minor_locator(NullLocator())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    if not log:
        axes.set_ylim(bottom=0)


def _scale_shares(axes, shares):
    axes.set_xscale("logit")
    axes.xaxis.set_major_locator(FixedLocator(shares))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _percent(value)))


def _plain(value):
    return f"{value:,.10g}"


def _percent(share):
    return f"{share * 100:.6g} %"


def table(lines, over, form, place=_plain):
    places = sorted({p.x for line in lines for p in line.points})
    rows = []
    for x in places:
        row = [place(x)]
        for line in lines:
            found = [p for p in line.points if p.x == x]
            row.append(_cell(found[0], form) if found else "-")
        rows.append(row)
    return [over, *(line.name for line in lines)], rows


def _cell(point, form):
    if point.low == point.high:
        return form(point.value)
    return f"{form(point.value)} ({form(point.low)}..{form(point.high)})"
