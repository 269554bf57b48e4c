#!/usr/bin/env python3
"""The labs under more work than a hello: JSON, waits, computing, in Python and C; `make workloads`.

In interleaved rounds, one request at a time: each work at 100 connections, pinned (the server on
one CPU, wrk on another), on the first interpreter; three of them at 1, 10 and 1,000 connections;
the same three on each interpreter, unpinned.
"""

from driver import reports, results, session, tables, work

TABLES = (work.rates, work.costs, work.tails, work.by_connections, work.by_python)


def show(data):
    for table in TABLES:
        print(f"\n{tables.text(*table(data))}")
    print()
    session.print_wrapped(work.LEGEND, reports.disturbance(data), reports.caption(data))


def main():
    parsed = session.options_of_several(__doc__, "workloads")
    found = session.check_pythons(parsed.python)
    specs = {}
    for python in found:
        specs |= work.specs(python)
    planned = work.configurations([python.name for python in found])
    run = session.new_run("workloads", specs, planned, parsed, programs=work.PROGRAMS,
                          least_seconds=work.least_seconds)
    session.note_plan(run)
    store_as = results.name_for("workloads", parsed.rounds, parsed.seconds)
    return session.conduct(run, "workloads", store_as, results.environment_of(found), show)[1]


if __name__ == "__main__":
    session.run_script(main)
