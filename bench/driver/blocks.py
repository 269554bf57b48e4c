"""Interleaved blocks: every configuration in turn, round after round, A B C then C B A."""

import os
import sys
import time
from dataclasses import asdict, dataclass

from . import results, wrk
from .servers import Server, ServerError

OTHERS_LIMIT = 0.03  # share of all CPUs that other processes may take during a block
MAX_ATTEMPTS = 3  # then a disturbed block is kept, and flagged


@dataclass(frozen=True)
class Configuration:
    """One row: a server, where it runs, how it is loaded."""

    server: str  # a key of the catalogue
    placement: str = "pinned"  # "pinned": wrk on one core, the server on the other; or "unpinned"
    pipelined: bool = False

    @property
    def key(self):
        return f"{self.server}/{self.placement}/{'16 pipelined' if self.pipelined else 'plain'}"


def cores():
    """Two sets of CPUs, for wrk and for the server; None where there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return ({available[0]}, {available[1]}) if len(available) > 1 else (None, None)


def busy_seconds():
    """CPU time that all CPUs have spent on anything but idling and waiting."""
    with open("/proc/stat") as file:
        ticks = [int(field) for field in file.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


class Progress:
    """One line that says what is being done, and how long it will take yet."""

    def __init__(self, blocks, seconds):
        self.left, self.seconds = blocks, seconds

    def show(self, configuration, round_number, rounds, note=""):
        minutes, seconds = divmod(int(self.left * self.seconds), 60)
        line = (
            f"round {round_number}/{rounds}  {configuration.key:<40} "
            f"about {minutes}:{seconds:02d} left {note}"
        )
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def done(self):
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


class Run:
    """All blocks of one run. `blocks` is what is stored: one dictionary a block, in order."""

    def __init__(self, specs, configurations, rounds, seconds, partial_name, resume=False):
        self.specs, self.configurations = specs, configurations
        self.rounds, self.seconds = rounds, seconds
        self.partial_name = partial_name
        self.plan = {
            "configurations": [asdict(c) for c in configurations],
            "seconds": seconds,
        }
        self.servers, self.warm, self.blocks = {}, set(), []
        self.interrupted = False
        partial = results.load(partial_name) if resume else None
        if partial and partial.get("plan") == self.plan:
            self.blocks = partial["blocks"]
            print(f"resuming: {len(self.blocks)} blocks are there already", file=sys.stderr)

    def measure(self):
        """Run what is missing. Ctrl-C ends it early and keeps what there is."""
        done = {(b["round"], b["key"]) for b in self.blocks}
        todo = [
            (number, configuration)
            for number in range(1, self.rounds + 1)
            for configuration in self.configurations[:: 1 if number % 2 else -1]
            if (number, configuration.key) not in done
        ]
        progress = Progress(len(todo), self.seconds + 0.4)
        try:
            for number, configuration in todo:
                progress.show(configuration, number, self.rounds)
                self._add_block(number, configuration, progress)
                progress.left -= 1
                results.save(self.partial_name, {"plan": self.plan, "blocks": self.blocks})
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            progress.done()
            for server in self.servers.values():
                server.stop()
        if not self.interrupted:
            _remove(os.path.join(results.FOLDER, self.partial_name))

    def _server(self, configuration):
        """The server of a configuration; it stays up between its blocks, idle."""
        key = (configuration.server, configuration.placement)
        if key not in self.servers:
            cpus = cores()[1] if configuration.placement == "pinned" else None
            self.servers[key] = Server(self.specs[configuration.server], cpus)
        return self.servers[key]

    def _add_block(self, number, configuration, progress):
        server = self._server(configuration)
        wrk_cpus = cores()[0] if configuration.placement == "pinned" else None
        if configuration.key not in self.warm:
            wrk.run(server.url, 1, configuration.pipelined, wrk_cpus)
            self.warm.add(configuration.key)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            block = one_block(server, self.seconds, configuration.pipelined, wrk_cpus)
            if block["others_share"] <= OTHERS_LIMIT:
                break
            progress.show(configuration, number, self.rounds, "(disturbed, again)")
        block.update(
            round=number, key=configuration.key, attempts=attempt, **asdict(configuration)
        )
        self.blocks.append(block)

    def values(self, configuration, field):
        """One figure per block of a configuration, in the order of rounds."""
        chosen = [b for b in self.blocks if b["key"] == configuration.key]
        return [b[field] for b in sorted(chosen, key=lambda b: b["round"])]

    def complete_rounds(self):
        """Rounds in which every configuration has its block."""
        counts = {}
        for block in self.blocks:
            counts[block["round"]] = counts.get(block["round"], 0) + 1
        return sum(count == len(self.configurations) for count in counts.values())


def one_block(server, seconds, pipelined, wrk_cpus):
    """Load a server once. Returns its figures; raises ServerError on wrong answers."""
    before, busy, start = server.usage(), busy_seconds(), time.monotonic()
    report, wrk_cpu = wrk.run(server.url, seconds, pipelined, wrk_cpus)
    after, elapsed = server.usage(), time.monotonic() - start
    cpu = after[0] - before[0]
    others = max(0.0, busy_seconds() - busy - cpu - wrk_cpu) / (elapsed * os.cpu_count())
    if report.bad_answers or report.socket_errors:
        raise ServerError(
            f"{server.spec.name}: {report.bad_answers} answers weren't 2xx, "
            f"{report.socket_errors} socket errors"
        )
    return {
        **asdict(report),
        "cpu_us": cpu * 1e6 / report.requests,
        "switches": (after[1] + after[2] - before[1] - before[2]) / report.requests,
        "server_busy": cpu / elapsed,
        "wrk_busy": wrk_cpu / elapsed,
        "others_share": others,
    }


def _remove(path):
    try:
        os.unlink(path)
    except OSError:
        pass
