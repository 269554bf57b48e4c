"""Reads a report back: its pictures, the figures that their marks carry, its tables."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "rect", "path", "use"}


@dataclass
class Figure:
    name: str
    role: str = ""
    texts: dict = field(default_factory=dict)  # title, desc
    marks: list = field(default_factory=list)  # the data-* attributes of each
    rows: list = field(default_factory=list)  # of the table behind it


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.text, self.figures, self.ids, self.references = text, {}, [], []
        self.links, self.sections, self.tags, self.policy = [], [], [], ""
        self._figure, self._into, self._svg = None, None, 0
        self.feed(text)
        self.close()

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.handle_endtag(tag)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        self._note(tag, found)
        if tag == "figure":
            name = found["id"].removeprefix("picture-")
            self._figure = self.figures[name] = Figure(name)
        if self._figure is None:
            return
        if tag == "svg":
            self._svg += 1
            self._figure.role = found.get("role", "")
            labels = found["aria-labelledby"].split()
            self._named = dict(zip(labels, ("title", "desc")))
        elif self._svg and found.get("id") in self._named:
            self._into = self._named[found["id"]]
            self._figure.texts[self._into] = ""
        data = {key[5:]: value for key, value in found.items() if key.startswith("data-")}
        if self._svg and tag == "g" and data:
            self._figure.marks.append(data)
        if tag == "tr":
            self._figure.rows.append([])
        elif tag in ("td", "th"):
            self._figure.rows[-1].append("")
            self._into = "cell"

    def _note(self, tag, found):
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "section":
            self.sections.append(found["id"])
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"]
        for key, value in found.items():
            if key in ("href", "xlink:href", "src", "srcset", "action", "data", "poster"):
                self.links.append(value)
            if "url(#" in (value or ""):
                self.references.append(value.split("url(#")[1].split(")")[0])

    def handle_endtag(self, tag):
        if tag == "figure":
            self._figure = None
        if tag == "svg":
            self._svg -= 1
        if tag in ("title", "desc", "td", "th"):
            self._into = None

    def handle_data(self, data):
        if self._figure is None or self._into is None:
            return
        if self._into == "cell":
            self._figure.rows[-1][-1] += data
        else:
            self._figure.texts[self._into] += data
