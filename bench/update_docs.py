#!/usr/bin/env python3
"""Writes the tables of README.md, WRITEUP.md, docs/ and course/INSTRUCTOR.md from the runs in
bench/results/.

What stands between `<!-- table:NAME -->` and `<!-- /table -->` is replaced, and so is a figure in
prose between `<!-- cell:NAME | ROW | COLUMN -->` and `<!-- /cell -->`, by that cell of that table.
ROW is a row's first cell, or "FIRST > SECOND" where several share it. Within a table of the document
itself its bars are written `\\|`, or they would end that table's cells. A figure that stands in prose
outside a cell is an error, unless driver/prose.py says that it is given and not measured.

The stored figures are those that commands have measured, but for by-hand.json: series of builds
that weren't kept, typed in with their date, commit and method, which their tables repeat.

`<!-- code:PATH NAME -->` and `<!-- /code -->` hold a link to the lines of the function or struct
NAME in that file, wherever it stands by now; and a file that says `In the write-up: WRITEUP.md,
"HEADING".` points back to a heading that has to be there.

Between `<!-- picture:NAME -->` and `<!-- /picture -->` stands a picture of the report, drawn into
bench/results/pictures/.

`make writeup` writes, `make check-writeup` only compares.

exit status:
  0  done, or nothing differs
  1  a document differs, or can't be read or written
  2  wrong options
"""

import argparse
import glob
import os
import re
import sys
import tempfile

from driver import asking, before_after, by_hand, cells, comparison, crossing, held_up, in_place
from driver import instrument, known_costs, ladder_report, promises, prose, regions, reports, results
from driver import scaled, steady, tables, taken_apart, work
from driver.commands import COMMANDS

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
DOCUMENTS = ("README.md", "WRITEUP.md", "course/INSTRUCTOR.md",
             *sorted(f"docs/{os.path.basename(p)}" for p in glob.glob(f"{ROOT}/docs/*.md")))
MARKED = re.compile(r"(<!-- table:([\w-]+) -->\n)(.*?)(<!-- /table -->)", re.DOTALL)
PICTURE = re.compile(r"(<!-- picture:([\w-]+) -->\n)(.*?)(<!-- /picture -->)", re.DOTALL)
FREE = "3.13t"  # what the report ran, of which the documents have a second set of tables
CELL = re.compile(
    r"(<!-- cell:([\w-]+) \\?\| ([^|\n]*?) \\?\| ([^|\n]*?) -->)([^\n]*?)(<!-- /cell -->)"
)
CODE = re.compile(r"(<!-- code:(\S+) (\w+) -->)([^\n]*?)(<!-- /code -->)")
POINTER = re.compile(r'In the write-up: WRITEUP\.md, "([^"\n]+)"')
CAPTIONS = {  # the others': reports.caption
    "ladder-offline": ladder_report.offline_caption,
    "soak": held_up.soak_caption,
    "idle": held_up.idle_caption,
    "numbers": known_costs.caption,
    "by-hand": lambda data: "measured by hand",
}


class DocumentError(Exception):
    """A document's markers can't be followed; the message is for the user."""


def paragraphs(*parts):
    return "\n\n".join(filter(None, parts))


def reproduce(data):
    return paragraphs(tables.markdown(*reports.headline_compact(data)))


def reproduce_full(data):
    return paragraphs(
        tables.markdown(*reports.headline(data)),
        reports.HEADLINE_LEGEND,
        reports.little_note(data),
        tables.markdown(*reports.other_loads(data)),
        reports.disturbance(data),
    )


def measure(data):
    found = promises.outcomes(data)
    return paragraphs(tables.markdown(*promises.table(found)), reports.disturbance(data))


def peers(data):
    notes = "\n".join(f"- {line}" for line in reports.peers_notes(data))
    return paragraphs(tables.markdown(*reports.peers(data)), notes, reports.disturbance(data))


def interpreters_placed(placement):
    """The table of one placement; for cells too."""
    return lambda data: tables.markdown(*comparison.placement_table(data, placement))


def interpreters(data):
    both = [interpreters_placed(placement)(data) for placement in promises.PLACEMENTS]
    return paragraphs(*both, comparison.PLACEMENT_LEGEND, reports.disturbance(data))


def interpreters_gil(data):
    pair = comparison.without_over_with(data)
    return tables.markdown(*pair) if pair else "(no two interpreters differ by the GIL alone)"


def interpreters_sharing(data):
    sharing = comparison.immortal_over_counted(data)
    return tables.markdown(*sharing) if sharing else "(no interpreter is free-threaded)"


