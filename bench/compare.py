#!/usr/bin/env python3
"""What became of the CPU time per request since an earlier revision: lab3 and /native of both, in
interleaved rounds; `make compare BEFORE=REVISION` builds the earlier one first.

A ratio above the limit fails. The median decides; the verdict says so where the interval lies on
both sides.
"""

from driver import before_after, reports, results, session, tables

DEFAULT_ROUNDS, DEFAULT_SECONDS = results.RECORD_ROUNDS, results.RECORD_SECONDS
EXIT_STATUS = session.exit_status("nothing is dearer than allowed", "a ratio is above its limit")


def options():
    parser = session.parser(__doc__, DEFAULT_ROUNDS, DEFAULT_SECONDS, EXIT_STATUS)
    parser.add_argument("--before-dir", required=True, metavar="DIR",
                        help="where the earlier revision's programs are")
    parser.add_argument("--before", required=True, metavar="REVISION", help="what it is called")
    parser.set_defaults(rounds=DEFAULT_ROUNDS, seconds=DEFAULT_SECONDS)
    return parser.parse_args()


def show(data):
    print(f"\n{tables.text(*before_after.table(data))}\n")
    session.print_wrapped(reports.disturbance(data), reports.caption(data))


def main():
    parsed = options()
    for folder in (parsed.bin_dir, parsed.before_dir):
        session.check_programs(folder, before_after.PROGRAMS, "make compare")
    specs = before_after.specs(parsed.bin_dir, parsed.before_dir)
    run = session.new_run("compare", specs, before_after.configurations(), parsed,
                          programs=before_after.PROGRAMS)
    data, status = session.conduct(
        run, "compare", results.name_for("compare", parsed.rounds, parsed.seconds),
        results.environment(parsed.bin_dir), show, about={"before": parsed.before},
    )
    return status or (0 if before_after.kept(data) else 1)


if __name__ == "__main__":
    session.run_script(main)
