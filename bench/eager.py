#!/usr/bin/env python3
"""lab4 beside lab3, lab1 and other servers: handlers that never wait, and such that give way once;
`make eager`.

Each figure is printed with its interval and PASS or FAIL; the median decides. All is measured in
one run of interleaved rounds, pinned.
"""

from driver import catalogue, in_place, promises, reports, results, session, tables

DEFAULT_ROUNDS, DEFAULT_SECONDS = results.RECORD_ROUNDS, results.RECORD_SECONDS
EXIT_STATUS = session.exit_status("every figure passes", "a figure fails or wasn't measured")


def options():
    parser = session.parser(__doc__, DEFAULT_ROUNDS, DEFAULT_SECONDS, EXIT_STATUS)
    parser.set_defaults(rounds=DEFAULT_ROUNDS, seconds=DEFAULT_SECONDS)
    return parser.parse_args()


def show(data):
    print(f"\n{tables.text(*in_place.table(data))}\n")
    session.print_wrapped(in_place.LEGEND, reports.disturbance(data), *data["missing"],
                          *data["left_out"].values(), reports.caption(data))


def main():
    parsed = options()
    session.check_programs(parsed.bin_dir, in_place.PROGRAMS)
    peers, missing = catalogue.peers([catalogue.NGINX, catalogue.UVICORN])
    specs = in_place.specs(parsed.bin_dir, peers)
    planned = [c for c in promises.configurations(in_place.PROMISES) if c.server in specs]
    run = session.new_run("eager", specs, planned, parsed, programs=in_place.PROGRAMS)
    data, status = session.conduct(
        run, "eager", results.name_for("eager", parsed.rounds, parsed.seconds, not missing),
        results.environment(parsed.bin_dir), show, about={"missing": missing},
    )
    return status or (0 if promises.kept(in_place.outcomes(data)) else 1)


if __name__ == "__main__":
    session.run_script(main)
