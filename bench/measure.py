#!/usr/bin/env python3
"""Prints each figure that the project promises with its interval and PASS or FAIL; `make measure`.

The median decides; a line says so where the interval lies on both sides of the target. All is
measured in one run of interleaved rounds.
"""

from driver import catalogue, memory, procfs, promises, reports, results, session, tables
from driver.servers import ServerError

DEFAULT_ROUNDS, DEFAULT_SECONDS = results.RECORD_ROUNDS, results.RECORD_SECONDS
EXIT_STATUS = session.exit_status("every figure passes", "a figure fails or wasn't measured")


def groups(text):
    chosen = [name.strip() for name in text.split(",")]
    unknown = [name for name in chosen if name not in promises.GROUPS]
    if unknown:
        raise session.argparse.ArgumentTypeError(
            f"unknown: {', '.join(unknown)}; there are {', '.join(promises.GROUPS)}")
    return chosen


def options():
    parser = session.parser(__doc__, DEFAULT_ROUNDS, DEFAULT_SECONDS, EXIT_STATUS)
    parser.add_argument("--only", type=groups, default=list(promises.GROUPS), metavar="NAMES",
                        help=f"some of {','.join(promises.GROUPS)}")
    parsed = parser.parse_args()
    parsed.rounds = parsed.rounds or DEFAULT_ROUNDS
    parsed.seconds = parsed.seconds or DEFAULT_SECONDS
    return parsed


def idle_memory(specs):
    """Of the servers that there are; one that fails doesn't cost the other's figure."""
    found = {}
    cpus = (procfs.two_cpus() or (None, None))[1]
    for name in ("lab3", catalogue.NGINX):
        if name in specs:
            session.note(f"{name}: {memory.CONNECTIONS:,} idle connections, {memory.REPEATS} times")
            try:
                found[name] = memory.measure(specs[name], cpus)
            except ServerError as error:
                session.note_problem(error)
    return found


def show(data):
    found = promises.outcomes(data)
    print(f"\n{tables.text(*promises.table(found))}")
    if data["blocks"]:
        session.print_wrapped(reports.disturbance(data))
    session.print_wrapped(*data["missing"], *data["left_out"].values())
    print()
    session.print_wrapped(reports.caption(data))


def main():
    parsed = options()
    session.check_programs(parsed.bin_dir)
    peers, missing = catalogue.peers([catalogue.NGINX, catalogue.UVICORN])
    specs = {**catalogue.labs(parsed.bin_dir), **peers}
    wanted = [promise for promise in promises.PROMISES if promise.group in parsed.only]
    configurations = [c for c in promises.configurations(wanted) if c.server in specs]
    run = session.new_run("measure", specs, configurations, parsed, optional=tuple(peers))

    def extra():
        return {"memory": idle_memory(specs)} if "memory" in parsed.only else {}

    whole = len(parsed.only) == len(promises.GROUPS) and not missing
    data, status = session.conduct(
        run, "measure", results.name_for("measure", parsed.rounds, parsed.seconds, whole),
        results.environment(parsed.bin_dir), show, extra,
        about={"groups": parsed.only, "missing": missing},
    )
    return status or (0 if promises.kept(promises.outcomes(data)) else 1)


if __name__ == "__main__":
    session.run_script(main)
