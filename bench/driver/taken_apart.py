"""Labs that take their requests apart (`--bench --stats`): runs them, and makes the tables."""

import json
import os
import subprocess
import tempfile

from . import procfs, reports, stats
from .blocks import Configuration
from .comparison import names
from .reports import figures_of
from .servers import ServerError
from .tables import number, thousands

# lab5 with a worker for each CPU that it may use, in the isolation that is its default.
LABS = {**reports.LABS, **reports.LATER_LABS, "lab5": "lab5: a loop for each core"}
SUM_LIMIT = 0.02  # the sum of the gaps may differ by so much from the end-to-end time
UNATTRIBUTED_LIMIT = 0.10
EXTRA_SECONDS = 60  # on top of a block's own time; then the lab hangs

STATES = {
    "running_us": "running",
    "gil_wait_us": "GIL",
    "core_wait_us": "core",
    "queue_us": "in line",
    "suspended_us": "suspended",
    "unattributed_us": "unattributed",
}


# ---- Measuring -----------------------------------------------------------------------------------


class Lab:
    """Stands where other runs have a running server: here each block starts its own."""

    def __init__(self, spec, _cpus):
        self.spec = spec

    def stop(self):
        """Nothing is left running between blocks."""


def one_block(lab, seconds, _configuration, _wrk_cpus):
    """Let a lab load itself. Returns wrk's figures and the lab's report."""
    others = procfs.OtherLoad()
    with tempfile.TemporaryDirectory(prefix="looplab-") as folder:
        file = os.path.join(folder, "stats.json")
        command = [*lab.spec.command, f"--bench={seconds}", f"--stats={file}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True,
                                  timeout=seconds + EXTRA_SECONDS)
        except subprocess.TimeoutExpired:
            raise ServerError(f"{lab.spec.name} hangs with --bench={seconds}") from None
        except OSError as error:
            raise ServerError(f"{lab.spec.name} can't be started: {error}") from None
        report = _load(file)
    if done.returncode != 0 or not report or not report.get("bench"):
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-10:])
        raise ServerError(f"{lab.spec.name} --bench --stats failed:\n{said}")
    if lab.spec.free_threaded and report["gil"]:
        raise ServerError(f"{lab.spec.name}: a module turned the GIL on: {report['python']}")
    bench = report["bench"]
    return {
        **{field: bench[field] for field in ("rps", "mean_us", "p50_us", "p99_us")},
        "cpu_us": report["cpu_us_per_request"],
        "others_share": others.share(os.getpid()),
        "report": report,
    }


