"""The report's sections: which pictures and tables are made of which kind of run.

A picture or a table that can't be made of what a file holds is left out, and what lacks is said.
"""

from dataclasses import dataclass, field

from driver import (asking, before_after, comparison, crossing, held_up, in_place, instrument,
                    ladder_report, promises, reports, scaled, steady, taken_apart, work)

from . import chosen, compared, traced
from .chosen import Lacking

# A results file is somebody's: whatever may lack or be wrong in it ends in one of these.
TROUBLE = (Lacking, KeyError, TypeError, ValueError, IndexError, AttributeError, ZeroDivisionError,
           OverflowError, StopIteration)


@dataclass(frozen=True)
class Section:
    name: str  # the anchor
    title: str
    kind: str
    text: str
    pictures: tuple = ()  # names
    tables: tuple = ()  # (title, function of the data, legend or function of the data)
    shown: int = 0  # so many of the tables are open
    caption: object = reports.caption


@dataclass
class Made:
    """A section as it is shown."""

    section: Section
    pictures: list = field(default_factory=list)
    tables: list = field(default_factory=list)  # (title, (headers, rows), legend)
    lacking: list = field(default_factory=list)
    caption: str = ""
    file: str = ""


TRACED = tuple((f"lab{number}", load) for number in (1, 2, 3, 4, 5) for load in traced.LOADS)
# name: (kind of run, function of its data)
PICTURES = {
    "rates": ("reproduce", chosen.rates),
    "costs": ("reproduce", chosen.costs),
    "latencies": ("reproduce", chosen.latencies),
    "latencies-unpinned": ("reproduce", chosen.distributions("latencies-unpinned", "unpinned")),
    "loads": ("reproduce", chosen.loads),
    **{chosen.lanes_name(*one): ("traces", chosen.swim_lanes(*one)) for one in TRACED},
    "ladder-pinned": ("ladder", chosen.ladder("pinned")),
    "ladder-unpinned": ("ladder", chosen.ladder("unpinned")),
    "overheads": ("breakdown", chosen.overheads),
    **{f"breakdown-{lab}": ("breakdown", chosen.breakdown(lab)) for lab in taken_apart.LABS},
    "interpreters": ("interpreters", chosen.interpreters),
    "peers": ("peers", chosen.peers),
    "crossover-waits": ("workloads", chosen.waits),
    "crossover-primes": ("workloads", chosen.primes),
    "crossover-short": ("crossover", chosen.short_waits),
    **{f"connections-{n}": ("workloads", chosen.connections(n)) for n in range(len(work.SOME))},
    **{f"scaling-{n}-{place}": ("scaling", chosen.scaling(n, place))
       for n in range(len(scaled.PRIMES)) for place in range(3)},
    **{f"gained-{n}": ("scaling", chosen.gained(n)) for n in range(len(scaled.PRIMES))},
}


def _pictures_of(kind):
    return tuple(name for name, (of, _) in PICTURES.items() if of == kind)


