"""The tables of what takes minutes: load with faults (tests/deep/soak.py), idle connections
(tests/deep/idle.py). Their blocks are one a server."""

from .reports import provenance
from .tables import thousands

IDLE_BYTES = 512  # that an idle connection may cost lab3 in resident memory
SOAK_LEGEND = (
    "Every request that was read is in one of the three columns behind it. Own count: of the "
    "well-behaved clients' requests, by the labs' handlers and in nginx's access log. Resident "
    "memory of the process half-way, and at the end."
)
IDLE_LEGEND = (
    "Resident memory of all its connections, each with one request answered, over their number. "
    "What other threads' allocators keep is in the figures of labs 1 and 2."
)


def soak(data):
    headers = ["server", "faults", "requests", "answered", "client left", "cut off",
               "well-behaved: answers", "own count", "MiB", "verdict"]
    rows = [
        [
            one["server"],
            thousands(one["faults"]),
            *(thousands(one[name]) for name in ("requests", "answered", "left", "cut_off",
                                                "good_answers", "own_count")),
            " > ".join(f"{kib / 1024:.1f}" for kib in one["resident_kib"]),
            "PASS" if all(claim["holds"] for claim in one["claims"]) else "FAIL",
        ]
        for one in data["blocks"]
    ]
    return headers, rows


def idle_verdict(one):
    """Only lab3 has a target: it is nginx's peer."""
    if one["server"] != "lab3":
        return "-"
    return "PASS" if one["bytes_each"] <= IDLE_BYTES else "FAIL"


def idle(data):
    rows = [
        [
            one["server"],
            thousands(one["connections"]),
            thousands(one["bytes_each"]),
            f"<= {IDLE_BYTES}" if one["server"] == "lab3" else "-",
            idle_verdict(one),
        ]
        for one in data["blocks"]
    ]
    return ["server", "idle connections held", "bytes each", "target", "verdict"], rows


def idle_caption(data):
    env = data["environment"]
    return provenance(env, f"{env['cores']} cores", env["kernel"], *env["versions"])


def soak_caption(data):
    return (f"{idle_caption(data)}; {data['seconds']:g} s each, {data['good_clients']} "
            f"well-behaved clients, {data['faults_per_second']:g} faults a second")
