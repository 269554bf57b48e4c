#!/usr/bin/env python3
"""lab4 beside lab3, lab1 and other servers: handlers that never wait, and such that give way once.

Each figure is printed with its interval and PASS or FAIL; the median decides. All is measured in
one run of interleaved rounds, pinned. Nothing is stored.
"""

import os
from dataclasses import replace

from driver import catalogue, promises, session, tables
from driver.blocks import Configuration
from driver.catalogue import NGINX, UVICORN
from driver.promises import Promise
from driver.servers import Spec

DEFAULT_ROUNDS, DEFAULT_SECONDS = 10, 3
PROGRAMS = (*catalogue.PROGRAMS, "lab4")
WAITING_LAB1, WAITING_LAB4 = "lab1, giving way", "lab4, giving way"
WAITING_UVICORN = "uvicorn, giving way"
EXIT_STATUS = session.EXIT_STATUS.format(more=", and every figure passes").replace(
    "shown and stored", "shown").replace("  1    ", "  1    a figure fails or wasn't measured, ")


def at(server, pipelined=False):
    return Configuration(server, "pinned", pipelined)


PROMISES = (
    Promise("eager", "hello, lab4: CPU µs per request", ("median", "cpu_us", at("lab4"))),
    Promise("eager", "hello, lab3: CPU µs per request", ("median", "cpu_us", at("lab3"))),
    Promise("eager", "hello, lab1: CPU µs per request", ("median", "cpu_us", at("lab1"))),
    Promise("eager", "hello, lab4: CPU per request, against lab3's",
            ("ratio", "cpu_us", at("lab4"), at("lab3")), "<=", 1.05),
    Promise("eager", "hello, lab4, 16 pipelined: requests/s, against lab3's",
            ("ratio", "rps", at("lab4", True), at("lab3", True)), ">=", 0.9),
    Promise("waits", "giving way, lab4: CPU µs per request",
            ("median", "cpu_us", at(WAITING_LAB4))),
    Promise("waits", "giving way, lab4: CPU per request, against nginx's `return 200`",
            ("ratio", "cpu_us", at(WAITING_LAB4), at(NGINX)), "<=", 1.25),
    Promise("waits", "giving way, lab4: requests/s, against uvicorn's (uvloop, httptools)",
            ("ratio", "rps", at(WAITING_LAB4), at(WAITING_UVICORN)), ">=", 1.9),
    Promise("waits", "giving way, lab4: requests/s, against lab1's",
            ("ratio", "rps", at(WAITING_LAB4), at(WAITING_LAB1)), ">=", 1),
    Promise("waits", "giving way, lab4: CPU per request, against lab1's",
            ("ratio", "cpu_us", at(WAITING_LAB4), at(WAITING_LAB1)), "<=", 1),
)


def giving_way(name, spec):
    """A lab with the app whose handler suspends once."""
    return replace(spec, name=name, cwd=catalogue.APPS,
                   command=(*spec.command, "--app", "gives_way:app"))


def specs_of(bin_dir, peers):
    labs = catalogue.labs(bin_dir)
    lab4 = Spec("lab4", (os.path.abspath(os.path.join(bin_dir, "lab4")), "--port", "0"),
                free_threaded=labs["lab3"].free_threaded)
    specs = {"lab1": labs["lab1"], "lab3": labs["lab3"], "lab4": lab4,
             WAITING_LAB1: giving_way(WAITING_LAB1, labs["lab1"]),
             WAITING_LAB4: giving_way(WAITING_LAB4, lab4)}
    if NGINX in peers:
        specs[NGINX] = peers[NGINX]
    if UVICORN in peers:
        command = [part.replace("asgi_app:app", "asgi_app:waiting_app")
                   for part in peers[UVICORN].command]
        specs[WAITING_UVICORN] = replace(peers[UVICORN], name=WAITING_UVICORN,
                                         command=tuple(command))
    return specs


def main():
    parser = session.parser(__doc__, DEFAULT_ROUNDS, DEFAULT_SECONDS, EXIT_STATUS)
    parser.set_defaults(rounds=DEFAULT_ROUNDS, seconds=DEFAULT_SECONDS, resume=False)
    parsed = parser.parse_args()
    session.check_programs(parsed.bin_dir, PROGRAMS)
    peers, missing = catalogue.peers([NGINX, UVICORN])
    specs = specs_of(parsed.bin_dir, peers)
    planned = [c for c in promises.configurations(PROMISES) if c.server in specs]
    run = session.new_run("eager", specs, planned, parsed, programs=PROGRAMS)
    run.measure()
    run.forget_partial()
    data = session.stored_form(run, "eager", {}, {})
    found = [promises.outcome(promise, data) for promise in PROMISES]
    print(f"\n{tables.text(*promises.table(found))}\n")
    session.print_wrapped(*missing)
    return 0 if promises.kept(found) else 1


if __name__ == "__main__":
    session.run_script(main)
