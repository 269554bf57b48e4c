#!/usr/bin/env python3
"""What single steps cost on this machine: a lock, a system call, a wake-up, attaching to Python, a
coroutine, a task, a trace mark; `make numbers`.

Some seconds. The small programs that measure run one after the other, ten times.
"""

from driver import known_costs, results, session, tables
from driver.progress import Progress

SECONDS_EACH = 3


def options():
    return session.parser_of_programs(__doc__, known_costs.RUNS, "runs of each program").parse_args()


def measured(bin_dir, rounds):
    blocks, progress = [], Progress(rounds * SECONDS_EACH)
    for number in range(1, rounds + 1):
        progress.show("single steps", number, rounds)
        blocks.append({"round": number, "ns": known_costs.measure_once(bin_dir)})
        progress.seconds_left -= SECONDS_EACH
    progress.clear()
    return blocks


def show(data):
    print(f"\n{tables.text(*known_costs.table(data))}\n")
    session.print_wrapped(known_costs.LEGEND)
    print(f"\n{tables.text(*known_costs.judged(data))}\n")
    session.print_wrapped(known_costs.caption(data))


def main():
    parsed = options()
    session.check_programs(parsed.bin_dir, known_costs.PROGRAMS, "make numbers")
    data = {
        "kind": "numbers",
        "environment": results.environment(parsed.bin_dir),
        "rounds": parsed.rounds,
        "blocks": measured(parsed.bin_dir, parsed.rounds),
    }
    show(data)
    name = results.name_of("numbers", parsed.rounds >= known_costs.RUNS)
    trouble = results.save(name, data)
    session.note(trouble or f"Every figure is in bench/results/{name}")
    return 1 if trouble else 0


if __name__ == "__main__":
    session.run_script(main)
