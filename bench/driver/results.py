"""What is stored: the environment, and every raw figure of a run."""

import json
import os
import platform
import subprocess
import tempfile
import time

SCHEMA_VERSION = 1
FOLDER = os.path.join(os.path.dirname(__file__), "..", "results")


def _output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _cpu_model():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _build(bin_dir):
    try:
        with open(os.path.join(bin_dir, "..", "build.json")) as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def environment(bin_dir):
    """The machine and the build; nothing that names the host or a path on it."""
    build = {k: v for k, v in _build(bin_dir).items() if "/" not in str(v)}
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "versions": _output(os.path.join(bin_dir, "lab3"), "--version").splitlines()[1:],
        "wrk": _output("wrk", "-v").partition("\n")[0].partition("Copyright")[0].strip(),
        "commit": _output("git", "rev-parse", "--short", "HEAD"),
        "modified": bool(_output("git", "status", "--porcelain", "--untracked-files=no")),
        "build": build,
    }


def save(name, data, folder=FOLDER):
    """Write a results file so that it is there whole or not at all. Returns None, or what went wrong:
    figures that are on the screen already aren't lost to a full disk."""
    path = os.path.join(folder, name)
    temporary = None
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, suffix=".tmp") as file:
            temporary = file.name
            json.dump({"schema_version": SCHEMA_VERSION, **data}, file, indent=1)
            file.write("\n")
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        return f"the results couldn't be stored in {os.path.relpath(path)}: {error.strerror}"
    return None


def load(name, folder=FOLDER):
    """A stored results file, or None if there is none of this schema."""
    try:
        with open(os.path.join(folder, name)) as file:
            data = json.load(file)
    except (OSError, ValueError):
        return None
    return data if data.get("schema_version") == SCHEMA_VERSION else None