SECTIONS = (
    Section("labs", "The labs beside the report", "reproduce",
            "Each lab under the same load: wrk with 100 connections. The report's figures are of "
            "another machine; the ratios are what can be compared.",
            _pictures_of("reproduce"),
            (("The labs, pinned, one request at a time", reports.headline,
              reports.HEADLINE_LEGEND),
             ("Placed and loaded in other ways", reports.other_loads, "")), shown=1),
    Section("request", "One request across the threads", "traces",
            "A real request of each lab, of the median time of a short trace: GET /, answered by a "
            "handler in Python.",
            _pictures_of("traces"),
            caption=lambda data: reports.provenance(data["environment"],
                                                    *data["environment"]["versions"])),
    Section("ladder", "One layer at a time", "ladder",
            "From a fixed answer in C to a pool of loops, one layer a rung.",
            _pictures_of("ladder"),
            (("The rungs", ladder_report.ladder, ladder_report.LEGEND),)),
    Section("ladder-offline", "The same layers without sockets", "ladder-offline", "", (),
            (("The dispatchers", ladder_report.offline, ladder_report.OFFLINE_LEGEND),),
            caption=ladder_report.offline_caption),
    Section("breakdown", "Where a request's time goes", "breakdown",
            "100 connections, unpinned: most of a request's time is waiting for others'.",
            _pictures_of("breakdown"),
            (("What the report blames", taken_apart.categories(), ""),
             ("What a request takes of each thread", taken_apart.demand(),
              taken_apart.DEMAND_LEGEND))),
    Section("interpreters", "With and without a GIL", "interpreters", "",
            _pictures_of("interpreters"),
            (("Without a GIL over with one", comparison.without_over_with, ""),)),
    Section("peers", "Beside other servers", "peers", "", _pictures_of("peers"),
            (("The servers", reports.peers, ""),)),
    Section("workloads", "Other work than a hello", "workloads", work.LEGEND,
            _pictures_of("workloads"),
            (("Requests/s by work", work.rates, ""), ("CPU time by work", work.costs, ""),
             ("The slowest hundredth by work", work.tails, ""),
             ("Other numbers of connections", work.all_by_connections, work.how_often),
             ("Other interpreters", work.all_by_python, work.how_often))),
    Section("crossover", "Where async overtakes sync", "crossover", crossing.LEGEND,
            _pictures_of("crossover"),
            (("Requests/s by wait", crossing.rates, ""),
             ("Where they cross", crossing.crossings, crossing.FOUND_LEGEND))),
    Section("scaling", "More loops for handlers that compute", "scaling", scaled.LEGEND,
            _pictures_of("scaling"),
            (("What more loops gain", scaled.gained, ""),)),
    Section("promises", "What the project promises", "measure", "", (),
            (("Promised and measured", lambda data: promises.table(promises.outcomes(data)), ""),)),
    Section("eager", "Handlers that start where they stand", "eager", "", (),
            (("lab4", in_place.table, in_place.LEGEND),)),
    Section("open-loop", "At a constant rate", "open-loop", "", (),
            (("Latency from when a request was due", steady.table, steady.LEGEND),)),
    Section("upstream", "Handlers that ask another server", "upstream", "", (),
            (("Asking by httpx", asking.table, asking.LEGEND),)),
    Section("tracing", "What the instrument costs", "tracing", "", (),
            (("With --stats over without", instrument.cost, instrument.LEGEND),
             ("Does the breakdown add up", instrument.sums, ""))),
    Section("compare", "Beside an earlier revision", "compare", "", (),
            (("CPU time per request", before_after.table, ""),)),
    Section("soak", "Under faults", "soak", "", (),
            (("A minute of faults", held_up.soak, held_up.SOAK_LEGEND),),
            caption=held_up.soak_caption),
    Section("idle", "Idle connections", "idle", "", (),
            (("What each costs", held_up.idle, held_up.IDLE_LEGEND),),
            caption=held_up.idle_caption),
)


def make(section, source):
    """Whatever of the section can be made of the source, which holds data."""
    made = Made(section, file=source.file, lacking=list(source.notes))
    for name in section.pictures:
        found = _attempt(made, PICTURES[name][1], f"the picture {name}", source.data)
        if found:
            made.pictures.append(found)
    for title, table, legend in section.tables:
        found = _attempt(made, table, f"the table {title!r}", source.data)
        if found:
            text = legend(source.data) if callable(legend) else legend
            made.tables.append((title, found, text))
    made.caption = _attempt(made, section.caption, "where it was measured", source.data) or ""
    return made


def compare(one, other):
    """The section of two files of the same kind."""
    section = Section("compared", f"{one.file} and {other.file}", one.kind,
                      f"A is {one.file}, B is {other.file}. Ratios are of medians; their intervals "
                      "are 95 % bootstraps over the blocks of both.")
    made = Made(section, file=f"{one.file}, {other.file}",
                lacking=[f"A: {note}" for note in one.notes] +
                        [f"B: {note}" for note in other.notes])
    for name in compared.FIELDS:
        found = _attempt(made, compared.draw(name), f"the picture of {name}", one.data, other.data)
        if found:
            made.pictures.append(found)
            made.tables.append((compared.FIELDS[name], compared.table(name)(one.data, other.data),
                                ""))
    found = _attempt(made, compared.environments, "the machines", one.data, other.data)
    if found and found[1]:
        made.tables.append(("What else differs", found, ""))
    return made


def _attempt(made, function, what, *data):
    try:
        return function(*data)
    except TROUBLE as error:
        reason = f"the run lacks {error}" if isinstance(error, Lacking) else (
            f"the file lacks {error}" if isinstance(error, KeyError) else str(error)[:160])
        note = f"{what} can't be made: {reason or type(error).__name__}"
        if note not in made.lacking:
            made.lacking.append(note)
        return None


def in_columns(table):
    """(headers, rows, groups) as (headers, rows): a group's name before each of its columns'."""
    if len(table) == 2:
        return table
    headers, rows, groups = table
    named = [name for name, _, columns in groups for _ in range(columns)]
    return headers[:1] + [f"{n}: {h}" for n, h in zip(named, headers[1:])], rows
