"""Interleaved blocks: every configuration in turn, round after round, A B C then C B A.

A block is a few seconds of load on one server and gives one figure of each kind. Interleaving
spreads whatever drifts (temperature, a neighbour on the host) over all configurations alike.
"""

import time
from dataclasses import asdict, dataclass

from . import procfs, results, wrk
from .progress import Progress
from .servers import Server, ServerError

OTHERS_LIMIT = 0.03  # share of all CPUs that other processes may take during a block
MAX_REPEATS = 3  # then the least disturbed of the attempts is kept, and flagged
WARM_UP_SECONDS = 1
BRIEF_WARM_UP_SECONDS = 0.3  # by one connection, of a run that has hundreds of configurations
OVERHEAD_SECONDS = 0.3  # of starting wrk and reading /proc; only for the time that is left


@dataclass(frozen=True)
class Configuration:
    """A server, where it runs, how it is loaded."""

    server: str
    placement: str = "pinned"  # "pinned": wrk on one CPU, the server on another; or "unpinned"
    pipelined: bool = False
    python: str = ""  # the name of the embedded interpreter, where a run has several
    connections: int = wrk.CONNECTIONS
    once: bool = False  # in the first round only

    @property
    def program(self):
        """A key of the run's specs."""
        return f"{self.server} on {self.python}" if self.python else self.server

    @property
    def key(self):
        load = f"{wrk.PIPELINED} pipelined" if self.pipelined else "plain"
        if self.connections != wrk.CONNECTIONS:
            load = f"{self.connections} connection{'s' * (self.connections > 1)}, {load}"
        return f"{self.program}, {self.placement}, {load}"


def order(configurations, round_number):
    """Forwards in odd rounds, backwards in even ones."""
    return list(configurations) if round_number % 2 else list(reversed(configurations))


def one_block(server, seconds, configuration, wrk_cpus, beside=()):
    """Load a server once. Returns its figures; raises ServerError on wrong answers. `beside`: the
    processes that it needs, whose CPU time is no disturbance."""
    server.settle()
    others = procfs.OtherLoad()
    usage, start = server.usage(), time.monotonic()
    report, wrk_cpu = wrk.run(server.url, seconds, configuration.pipelined, wrk_cpus,
                              configuration.connections)
    elapsed = time.monotonic() - start
    used = server.usage() - usage
    name = server.spec.name
    if report.bad_answers or report.socket_errors:
        raise ServerError(
            f"{name} failed under load: {report.bad_answers} answers weren't 2xx or 3xx, "
            f"{report.socket_errors} socket errors"
        )
    if report.requests == 0:
        raise ServerError(f"{name} answered nothing in {seconds} s")
    if used.cpu <= 0:
        raise ServerError(f"{name} lost a process or a thread while it was measured")
    return {
        **asdict(report),
        "cpu_us": used.cpu * 1e6 / report.requests,
        "switches": used.switches / report.requests,
        "waits": used.waits / report.requests,
        "queue_us": used.queued * 1e6 / report.requests,
        "server_busy": used.cpu / elapsed,
        "wrk_busy": wrk_cpu / elapsed,
        "others_share": others.share(server.process.pid, *beside),
    }


