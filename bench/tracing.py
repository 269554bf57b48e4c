#!/usr/bin/env python3
"""What the labs' --stats costs, and whether its breakdown adds up; `make tracing`.

Each lab with --stats and without, on each interpreter, pinned, in interleaved rounds; then what the
breakdowns themselves say of the same load. This checks the instrument, not the servers.
"""

import tempfile

from driver import instrument, reports, results, session, tables

EXIT_STATUS = session.exit_status("every figure passes", "a figure fails")


def show(data):
    print(f"\n{tables.text(*instrument.cost(data))}\n\n{tables.text(*instrument.sums(data))}\n")
    session.print_wrapped(instrument.LEGEND, reports.disturbance(data), reports.caption(data))


def main():
    parsed = session.options_of_several(__doc__, "tracing", EXIT_STATUS)
    parsed.resume = False  # a breakdown is of the servers of this run
    found = session.check_pythons(parsed.python)
    with tempfile.TemporaryDirectory(prefix="looplab-") as folder:
        specs = {}
        for python in found:
            specs |= instrument.specs(python, folder)
        planned = instrument.configurations([python.name for python in found], specs)
        run = session.new_run("tracing", specs, planned, parsed)
        session.note_plan(run)
        store_as = results.name_for("tracing", parsed.rounds, parsed.seconds)
        data, status = session.conduct(
            run, "tracing", store_as, results.environment_of(found), show,
            lambda: {"breakdowns": instrument.breakdowns(found, folder)})
    return status or (0 if instrument.passes(data) else 1)


if __name__ == "__main__":
    session.run_script(main)
