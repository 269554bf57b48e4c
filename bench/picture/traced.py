"""One request, read from a trace file of a lab: its hops, and what the threads did meanwhile."""

import json
import statistics

from driver.wrk import CONNECTIONS

LOADS = ("one request at a time", f"{CONNECTIONS} connections")
SHORTEST = 1 / 800  # of the request's time: shorter slices become part of those beside them


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)["traceEvents"]


def typical(events):
    """The request of the median time among the whole ones: {hops, lanes, total_us, requests}."""
    names = {event["tid"]: event["args"]["name"] for event in events
             if event["ph"] == "M" and event["name"] == "thread_name"}
    requests = _requests(events, names)
    if not requests:
        raise ValueError("no whole request in it")
    middle = statistics.median_low([_total(hops) for hops in requests.values()])
    chosen = next(n for n, hops in requests.items() if _total(hops) == middle)
    hops = requests[chosen]
    start = hops[0]["at_us"]
    end = hops[-1]["at_us"]
    lanes = [{"name": lane, "slices": _slices(events, names, lane, chosen, start, end)}
             for lane in dict.fromkeys(hop["lane"] for hop in hops)]
    return {
        "requests": len(requests),
        "total_us": round(middle, 3),
        "hops": [{**hop, "at_us": round(hop["at_us"] - start, 3)} for hop in hops],
        "lanes": lanes,
    }


def _total(hops):
    return hops[-1]["at_us"] - hops[0]["at_us"]


def _requests(events, names):
    """{number: hops} of those whose end is there too."""
    found, ended = {}, set()
    for event in events:
        if event.get("cat") != "request":
            continue
        number = int(event["id"])
        if " > " not in event["name"]:
            if event["ph"] == "e":
                ended.add(number)
            continue
        hops = found.setdefault(number, [])
        place = 0 if event["ph"] == "b" else 1
        if place == 1 or not hops:
            hops.append({"name": event["name"].split(" > ")[place], "lane": names[event["tid"]],
                         "at_us": float(event["ts"])})
    return {number: hops for number, hops in found.items() if number in ended and len(hops) > 1}


def _slices(events, names, lane, chosen, start, end):
    """What the lane did from `start` to `end`, in µs from `start`; neighbours alike are one."""
    found = []
    for event in events:
        if event["ph"] != "X" or names.get(event["tid"]) != lane:
            continue
        since, until = max(event["ts"], start), min(event["ts"] + event["dur"], end)
        if until <= since:
            continue
        doing = event["name"]
        if doing.startswith("request "):
            doing = "request" if int(doing.split()[1]) == chosen else "other"
        _append(found, doing, since - start, until - start, (end - start) * SHORTEST)
    return [{"doing": doing, "from_us": round(since, 3), "to_us": round(until, 3)}
            for doing, since, until in found]


def _append(found, doing, since, until, shortest):
    """What is too short to be seen goes to what is before it, unless it is the request itself."""
    if found and (found[-1][0] == doing or (until - since < shortest and doing != "request")):
        found[-1][2] = until
    else:
        found.append([doing, since, until])
