#!/usr/bin/env python3
"""Handlers that ask another server, by a packaged HTTP client; `make upstream`.

Each lab at 1, 10 and 100 connections, pinned, in interleaved rounds. What a handler of its own kind
waits for here is a socket, not a timer.
"""

from functools import partial

from driver import asking, procfs, reports, results, session, tables
from driver.blocks import one_block

DEFAULT_ROUNDS, DEFAULT_SECONDS = results.ENOUGH["upstream"]


def show(data):
    print(f"\n{tables.text(*asking.table(data))}\n")
    session.print_wrapped(asking.LEGEND, reports.disturbance(data), reports.caption(data))


def main():
    parser = session.parser(__doc__, DEFAULT_ROUNDS, DEFAULT_SECONDS)
    parser.set_defaults(rounds=DEFAULT_ROUNDS, seconds=DEFAULT_SECONDS)
    parsed = parser.parse_args()
    session.check_programs(parsed.bin_dir, asking.PROGRAMS)
    environment = results.environment(parsed.bin_dir)
    with asking.start_upstream(parsed.bin_dir, (procfs.two_cpus() or (None, None))[0]) as upstream:
        run = session.new_run("upstream", asking.specs(parsed.bin_dir), asking.configurations(),
                              parsed, programs=asking.PROGRAMS,
                              least_seconds=asking.least_seconds,
                              measure_block=partial(one_block, beside=(upstream.process.pid,)))
        session.note_plan(run)
        store_as = results.name_for("upstream", parsed.rounds, parsed.seconds)
        return session.conduct(run, "upstream", store_as, environment, show)[1]


if __name__ == "__main__":
    session.run_script(main)
