#!/usr/bin/env python3
"""From which wait on `async def` handlers serve more than `def` handlers; `make crossover`.

labs 1, 3 and 4 with handlers that wait for 0 to 100 µs, at 100 connections, pinned, in interleaved
rounds; and what time.sleep itself takes for so little.
"""

from driver import crossing, procfs, reports, results, session, tables

DEFAULT_ROUNDS, DEFAULT_SECONDS = results.ENOUGH["crossover"]


def show(data):
    print(f"\n{tables.text(*crossing.rates(data))}\n\n{tables.text(*crossing.crossings(data))}\n")
    session.print_wrapped(crossing.LEGEND, crossing.FOUND_LEGEND, reports.disturbance(data),
                          reports.caption(data))


def measured_sleeps():
    return {"sleeps": crossing.sleeps((procfs.two_cpus() or (None, None))[1])}


def main():
    parser = session.parser(__doc__, DEFAULT_ROUNDS, DEFAULT_SECONDS)
    parser.set_defaults(rounds=DEFAULT_ROUNDS, seconds=DEFAULT_SECONDS)
    parsed = parser.parse_args()
    session.check_programs(parsed.bin_dir, crossing.PROGRAMS)
    run = session.new_run("crossover", crossing.specs(parsed.bin_dir), crossing.configurations(),
                          parsed, programs=crossing.PROGRAMS, brief_warm_up=True)
    session.note_plan(run)
    store_as = results.name_for("crossover", parsed.rounds, parsed.seconds)
    return session.conduct(run, "crossover", store_as, results.environment(parsed.bin_dir), show,
                           measured_sleeps)[1]


if __name__ == "__main__":
    session.run_script(main)
