"""What the driver's tests share: bench/ on the path, blocks that nobody measured."""

import os
import re
import shutil
import sys
import tempfile
import unittest

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench")
sys.path.insert(0, BENCH)

from dataclasses import asdict  # noqa: E402

import interpreters  # noqa: E402
from driver import (  # noqa: E402
    asking, before_after, crossing, in_place, instrument, known_costs, offline, promises, pythons,
    results, rungs, scaled, steady, taken_apart, work)
from driver.blocks import Configuration  # noqa: E402
from picture import traced  # noqa: E402

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


# share of the requests, in percent: how many times 1/rps they take at most
QUANTILES = {"1": 40, "10": 60, "50": 90, "90": 150, "99": 200, "99.9": 300, "99.99": 900}


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
        "quantiles_us": {share: times * 1e6 / rps for share, times in QUANTILES.items()},
        "cpu_us": cpu_us,
        "switches": 0.5,
        "waits": 0.4,
        "queue_us": 2.0,
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
        "blocks": blocks,
        **more,
    }


PYTHONS = {
    "system": {"version": "3.11.2", "gil": True, "built_with": "-O2"},
    "3.13": {"version": "3.13.5", "gil": True, "built_with": "-O3"},
    "3.13t": {"version": "3.13.5", "gil": False, "built_with": "-O3"},
}


def run_of_several(kind, configurations, rps=lambda configuration: 1000.0, rounds=10):
    """A run on three interpreters."""
    blocks = [block(c, number, rps=rps(c)) for number in range(1, rounds + 1)
              for c in configurations if number == 1 or not c.once]
    environment = {**ENVIRONMENT, "python": {}, "pythons": PYTHONS}
    return stored(kind, configurations, blocks, rounds, environment=environment)


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
    """A run of the ladder in which each rung costs 2 µs more than the one before, and each block
    one hundredth of a µs more than the last; unpinned twice as much. A switch costs 3 µs pinned."""
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


def scaling_run(rounds=6):
    """A run in which loops gain nothing with a GIL, and without one half as much again as they are
    more, and two workers of lab5 do 1.8 times the work of one; a machine on which two threads do
    1.9 times the work of one."""
    several = [pythons.Python(name, "", (), about) for name, about in PYTHONS.items()]

    def rps(configuration):
        if configuration.server.startswith("lab5, 2") and configuration.python == "3.13t":
            return 1800.0
        loops = re.search(r"lab2, (\d+)", configuration.server)
        more = int(loops[1]) - 1 if loops and configuration.python == "3.13t" else 0
        return 1000.0 * (1 + more / 2)

    run = run_of_several("scaling", scaled.configurations(several), rps, rounds)
    run["spinners"] = {"1": [{"steps_per_us": 200.0, "cpus": 1.0}] * rounds,
                       "2": [{"steps_per_us": 380.0, "cpus": 2.0}] * rounds}
    return run


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


def breakdown_report(mean_us=1000.0, gaps_sum_us=None, gil=True):
    """What a lab says with --stats=FILE: two gaps, one thread and two workers."""
    gap = {"count": 9, "p50_us": 1.0, "p99_us": 9.0, "share": 0.5, "sampled": 3,
           "mean_us": mean_us / 2, "running_us": 5.0, "gil_wait_us": 6.0, "core_wait_us": None,
           "queue_us": 400.0, "suspended_us": 0.0, "unattributed_us": 1.0}
    return {
        "python": "3.11.2",
        "gil": gil,
        "requests": 9,
        "end_to_end_us": {"mean": mean_us, "p50": mean_us, "p99": 2 * mean_us},
        "gaps_sum_us": mean_us if gaps_sum_us is None else gaps_sum_us,
        "cpu_us_per_request": 20.0,
        "unattributed_share": 0.01,
        "hops": [{**gap, "from": "parsed", "to": "attached"},
                 {**gap, "from": "attached", "to": "written"}],
        "categories": [{"name": "thread scheduling", "mean_us": mean_us / 4, "queue_us": 0.0,
                        "reported_ms": 15}],
        "threads": [{"name": name, "cpu_us_per_request": 10.0, "utilisation": 0.5,
                     "gil_wait_share": 0.25, "idle_share": 0.2, "held_up_share": None}
                    for name in ("http", "worker-0", "worker-1")],
        "bench": {"rps": 5000.0, "mean_us": mean_us + 100, "p50_us": mean_us, "p99_us": mean_us,
                  "connections": 100, "kernel_and_client_us": 100.0, "in_flight": 90.0},
    }


