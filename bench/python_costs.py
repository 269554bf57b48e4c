#!/usr/bin/env python3
"""What single steps of asyncio cost here, in ns: each the best of many short rounds, but the last,
which is between two threads, the median. `make numbers` runs it several times, on one CPU and where
the system puts its threads.

Prints a line for each, like costs.c.
"""

import asyncio
import concurrent.futures
import statistics
import threading
import time

ROUNDS, TIMES = 60, 200


async def nothing():
    pass


def rounds_of(run):
    """ns of one of TIMES calls, in each round."""
    found = []
    for _ in range(ROUNDS):
        start = time.perf_counter_ns()
        run()
        found.append((time.perf_counter_ns() - start) / TIMES)
    return found


def report(what, ns):
    print(f"{what:<44}{ns:8.1f} ns")


def futures():
    for _ in range(TIMES):
        concurrent.futures.Future()


def task_costs():
    """A task that is made, run and awaited: two turns of the loop."""

    async def tasks():
        for _ in range(TIMES):
            await asyncio.create_task(nothing())

    with asyncio.Runner() as runner:
        return min(rounds_of(lambda: runner.run(tasks())))


def main():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def round_trips():
        for _ in range(TIMES):
            asyncio.run_coroutine_threadsafe(nothing(), loop).result()

    report("asyncio: a task made, run and awaited", task_costs())
    report("a concurrent.futures.Future made", min(rounds_of(futures)))
    report("run_coroutine_threadsafe().result()", statistics.median(rounds_of(round_trips)))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


if __name__ == "__main__":
    main()
