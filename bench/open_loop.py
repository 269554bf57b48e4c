#!/usr/bin/env python3
"""Latency at a constant rate of requests, whatever the server makes of it; `make open-loop`.

Each lab is asked for the mix of `make workloads` (sixteen of twenty requests say hello, three wait
for 10 ms, one computes), pinned, at rates that all but lab 3 can serve with ease. Latencies count
from the time at which a request was due.
"""

from driver import constant_rate, procfs, reports, results, session, steady, tables, work

DEFAULT_ROUNDS, DEFAULT_SECONDS = results.ENOUGH["open-loop"]


def one_block(server, seconds, configuration, wrk_cpus):
    """As blocks.one_block(), with a client that keeps its rate."""
    server.settle()
    others = procfs.OtherLoad()
    usage = server.usage()
    report = constant_rate.run(server.url, steady.rate_of(configuration), seconds,
                               len(server.spec.answer), wrk_cpus)
    used = server.usage() - usage
    return {**report, "cpu_us": used.cpu * 1e6 / max(1, report["requests"]),
            "others_share": others.share(server.process.pid)}


def show(data):
    print(f"\n{tables.text(*steady.table(data))}\n")
    session.print_wrapped(steady.LEGEND, reports.caption(data))


def main():
    parser = session.parser(__doc__, DEFAULT_ROUNDS, DEFAULT_SECONDS)
    parsed = parser.parse_args()
    parsed.rounds = parsed.rounds or DEFAULT_ROUNDS
    parsed.seconds = parsed.seconds or DEFAULT_SECONDS
    session.check_programs(parsed.bin_dir, work.PROGRAMS)
    run = session.new_run("open-loop", steady.specs(parsed.bin_dir), steady.configurations(),
                          parsed, programs=work.PROGRAMS, measure_block=one_block)
    session.note_plan(run)
    store_as = results.name_for("open-loop", parsed.rounds, parsed.seconds)
    environment = results.environment(parsed.bin_dir)
    return session.conduct(run, "open-loop", store_as, environment, show)[1]


if __name__ == "__main__":
    session.run_script(main)
