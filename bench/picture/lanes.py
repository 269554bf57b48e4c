"""One request across the threads: a lane for each, numbered marks where the request passes a hop,
and hatching wherever it waits."""

from matplotlib.patches import Patch

from driver.tables import number

from .canvas import COLOURS, WIDTH, Canvas, clean, legend_height, plain_axis

LANE = 74  # units of height
LEFT, RIGHT = 14, 24
LABEL = 13  # units between the numbers above a lane
STRIP = 0.30  # half of a lane's strip, of a lane's height
# what a lane does: (its name in the legend, colour, hatch)
LOOKS = {
    "request": ("runs this request", "lab3", None),
    "loop": ("the thread's own work", "lab1", None),
    "other": ("runs other requests", "wait", None),
    "attaching": ("waits for the GIL", "lab2", "////"),
    "waiting": ("the request waits here", "soft", "\\\\\\\\"),
}


def draw(name, title, alt, traced, file=""):
    """traced: a block of a run of kind `traces`; see traced.py."""
    hops, lanes = traced["hops"], [lane["name"] for lane in traced["lanes"]]
    used = _used(traced)
    bottom = 40 + legend_height(len(used))
    canvas = Canvas(name, len(lanes) * LANE + bottom + 8, left=LEFT, right=RIGHT, bottom=bottom,
                    top=8)
    axes, end = canvas.axes, hops[-1]["at_us"] or 1
    places = {lane: -place for place, lane in enumerate(lanes)}
    _draw_waits(axes, hops, places)
    for lane in traced["lanes"]:
        _draw_lane(canvas, places[lane["name"]], lane, end)
    _draw_hand_overs(axes, hops, places)
    for lane in lanes:
        _draw_marks(canvas, hops, lane, places[lane], end, traced, file)
    axes.set_xlim(0, end)
    axes.set_ylim(-len(lanes) + 0.6, 0.55)
    axes.set_yticks([])
    plain_axis(axes.xaxis)
    axes.set_xlabel("µs since the request was parsed")
    canvas.legend([_look(kind, label=clean(LOOKS[kind][0])) for kind in used])
    return canvas.finish(title, alt, table(hops))


def _used(traced):
    doing = {part["doing"] for lane in traced["lanes"] for part in lane["slices"]}
    return [kind for kind in LOOKS if kind in doing or kind == "waiting"]


def _look(kind, **more):
    _, colour, hatch = LOOKS[kind]
    if hatch is None:
        return Patch(facecolor=COLOURS[colour], linewidth=0, **more)
    return Patch(facecolor="none", edgecolor=COLOURS[colour], hatch=hatch, linewidth=0.6, **more)


def _strip(axes, y, start, end, kind):
    patch = _look(kind)
    axes.barh(y, end - start, left=start, height=STRIP, facecolor=patch.get_facecolor(),
              edgecolor=patch.get_edgecolor(), hatch=patch.get_hatch(),
              linewidth=patch.get_linewidth())


def _draw_waits(axes, hops, places):
    """A gap is waited out on the lane that ends it, as far as nothing is drawn over it."""
    for one, other in zip(hops, hops[1:]):
        _strip(axes, places[other["lane"]], one["at_us"], other["at_us"], "waiting")


def _draw_lane(canvas, y, lane, end):
    axes = canvas.axes
    axes.plot([0, end], [y, y], color=COLOURS["grid"], linewidth=1, zorder=0)
    for part in lane["slices"]:
        if part["doing"] in LOOKS:
            axes.barh(y, part["to_us"] - part["from_us"], left=part["from_us"], height=STRIP,
                      facecolor=COLOURS["paper"], linewidth=0)
            _strip(axes, y, part["from_us"], part["to_us"], part["doing"])
    canvas.text(0, y - 0.3, f"thread: {lane['name']}", "soft", fontsize=10, va="center")


def _draw_hand_overs(axes, hops, places):
    for one, other in zip(hops, hops[1:]):
        start, end = places[one["lane"]], places[other["lane"]]
        if start == end:
            continue
        down = end < start
        axes.annotate("", (one["at_us"], end + (STRIP / 2 if down else -STRIP / 2)),
                      (one["at_us"], start - (STRIP / 2 if down else -STRIP / 2)),
                      arrowprops={"arrowstyle": "-|>", "color": COLOURS["ink"], "linewidth": 1.2,
                                  "shrinkA": 0, "shrinkB": 0}, annotation_clip=False)


def _draw_marks(canvas, hops, lane, y, end, traced, file):
    """Numbers stand side by side above the strip, each joined to its moment."""
    axes = canvas.axes
    mine = [(number_, hop) for number_, hop in enumerate(hops, 1) if hop["lane"] == lane]
    unit = end / (WIDTH - LEFT - RIGHT)  # µs
    for (number_, hop), x in zip(mine, _apart([hop["at_us"] / unit for _, hop in mine])):
        axes.plot([hop["at_us"], hop["at_us"], x * unit], [y - STRIP / 2, y + STRIP / 2, y + 0.27],
                  color=COLOURS["ink"], linewidth=0.9, clip_on=False)
        dot, = axes.plot([x * unit], [y + 0.35], "o", markersize=12, color=COLOURS["paper"],
                         markeredgecolor=COLOURS["ink"], markeredgewidth=0.9, clip_on=False)
        canvas.mark(dot, f"{number_}. {hop['name']}, on {lane}: {number(hop['at_us'])} µs",
                    file=file, lab=traced["lab"], load=traced["load"], hop=hop["name"], lane=lane,
                    value=repr(float(hop["at_us"])))
        canvas.text(x * unit, y + 0.345, number_, fontsize=8.5, ha="center", va="center")


def _apart(wanted):
    """Places at least LABEL apart, within the picture, near where they are wanted; in units."""
    placed = []
    for x in wanted:
        placed.append(max(x, placed[-1] + LABEL if placed else 0))
    limit = WIDTH - LEFT - RIGHT
    for i in range(len(placed) - 1, -1, -1):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - LABEL
    return placed


def table(hops):
    rows, before = [], 0.0
    for place, hop in enumerate(hops, 1):
        rows.append([str(place), hop["name"], hop["lane"], number(hop["at_us"]),
                     number(hop["at_us"] - before)])
        before = hop["at_us"]
    return ["", "hop", "thread", "at µs", "µs since the last"], rows
