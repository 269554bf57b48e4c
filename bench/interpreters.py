#!/usr/bin/env python3
"""The labs on several interpreters, with and without a GIL, in one run; `make interpreters`.

lab1, lab2 with 1, 2, 4, 8 and 16 loops, and lab3, pinned (the server on one CPU, wrk on another)
and unpinned, one request at a time, in interleaved rounds. Where there is no GIL, lab1 and lab2
with 8 loops also with loops whose references nobody counts (apps/immortal.py).
"""

from driver import catalogue, comparison, promises, pythons, reports, results, session, tables
from driver.blocks import Configuration

PATIENCE = 1.25  # disturbed blocks are measured again until so many times the planned time is over


def configurations(pythons_of_run):
    """Each lab's interpreters next to each other, as they are compared."""
    planned = []
    for placement in promises.PLACEMENTS:
        for server in comparison.SERVERS:
            for python in pythons_of_run:
                planned.append(Configuration(server, placement, python=python.name))
                if python.free_threaded and server in comparison.SHARING:
                    immortal = catalogue.immortal_name(server)
                    planned.append(Configuration(immortal, placement, python=python.name))
    return planned


def show(data):
    for placement in promises.PLACEMENTS:
        print(f"\n{tables.text(*comparison.placement_table(data, placement))}")
    print()
    session.print_wrapped(comparison.PLACEMENT_LEGEND, reports.disturbance(data))
    for table in (comparison.without_over_with(data), comparison.judged(data),
                  comparison.immortal_over_counted(data)):
        if table and table[1]:
            print(f"\n{tables.text(*table)}")
    print()
    session.print_wrapped(reports.caption(data))


def main():
    parsed = session.options_of_several(__doc__, "interpreters")
    found = session.check_pythons(parsed.python)
    if pythons.pair({python.name: python.about for python in found}) is None:
        session.note("no two of them differ by the GIL alone, so nothing is put down to it")
    specs = {}
    for python in found:
        specs |= catalogue.labs_on(python, comparison.WORKERS)
        specs |= catalogue.immortal_labs_on(python) if python.free_threaded else {}
    environment = results.environment_of(found)
    run = session.new_run("interpreters", specs, configurations(found), parsed)
    run.time_limit = PATIENCE * run.planned_seconds(run.todo())
    session.note_plan(run)
    whole = pythons.pair(environment["pythons"]) is not None
    store_as = results.name_for("interpreters", parsed.rounds, parsed.seconds, whole)
    return session.conduct(run, "interpreters", store_as, environment, show)[1]


if __name__ == "__main__":
    session.run_script(main)
