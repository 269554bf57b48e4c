"""Figures that a document states in prose: numbers with a unit, with decimals, or with thousands'
commas. Those that were measured come from a table, by a `cell:` marker; the others are given, and
why stands here."""

import re

# What isn't measured here, and so may be typed. A number with its unit is that alone.
GIVEN = {
    "13,000": "the report's requests/s, of one loop",
    "3,000": "the report's requests/s, of eight loops",
    "72,000": "the report's requests/s, of sync handlers",
    "0.23": "the report's ratio, of eight loops to one",
    "5.5": "the report's ratio, of sync handlers to one loop",
    "7.7": "the report's latency in ms, of one loop",
    "66 ms": "the report's latency, of eight loops",
    "60 ms": "the report's overhead",
    "15 ms": "the report's thread scheduling; its future conversion",
    "20 ms": "the report's event-loop coordination",
    "10 ms": "the report's wait for the GIL; a wait that handlers are told to make",
    "4.3": "13,000 over 3,000",
    "8.6": "66 over 7.7",
    "58.3": "66 less 7.7",
    "1.3": "ms: 4 cores over 3,000 requests/s",
    "0.1 ms": "a wait that handlers are told to make",
    "1,000": "connections",
    "3,200": "waits of 10 ms that 32 threads can finish in a second",
    "0 µs": "no wait",
    "8 ms": "a latency of an exam question",
    "12,000": "requests/s of an exam question",
    "1 MiB": "a limit: of what a student hands in",
    "5,000": "primes below that many",
    "20,000": "primes below that many",
    "3 %": "a block with more of other load is measured again",
    "97 %": "a target: what tracing may leave of lab 1's requests/s",
    "30 ns": "a target: what a mark may cost",
    "1.05": "a target: /native's CPU time over the floor's",
    "0.9": "a target: lab 3's requests/s over those of /native, lab 4's over lab 3's",
    "100 %": "all",
    "1.44": "a libuv",
    "1.45": "a libuv",
    "3.11": "a Python",
    "3.12": "a Python",
    "3.13": "a Python",
}
_FIGURE = re.compile(
    r"(?<![\w.,#/-])(\d[\d,]*(?:\.\d+)?)"
    r"(?:\s*(µs|ms|ns|MiB|KiB|%|requests/s|instructions|bytes|/s)(?![\w/])|(?![\w.,]*\w))")
_NO_PROSE = (  # what is generated, and what is code
    re.compile(r"<!-- (table|picture):.*?<!-- /\1 -->", re.DOTALL),
    re.compile(r"<!-- (cell|code):[^\n]*?<!-- /\1 -->"),
    re.compile(r"```.*?```", re.DOTALL),
    re.compile(r"`[^`\n]*`"),
    re.compile(r"\]\([^)\n]*\)"),
)


def _blank(match):
    return re.sub(r"[^\n]", "~", match[0])


def typed(text):
    """[(line number, figure)] of the figures that prose states by itself and that aren't given."""
    for pattern in _NO_PROSE:
        text = pattern.sub(_blank, text)
    found = []
    for match in _FIGURE.finditer(text):
        number, unit = match[1].rstrip(","), match[2] or ""
        figure = f"{number}{unit}" if unit == "/s" else f"{number} {unit}".strip()
        if not unit and not re.search(r"\d[.,]\d", number):
            continue
        if number not in GIVEN and figure not in GIVEN:
            found.append((text.count("\n", 0, match.start()) + 1, figure))
    return found
