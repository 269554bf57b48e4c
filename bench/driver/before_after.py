"""Two revisions of the labs beside each other: how each is started, what must not have become
dearer, the table."""

from dataclasses import replace

from . import catalogue
from .blocks import Configuration
from .promises import in_words, verdict
from .reports import figures_of
from .tables import number, with_interval

SERVERS = ("lab3", "native")
LIMIT = 1.03  # CPU per request, after over before
LOADS = (False, True)  # pipelined?
PROGRAMS = ("lab3",)


def name(server, when):
    return f"{server}, {when}"


def specs(bin_dir, before_dir):
    """Both revisions' servers, each from its own folder and with the apps beside it."""
    found = {}
    for when, folder in (("before", before_dir), ("after", bin_dir)):
        labs = catalogue.labs(folder)
        for server in SERVERS:
            found[name(server, when)] = replace(labs[server], name=name(server, when))
    return found


def configurations():
    """Those to be compared next to each other."""
    return [Configuration(name(server, when), pipelined=pipelined)
            for pipelined in LOADS for server in SERVERS for when in ("before", "after")]


def judged(data):
    """[(server, pipelined, before's µs, after's µs, (ratio, low, high), verdict)]"""
    figures = figures_of(data)
    rows = []
    for pipelined in LOADS:
        for server in SERVERS:
            before, after = (Configuration(name(server, when), pipelined=pipelined).key
                             for when in ("before", "after"))
            ratio = figures.ratio(after, before, "cpu_us")
            kept, straddles = verdict(*ratio, "<=", LIMIT)
            rows.append((server, pipelined, figures.median(before, "cpu_us"),
                         figures.median(after, "cpu_us"), ratio,
                         in_words("PASS" if kept else "FAIL", straddles)))
    return rows


def kept(data):
    return all(row[-1].startswith("PASS") for row in judged(data))


def table(data):
    headers = ["CPU µs per request", f"before ({data['before']})", "after", "after / before",
               "target", "verdict"]
    rows = []
    for server, pipelined, before, after, ratio, said in judged(data):
        what = "/native" if server == "native" else server
        rows.append([
            f"{what}, 16 pipelined" if pipelined else what,
            number(before),
            number(after),
            with_interval(*ratio, form="{:.3f}".format),
            f"<= {LIMIT:g}",
            said,
        ])
    return headers, rows
