#!/usr/bin/env python3
"""Is this file a trace that a viewer can show? Prints each thing that is wrong; exit status 1 then.

    check_trace.py FILE [MINIMUM_OF_REQUESTS]

Checked: it is JSON; every thread that has slices has one name; slices on a thread nest; requests'
asynchronous events begin and end in pairs that nest, in order; each arrow has two ends on different
threads, each of them inside a slice, and doesn't go back in time.
"""
import bisect
import collections
import json
import sys

problems = []


def wrong(text, *args):
    problems.append(text.format(*args))


def ns(event):
    return round(event["ts"] * 1000)


def check_names(events):
    names = collections.Counter(e["tid"] for e in events if e["name"] == "thread_name")
    for tid in {e["tid"] for e in events if e["ph"] == "X"}:
        if names[tid] != 1:
            wrong("thread {} has {} names", tid, names[tid])


def slices_by_thread(events):
    threads = collections.defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            threads[event["tid"]].append((ns(event), ns(event) + round(event["dur"] * 1000),
                                          event["name"]))
    for slices in threads.values():
        slices.sort(key=lambda one: (one[0], -one[1]))
    return threads


def check_slices(threads):
    for tid, slices in threads.items():
        around = []
        for start, end, name in slices:
            if end < start:
                wrong("thread {}: {} at {} ns ends before it begins", tid, name, start)
            while around and around[-1] <= start:
                around.pop()
            if around and end > around[-1]:
                wrong("thread {}: {} at {} ns overlaps the slice around it", tid, name, start)
            around.append(end)


def check_requests(events):
    """Returns how many requests there are."""
    stacks = collections.defaultdict(list)
    last = {}
    for event in events:
        if event["ph"] not in ("b", "e"):
            continue
        key = event["cat"], event["id"]
        if ns(event) < last.get(key, 0):
            wrong("{}: {} goes back in time", key, event["name"])
        last[key] = ns(event)
        if event["ph"] == "b":
            stacks[key].append(event["name"])
        elif not stacks[key] or stacks[key].pop() != event["name"]:
            wrong("{}: the end of {} matches no beginning", key, event["name"])
    for key, stack in stacks.items():
        if stack:
            wrong("{}: no end of {}", key, ", ".join(stack))
    return len(stacks)


def inside_a_slice(threads, event):
    slices = threads.get(event["tid"], [])
    at = bisect.bisect_right(slices, ns(event), key=lambda one: one[0]) - 1
    return at >= 0 and slices[at][1] >= ns(event)


def check_arrows(events, threads):
    arrows = collections.defaultdict(dict)
    for event in events:
        if event["ph"] in ("s", "f"):
            if event["ph"] in arrows[event["id"]]:
                wrong("arrow {} has two ends of one kind", event["id"])
            arrows[event["id"]][event["ph"]] = event
    for number, ends in arrows.items():
        if set(ends) != {"s", "f"}:
            wrong("arrow {} has one end", number)
            continue
        start, finish = ends["s"], ends["f"]
        if (start["cat"], start["name"]) != (finish["cat"], finish["name"]):
            wrong("arrow {}: its ends are called differently", number)
        if start["tid"] == finish["tid"]:
            wrong("arrow {} stays on thread {}", number, start["tid"])
        if ns(start) > ns(finish):
            wrong("arrow {} goes back in time", number)
        for end in start, finish:
            if not inside_a_slice(threads, end):
                wrong("arrow {}: its end on thread {} is in no slice", number, end["tid"])
    return len(arrows)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        events = json.load(file)["traceEvents"]
    threads = slices_by_thread(events)
    check_names(events)
    check_slices(threads)
    requests = check_requests(events)
    arrows = check_arrows(events, threads)
    if len(sys.argv) > 2 and requests < int(sys.argv[2]):
        wrong("{} requests, expected {} or more", requests, sys.argv[2])
    for problem in problems[:20]:
        print(problem)
    print(f"{len(threads)} threads, {requests} requests, {arrows} arrows, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
