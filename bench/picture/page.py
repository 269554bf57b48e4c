"""The page around the pictures: one HTML file that needs nothing else and asks for nothing else."""

import base64
import hashlib
import os
from html import escape

from .canvas import THEME, clean
from .sections import in_columns

HERE = os.path.dirname(os.path.abspath(__file__))
TITLE = "Loop Lab: what was measured"


def text(value):
    return escape(clean(value), quote=True)


def _read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return file.read()


def _style():
    light, dark = ("".join(f"--{name}:{both[side]};" for name, both in THEME.items())
                   for side in (0, 1))
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{color-scheme:dark;{dark}}}}}\n"
        f":root[data-theme=light]{{color-scheme:light;{light}}}\n"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}\n"
        + _read("page.css").replace("LIGHT", light)
    )


def _policy(script):
    """Nothing is loaded from anywhere, and no script runs but ours. (matplotlib's SVG has style
    attributes.)"""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return ("default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
            f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'")


def table(title, found, legend=""):
    """As HTML. It scrolls by itself where it is wider than the page, by keyboard too."""
    headers, rows = in_columns(found)
    head = "".join(f"<th scope=col>{text(header)}</th>" for header in headers)
    body = "".join(
        "<tr>" + f"<td>{text(row[0])}</td>" + "".join(f"<td>{text(c)}</td>" for c in row[1:]) +
        "</tr>\n" for row in rows)
    below = f"<p class=soft>{text(legend)}</p>" if legend else ""
    return (f'<div class=scroll tabindex=0 role=region aria-label="{text(title)}">'
            f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>{below}")


def figure(picture):
    return (f'<figure id="picture-{text(picture.name)}"><h3>{text(picture.title)}</h3>\n'
            f"{picture.svg}\n"
            f"<details><summary>Its figures as a table</summary>"
            f"{table(picture.title, picture.table)}</details></figure>\n")


def section(made):
    parts = [f'<section id="{made.section.name}" aria-labelledby="{made.section.name}-h">'
             f'<h2 id="{made.section.name}-h">{text(made.section.title)}</h2>\n']
    if made.section.text:
        parts.append(f"<p>{text(made.section.text)}</p>\n")
    if made.lacking:
        parts.append("<p class=lacking>What is missing here:</p><ul class=lacking>" +
                     "".join(f"<li>{text(one)}</li>" for one in made.lacking) + "</ul>\n")
    shown = made.section.shown if made.pictures else 1
    parts += [table(*one) for one in made.tables[:shown]]
    if made.pictures:
        parts.append(f"<div class=pictures>{''.join(map(figure, made.pictures))}</div>\n")
    for title, found, legend in made.tables[shown:]:
        parts.append(f"<details><summary>{text(title)}</summary>{table(title, found, legend)}"
                     "</details>\n")
    if made.caption:
        parts.append(f"<p class=soft>From {text(made.file)}: {text(made.caption)}.</p>\n")
    return "".join(parts) + "</section>\n"


def missing(entries):
    """entries: [(what, why, the command that makes it)]"""
    if not entries:
        return ""
    lines = "".join(f"<li>{text(what)}: {text(why)} (<code>{text(command)}</code>)</li>\n"
                    for what, why, command in entries)
    return ("<section id=missing aria-labelledby=missing-h><h2 id=missing-h>What isn't here</h2>\n"
            f"<ul class=lacking>{lines}</ul></section>\n")


def whole(sections, absent):
    """sections: made ones. absent: as for missing()."""
    links = "".join(f'<li><a href="#{made.section.name}">{text(made.section.title)}</a></li>'
                    for made in sections)
    script, style = _read("page.js"), _style()
    return f"""<!DOCTYPE html>
<html lang=en>
<head>
<meta charset=utf-8>
<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">
<meta name=viewport content="width=device-width, initial-scale=1">
<link rel=icon href="data:,">
<title>{TITLE}</title>
<style>{style}</style>
</head>
<body>
<a class=skip href="#main">To the figures</a>
<header><h1>{TITLE}</h1>
<p>Bars and dots are medians, lines on them 95 % intervals. Each picture's figures stand in a table
below it.</p>
<button id=theme type=button hidden>Light or dark</button>
<nav aria-label=Sections><ul>{links}</ul></nav></header>
<main id=main>
{"".join(map(section, sections))}{missing(absent)}</main>
<script>{script}</script>
</body>
</html>
"""
