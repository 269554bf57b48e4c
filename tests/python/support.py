"""What the driver's tests share: bench/ on the path, blocks that nobody measured."""

import os
import shutil
import sys
import tempfile
import unittest

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench")
sys.path.insert(0, BENCH)

from dataclasses import asdict  # noqa: E402

from driver import offline, results, rungs  # noqa: E402
from driver.blocks import Configuration  # noqa: E402

ENVIRONMENT = {
    "date": "2026-01-02",
    "cpu": "A CPU",
    "cores": 2,
    "kernel": "Linux 6.1",
    "versions": ["Python 3.11.2 GIL, -O2"],
    "python": {"version": "3.11.2", "gil": True, "built_with": "-O2"},
    "peers_python": "Python 3.11.2",
    "wrk": "wrk 4.1.0",
    "commit": "0123456789ab",
    "modified": False,
    "build": {},
}


class WithFolder(unittest.TestCase):
    """A test with a results folder of its own."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="looplab-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)


def figures(rps=1000.0, cpu_us=10.0, others_share=0.0, mean_us=None):
    """What one block measures. The default latency agrees with Little's law for 100 connections."""
    return {
        "requests": int(rps * 3),
        "seconds": 3.0,
        "rps": rps,
        "mean_us": 100e6 / rps if mean_us is None else mean_us,
        "p50_us": 90e6 / rps,
        "p99_us": 200e6 / rps,
        "bad_answers": 0,
        "socket_errors": 0,
        "timeouts": 0,
        "cpu_us": cpu_us,
        "switches": 0.5,
        "server_busy": 0.9,
        "wrk_busy": 0.5,
        "others_share": others_share,
    }


def block(configuration, round_number, disturbed=False, rejected=(), **measured):
    return {
        "round": round_number,
        "key": configuration.key,
        **asdict(configuration),
        **figures(**measured),
        "disturbed": disturbed,
        "rejected": list(rejected),
    }


def stored(kind, configurations, blocks, rounds=10, **more):
    """A results file's content."""
    return {
        "schema_version": results.SCHEMA_VERSION,
        "kind": kind,
        "environment": ENVIRONMENT,
        "connections": 100,
        "rounds": rounds,
        "seconds": 3,
        "configurations": [asdict(c) for c in configurations],
        "left_out": {},
        **more,
        "blocks": blocks,
    }


LAB_RPS = {"lab1": 10_000.0, "lab2": 2_500.0, "lab3": 60_000.0}


def lab_run(rounds=10):
    """A run of the three labs in which lab2 has a quarter and lab3 six times lab1's requests/s."""
    configurations = [
        Configuration(lab, placement, pipelined)
        for placement in ("pinned", "unpinned")
        for pipelined in (False, True)
        for lab in LAB_RPS
    ]
    blocks = [
        block(c, number, rps=LAB_RPS[c.server])
        for number in range(1, rounds + 1)
        for c in configurations
    ]
    return stored("reproduce", configurations, blocks, rounds)


def ladder_run(rounds=10):
    """A run of the ladder in which each rung costs 2 µs more than the one before, and each block one
    hundredth of a µs more than the last; unpinned twice as much. A switch costs 3 µs pinned."""
    configurations = rungs.configurations()
    order = {rung.name: number for number, rung in enumerate(rungs.RUNGS)}
    blocks = [
        block(c, number, cpu_us=(10.0 + 2 * order[c.server] + number / 100)
              * (2 if c.placement == "unpinned" else 1))
        for number in range(1, rounds + 1)
        for c in configurations
    ]
    pingpong = {
        "pinned": [{"us": 7.0, "cpu_us": 6.0, "switches": 2.0}] * rounds,
        "unpinned": [{"us": 44.0, "cpu_us": 10.0, "switches": 2.0}] * rounds,
    }
    return stored("ladder", configurations, blocks, rounds, pingpong=pingpong)


def offline_run(rounds=5):
    """A run without sockets in which each rung costs 1 µs and 1,000 instructions more than the one
    before."""
    blocks = [
        {"round": number, "rung": rung.name, "requests": 10_000, "cpu_us": float(place),
         "wall_us": float(place), "turns": 200}
        for number in range(1, rounds + 1)
        for place, rung in enumerate(offline.RUNGS, 1)
    ]
    return {
        "schema_version": results.SCHEMA_VERSION,
        "kind": "ladder-offline",
        "environment": ENVIRONMENT,
        "rounds": rounds,
        "blocks": blocks,
        "instructions": {rung.name: 1000 * place for place, rung in enumerate(offline.RUNGS, 1)},
    }
