#!/usr/bin/env python3
"""The labs under other work than a hello: waits, and computing in Python or in C; `make workloads`.

Pinned (the server on one CPU, wrk on another), 100 connections, one request at a time, in
interleaved rounds.
"""

from driver import catalogue, reports, results, session, tables, work
from driver.blocks import Configuration
from driver.reports import LABS

DEFAULT_ROUNDS, DEFAULT_SECONDS = results.ENOUGH["workloads"]


def options():
    parser = session.parser(__doc__, DEFAULT_ROUNDS, DEFAULT_SECONDS)
    parsed = parser.parse_args()
    parsed.rounds = parsed.rounds or DEFAULT_ROUNDS
    parsed.seconds = parsed.seconds or DEFAULT_SECONDS
    return parsed


def show(data):
    print(f"\n{tables.text(*work.table(data))}\n")
    session.print_wrapped(work.LEGEND, reports.disturbance(data), reports.caption(data))


def main():
    parsed = options()
    session.check_programs(parsed.bin_dir)
    specs = work.specs(catalogue.labs(parsed.bin_dir))
    planned = [Configuration(work.name(lab, one)) for one in work.WORK for lab in LABS]
    run = session.new_run("workloads", specs, planned, parsed)
    store_as = results.name_for("workloads", parsed.rounds, parsed.seconds)
    return session.conduct(run, "workloads", store_as, results.environment(parsed.bin_dir), show)[1]


if __name__ == "__main__":
    session.run_script(main)