def breakdown_run(rounds=5, report=breakdown_report):
    """A run of `make breakdown` on three interpreters; later rounds are slower."""
    configurations = [Configuration(lab, "unpinned", python=python)
                      for lab in taken_apart.LABS for python in PYTHONS]
    run = run_of_several("breakdown", configurations, rounds=rounds)
    for one in run["blocks"]:
        one["report"] = report(1000.0 * one["round"])
    return run


def tracing_run(share=1.0, rounds=6):
    """A run of `make tracing` in which --stats leaves every lab that share of its requests/s."""
    there = {f"{lab} on {python}" for lab in taken_apart.LABS for python in PYTHONS}
    run = run_of_several("tracing", instrument.configurations(PYTHONS, there),
                         lambda c: 1000.0 * (share if "--stats" in c.server else 1), rounds)
    run["breakdowns"] = {key: breakdown_report() for key in there}
    return run


def workloads_run(rounds=3):
    """A run in which all work is done alike, by lab3 six times as fast as by lab1; with each
    connection more by one request/s faster."""
    return run_of_several("workloads", work.configurations(list(PYTHONS)),
                          lambda c: LAB_RPS.get(c.server[:4], 5_000.0) + c.connections, rounds)


def crossover_run(rounds=3):
    """A run in which a request takes lab1 20 µs and lab4 10 µs, whatever the wait; of lab3 it takes
    5 µs and the wait, but 70 µs more where it sleeps."""
    own_us = {"lab1": 20, "lab4": 10, "lab3, pool": 10, "lab3": 75, crossing.HELD: 5}

    def rps(configuration):
        server, wait = configuration.server.rsplit(", ", 1)
        return 1e6 / (own_us[server] + int(wait.split()[0]) * (server in ("lab3", crossing.HELD)))

    configurations = crossing.configurations()
    blocks = [block(c, number, rps=rps(c)) for number in range(1, rounds + 1)
              for c in configurations]
    waits = map(str, crossing.WAITS_US)
    return stored("crossover", configurations, blocks, rounds,
                  sleeps={"slack": {us: 70.0 + int(us) for us in waits}})


def open_loop_run(rounds=3):
    """A run in which a tenth of lab3's requests is never answered."""
    configurations = steady.configurations()
    blocks = []
    for number in range(1, rounds + 1):
        for c in configurations:
            slow = c.server.startswith("lab3 at")
            blocks.append({"round": number, "key": c.key, **asdict(c), "requests": 900,
                           "outstanding": 100 if slow else 0, "failed": 0, "p50_us": 1000.0,
                           "p99_us": None if slow else 20_000.0,
                           "p99.9_us": None if slow else 30_000.0, "lag_p99_us": 500.0,
                           "cpu_us": 40.0, "others_share": 0.0, "disturbed": False, "rejected": []})
    return stored("open-loop", configurations, blocks, rounds)


def upstream_run(rounds=5):
    """A run in which each connection more is worth ten requests/s."""
    configurations = asking.configurations()
    return stored("upstream", configurations,
                  [block(c, number, rps=100.0 + 10 * c.connections)
                   for number in range(1, rounds + 1) for c in configurations], rounds)


def compare_run(after_us=10.2, rounds=10):
    """A run of two revisions: the earlier one takes 10 µs, each block a bit more than the last."""
    blocks = [
        block(c, number, cpu_us=(10.0 if c.server.endswith("before") else after_us) + number / 100)
        for number in range(1, rounds + 1)
        for c in before_after.configurations()
    ]
    return stored("compare", before_after.configurations(), blocks, rounds, before="0123456789ab")


