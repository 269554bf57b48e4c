#!/usr/bin/env python3
"""The labs under more work than a hello: JSON, waits, computing, in Python and C; `make workloads`.

In interleaved rounds, one request at a time: each work at 100 connections, pinned (the server on
one CPU, wrk on another), on the first interpreter. In the first of them also each at 1, 10 and
1,000 connections, and each on every interpreter, unpinned.
"""

from functools import partial

from driver import asking, procfs, reports, results, session, tables, work
from driver.blocks import one_block

PATIENCE = 1.25  # disturbed blocks are measured again until so many times the planned time is over
TABLES = (work.rates, work.costs, work.tails, work.all_by_connections, work.all_by_python,
          work.alone)


def show(data):
    for table in TABLES:
        print(f"\n{tables.text(*table(data))}")
    print()
    session.print_wrapped(work.LEGEND, work.how_often(data), reports.left_out(data),
                          reports.disturbance(data),
                          reports.caption(data))


def slim_block(upstream, *load):
    """A block without its distribution, as there are so many."""
    return {**one_block(*load, beside=(upstream.process.pid,)), "quantiles_us": {}}


def main():
    parsed = session.options_of_several(__doc__, "workloads", more=[
        ("--few", {"action": "store_true", "help": "just enough of it to see that it runs"})])
    found = session.check_pythons(parsed.python, work.PROGRAMS)
    specs = {}
    for python in found:
        specs |= work.specs(python)
    planned = work.configurations([python.name for python in found], parsed.few)
    store_as = results.name_for("workloads", parsed.rounds, parsed.seconds, not parsed.few)
    wrk_cpus = (procfs.two_cpus() or (None, None))[0]
    with asking.start_upstream(found[0].bin_dir, wrk_cpus) as upstream:
        run = session.new_run("workloads", specs, planned, parsed, programs=work.PROGRAMS,
                              least_seconds=work.least_seconds, brief_warm_up=True,
                              measure_block=partial(slim_block, upstream))
        run.time_limit = PATIENCE * run.planned_seconds(run.todo())
        session.note_plan(run)
        return session.conduct(run, "workloads", store_as, results.environment_of(found), show)[1]


if __name__ == "__main__":
    session.run_script(main)