class Run:
    """All blocks of one run. `blocks` is what is stored: one dictionary a block, in order.

    `optional` servers are left out with a line to the user if they fail under load, and so is a
    single configuration that is measured once; `time_limit` is when a run stops measuring disturbed
    blocks again; `least_seconds` is a function that says how long a configuration's blocks are at
    least. `brief_warm_up`: once a server, by one connection, in place of a block for each
    configuration. `folder`, `start` and `measure_block` are for tests.
    """

    def __init__(self, specs, configurations, rounds, seconds, partial_name, fingerprint,
                 optional=(), time_limit=None, least_seconds=lambda configuration: 0,
                 brief_warm_up=False, folder=results.FOLDER, start=Server,
                 measure_block=one_block):
        self.specs, self.configurations = specs, list(configurations)
        self.rounds, self.seconds = rounds, seconds
        self.partial_name, self.folder = partial_name, folder
        self.optional, self.time_limit = optional, time_limit
        self.least_seconds, self.brief_warm_up = least_seconds, brief_warm_up
        self.start, self.measure_block = start, measure_block
        self.plan = {
            "configurations": [asdict(c) for c in self.configurations],
            "seconds": seconds,
            "fingerprint": fingerprint,
        }
        self.blocks, self.left_out = [], {}  # left_out: server, or a configuration's key: why
        self._servers, self._warm, self._unsaved = {}, set(), False
        self._cpus = procfs.two_cpus() or (None, None)
        self._started = time.monotonic()
        self._progress = Progress(0)

    # ---- Continuing an interrupted run -----------------------------------------------------------

    def resume(self):
        """Take over the blocks of an interrupted run, if it was the same. Returns how many."""
        partial = results.load(self.partial_name, self.folder)
        if partial and partial.get("plan") == self.plan:
            self.blocks = [b for b in partial["blocks"] if b["round"] <= self.rounds]
        return len(self.blocks)

    def forget_partial(self):
        """What was measured is stored elsewhere."""
        results.remove(self.partial_name, self.folder)

    def _save_partial(self):
        trouble = results.save(
            self.partial_name, {"plan": self.plan, "blocks": self.blocks}, self.folder
        )
        if trouble and not self._unsaved:
            self._progress.say(f"{trouble}; measuring goes on, but can't be continued later")
            self._unsaved = True

    # ---- Measuring -------------------------------------------------------------------------------

    def todo(self):
        """What isn't measured yet: (round, configuration), in order."""
        done = {(b["round"], b["key"]) for b in self.blocks}
        return [
            (number, configuration)
            for number in range(1, self.rounds + 1)
            for configuration in order(self.configurations, number)
            if (number, configuration.key) not in done and not (configuration.once and number > 1)
        ]

    def seconds_of(self, configuration):
        return max(self.seconds, self.least_seconds(configuration))

    def warm_up_seconds(self, configuration):
        if self.brief_warm_up:
            return BRIEF_WARM_UP_SECONDS
        return max(WARM_UP_SECONDS, self.least_seconds(configuration))

    def _warmed_up(self, configuration):
        """What needs to be warmed up once for this configuration."""
        return self._served_by(configuration) if self.brief_warm_up else configuration.key

    def planned_seconds(self, todo):
        cold = {self._warmed_up(c): c for _, c in todo if self._warmed_up(c) not in self._warm}
        return sum(self.seconds_of(c) + OVERHEAD_SECONDS for _, c in todo) + sum(
            self.warm_up_seconds(c) + OVERHEAD_SECONDS for c in cold.values()
        )

    def measure(self):
        """Measure what is missing. However it ends, `blocks` has what was measured by then."""
        todo = self.todo()
        try:
            while todo:
                number, configuration = todo.pop(0)
                self._progress.seconds_left = self.planned_seconds([(number, configuration), *todo])
                self._progress.show(configuration.key, number, self.rounds)
                try:
                    self._add_block(number, configuration)
                except ServerError as error:
                    left = self._left_out_with(configuration, error)
                    todo = [(n, c) for n, c in todo if c not in left]
                self._save_partial()
                self._stop_servers({self._served_by(c) for _, c in todo})
        finally:
            self._progress.clear()
            self._stop_servers()

    def _add_block(self, number, configuration):
        server = self._server(configuration)
        wrk_cpus = self._cpus[0] if configuration.placement == "pinned" else None
        load = (server, self.seconds_of(configuration), configuration, wrk_cpus)
        if self._warmed_up(configuration) not in self._warm:
            self._warm_up(server, configuration, wrk_cpus)
            self._warm.add(self._warmed_up(configuration))
        attempts = [self.measure_block(*load)]
        while attempts[-1]["others_share"] > OTHERS_LIMIT and self._may_repeat(len(attempts)):
            share = attempts[-1]["others_share"]
            note = f"(other load took {share:.0%}: again)"
            self._progress.show(configuration.key, number, self.rounds, note)
            attempts.append(self.measure_block(*load))
        kept = min(attempts, key=lambda block: block["others_share"])
        rejected = [attempt for attempt in attempts if attempt is not kept]
        self.blocks.append(
            {
                "round": number,
                "key": configuration.key,
                **asdict(configuration),
                **kept,
                "disturbed": kept["others_share"] > OTHERS_LIMIT,
                "rejected": rejected,
            }
        )

    def _warm_up(self, server, configuration, wrk_cpus):
        seconds = self.warm_up_seconds(configuration)
        if self.brief_warm_up:
            server.ask_for(seconds)
        else:
            self.measure_block(server, seconds, configuration, wrk_cpus)

    def _may_repeat(self, attempts):
        if self.time_limit is not None:
            spent = time.monotonic() - self._started
            if spent + self._progress.seconds_left > self.time_limit:
                return False
        return attempts <= MAX_REPEATS

    def _left_out_with(self, configuration, error):
        """Only what the run can do without: a server, with all that was to be asked of it, or a
        configuration that is measured once. The others' figures are still good. Returns the
        configurations that are left out from here on."""
        program = configuration.program
        if program in self.optional:
            name, left = program, [c for c in self.configurations if c.program == program]
        elif configuration.once:
            name, left = configuration.key, [configuration]
            self._warm.discard(self._warmed_up(configuration))
            self._stop_servers(set(self._servers) - {self._served_by(configuration)})
        else:
            raise error
        self._progress.say(f"left out from here on: {error}")
        self.left_out[name] = str(error)
        self.configurations = [c for c in self.configurations if c not in left]
        kept = {c.key for c in self.configurations}
        self.blocks = [b for b in self.blocks if b["key"] in kept]
        return left

    # ---- Servers ---------------------------------------------------------------------------------

    @staticmethod
    def _served_by(configuration):
        return configuration.program, configuration.placement

    def _server(self, configuration):
        """The server of a configuration; it stays up between its blocks, idle."""
        key = self._served_by(configuration)
        if key not in self._servers:
            cpus = self._cpus[1] if configuration.placement == "pinned" else None
            self._servers[key] = self.start(self.specs[configuration.program], cpus)
        return self._servers[key]

    def _stop_servers(self, but=()):
        for key in set(self._servers) - set(but):
            self._servers.pop(key).stop()
