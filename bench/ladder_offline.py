#!/usr/bin/env python3
"""The ladder without sockets: what each rung's dispatcher costs by itself; `make ladder-offline`.

Each dispatcher is linked with a closed loop of 100 requests instead of a server's connections. CPU
time per request comes from interleaved runs on one core; instructions per request from callgrind,
as the difference of two runs. Those repeat on a noisy machine where times don't.
"""

import argparse
import sys

from driver import catalogue, ladder_report, offline, results, session, tables
from driver.progress import Progress

ROUNDS = 5


def options():
    parser = session.parser_of_programs(__doc__, ROUNDS, "timed runs of each rung")
    parser.add_argument("--instructions", action=argparse.BooleanOptionalAction, default=True,
                        help="count them with callgrind [if it is installed]")
    return parser.parse_args()


def timed_blocks(bin_dir, rounds):
    """Every rung in turn, forwards and backwards."""
    timed, blocks = offline.Timed(bin_dir), []
    progress = Progress(rounds * len(offline.RUNGS) * offline.SECONDS_WITH_START)
    for number in range(1, rounds + 1):
        for rung in offline.RUNGS if number % 2 else reversed(offline.RUNGS):
            progress.show(rung.name, number, rounds)
            blocks.append({"round": number, "rung": rung.name, **timed.once(rung)})
            progress.seconds_left -= offline.SECONDS_WITH_START
    progress.clear()
    return blocks


def counted(parsed):
    if not parsed.instructions:
        return {}
    if not offline.has_callgrind():
        session.note("valgrind isn't installed (apt-get install valgrind): no instructions")
        return {}
    session.note("instructions by callgrind, which takes about two minutes more")
    return offline.all_instructions(parsed.bin_dir, session.note)


def show(data):
    print(f"\n{tables.text(*ladder_report.offline(data))}\n")
    session.print_wrapped(ladder_report.OFFLINE_LEGEND, ladder_report.links_without_rise(data))
    print()
    session.print_wrapped(ladder_report.offline_caption(data))


def main():
    parsed = options()
    missing = catalogue.missing_programs(parsed.bin_dir, offline.PROGRAMS)
    if missing:
        session.note(f"{sys.argv[0]}: no {', '.join(missing)} in {parsed.bin_dir}: "
                     "`make ladder-offline` builds them")
        return 1
    data = {
        "kind": "ladder-offline",
        "environment": results.environment(parsed.bin_dir),
        "rounds": parsed.rounds,
        "blocks": timed_blocks(parsed.bin_dir, parsed.rounds),
    }
    data["instructions"] = counted(parsed)
    show(data)
    whole = parsed.rounds >= ROUNDS and bool(data["instructions"])
    name = (results.RECORDS if whole else results.ORIENTATIONS)["ladder-offline"]
    trouble = results.save(name, data)
    session.note(trouble or f"Every figure is in bench/results/{name}")
    return 1 if trouble else 0


if __name__ == "__main__":
    session.run_script(main)
