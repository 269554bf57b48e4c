"""A request's gaps from hop to hop, each cut by what the thread that took it did meanwhile."""

from matplotlib.patches import Patch

from driver.tables import number
from driver.taken_apart import STATES

from .canvas import COLOURS, Canvas, legend_height, plain_axis

ROW = 36
# state: (its name in the legend, colour, hatch). What waits is hatched.
LOOKS = {
    "running_us": ("running this request", "lab3", None),
    "gil_wait_us": ("waiting for the GIL", "lab2", "////"),
    "core_wait_us": ("waiting for a core", "lab4", "xxxx"),
    "queue_us": ("in line behind others", "wait", "----"),
    "suspended_us": ("the handler waits", "lab1", "||||"),
    "unattributed_us": ("not known", "other", None),
}


def draw(name, title, alt, report, key, file=""):
    """report: a lab's own breakdown, as it stands in a block of a run."""
    gaps = report["hops"]
    extra = legend_height(len(LOOKS))
    canvas = Canvas(name, len(gaps) * ROW + 42 + extra, bottom=38 + extra, top=6)
    axes = canvas.axes
    most = max((gap["mean_us"] for gap in gaps), default=0) or 1
    for place, gap in enumerate(gaps):
        _draw_gap(canvas, -place, gap, key, file, most)
    axes.set_xlim(0, most * 1.22)
    axes.set_ylim(-len(gaps) + 0.45, 0.75)
    axes.set_yticks([])
    axes.grid(axis="x")
    plain_axis(axes.xaxis)
    axes.set_xlabel("µs of a request's time, mean")
    canvas.legend([_look(state, label=LOOKS[state][0]) for state in LOOKS])
    return canvas.finish(title, alt, table(gaps))


def _look(state, **more):
    _, colour, hatch = LOOKS[state]
    if hatch is None:
        return Patch(facecolor=COLOURS[colour], linewidth=0, alpha=0.85, **more)
    return Patch(facecolor="none", edgecolor=COLOURS[colour], hatch=hatch, linewidth=0.8, **more)


def _draw_gap(canvas, y, gap, key, file, most):
    """The split is of the sampled requests, the length of all: so shares are drawn."""
    axes, at = canvas.axes, 0.0
    known = {state: gap[state] or 0.0 for state in STATES}
    scale = gap["mean_us"] / sum(known.values()) if sum(known.values()) > 0 else 0.0
    for state, value in known.items():
        if value * scale <= most * 0.0005:
            continue
        patch = _look(state)
        axes.barh(y, value * scale, left=at, height=0.42, facecolor=patch.get_facecolor(),
                  edgecolor=patch.get_edgecolor(), hatch=patch.get_hatch(),
                  linewidth=patch.get_linewidth())
        at += value * scale
    whole = axes.barh(y, gap["mean_us"], height=0.42, facecolor="none",
                      edgecolor=COLOURS["soft"], linewidth=0.5)[0]
    name = f"{gap['from']} → {gap['to']}"
    canvas.mark(whole, f"{name}: {number(gap['mean_us'])} µs", file=file, key=key, gap=name,
                value=repr(float(gap["mean_us"])))
    canvas.text(0, y + 0.48, name, fontsize=9.5, va="center")
    canvas.text(gap["mean_us"] + most * 0.02, y, number(gap["mean_us"]), va="center",
                fontsize=10, fontweight="bold")


def table(gaps):
    headers = ["gap", "mean µs", *(LOOKS[state][0] for state in STATES)]
    return headers, [[f"{gap['from']} → {gap['to']}", number(gap["mean_us"]),
                      *("-" if gap[s] is None else number(gap[s]) for s in STATES)] for gap in gaps]
