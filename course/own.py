#!/usr/bin/env python3
"""Your own figures: `make reproduce` calls this after it has measured.

    own.py --bin-dir DIR [--beside] [--seconds N]

With --beside puts the last run's rows beside the reference's and the report's. Measures what the
predictions in predictions-labN.md ask, shows them beside what came out, and fills that in."""

import argparse
import json
import os
import sys
import tempfile

from kit import labs, predictions

sys.path.insert(0, os.path.join(labs.ROOT, "bench"))

from driver import reports, results, tables, wrk  # noqa: E402
from driver.servers import Server, ServerError, Spec  # noqa: E402


def _by_lab(name):
    """A stored run's rows, by the names of their labs."""
    run = results.load(name)
    return {row[0]: row for row in reports.headline_compact(run)[1]} if run else {}


def beside():
    """The table of yours, the reference, the report; None where either run is missing. The reference of
    labs 4 and 5 is the run in which they stand beside other servers."""
    yours = _by_lab(results.ORIENTATIONS["reproduce"])
    reference = _by_lab(results.RECORDS["peers"]) | _by_lab(results.RECORDS["reproduce"])
    if not yours or not reference:
        return None
    headers = ["", "yours: req/s", "CPU µs", "ratio", "reference: req/s", "CPU µs", "ratio",
               "the report: req/s", "ratio"]  # fmt: skip
    rows = []
    for name, row in yours.items():
        other = reference.get(name, ["-"] * 6)
        rows.append([name, *row[1:4], *other[1:4], *row[4:]])
    return tables.text(headers, rows)


class Bench:
    def __init__(self, bin_dir, seconds):
        self.bin_dir, self.seconds = os.path.abspath(bin_dir), seconds

    def _spec(self, lab, *options, path="/", answer=b"Hello, World!"):
        command = (os.path.join(self.bin_dir, lab), "--port", "0", *options)
        return Spec(f"./{lab}", command, path=path, answer=answer)

    def load(self, lab, *options, connections=100, cpus=None, **more):
        with Server(self._spec(lab, *options, **more), cpus) as server:
            return wrk.run(server.url, self.seconds, connections=connections)[0]

    def load_traced(self, lab, connections):
        """wrk's figures, and what the server itself says in --stats."""
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "stats.json")
            figures = self.load(lab, f"--stats={file}", connections=connections)
            with open(file, encoding="utf-8") as opened:
                return figures, json.load(opened)

    def handler_share(self, lab, connections):
        """Of a request's time on the server, the part from `started` to `finished`."""
        stats = self.load_traced(lab, connections)[1]
        means = {(hop["from"], hop["to"]): hop["mean_us"] for hop in stats["hops"]}
        return means["started", "finished"] / stats["end_to_end_us"]["mean"]


def _share(value):
    return f"{100 * value:.3g} %"


def of_lab0(bench):
    (few, few_stats), (many, many_stats) = (bench.load_traced("lab0", count) for count in (50, 100))
    latencies = [stats["end_to_end_us"]["mean"] for stats in (few_stats, many_stats)]
    return [_share(many.rps / few.rps), _share(latencies[1] / latencies[0])]


def of_lab1(bench):
    return [_share(bench.handler_share("lab1", count)) for count in (1, 100)]


def of_lab2(bench):
    found = []
    for cpus in (None, {min(os.sched_getaffinity(0))}):
        one = bench.load("lab2", "--workers=1", cpus=cpus)
        found.append(_share(one.rps / bench.load("lab1", cpus=cpus).rps))
    return found


def of_lab3(bench):
    # Lab 3 answers a turn as a whole, and 100 waits of 10 ms make a turn of a second: a short run
    # would hardly see one.
    bench = Bench(bench.bin_dir, max(bench.seconds, 6))
    waiting = {"path": "/wait?ms=10", "answer": b'{"waited_ms":10}'}
    return [f"{bench.load(lab, **waiting).rps:,.0f}" for lab in ("lab1", "lab3")]


def of_lab4(bench):
    gives_way = {"path": "/wait?ms=0", "answer": b'{"waited_ms":0}'}
    found = []
    for more in ({}, gives_way):
        four, one = (bench.load(lab, **more).rps for lab in ("lab4", "lab1"))
        found.append(_share(four / one))
    return found


def of_lab5(bench):
    computes = {"path": "/cpu?n=5000", "answer": b'{"n":5000,"primes":669}'}
    found = []
    for kind in ("processes", "threads"):
        isolation = f"--isolation={kind}"
        two, one = (
            bench.load("lab5", isolation, f"--workers={count}", **computes).rps for count in (2, 1)
        )
        found.append(_share(two / one))
    return found


MEASURES = {0: of_lab0, 1: of_lab1, 2: of_lab2, 3: of_lab3, 4: of_lab4, 5: of_lab5}


def show_predictions(bench):
    if not any(map(predictions.read, MEASURES)):
        print("\nNo predictions are written down: `make predict LAB=N` asks for them.")
    for lab, measure in MEASURES.items():
        rows = predictions.read(lab)
        if not rows or not os.path.exists(os.path.join(bench.bin_dir, f"lab{lab}")):
            continue
        measured = measure(bench)
        rows = [(*row[:2], seen) for row, seen in zip(rows, measured)]
        predictions.write(lab, rows)
        print(f"\nlab {lab}, what you expected and what came out:\n")
        for question, expected, seen in rows:
            print(f"  {question}\n    expected  {expected}\n    measured  {seen}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--beside", action="store_true")
    parser.add_argument("--seconds", type=int, default=2)
    arguments = parser.parse_args()
    table = beside() if arguments.beside else None
    if table:
        print(f"\n{table}")
    try:
        if arguments.beside or any(map(predictions.read, MEASURES)):
            show_predictions(Bench(arguments.bin_dir, arguments.seconds))
    except (ServerError, wrk.WrkError) as error:
        sys.exit(f"own: {error}")


if __name__ == "__main__":
    main()
