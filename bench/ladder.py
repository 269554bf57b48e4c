#!/usr/bin/env python3
"""The ladder: from a fixed answer in C to a pool of event loops, layer by layer; `make ladder`.

Each rung is a server of its own that adds one thing to its parent. All are loaded alike, in
interleaved rounds, pinned to one core; those that hand requests to another thread also unpinned.
Beside them stands the least that a hop can cost, a ping-pong between two threads in C.
"""

import os

from driver import ladder_report, pingpong, reports, results, rungs, session, tables

DEFAULT_ROUNDS, DEFAULT_SECONDS = results.RECORD_ROUNDS, results.LADDER_SECONDS


def options():
    parser = session.parser(__doc__, DEFAULT_ROUNDS, DEFAULT_SECONDS)
    parsed = parser.parse_args()
    parsed.rounds = parsed.rounds or DEFAULT_ROUNDS
    parsed.seconds = parsed.seconds or DEFAULT_SECONDS
    return parsed


def show(data):
    if data["rounds"] < results.RECORD_ROUNDS:
        print("A quick run, for orientation: `make ladder` alone is for the record.")
    print(f"\n{tables.text(*ladder_report.ladder(data))}\n")
    session.print_wrapped(ladder_report.LEGEND)
    print(f"\n{tables.text(*ladder_report.hops(data))}\n")
    session.print_wrapped(
        ladder_report.HOPS_LEGEND, ladder_report.floor_note(data), reports.disturbance(data))
    print()
    session.print_wrapped(reports.caption(data))


def main():
    parsed = options()
    programs = (*rungs.PROGRAMS, rungs.PINGPONG)
    session.check_programs(parsed.bin_dir, programs, "make ladder")
    environment = results.environment(parsed.bin_dir)
    run = session.new_run("ladder", rungs.specs(parsed.bin_dir), rungs.configurations(), parsed,
                          programs)
    session.note_plan(run, f" on {len(rungs.RUNGS)} rungs")

    def floor_of_hops():
        program = os.path.join(parsed.bin_dir, rungs.PINGPONG)
        return {"pingpong": pingpong.measure(program)}

    store_as = results.name_for("ladder", parsed.rounds, parsed.seconds)
    return session.conduct(run, "ladder", store_as, environment, show, floor_of_hops)[1]


if __name__ == "__main__":
    session.run_script(main)
