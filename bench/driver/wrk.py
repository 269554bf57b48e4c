"""Running wrk, and reading what it prints."""

import os
import re
import resource
import shutil
import subprocess
from dataclasses import dataclass, field

CONNECTIONS = 100
PIPELINED = 16  # requests that pipeline.lua sends at once
_SCRIPTS = os.path.join(os.path.dirname(__file__), "..")
PIPELINE_SCRIPT = os.path.join(_SCRIPTS, "pipeline.lua")
QUANTILES_SCRIPT = os.path.join(_SCRIPTS, "quantiles.lua")

_TIME_UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6, "h": 3600e6}
_COUNT_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


class WrkError(Exception):
    """wrk is missing, failed, or saw errors; the message is for the user."""


@dataclass
class Report:
    requests: int
    seconds: float
    rps: float
    mean_us: float
    p50_us: float
    p99_us: float
    bad_answers: int
    socket_errors: int
    timeouts: int  # answers that took more than 2 s: slow, not wrong
    quantiles_us: dict = field(default_factory=dict)  # "99.9": so long took 99.9 % at most


def time_us(text):
    """'1.23ms' -> 1230.0"""
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m|h)", text)
    if match is None:
        raise WrkError(f"wrk printed the time {text!r}, which can't be read")
    return float(match[1]) * _TIME_UNITS[match[2]]


def count(text):
    """'45.6k' -> 45600.0"""
    match = re.fullmatch(r"([\d.]+)([kMG]?)", text)
    if match is None:
        raise WrkError(f"wrk printed the count {text!r}, which can't be read")
    return float(match[1]) * _COUNT_UNITS[match[2]]


def _find(pattern, text):
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise WrkError(f"wrk's report can't be read:\n{text}")
    return match


def _quantiles(text):
    """What quantiles.lua prints; {} without it."""
    line = re.search(r"^Quantiles:((?: [\d.]+=\d+)+)$", text, re.MULTILINE)
    pairs = (pair.split("=") for pair in line[1].split()) if line else ()
    return {share: float(us) for share, us in pairs}


def parse(text):
    """wrk's report, printed with --latency, as a Report."""
    total = _find(r"^\s*(\d+) requests in ([\d.]+(?:us|ms|s|m|h)),", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), .*? (\d+)", text)
    *failed, timeouts = map(int, errors.groups()) if errors else (0,)
    return Report(
        requests=int(total[1]),
        seconds=time_us(total[2]) / 1e6,
        rps=count(_find(r"^Requests/sec:\s+(\S+)", text)[1]),
        mean_us=time_us(_find(r"^\s*Latency\s+(\S+)", text)[1]),
        p50_us=time_us(_find(r"^\s*50%\s+(\S+)", text)[1]),
        p99_us=time_us(_find(r"^\s*99%\s+(\S+)", text)[1]),
        bad_answers=int(bad[1]) if bad else 0,
        socket_errors=sum(failed),
        timeouts=timeouts,
        quantiles_us=_quantiles(text),
    )


def check_installed():
    if shutil.which("wrk") is None:
        raise WrkError("wrk isn't installed: `make deps` installs it")


def _children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(url, seconds, pipelined=False, cpus=None, connections=CONNECTIONS):
    """Load `url` from one wrk thread. Returns (Report, wrk's own CPU seconds)."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
               "-s", PIPELINE_SCRIPT if pipelined else QUANTILES_SCRIPT]
    pin = (lambda: os.sched_setaffinity(0, cpus)) if cpus else None
    before = _children_cpu()
    try:
        done = subprocess.run(
            command + [url], capture_output=True, text=True, preexec_fn=pin, timeout=seconds + 30
        )
    except FileNotFoundError:
        raise WrkError("wrk isn't installed: `make deps` installs it") from None
    except subprocess.TimeoutExpired:
        raise WrkError(f"wrk didn't end {seconds + 30} s after it was started on {url}") from None
    if done.returncode != 0:
        raise WrkError(f"wrk failed on {url}: {done.stderr or done.stdout}")
    return parse(done.stdout), _children_cpu() - before
