#!/usr/bin/env python3
"""What --live costs; `make live-cost`.

lab1 as it is, and with --live while one viewer reads all that it is sent, interleaved. Nothing is
stored: this checks the instrument, not the servers.
"""

import socket
import threading
from dataclasses import replace

from driver import catalogue, session, tables
from driver.blocks import Configuration, one_block
from driver.figures import Figures
from driver.servers import ServerError

DEFAULT_ROUNDS, DEFAULT_SECONDS = 10, 3
LEAST_SPEED = 0.99  # requests/s with one viewer, against without --live
PLAIN, WATCHED = "lab1", "lab1 --live, one viewer"
EXIT_STATUS = session.exit_status("--live costs less than 1 %", "it costs more", stored=False)


class Viewer:
    """Reads a lab's events until the block is over. A context manager."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.sendall(b"GET /_lab/events HTTP/1.1\r\nHost: lab\r\n\r\n")
        self.frames = 0
        self.thread = threading.Thread(target=self._read, daemon=True)

    def _read(self):
        while data := self.socket.recv(65536):
            self.frames += data.count(b"data: ")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()


def measured_block(server, seconds, configuration, wrk_cpus):
    if configuration.server != WATCHED:
        return one_block(server, seconds, configuration, wrk_cpus)
    with Viewer(server.port) as viewer:
        found = one_block(server, seconds, configuration, wrk_cpus)
    if viewer.frames < seconds:  # two a second are sent
        raise ServerError(f"{WATCHED}: only {viewer.frames} frames in {seconds} s")
    return found


def specs(bin_dir):
    plain = catalogue.labs(bin_dir)[PLAIN]
    return {PLAIN: plain,
            WATCHED: replace(plain, name=WATCHED, command=(*plain.command, "--live"))}


def show(figures):
    """Returns whether it is cheap enough."""
    speed, cpu = (figures.ratio(Configuration(WATCHED).key, Configuration(PLAIN).key, field)
                  for field in ("rps", "cpu_us"))
    good = speed[0] >= LEAST_SPEED
    form = "{:.3f}".format
    print("\nlab1 with --live and one viewer, against without (95 % interval); requests/s: "
          f"at least {LEAST_SPEED}\n")
    print(tables.text(["rounds", "requests/s", "CPU per request", ""],
                      [[figures.rounds, tables.with_interval(*speed, form=form),
                        tables.with_interval(*cpu, form=form), "PASS" if good else "FAIL"]]))
    return good


def main():
    parser = session.parser(__doc__, DEFAULT_ROUNDS, DEFAULT_SECONDS, EXIT_STATUS)
    parser.set_defaults(rounds=DEFAULT_ROUNDS, seconds=DEFAULT_SECONDS, resume=False)
    parsed = parser.parse_args()
    session.check_programs(parsed.bin_dir, [PLAIN])
    planned = specs(parsed.bin_dir)
    run = session.new_run("live-cost", planned, map(Configuration, planned), parsed,
                          programs=[PLAIN], measure_block=measured_block)
    run.measure()
    run.forget_partial()
    figures = Figures(run.blocks, [c.key for c in run.configurations])
    if not figures.rounds:
        raise ServerError("nothing was measured")
    return 0 if show(figures) else 1


if __name__ == "__main__":
    session.run_script(main)
