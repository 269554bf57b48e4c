#!/usr/bin/env python3
"""Where the time goes: each lab takes its requests apart while wrk loads it; `make breakdown`.

Every block is the own `--bench --stats` of one of labs 1 to 5, with 100 connections, server and wrk
where the system puts them; lab5 is in the isolation that is its default. Of each lab the block with
the median latency is shown, since the gaps of one run add up and medians of gaps don't. With
several interpreters each lab runs on each of them.
"""

from driver import catalogue, reports, results, session, tables, taken_apart
from driver.blocks import Configuration


def show(data):
    first = taken_apart.names(data)[0]
    for lab in taken_apart.labs_of(data):
        print(f"\n{tables.text(*taken_apart.gaps(data, lab, first))}")
    session.print_wrapped("", taken_apart.GAPS_LEGEND)
    for table in (taken_apart.categories(), taken_apart.summary, taken_apart.demand()):
        print(f"\n{tables.text(*table(data))}")
    session.print_wrapped(taken_apart.DEMAND_LEGEND)
    print()
    session.print_wrapped(reports.disturbance(data), reports.caption(data))


def main():
    parsed = session.options_of_several(__doc__, "breakdown")
    found = session.check_pythons(parsed.python)
    specs = {}
    for python in found:
        specs |= catalogue.labs_taken_apart(python)
    planned = [Configuration(lab, "unpinned", python=python.name) for lab in taken_apart.LABS
               for python in found if f"{lab} on {python.name}" in specs]
    run = session.new_run("breakdown", specs, planned, parsed, start=taken_apart.Lab,
                          programs=catalogue.programs_in(found[0].bin_dir),
                          measure_block=taken_apart.one_block)
    store_as = results.name_for("breakdown", parsed.rounds, parsed.seconds)
    data, status = session.conduct(run, "breakdown", store_as, results.environment_of(found), show)
    return status or (0 if not data["blocks"] or taken_apart.adds_up(data) else 1)


if __name__ == "__main__":
    session.run_script(main)
