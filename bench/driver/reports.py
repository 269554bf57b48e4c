"""The tables, as (headers, rows), made from a stored run: what the terminal shows and what the
documents say come from the same lines."""

from .blocks import Configuration
from .catalogue import NGINX
from .figures import Figures
from .tables import milliseconds, number, thousands, with_interval

LABS = {
    "lab1": "lab1: one loop",
    "lab2": "lab2: 8 loops",
    "lab3": "lab3: sync",
}
LATER_LABS = {
    "lab4": "lab4: started in place",
    "lab5": "lab5: one worker",
}
# What the report says: requests/s, and the ratio to its first row.
REPORT = {"lab1": ("13,000", "1"), "lab2": ("3,000", "0.23"), "lab3": ("72,000", "5.5")}
PEER_NAMES = {
    "lab2": "lab2 (8 loops)",
    "lab5": "lab5 (1 worker)",
    "native": "/native (no Python)",
    "floor": "floor (no HTTP server)",
    NGINX: "nginx, return 200",
}


def figures_of(data):
    configurations = [Configuration(**configuration) for configuration in data["configurations"]]
    return Figures(data["blocks"], [c.key for c in configurations],
                   [c.key for c in configurations if c.once])


def labs_of(data):
    """Those of the labs that the run has: a hand-out's has those up to its own."""
    there = {configuration["server"] for configuration in data["configurations"]}
    return {lab: name for lab, name in (LABS | LATER_LABS).items() if lab in there}


def _key(server, placement="pinned", pipelined=False):
    return Configuration(server, placement, pipelined).key


def _ratio_to_lab1(figures, server, *load):
    if server == "lab1":
        return "1"
    found = figures.ratio(_key(server, *load), _key("lab1", *load), "rps")
    return with_interval(*found, form="{:.2f}".format)


# ---- The labs ------------------------------------------------------------------------------------


def headline(data):
    """The one table of `make reproduce`: pinned, one request at a time, beside the report's."""
    figures = figures_of(data)
    headers = ["", "req/s", "p50 ms", "p99 ms", "CPU µs", "switches", "λ×W", "ratio to lab1",
               "report", "ratio"]
    rows = []
    for lab, name in labs_of(data).items():
        key = _key(lab)
        flag = "" if figures.little_holds(key) else " !"
        rows.append([
            name,
            thousands(figures.median(key, "rps")),
            milliseconds(figures.median(key, "p50_us")),
            milliseconds(figures.median(key, "p99_us")),
            number(figures.median(key, "cpu_us")),
            number(figures.median(key, "switches")),
            thousands(figures.in_flight(key)) + flag,
            _ratio_to_lab1(figures, lab),
            *REPORT.get(lab, ("-", "-")),
        ])
    return headers, rows


def headline_compact(data):
    """The same for the README: what the question is about."""
    figures = figures_of(data)
    headers = ["", "requests/s", "CPU µs/request", "ratio to lab1", "report: requests/s", "ratio"]
    rows = [
        [
            name,
            thousands(figures.median(_key(lab), "rps")),
            number(figures.median(_key(lab), "cpu_us")),
            _ratio_to_lab1(figures, lab),
            *REPORT.get(lab, ("-", "-")),
        ]
        for lab, name in labs_of(data).items()
    ]
    return headers, rows


def other_loads(data):
    """Unpinned and pipelined, compactly. wrk's latency means little where it sends 16 at once."""
    figures = figures_of(data)
    headers = ["placement, load", "lab", "requests/s", "CPU µs", "switches", "ratio to lab1"]
    rows = []
    for load in (("unpinned", False), ("pinned", True), ("unpinned", True)):
        for lab in labs_of(data):
            key = _key(lab, *load)
            rows.append([
                key.partition(", ")[2] if lab == "lab1" else "",
                lab,
                thousands(figures.median(key, "rps")),
                number(figures.median(key, "cpu_us")),
                number(figures.median(key, "switches")),
                _ratio_to_lab1(figures, lab, *load),
            ])
    return headers, rows


# ---- The peers -----------------------------------------------------------------------------------


def peers(data):
    """Cheapest request first. A server that doesn't answer pipelined requests right has a dash."""
    figures = figures_of(data)
    headers = ["server", "CPU µs/request", "req/s", "p50 ms", "p99 ms", "16 piped: µs", "req/s"]
    servers = [c["server"] for c in data["configurations"] if not c["pipelined"]]
    rows = []
    for server in sorted(servers, key=lambda server: figures.median(_key(server), "cpu_us")):
        key, pipelined = _key(server), _key(server, pipelined=True)
        rows.append([
            PEER_NAMES.get(server, server),
            with_interval(*figures.with_interval(key, "cpu_us")),
            thousands(figures.median(key, "rps")),
            milliseconds(figures.median(key, "p50_us")),
            milliseconds(figures.median(key, "p99_us")),
            number(figures.median(pipelined, "cpu_us")) if figures.has(pipelined) else "-",
            thousands(figures.median(pipelined, "rps")) if figures.has(pipelined) else "-",
        ])
    return headers, rows


def left_out(data):
    """What failed, and is in no table for that; None if nothing did."""
    found = [why.splitlines()[0] for why in (data.get("left_out") or {}).values()]
    return f"Left out, as it failed: {'; '.join(found)}." if found else None


def peers_notes(data):
    """Why a server has no pipelined column, or isn't in the table."""
    notes = [f"{name} {reason}: not measured pipelined" for name, reason in data["unfit"].items()]
    return notes + list(data["missing"]) + [f"left out: {why}" for why in data["left_out"].values()]


# ---- What stands under a table -------------------------------------------------------------------


def provenance(env, *what):
    """When, on what, with what, by which commit."""
    changed = " with changes" if env["modified"] else ""
    return ", ".join((env["date"], env["cpu"], *what, f"commit {env['commit']}{changed}"))


def caption(data):
    """The same of a run in rounds."""
    env = data["environment"]
    call = env.get("system_call_us")
    system_call = [f"a system call takes {call:.2f} µs"] if call else []
    rounds = figures_of(data).rounds
    many = "rounds" if rounds != 1 else "round"
    made = provenance(env, f"{env['cores']} cores", env["kernel"], *system_call, *env["versions"],
                      env["wrk"])
    return f"{made}; {rounds} {many} of {data['seconds']} s, {data['connections']} connections"


def disturbance(data):
    """What other load did to the run."""
    figures = figures_of(data)
    disturbed = figures.disturbed()
    line = f"Measured again because other processes took CPU: {figures.repeated()} of "
    line += f"{len(figures.blocks)} blocks; still disturbed, and in the figures: {len(disturbed)}"
    names = [f"{key} (round {number})" for key, number in disturbed]
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    line += (": " + "; ".join(names[:4]) + more if names else "") + "."
    slow = figures.timeouts()
    return line + (f" Answers that took more than 2 s: {slow}." if slow else "")


HEADLINE_LEGEND = (
    "Pinned: wrk on one CPU, the server on another. CPU time and context switches are the "
    "server's, per request. Intervals are 95 % bootstraps over blocks. λ×W is throughput times "
    "mean latency."
)


def little_note(data):
    """Little's law, and what it means where it doesn't hold."""
    figures = figures_of(data)
    if all(figures.little_holds(_key(lab)) for lab in labs_of(data)):
        return f"λ×W is within 5 % of the {data['connections']} connections everywhere."
    return (
        f"! λ×W is more than 5 % off the {data['connections']} connections: the rest of each "
        "request's time passed inside wrk, and where wrk's core is full, req/s is a lower bound."
    )
