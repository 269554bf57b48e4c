"""Running a small program of ours that measures something, prints it and ends."""

import os
import subprocess

from .servers import ServerError


def run(name, command, cpus=None, limit_seconds=60):
    """Run it to its end, on these CPUs; `limit_seconds` turns a hang into an error. Raises
    ServerError with its name and what it has said, if it fails."""
    pin = (lambda: os.sched_setaffinity(0, cpus)) if cpus else None
    try:
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=pin,
                              timeout=limit_seconds)
    except (OSError, subprocess.SubprocessError) as error:
        raise ServerError(f"{name} failed: {error}") from None
    if done.returncode != 0:
        said = done.stderr.strip()[-500:]
        raise ServerError(f"{name} failed: {said or done.returncode}")
    return done