def interpreters_expected(data):
    return tables.markdown(*comparison.judged(data))


def ladder(data):
    return paragraphs(
        tables.markdown(*ladder_report.ladder(data, in_words=True)),
        ladder_report.LEGEND,
        tables.markdown(*ladder_report.hops(data)),
        ladder_report.HOPS_LEGEND,
        ladder_report.floor_note(data),
        reports.disturbance(data),
    )


def ladder_offline(data):
    return paragraphs(
        tables.markdown(*ladder_report.offline(data)),
        ladder_report.OFFLINE_LEGEND,
        ladder_report.links_without_rise(data),
    )


def breakdown_of(lab):
    """The gaps of one lab, on the first interpreter of the run."""

    def write(data):
        return tables.markdown(*taken_apart.gaps(data, lab, taken_apart.names(data)[0]))

    return write


def one_table(make, legend=None):
    """For what is a table and no more."""
    return lambda data: paragraphs(tables.markdown(*make(data)), legend)


def scaling(data):
    made = (tables.markdown(*table(data))
            for table in (scaled.table, scaled.gained, scaled.efficiency))
    return paragraphs(*made, scaled.LEGEND, scaled.spinners_note(data), reports.disturbance(data))


def compare(data):
    return paragraphs(tables.markdown(*before_after.table(data)), reports.disturbance(data))


def soak(data):
    return paragraphs(tables.markdown(*held_up.soak(data)), held_up.SOAK_LEGEND)


def idle(data):
    return paragraphs(tables.markdown(*held_up.idle(data)), held_up.IDLE_LEGEND)


def eager(data):
    return paragraphs(tables.markdown(*in_place.table(data)), in_place.LEGEND,
                      reports.disturbance(data))


def upstream(data):
    return paragraphs(tables.markdown(*asking.table(data)), asking.LEGEND,
                      reports.disturbance(data))


def by_hand_series(name):
    return lambda data: paragraphs(tables.markdown(*by_hand.table(name)(data)),
                                   by_hand.legend(data, name))


def machine(data):
    """For cells: what the machine of a run takes for a system call."""
    system_call = f"{data['environment']['system_call_us']:.2f}"
    return tables.markdown(["machine", "a system call, µs"], [["this run's", system_call]])


def workloads(data):
    return paragraphs(tables.markdown(*work.rates(data)),
                      f"{work.LEGEND} {work.how_often(data)}".rstrip(), reports.left_out(data))


def tracing(data):
    return paragraphs(tables.markdown(*instrument.cost(data)),
                      tables.markdown(*instrument.sums(data)), instrument.LEGEND,
                      reports.disturbance(data))


