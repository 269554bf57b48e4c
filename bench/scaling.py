#!/usr/bin/env python3
"""What more event loops gain where handlers compute, with and without a GIL; `make scaling`.

lab1, and lab2 with 1, 2 and 4 loops, on handlers that compute in Python, unpinned, on several
interpreters, in interleaved rounds. Beside them bare threads in C: what the machine itself can gain.
"""

import time

from driver import reports, results, scaled, session, spinners, tables

DEFAULT_ROUNDS, DEFAULT_SECONDS = results.ENOUGH["scaling"]


def options():
    parser = session.parser(__doc__, DEFAULT_ROUNDS, DEFAULT_SECONDS, several_pythons=True)
    parsed = parser.parse_args()
    if not parsed.python:
        parser.error("which interpreters? --python NAME=DIR, once for each")
    parsed.rounds = parsed.rounds or DEFAULT_ROUNDS
    parsed.seconds = parsed.seconds or DEFAULT_SECONDS
    return parsed


def show(data):
    print(f"\n{tables.text(*scaled.table(data))}\n\n{tables.text(*scaled.gained(data))}\n")
    session.print_wrapped(scaled.LEGEND, scaled.spinners_note(data), reports.disturbance(data),
                          reports.caption(data))


def main():
    parsed = options()
    found = session.check_pythons(parsed.python)
    specs = {}
    for python in found:
        specs |= scaled.specs(python)
    run = session.new_run("scaling", specs, scaled.configurations(found), parsed)
    todo = run.todo()
    end = time.localtime(time.time() + run.planned_seconds(todo))
    session.note(f"{len(todo)} blocks of {parsed.seconds} s, "
                 f"until about {time.strftime('%H:%M', end)}")
    program = scaled.program(found[0].bin_dir)
    store_as = results.name_for("scaling", parsed.rounds, parsed.seconds)
    return session.conduct(run, "scaling", store_as, results.environment_of(found), show,
                           lambda: {"spinners": spinners.measure(program)})[1]


if __name__ == "__main__":
    session.run_script(main)
