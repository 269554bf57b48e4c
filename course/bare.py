#!/usr/bin/env python3
"""`make check-autograder LAB=N`: hand-out and autograder in a bare Debian 12, where nothing is but
what debootstrap puts there. Root only; minutes, and a network for apt.

The hand-out: the commands of its dev container and of its workflow, read out of these files, with
the starter (which must build, and get its grade) and with the solution in place (all must pass).
The autograder: unpacked and run as Gradescope does, in /autograder, on the solution, on a
submission without files and on one that is no code; results.json must be what Gradescope can read.
Exit status: 0 if all is so."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

from kit import bundle, handout, labs

SUITE = "bookworm"
BARE = os.path.join(labs.ROOT, "build/bare")
VISIBILITIES = {"hidden", "after_due_date", "after_published", "visible"}


class Wrong(Exception):
    """Something isn't as it should be."""


def mirror():
    """The archive that this machine's apt uses: the first that tools/apt.sh finds."""
    script = (
        ". tools/apt.sh; log=/dev/null; release=$(system_release); "
        'own_mirrors "${release#*/}" | head -n 1'
    )
    done = subprocess.run(["bash", "-c", script], cwd=labs.ROOT, capture_output=True, text=True)
    if not done.stdout.strip():
        raise Wrong(f"this machine's apt names no archive of Debian: {done.stderr}")
    return done.stdout.strip()


def bare_tree():
    """A fresh copy of a tree that is made once."""
    made, tree = os.path.join(BARE, SUITE), os.path.join(BARE, "tree")
    if not os.path.exists(f"{made}.done"):
        shutil.rmtree(made, ignore_errors=True)
        os.makedirs(BARE, exist_ok=True)
        print(f"debootstrap {SUITE} into {made}", flush=True)
        command = ["debootstrap", "--variant=minbase", SUITE, made, mirror()]
        with open(f"{made}.log", "w", encoding="utf-8") as log:
            if subprocess.run(command, stdout=log, stderr=log).returncode != 0:
                raise Wrong(f"debootstrap failed: {made}.log")
        open(f"{made}.done", "w").close()
    shutil.rmtree(tree, ignore_errors=True)
    subprocess.run(["cp", "-a", made, tree], check=True)
    shutil.copy("/etc/resolv.conf", os.path.join(tree, "etc/resolv.conf"))
    return tree