# name in a document: (kind of run, what is written)
TABLES = {
    "reproduce": ("reproduce", reproduce),
    "reproduce-full": ("reproduce", reproduce_full),
    "measure": ("measure", measure),
    "peers": ("peers", peers),
    "interpreters": ("interpreters", interpreters),
    "interpreters-gil": ("interpreters", interpreters_gil),
    "interpreters-sharing": ("interpreters", interpreters_sharing),
    "interpreters-expected": ("interpreters", interpreters_expected),
    "ladder": ("ladder", ladder),
    "ladder-offline": ("ladder-offline", ladder_offline),
    "breakdown-lab1": ("breakdown", breakdown_of("lab1")),
    "breakdown-lab2": ("breakdown", breakdown_of("lab2")),
    "breakdown-lab3": ("breakdown", breakdown_of("lab3")),
    **{f"breakdown-{lab}-free": ("breakdown", one_table(taken_apart.gaps_compact(lab, FREE)))
       for lab in ("lab1", "lab2")},
    "breakdown-categories": ("breakdown", one_table(taken_apart.categories(),
                                                    taken_apart.CATEGORIES_LEGEND)),
    "breakdown-categories-free": ("breakdown", one_table(taken_apart.categories(FREE),
                                                         taken_apart.CATEGORIES_LEGEND)),
    "breakdown-demand": ("breakdown", one_table(taken_apart.demand(), taken_apart.DEMAND_LEGEND)),
    "workloads": ("workloads", workloads),
    "workloads-costs": ("workloads", one_table(work.costs)),
    "workloads-tails": ("workloads", one_table(work.tails)),
    "workloads-connections": ("workloads", one_table(work.by_connections)),
    "workloads-pythons": ("workloads", one_table(work.by_python)),
    "workloads-alone": ("workloads", one_table(work.alone)),
    "scaling": ("scaling", scaling),
    "scaling-gained": ("scaling", one_table(scaled.gained)),  # for cells; above, rows stand twice
    "open-loop": ("open-loop", one_table(steady.table, steady.LEGEND)),
    "upstream": ("upstream", upstream),
    "crossover": ("crossover", one_table(crossing.rates, crossing.LEGEND)),
    "crossover-found": ("crossover", one_table(crossing.crossings, crossing.FOUND_LEGEND)),
    "compare": ("compare", compare),
    "soak": ("soak", soak),
    "idle": ("idle", idle),
    "eager": ("eager", eager),
    "breakdown-summary": ("breakdown", one_table(taken_apart.summary)),
    "tracing": ("tracing", tracing),
    "numbers": ("numbers", one_table(known_costs.table, known_costs.LEGEND)),
    "numbers-judged": ("numbers", one_table(known_costs.judged)),
    "peers-dear-calls": ("peers-dear-calls", one_table(reports.peers)),
    "peers-dear-calls-machine": ("peers-dear-calls", machine),
    "interpreters-pinned": ("interpreters", interpreters_placed("pinned")),
    "interpreters-unpinned": ("interpreters", interpreters_placed("unpinned")),
    "interpreters-dear-calls": ("interpreters-dear-calls", interpreters_gil),
    "interpreters-dear-calls-sharing": ("interpreters-dear-calls", interpreters_sharing),
    "by-hand-tracing": ("by-hand", by_hand_series("tracing")),
    "by-hand-piped": ("by-hand", by_hand_series("piped")),
    "by-hand-turn-size": ("by-hand", by_hand_series("turn-size")),
    "by-hand-piped-pythons": ("by-hand", by_hand_series("piped-pythons")),
    "by-hand-giving-way": ("by-hand", by_hand_series("giving-way")),
    "by-hand-pool": ("by-hand", by_hand_series("pool")),
    "by-hand-lab5": ("by-hand", by_hand_series("lab5")),
}


def generated(name, folder):
    """What belongs between the markers of a table, its source named below it."""
    if name not in TABLES:
        raise DocumentError(f"there is no table {name!r}, only {', '.join(TABLES)}")
    kind, write = TABLES[name]
    file = results.RECORDS[kind]
    data = results.load(file, folder)
    if data is None:
        return f"(no run is stored yet: `{COMMANDS[kind]}`, then `make writeup`)\n"
    caption = CAPTIONS.get(kind, reports.caption)(data)
    source = f"From [{file}](bench/results/{file}): {caption}."
    return paragraphs(write(data), source) + "\n"


def cell(name, row, column, folder):
    """A figure for prose; a dash while no run is stored."""
    if name in TABLES and results.load(results.RECORDS[TABLES[name][0]], folder) is None:
        return "-"
    try:
        return cells.find(generated(name, folder), row, column)
    except cells.CellError as error:
        raise DocumentError(f"table {name!r}: {error}") from None


def code(path, name):
    """The link to a region of the code."""
    try:
        return regions.link(ROOT, path, name)
    except regions.RegionError as error:
        raise DocumentError(str(error)) from None


class Pictures:
    """Those that documents show, each drawn once, from the runs in `folder`."""

    def __init__(self, folder):
        self.folder, self.drawn = folder, {}

    def link(self, name):
        """What belongs between the markers of a picture."""
        try:
            from picture import canvas, sections, source
        except ImportError as error:
            raise DocumentError(f"{error}: `tools/deps.sh --report` installs it") from None
        if name not in sections.PICTURES:
            raise DocumentError(
                f"there is no picture {name!r}, only {', '.join(sections.PICTURES)}")
        kind, draw = sections.PICTURES[name]
        data = source.read(os.path.join(self.folder, results.RECORDS[kind]), kind).data
        if data is None:
            return f"(no run is stored yet: `{COMMANDS[kind]}`, then `make writeup`)\n"
        found = draw(data)
        self.drawn[f"{name}.svg"] = canvas.standalone(found)
        said = re.sub(r"[][<>|]", "", f"{found.title}. {found.alt}")
        return f"![{said}](bench/results/pictures/{name}.svg)\n"

    def handle(self, check):
        """Write what has changed, or only look. Returns whether all are as they should be."""
        from picture import canvas
        good, folder = True, os.path.join(self.folder, "pictures")
        for name, text in self.drawn.items():
            path = os.path.join(folder, name)
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    if canvas.same(file.read(), text):
                        continue
            if check:
                print(f"{name} differs from the stored results: `make writeup`", file=sys.stderr)
                good = False
            else:
                os.makedirs(folder, exist_ok=True)
                write(path, text)
                print(f"{name} is drawn")
        return good


