#!/usr/bin/env python3
"""`make doctor`: is this machine ready for the labs? A line for each thing that matters, and what
to do about it. Exit status: 0 if all that is needed is there."""

import os
import platform
import shutil
import subprocess
import sys

from kit import labs

TOOLS = [  # (tool, its package, what it is for)
    ("wrk", "wrk", "which --bench runs"),
    ("curl", "curl", "to ask a server"),
    ("strace", "strace", "for some questions"),
    ("ss", "iproute2", "for a question of lab 5"),
]


def version(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout or done.stderr).strip().split("\n")[0] if done.returncode == 0 else ""


def dependencies():
    done = subprocess.run(
        [os.path.join(labs.ROOT, "tools/deps.sh"), "--check"], capture_output=True, text=True
    )
    return done.returncode == 0, (done.stdout + done.stderr).strip()


def main():
    wrong = 0

    def say(good, what, advice="", needed=True):
        nonlocal wrong
        wrong += needed and not good
        mark = "ok" if good else "MISSING" if needed else "no"
        print(f"{mark:8} {what}" + ("" if good or not advice else f"\n         {advice}"))

    linux = platform.system() == "Linux"
    say(
        linux,
        f"system: {platform.system()} {platform.release()}",
        "the tests want Linux: use a container or WSL2",
    )
    compiler = version(os.environ.get("CC", "cc"), "--version")
    say(compiler, f"C compiler: {compiler or 'none'}", "Debian: apt-get install gcc")
    make = version("make", "--version")
    say(make.startswith("GNU Make"), f"make: {make or 'none'}", "GNU make is needed")
    good, text = dependencies()
    say(good, "libraries and headers", text or "make deps installs them, or says what is missing")
    say(os.path.isdir("/proc/self/task"), "/proc: the tests read thread states there")
    for tool, package, purpose in TOOLS:
        say(shutil.which(tool), f"{tool}, {purpose}", f"Debian: apt-get install {package}", False)
    cores = len(os.sched_getaffinity(0)) if linux else os.cpu_count()
    say(cores >= 2, f"cores: {cores}", "on one core wake-ups cost less: other figures", False)
    print("ready" if not wrong else f"{wrong} missing")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