def run_in(tree, folder, command, expect=0):
    """Run in the tree, with a /proc and a /dev that go when it ends. returns its output"""
    print(f"  {folder}$ {command}", flush=True)
    inside = f"cd {folder} && {command}"
    outside = (
        'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && '
        'exec chroot "$0" /usr/bin/env -i HOME=/root PATH="$PATH" sh -c "$1"'
    )
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    done = subprocess.run(
        [*unshare, "sh", "-c", outside, tree, inside],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", timeout=1200,
        env={**os.environ, "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
    )  # fmt: skip
    if expect is not None and done.returncode != expect:
        raise Wrong(f"`{command}` ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


def solution(lab):
    """{path: bytes} of what a student hands in who has solved everything."""
    tree = os.path.join(BARE, "solved")
    handout.write_solution(tree, lab)
    found = {}
    for path in labs.ALLOWED[lab]:
        with open(os.path.join(tree, path), "rb") as file:
            found[path] = file.read()
    return found


def put(folder, files):
    for path, data in files.items():
        full = os.path.join(folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(data)


# ---- The hand-out --------------------------------------------------------------------------------


def commands_of(handed_out):
    """(the dev container's, the workflow's), as they stand in the files."""
    texts = []
    for path in (".devcontainer/devcontainer.json", ".github/workflows/classroom.yml"):
        with open(os.path.join(handed_out, path), encoding="utf-8") as file:
            texts.append(file.read())
    container = json.loads(texts[0])["postCreateCommand"]
    steps = re.findall(r"^ +- run: (.+)$", texts[1], re.MULTILINE)
    if container != steps[0]:
        raise Wrong(f"the dev container begins with {container!r}, the workflow with {steps[0]!r}")
    return container, steps[1:]


def check_handout(tree, lab):
    inside = f"/root/looplab-lab{lab}"
    folder = tree + inside
    handout.write_tree(folder, lab)
    container, steps = commands_of(folder)
    run_in(tree, inside, container)
    for command in steps:
        output = run_in(tree, inside, command, expect=None)
        if not re.search(r"total: \d+/\d+|\d+ of \d+ passed", output):
            raise Wrong(f"`{command}` came to no grade:\n{output[-4000:]}")
    put(folder, solution(lab))
    for command in steps:
        run_in(tree, inside, command)
    output = run_in(tree, inside, f"make handin LAB={lab} HOURS=1 UNCLEAR=nothing")
    if f"lab{lab}.zip" not in output:
        raise Wrong(f"nothing is packed:\n{output}")


# ---- The autograder ------------------------------------------------------------------------------


def check_format(results):
    """What Gradescope can read, and no more points than there are."""
    for test in results["tests"]:
        if not 0 <= test["score"] <= test["max_score"]:
            raise Wrong(f"a score out of bounds: {test}")
        if test["visibility"] not in VISIBILITIES or test["status"] not in ("passed", "failed"):
            raise Wrong(f"Gradescope doesn't know that: {test}")
        if not isinstance(test["output"], str) or not isinstance(test["name"], str):
            raise Wrong(f"no text: {test}")
    if results["score"] != sum(test["score"] for test in results["tests"]):
        raise Wrong(f"score {results['score']} isn't the sum of its tests")
    if results["visibility"] not in VISIBILITIES or not isinstance(results["leaderboard"], list):
        raise Wrong("visibility or leaderboard")


def graded(tree, files):
    """Submit these files as Gradescope does. returns (score, most)"""
    base = os.path.join(tree, "autograder")
    for name in ("submission", "results"):
        shutil.rmtree(os.path.join(base, name), ignore_errors=True)
        os.makedirs(os.path.join(base, name))
    put(os.path.join(base, "submission"), files)
    run_in(tree, "/autograder", "./run_autograder")
    with open(os.path.join(base, "results/results.json"), encoding="utf-8") as file:
        results = json.load(file)
    check_format(results)
    return results["score"], sum(test["max_score"] for test in results["tests"])


def check_autograder(tree, lab):
    base, path = os.path.join(tree, "autograder"), os.path.join(BARE, f"lab{lab}.zip")
    bundle.write(lab, path)
    os.makedirs(os.path.join(base, "source"))
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            os.chmod(archive.extract(info, os.path.join(base, "source")), info.external_attr >> 16)
    shutil.copy2(os.path.join(base, "source/run_autograder"), base)
    run_in(tree, "/autograder/source", "./setup.sh")
    for name, files, low, high in (
        ("the solution", solution(lab), 1.0, 1.0),
        ("no file at all", {}, 0.0, 0.15),
        ("what isn't C", {path: b"?\n" for path in labs.ALLOWED[lab]}, 0.0, 0.4),
    ):
        score, most = graded(tree, files)
        print(f"  {name}: {score} of {most}", flush=True)
        if not low * most <= score <= high * most:
            raise Wrong(f"{name} gets {score} of {most}")


def main():
    parser = labs.parser(__doc__)
    parser.add_argument("--only", choices=("handout", "autograder"))
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("check-autograder: debootstrap and chroot need root")
    lab, parts = arguments.lab, {"handout": check_handout, "autograder": check_autograder}
    try:
        for name, check in parts.items():
            if arguments.only in (None, name):
                print(f"{name} of lab {lab}, on a bare {SUITE}:", flush=True)
                check(bare_tree(), lab)
    except Wrong as wrong:
        sys.exit(f"check-autograder: {wrong}")
    print("all as it should be")


if __name__ == "__main__":
    main()