def check_pointers(text, root=ROOT):
    """The dispatch.c of labs 1 and on, and whoever else points to the write-up, names a heading of
    it."""
    headings = set(re.findall(r"^#+ (.+)$", text, re.MULTILINE))
    for path in sorted(glob.glob(f"{root}/lab[1-9]_*/*.c") + glob.glob(f"{root}/common/*/*.[ch]")):
        with open(path, encoding="utf-8") as file:
            pointers = POINTER.findall(file.read())
        name = os.path.relpath(path, root)
        if not pointers and name.endswith("dispatch.c"):
            raise DocumentError(f"{name} doesn't say which section of the write-up is about it")
        for heading in pointers:
            if heading not in headings:
                raise DocumentError(f"{name} points to {heading!r}, which is no heading here")


def linked_from(up, text):
    """What was made for a document of the root folder, for one that has to go `up` to get there."""
    return re.sub(r"\]\((?=\w)(?!\w+:)", f"]({up}", text)


def check_bars(text):
    """No marker ends a cell of the table that it stands in."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("|") and re.search(r"<!-- cell:[^>]*(?<!\\)\|", line):
            raise DocumentError(f"line {number}: in a table write a cell's bars as `\\|`")


def check_prose(text):
    """Prose states no figure but through a cell, or one that is given."""
    found = prose.typed(text)
    if found:
        line, figure = found[0]
        raise DocumentError(f"line {line} states {figure!r}: take it from a table by a `cell:`, or "
                            "say in bench/driver/prose.py why it isn't measured")


def updated(text, folder, pictures=None, up=""):
    """A document with its tables and pictures, what its prose says of them, and its links into the
    code made anew; the document lies in the root folder, or where `up` leads there."""
    pictures = pictures or Pictures(folder)
    if len(re.findall(r"<!-- table:", text)) != len(MARKED.findall(text)):
        raise DocumentError("a `<!-- table:NAME -->` line has no `<!-- /table -->` after it")
    if len(re.findall(r"<!-- cell:", text)) != len(CELL.findall(text)):
        raise DocumentError("a `<!-- cell:... -->` has no `<!-- /cell -->` on its line")
    if len(re.findall(r"<!-- code:", text)) != len(CODE.findall(text)):
        raise DocumentError("a `<!-- code:PATH NAME -->` has no `<!-- /code -->` on its line")
    if len(re.findall(r"<!-- picture:", text)) != len(PICTURE.findall(text)):
        raise DocumentError("a `<!-- picture:NAME -->` line has no `<!-- /picture -->` after it")
    text = PICTURE.sub(lambda m: m[1] + linked_from(up, pictures.link(m[2])) + m[4], text)
    text = MARKED.sub(lambda m: m[1] + linked_from(up, generated(m[2], folder)) + m[4], text)
    text = CODE.sub(lambda m: m[1] + linked_from(up, code(m[2], m[3])) + m[5], text)
    return CELL.sub(lambda m: m[1] + cell(m[2], m[3], m[4], folder) + m[6], text)


def write(path, text):
    """Whole or not at all."""
    with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(path), delete=False,
                                     suffix=".tmp", encoding="utf-8") as file:
        file.write(text)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def handle(path, folder, check, pictures=None):
    """Update or check one document. Returns whether it is as it should be."""
    name = os.path.relpath(path, ROOT)
    if name.startswith(".."):
        name = os.path.basename(path)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        new = updated(text, folder, pictures, "../" * name.count("/"))
        check_prose(new)
        check_bars(new)
        if name == "WRITEUP.md":
            check_pointers(text)
        if new == text:
            return True
        if not check:
            write(path, new)
            print(f"{name} is updated")
            return True
        print(f"{name} differs from the stored results or from the code: `make writeup`",
              file=sys.stderr)
    except (OSError, DocumentError) as error:
        print(f"{name}: {error}", file=sys.stderr)
    return False


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    parser.add_argument("--results", default=results.FOLDER, metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("documents", nargs="*", metavar="FILE",
                        help="[README.md, WRITEUP.md, docs/ and the instructor's notes]")
    parsed = parser.parse_args()
    paths = parsed.documents or [os.path.join(ROOT, name) for name in DOCUMENTS]
    pictures = Pictures(parsed.results)
    good = [handle(os.path.abspath(path), parsed.results, parsed.check, pictures) for path in paths]
    if pictures.drawn:
        good.append(pictures.handle(parsed.check))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
