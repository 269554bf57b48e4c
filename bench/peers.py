#!/usr/bin/env python3
"""The same load on other servers, one worker each, beside the labs; `make bench-peers`.

wrk saturates a core before the fast servers do, so they are ranked by their CPU time per request. A
server is loaded with pipelined requests only if it answers 16 of them right.
"""

from driver import catalogue, pipelining, procfs, reports, results, session, tables
from driver.blocks import Configuration
from driver.servers import Server, ServerError

DEFAULT_ROUNDS, DEFAULT_SECONDS = results.RECORD_ROUNDS, results.RECORD_SECONDS


def options():
    parser = session.parser(__doc__, DEFAULT_ROUNDS, DEFAULT_SECONDS)
    parsed = parser.parse_args()
    parsed.rounds = parsed.rounds or DEFAULT_ROUNDS
    parsed.seconds = parsed.seconds or DEFAULT_SECONDS
    return parsed


def probe(specs, optional):
    """Which servers start, and what keeps one from being loaded with pipelined requests: (names,
    {name: fault}, lines about those that don't start)."""
    able, unfit, broken = [], {}, []
    cpus = (procfs.two_cpus() or (None, None))[1]
    for name, spec in specs.items():
        try:
            with Server(spec, cpus) as server:
                fault = pipelining.fault(server.port, spec.path)
        except ServerError as error:
            if name not in optional:
                raise
            broken.append(f"left out: {error}")
            continue
        able.append(name)
        if fault:
            unfit[name] = fault
    return able, unfit, broken


def show(data):
    print(f"\n{tables.text(*reports.peers(data))}")
    session.print_wrapped(*reports.peers_notes(data), reports.disturbance(data))
    print()
    session.print_wrapped(reports.caption(data))


def main():
    parsed = options()
    session.check_programs(parsed.bin_dir)
    peers, missing = catalogue.peers()
    programs = catalogue.programs_in(parsed.bin_dir)
    later = [lab for lab in catalogue.LATER_LABS if lab in programs]
    specs = {**catalogue.labs(parsed.bin_dir), **peers,
             **catalogue.later_labs(parsed.bin_dir, later)}
    session.note(f"{len(specs)} servers: does each start, and answer pipelined requests?")
    able, unfit, broken = probe(specs, peers)
    for line in missing + broken + [f"{name} {fault}" for name, fault in unfit.items()]:
        session.note(f"  {line}")
    configurations = [Configuration(name) for name in able]
    configurations += [Configuration(n, pipelined=True) for n in able if n not in unfit]
    run = session.new_run("peers", specs, configurations, parsed, programs=programs,
                          optional=tuple(peers))
    store_as = results.name_for("peers", parsed.rounds, parsed.seconds)
    return session.conduct(
        run, "peers", store_as, results.environment(parsed.bin_dir), show,
        about={"unfit": unfit, "missing": missing + broken},
    )[1]


if __name__ == "__main__":
    session.run_script(main)