def eager_run(rounds=10):
    """A run of lab4 and those beside it, in which none differs from another."""
    configurations = promises.configurations(in_place.PROMISES)
    blocks = [block(c, number) for number in range(1, rounds + 1) for c in configurations]
    return stored("eager", configurations, blocks, rounds, missing=[])


def soak_run(holds=True):
    """A minute of load with faults on one lab."""
    one = {"server": "lab1", "faults": 3000, "requests": 60, "answered": 50, "left": 10,
           "cut_off": 0, "good_answers": 40, "own_count": 40, "resident_kib": [20480, 20992],
           "claims": [{"claim": "exit status 0", "holds": True, "figures": "0"},
                      {"claim": "sums", "holds": holds, "figures": "60 = 60"}]}
    return {"kind": "soak", "environment": ENVIRONMENT, "seconds": 60, "good_clients": 8,
            "faults_per_second": 50, "blocks": [one]}


def idle_run(lab3_bytes=446.4):
    """10,000 idle connections on two servers."""
    found = {"connections": 10000, "rss_before": 1, "rss_idle": 2}
    return {"kind": "idle", "environment": ENVIRONMENT,
            "blocks": [{"server": "lab3", **found, "bytes_each": lab3_bytes},
                       {"server": "nginx", **found, "bytes_each": 524.6}]}


def traces_run():
    """A request of one lab that goes to a thread and back, alone and among others."""
    hops = [("parsed", "http", 0.0), ("woken", "loop", 20.0), ("posted", "loop", 30.0),
            ("written", "http", 50.0)]
    one = {
        "lab": "lab1", "requests": 9, "total_us": 50.0,
        "hops": [{"name": name, "lane": lane, "at_us": at} for name, lane, at in hops],
        "lanes": [
            {"name": "http", "slices": [{"doing": "request", "from_us": 40.0, "to_us": 50.0}]},
            {"name": "loop", "slices": [{"doing": "attaching", "from_us": 5.0, "to_us": 20.0},
                                        {"doing": "request", "from_us": 20.0, "to_us": 30.0}]},
        ],
    }
    return {"kind": "traces", "environment": ENVIRONMENT,
            "blocks": [{**one, "load": load} for load in traced.LOADS]}


def peers_run(servers=("lab1", "lab3", "nginx"), rounds=3):
    """A run in which each server costs 10 µs more than the one before."""
    configurations = [Configuration(server) for server in servers]
    blocks = [block(c, number, cpu_us=10.0 * place) for number in range(1, rounds + 1)
              for place, c in enumerate(configurations, 1)]
    return stored("peers", configurations, blocks, rounds, unfit={}, missing=[])


def peers_of_the_documents():
    """A run of other servers whose environment has what documents repeat."""
    run = peers_run(("floor", "lab1", "uvicorn (uvloop, httptools)"))
    return {**run, "environment": {**ENVIRONMENT, "system_call_us": 1.5}}


def numbers_run(rounds=3):
    """Single steps, each dearer than the one before."""
    blocks = [{"round": number, "ns": {name: 10.0 * place + number
                                       for place, name in enumerate(known_costs.NAMES, 1)}}
              for number in range(1, rounds + 1)]
    return {"kind": "numbers", "environment": ENVIRONMENT, "rounds": rounds, "blocks": blocks}


def interpreters_run(rounds=2):
    several = [pythons.Python(name, "", (), about) for name, about in PYTHONS.items()]
    return run_of_several("interpreters", interpreters.configurations(several), rounds=rounds)


def every_run():
    """A run of each kind that the report shows, by the name of its file."""
    measured = {**lab_run(3), "kind": "measure", "groups": ["labs"], "missing": []}
    found = [lab_run(3), measured, peers_run(), interpreters_run(), ladder_run(3), offline_run(),
             breakdown_run(3), workloads_run(), crossover_run(), scaling_run(3), open_loop_run(),
             compare_run(rounds=3), soak_run(), idle_run(), eager_run(3), tracing_run(rounds=3),
             upstream_run(3), traces_run()]
    return {results.RECORDS[run["kind"]]: run for run in found}
