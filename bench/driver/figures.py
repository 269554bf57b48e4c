"""Reads medians, intervals and ratios out of a run's blocks."""

from . import stats, wrk

LITTLE_LIMIT = 0.05  # a larger gap says that wrk was the bottleneck, or a latency is wrong


class Figures:
    """The blocks of complete rounds: those in which every configuration has its block; those that
    are measured `once`, in the first."""

    def __init__(self, blocks, keys, once=()):
        self.keys = list(keys)
        self.once = set(once)
        again = set(self.keys) - self.once
        seen = {}
        for block in blocks:
            seen.setdefault(block["round"], set()).add(block["key"])
        whole = {number for number, found in seen.items()
                 if found >= (set(self.keys) if number == 1 else again)}
        self.rounds = len(whole)
        self.blocks = sorted((b for b in blocks if b["round"] in whole), key=lambda b: b["round"])

    def has(self, *keys):
        return self.rounds > 0 and set(keys) <= set(self.keys)

    def values(self, key, field):
        """One figure per block of a configuration, in the order of rounds. A field that is a
        dictionary has its figures as "field:name"."""
        name, _, part = field.partition(":")
        found = [block[name] for block in self.blocks if block["key"] == key]
        return [one[part] for one in found] if part else found

    def median(self, key, field):
        return stats.median(self.values(key, field))

    def with_interval(self, key, field):
        """(median, low, high)"""
        values = self.values(key, field)
        return stats.median(values), *stats.interval(values)

    def ratio(self, key, base, field):
        """A configuration's figure over another's of the same round: (ratio, low, high)."""
        return stats.ratio(self.values(key, field), self.values(base, field))

    def in_flight(self, key):
        """Throughput times latency. By Little's law that is the number of connections, as each has
        one request (or one batch) under way; what is missing was spent inside wrk."""
        batch = wrk.PIPELINED if key.endswith("pipelined") else 1
        pairs = zip(self.values(key, "rps"), self.values(key, "mean_us"))
        return stats.median([rps / batch * mean_us / 1e6 for rps, mean_us in pairs])

    def little_holds(self, key):
        return abs(self.in_flight(key) / wrk.CONNECTIONS - 1) <= LITTLE_LIMIT

    def repeated(self):
        """How many blocks were measured again because of other load."""
        return sum(bool(block["rejected"]) for block in self.blocks)

    def timeouts(self):
        """How many answers took wrk's time-out of 2 s, or longer."""
        return sum(block.get("timeouts", 0) for block in self.blocks)

    def disturbed(self):
        """Keys and rounds of the blocks that were disturbed each time."""
        return [(block["key"], block["round"]) for block in self.blocks if block["disturbed"]]

    def summary(self):
        """Medians with their intervals, for those who read the stored file without this program; a
        single block has none."""
        fields = ("rps", "mean_us", "p50_us", "p99_us", "cpu_us", "switches", "wrk_busy")
        fields = [field for field in fields if all(field in block for block in self.blocks)]
        names = ("median", "low", "high")
        return {
            key: {field: dict(zip(names, self.with_interval(key, field))) for field in fields}
            for key in self.keys if key not in self.once
        }