def _load(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


# ---- What was found ------------------------------------------------------------------------------


def labs_of(data):
    """Those of the labs that the run has."""
    there = {configuration["server"] for configuration in data["configurations"]}
    return [lab for lab in LABS if lab in there]


def reports_of(data, lab, python):
    """The lab's report of each complete round."""
    return figures_of(data).values(Configuration(lab, "unpinned", python=python).key, "report")


def shown(data, lab, python):
    """The one that stands for all: that of the median latency."""
    found = sorted(reports_of(data, lab, python), key=lambda r: r["end_to_end_us"]["mean"])
    return found[(len(found) - 1) // 2]


def sum_error(report):
    """What the gaps add up to against the end-to-end mean, with the sampled requests' own marks:
    these are measured too, and in no gap. A thread can lose its core in such a mark."""
    whole = report["gaps_sum_us"] + (report.get("instrument_us") or 0)
    return whole / report["end_to_end_us"]["mean"] - 1


def _remainder(data, lab, python):
    """(error of the sum, unattributed share, are both within the limits?), medians over rounds."""
    found = reports_of(data, lab, python)
    error = stats.median([sum_error(r) for r in found])
    share = stats.median([r["unattributed_share"] for r in found])
    return error, share, abs(error) <= SUM_LIMIT and share < UNATTRIBUTED_LIMIT


def adds_up(data):
    """Do the sums of all labs, and what they leave unattributed, stay within the limits?"""
    return all(_remainder(data, lab, python)[2]
               for lab in labs_of(data) for python in names(data))


# ---- Tables --------------------------------------------------------------------------------------


def gaps(data, lab, python):
    """From hop to hop; the right half is of the sampled requests."""
    report = shown(data, lab, python)
    about = data["environment"]["pythons"][python]
    headers = [f"{lab}, µs", "median", "p99", "mean", "share", *_waits(STATES, about)]
    rows = [
        [f"{gap['from']} → {gap['to']}", *(number(gap[f]) for f in ("p50_us", "p99_us", "mean_us")),
         f"{gap['share']:.1%}", *(_state(gap, state) for state in STATES)]
        for gap in report["hops"]
    ]
    whole = report["end_to_end_us"]
    rows.append(["sum of the gaps", "", "", number(report["gaps_sum_us"]),
                 _share_of_sum(report), *(_state_sum(report, state) for state in STATES)])
    instrument_us = report.get("instrument_us") or 0
    rows.append(["marks of the sampled ones", "", "", number(instrument_us),
                 f"{instrument_us / report['end_to_end_us']['mean']:.1%}", *[""] * len(STATES)])
    rows.append(["end to end, by its own clock", number(whole["p50"]), number(whole["p99"]),
                 number(whole["mean"]), "100 %", *[""] * len(STATES)])
    outside = report["bench"]["kernel_and_client_us"]
    rows.append(["kernel + client", "", "", "-" if outside is None else number(outside),
                 *[""] * (1 + len(STATES))])
    return headers, rows


def _share_of_sum(report):
    return f"{report['gaps_sum_us'] / report['end_to_end_us']['mean']:.1%}"


def gaps_compact(lab, python):
    """The means alone, on one of the run's interpreters."""

    def table(data):
        report, states = shown(data, lab, python), ("running_us", "gil_wait_us", "core_wait_us",
                                                    "queue_us")
        about = data["environment"]["pythons"][python]
        rows = [[f"{gap['from']} → {gap['to']}", number(gap["mean_us"]), f"{gap['share']:.1%}",
                 *(_state(gap, state) for state in states)] for gap in report["hops"]]
        rows.append(["sum of the gaps", number(report["gaps_sum_us"]), _share_of_sum(report),
                     *(_state_sum(report, state) for state in states)])
        headings = dict(zip(STATES, _waits(STATES, about)))
        return [f"{lab} on {python}, µs", "mean", "share", *(headings[s] for s in states)], rows

    return table


def _state(gap, state):
    return "-" if gap[state] is None else number(gap[state])


def _state_sum(report, state):
    known = [gap[state] for gap in report["hops"] if gap[state] is not None]
    return number(sum(known)) if known else "-"


GAPS_LEGEND = (
    "Median, p99, mean, share: of all requests. What follows: means of the sampled ones, by what "
    "the thread that took the request did during the gap. Running: this request's work. GIL: "
    "attaching, or blocked while attached (an upper bound); where there is no GIL, that is waiting "
    "for locks. Core: woken and not running yet, or preempted. In line: serving other requests. "
    "Kernel + client: wrk's mean latency beyond the server's."
)


def on(data, python):
    """The interpreter that is shown: the first of the run if none is named."""
    found = python or names(data)[0]
    return found, data["environment"]["pythons"][found]


def categories(python=None):
    """The report's four overheads, beside what was measured on one interpreter."""

    def table(data):
        name, about = on(data, python)
        one, pool = (shown(data, lab, name) for lab in ("lab1", "lab2"))
        headers = [f"ms, Python {about['version']}{'' if about['gil'] else ', free-threaded'}",
                   "lab1", "lab2", "lab2 - lab1", "of lab2's in line", "the report"]
        rows = []
        for mine, other in zip(one["categories"], pool["categories"]):
            reported = other["reported_ms"]
            rows.append([_category(other["name"], about), *(_ms(us) for us in (
                mine["mean_us"], other["mean_us"], other["mean_us"] - mine["mean_us"],
                other["queue_us"])), "" if reported is None else f"{reported:g}"])
        ends = [r["end_to_end_us"]["mean"] for r in (one, pool)]
        rows.append(["end to end", *map(_ms, (*ends, ends[1] - ends[0])), "", "66"])
        return headers, rows

    return table


def _category(name, about):
    """Without a GIL a thread can still wait when it attaches or is blocked while it is."""
    return name if about["gil"] else name.replace("GIL contention", "locks (there is no GIL)")


CATEGORIES_LEGEND = (
    "Categories are of the requests whose gaps are split, one in so many; the last row is of all, "
    "so the rows above needn't add up to it exactly. The report's four overheads make 60 of its "
    "66 ms."
)


def _ms(us):
    return "-" if us is None else f"{us / 1000:.3f}"


SHARES = {"utilisation": "on a CPU", "gil_wait_share": "waiting for the GIL", "idle_share": "idle",
          "held_up_share": "held up"}


def demand(python=None):
    """What a request takes of each thread, and what each thread does with its time."""

    def table(data):
        name, about = on(data, python)
        rows = []
        for lab in labs_of(data):
            threads = _merged(shown(data, lab, name)["threads"])
            rows += [["" if number else lab, *thread] for number, thread in enumerate(threads)]
        return ["lab", "thread", "CPU µs/request", *_waits(SHARES, about)], rows

    return table


def _waits(texts, about):
    """Column headings; what stands for the GIL is said in other words where there is none."""
    return [text if about["gil"] else {"GIL": "locks", "waiting for the GIL": "attaching"}
            .get(text, text) for text in texts.values()]


DEMAND_LEGEND = (
    "Shares of the run's time. Idle: the thread polls, and there is nothing to do; a poll's own "
    "CPU time is on a CPU and idle both, so shares can come to more than 100 %. Held up: it was "
    "woken and had no core, or was blocked while attached. Of lab2's workers the first column is "
    "their sum, the others are means."
)


def _merged(threads):
    """A row per thread; lab2's workers as one."""
    workers = [t for t in threads if t["name"].startswith("worker")]
    rows = [[t["name"], number(t["cpu_us_per_request"]), *(_percent(t[s]) for s in SHARES)]
            for t in threads if t not in workers]
    if workers:
        shares = ([t[s] for t in workers if t[s] is not None] for s in SHARES)
        rows.append([f"{len(workers)} workers",
                     number(sum(t["cpu_us_per_request"] for t in workers)),
                     *(_percent(sum(found) / len(found) if found else None) for found in shares)])
    return rows


def _percent(share):
    return "-" if share is None else f"{share:.0%}"


def summary(data):
    """Does it add up, on each interpreter?"""
    headers = ["lab", "Python", "requests/s", "server's mean µs", "of it for the GIL or locks",
               "for a core", "in line", "sum / end to end", "unattributed", "so?"]
    rows = []
    for lab in labs_of(data):
        for python in names(data):
            report = shown(data, lab, python)
            error, share, good = _remainder(data, lab, python)
            rows.append([
                lab if python == names(data)[0] else "", python,
                thousands(report["bench"]["rps"]), number(report["end_to_end_us"]["mean"]),
                *(_state_sum(report, state) for state in ("gil_wait_us", "core_wait_us",
                                                          "queue_us")),
                f"{1 + error:.3f}", f"{share:.1%}", "PASS" if good else "FAIL",
            ])
    return headers, rows
