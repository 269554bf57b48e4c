#!/usr/bin/env python3
"""The experiment: three labs under the same load, one table. `make reproduce` calls this.

Each lab is loaded by wrk with 100 connections, pinned (wrk on one CPU, the server on another) and
unpinned, with one request at a time and with 16 pipelined, in interleaved rounds. With several
interpreters (`make reproduce PYTHONS="system 3.13 3.13t"`) the table has columns for each, and the
run takes that many times as long.
"""

import time

from driver import catalogue, comparison, reports, results, session, tables
from driver.blocks import Configuration

QUICK = {"rounds": 4, "seconds": 2}
FULL = {"rounds": results.RECORD_ROUNDS, "seconds": 4}
QUICK_LIMIT_SECONDS = 170  # disturbed blocks are measured again only as long as this is kept


def configurations(pythons=("",), labs=tuple(reports.LABS)):
    """Each lab's interpreters next to each other, as they are compared."""
    return [
        Configuration(lab, placement, pipelined, python)
        for placement in ("pinned", "unpinned")
        for pipelined in (False, True)
        for lab in labs
        for python in pythons
    ]


def options():
    parser = session.parser(
        __doc__,
        rounds=f"{QUICK['rounds']}; with --full {FULL['rounds']}",
        seconds=f"{QUICK['seconds']}; with --full {FULL['seconds']}",
        several_pythons=True,
    )
    parser.add_argument("--full", action="store_true",
                        help="for the record: at least ten blocks of each, some ten minutes")
    parser.add_argument("--labs", nargs="+", choices=list(reports.LABS | reports.LATER_LABS),
                        default=list(reports.LABS), metavar="LAB",
                        help=f"these (default: {' '.join(reports.LABS)}): a hand-out hasn't got "
                             "them all, and shows its own")
    parsed = parser.parse_args()
    chosen = FULL if parsed.full else QUICK
    parsed.rounds = parsed.rounds or chosen["rounds"]
    parsed.seconds = parsed.seconds or chosen["seconds"]
    return parsed


def show(data):
    if data["rounds"] < results.RECORD_ROUNDS:
        print("A quick run, for orientation: `make reproduce FULL=1` is for the record.")
    print(f"\n{tables.text(*reports.headline(data))}\n")
    session.print_wrapped(
        reports.HEADLINE_LEGEND, reports.little_note(data), reports.disturbance(data))
    print(f"\n{tables.text(*reports.other_loads(data))}\n")
    session.print_wrapped(reports.caption(data))


def show_by_python(data):
    if data["rounds"] < results.RECORD_ROUNDS:
        print("A quick run, for orientation.")
    print(f"\n{tables.text(*comparison.headline(data))}\n")
    session.print_wrapped(comparison.HEADLINE_LEGEND, reports.disturbance(data))
    print(f"\n{tables.text(*comparison.ratios(data))}\n")
    session.print_wrapped(reports.caption(data))


def main():
    parsed = options()
    # With several interpreters it is the report's three labs that are compared.
    labs = [lab for lab in parsed.labs if not parsed.python or lab in reports.LABS]
    programs = [*labs, "floor"]
    if parsed.python:
        kind, show_run, found = "pythons", show_by_python, session.check_pythons(parsed.python)
        specs = {}
        for python in found:
            specs |= catalogue.labs_on(python)
        environment = results.environment_of(found)
    else:
        kind, show_run, found = "reproduce", show, ()
        session.check_programs(parsed.bin_dir, programs)
        specs = catalogue.labs(parsed.bin_dir) | catalogue.later_labs(
            parsed.bin_dir, [lab for lab in labs if lab in catalogue.LATER_LABS])
        environment = results.environment(parsed.bin_dir)
    limit = None if parsed.full else QUICK_LIMIT_SECONDS * max(1, len(found))
    planned = configurations([python.name for python in found] or [""], labs)
    run = session.new_run(kind, specs, planned, parsed, programs, time_limit=limit)
    todo = run.todo()
    end = time.localtime(time.time() + run.planned_seconds(todo))
    session.note(f"{len(todo)} blocks of {parsed.seconds} s on {', '.join(labs)} "
                 f"(lab2: 8 workers), until about {time.strftime('%H:%M', end)}")
    store_as = results.name_for(kind, parsed.rounds, parsed.seconds)
    return session.conduct(run, kind, store_as, environment, show_run)[1]


if __name__ == "__main__":
    session.run_script(main)
