"""What all pictures share: matplotlib as SVG, the page's colours, marks that carry their figures.

A picture is drawn once, for a narrow screen, in colours that are names: the SVG refers to CSS
variables, so one drawing serves the light and the dark theme. It never names a time or a machine's
path, and its ids come from its name: the same run makes the same bytes.
"""

import io
import re
from dataclasses import dataclass
from xml.etree import ElementTree

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

WIDTH = 400  # of every picture, in units of the SVG: a phone's width at about its size

# name: (light, dark). What is drawn in a light colour is written as var(--name).
THEME = {
    "paper": ("#ffffff", "#16191d"),
    "ink": ("#1c2126", "#e6e9ec"),
    "soft": ("#59626b", "#a3adb7"),
    "grid": ("#d9dde1", "#363d44"),
    "lab1": ("#0068a8", "#5cb3ea"),
    "lab2": ("#c2500a", "#f08a4b"),
    "lab3": ("#00805c", "#3fc49b"),
    "lab4": ("#a34483", "#e08fc3"),
    "lab5": ("#8a6400", "#d9ad3c"),
    "other": ("#6b7580", "#98a3ae"),
    "wait": ("#8b949e", "#7d8791"),
}
COLOURS = {name: light for name, (light, _) in THEME.items()}
MARKERS = "osD^v<>P"  # beside the colour, so that a series is known without it

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_FONT = "'DejaVu Sans', Verdana, sans-serif"
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

_STYLE = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and is small
    "svg.hashsalt": "looplab",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.edgecolor": COLOURS["soft"],
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "xtick.color": COLOURS["soft"],
    "ytick.color": COLOURS["soft"],
    "text.color": COLOURS["ink"],
    "axes.labelcolor": COLOURS["soft"],
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.8,
    "hatch.linewidth": 1.0,
}
matplotlib.rcParams.update(_STYLE)


def clean(text):
    """Without what no XML may hold: a label may come from anybody's file."""
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", str(text))


@dataclass(frozen=True)
class Picture:
    """`svg` for a page that defines the colours; `table` is (headers, rows), the same figures."""

    name: str
    title: str
    alt: str
    svg: str
    table: tuple
    note: str = ""


class Canvas:
    """One picture under way."""

    def __init__(self, name, height, left=14, right=24, top=12, bottom=44):
        """Measures in units of the SVG; margins are around the axes."""
        self.name, self.height = name, height
        self._marks = {}
        self.figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72, facecolor="none")
        self.axes = self.figure.add_axes(
            (left / WIDTH, bottom / height, (WIDTH - left - right) / WIDTH,
             (height - bottom - top) / height), facecolor="none")
        for side in ("top", "right", "left"):
            self.axes.spines[side].set_visible(False)
        self.axes.tick_params(length=0)

    def mark(self, artist, said, **data):
        """Let an artist carry its figures: `data` as data-* attributes, `said` when pointed at."""
        gid = f"mark{len(self._marks) + 1}"
        artist.set_gid(gid)
        self._marks[gid] = (clean(said), {k: clean(v) for k, v in data.items() if v is not None})
        return artist

    def text(self, x, y, text, colour="ink", **more):
        return self.axes.text(x, y, clean(text), color=COLOURS[colour], **more)

    def legend(self, entries):
        """Below the axes, in two columns. entries: artists, or (text, colour, marker)."""
        handles = [entry if not isinstance(entry, tuple) else
                   Line2D([], [], linestyle="none", marker=entry[2], color=COLOURS[entry[1]],
                          markersize=12 if entry[2] == "|" else 6,
                          markeredgewidth=2.5 if entry[2] == "|" else 1,
                          label=clean(entry[0])) for entry in entries]
        self.figure.legend(handles=handles, loc="lower left", ncol=2, frameon=False,
                           bbox_to_anchor=(0, 0), fontsize=10.5, handletextpad=0.4,
                           columnspacing=1.2, borderpad=0.2, labelspacing=0.35)

    def finish(self, title, alt, table, note=""):
        """The Picture."""
        out = io.StringIO()
        self.figure.savefig(out, format="svg", metadata={"Date": None})
        title, alt = clean(title), clean(alt)
        svg = _themed(_described(out.getvalue(), self.name, title, alt, self._marks))
        return Picture(self.name, title, alt, svg, table, note)


def plain_axis(axis):
    """A few round numbers, as a reader writes them."""
    axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(lambda value, _: f"{value:,.10g}")


def legend_height(count):
    """Units that a legend of so many entries takes, in two columns."""
    return 8 + 17 * ((count + 1) // 2)


# ---- From matplotlib's SVG to ours ---------------------------------------------------------------


def _described(text, name, title, alt, marks):
    """Names every id after the picture, and gives it its text and its marks' data."""
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(text)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        if element.get("id") in marks:
            _set_mark(element, *marks[element.get("id")])
        _rename(element, name)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.set("font-family", _FONT)
    root.set("data-drawn-by", f"matplotlib {matplotlib.__version__}")
    for tag, said in (("desc", alt), ("title", title)):
        element = ElementTree.Element(f"{{{_SVG}}}{tag}", {"id": f"{name}-{tag}"})
        element.text = said
        root.insert(0, element)
    return ElementTree.tostring(root, encoding="unicode")


def _set_mark(element, said, data):
    for key, value in data.items():
        element.set(f"data-{key}", value)
    title = ElementTree.Element(f"{{{_SVG}}}title")
    title.text = said
    element.insert(0, title)


def _rename(element, name):
    for key, value in list(element.attrib.items()):
        if key == "id":
            element.set(key, f"{name}-{value}")
        elif key == f"{{{_XLINK}}}href" and value.startswith("#"):
            element.set(key, f"#{name}-{value[1:]}")
        elif "url(#" in value:
            element.set(key, value.replace("url(#", f"url(#{name}-"))


def _themed(svg):
    """Colours by their names; the page's font."""
    svg = re.sub(r"font: (?:(bold|\d+) )?([\d.]+)px [^;\"]*",
                 lambda m: f"font-size: {m[2]}px" + (f"; font-weight: {m[1]}" if m[1] else ""), svg)
    for name, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg


def same(one, other):
    """Do two files show the same? Another version of matplotlib writes other bytes: then what they
    say decides, their texts and the figures of their marks."""
    drawn = re.compile(r'data-drawn-by="([^"]*)"')
    by = [drawn.search(text) for text in (one, other)]
    if all(by) and by[0][1] != by[1][1]:
        said = re.compile(r'data-(?!drawn-by)[\w-]+="[^"]*"|<(?:title|desc)\b[^>]*>[^<]*')
        return said.findall(one) == said.findall(other)
    return one == other


def standalone(picture):
    """The picture as a file of its own: on a ground of its own, with both themes."""
    def rules(side):
        return "".join(f"--{name}:{both[side]};" for name, both in THEME.items())

    style = (f"<style>svg{{{rules(0)}}}"
             f"@media (prefers-color-scheme:dark){{svg{{{rules(1)}}}}}</style>"
             '<rect width="100%" height="100%" style="fill: var(--paper)"/>')
    head, rest = picture.svg.split(">", 1)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head} width="{WIDTH}">{style}{rest}\n'
