#!/usr/bin/env python3
"""What more event loops gain where handlers compute, with and without a GIL; `make scaling`.

lab1, lab2 with 1, 2 and 4 loops, and lab5 with as many workers in each isolation, on handlers that
compute in Python, unpinned, on several interpreters, in interleaved rounds. Beside them bare
threads in C: what the machine itself can gain.
"""

from driver import reports, results, scaled, session, spinners, tables


def show(data):
    for table in (scaled.table, scaled.gained, scaled.efficiency):
        print(f"\n{tables.text(*table(data))}")
    print()
    session.print_wrapped(scaled.LEGEND, scaled.spinners_note(data), reports.disturbance(data),
                          reports.caption(data))


def main():
    parsed = session.options_of_several(__doc__, "scaling")
    found = session.check_pythons(parsed.python)
    specs = {}
    for python in found:
        specs |= scaled.specs(python)
    run = session.new_run("scaling", specs, scaled.configurations(found), parsed,
                          programs=scaled.PROGRAMS)
    session.note_plan(run)
    program = scaled.program(found[0].bin_dir)
    store_as = results.name_for("scaling", parsed.rounds, parsed.seconds)
    return session.conduct(run, "scaling", store_as, results.environment_of(found), show,
                           lambda: {"spinners": spinners.measure(program)})[1]


if __name__ == "__main__":
    session.run_script(main)
