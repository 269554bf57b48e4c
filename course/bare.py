#!/usr/bin/env python3
"""`make check-autograder LAB=N`: hand-out and autograder in a bare Debian 12, where nothing is but
what debootstrap puts there. Root only; minutes, and a network for apt.

The hand-out: the commands of its dev container, of its workflow and of its pages, read out of these
files, with the starter (which must build, and get its grade) and with the solution in place (all
must pass).
The autograder: unpacked and run as Gradescope does, in /autograder, on the solution, on a
submission without files and on one that is no code; results.json must be what Gradescope can read.
Exit status: 0 if all is so."""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

from kit import bundle, commands, handout, labs

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


def run_in(tree, folder, command, expect=0, typed="", online=False, shown=""):
    """
    Run in the tree, with a /proc and a /dev that go when it ends, and ports of its own if it isn't
    `online`; `typed` is its standard input, `shown` what is said of it. returns its output
    """
    print(f"  {folder}$ {shown or command}", flush=True)
    inside = f"cd {folder} && {command}"
    outside = (
        ("" if online else "ip link set lo up && ")
        + 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && '
        'exec chroot "$0" /usr/bin/env -i HOME=/root PATH="$PATH" sh -c "$1"'
    )
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    done = subprocess.run(
        [*unshare, *([] if online else ["--net"]), "sh", "-c", outside, tree, inside],
        input=typed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
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

# A server is told to end once it listens and what is to be done meanwhile has been done.
UNTIL_CTRL_C = """: >/tmp/said
({server}) >/tmp/said 2>&1 &
until grep -q 'listening on' /tmp/said; do
    kill -0 $! || {{ cat /tmp/said; exit 1; }}
    sleep 0.1
done
{meanwhile}
kill -INT $(pidof {name})
wait $! || {{ status=$?; cat /tmp/said; exit $status; }}"""
COMMIT = "git add . && git commit --quiet --message=work"


def run_command(tree, inside, command, passes=True):
    """One that a page names. Unless all `passes` yet, checks only have to come to their end."""
    text, expect, typed, shown = command.text, 0, "", ""
    if "PY=" in text:
        print(f"  not run, for it builds a Python: {text}")
        return
    if command.server:
        meanwhile = "\n".join(command.meanwhile)
        shown = "; ".join([f"{text}   (and Ctrl-C)", *command.meanwhile])
        text = UNTIL_CTRL_C.format(server=text, meanwhile=meanwhile, name=command.server)
    elif text.startswith("make check") and not passes:
        expect = None
    elif text.startswith("make predict"):
        typed = "half of it, because\n" * 2
    elif text.startswith("make reproduce"):
        text += " QUICK=1"
    elif text.startswith("make handin"):
        text = f"{COMMIT} && {text} HOURS=1 UNCLEAR=nothing"
    elif text.startswith("diff "):
        expect = 1
    output = run_in(tree, inside, text, expect, typed, shown=shown)
    if text.startswith("make check") and not re.search(r"\d+ of \d+ passed", output):
        raise Wrong(f"`{text}` came to no end:\n{output[-4000:]}")


def commands_of_pages(handed_out, lab):
    """(those that are for the starter: what comes before predictions; all), each once."""
    first, found = [], []
    for page in ("README.md", f"{labs.FOLDERS[lab]}/README.md"):
        with open(os.path.join(handed_out, page), encoding="utf-8") as file:
            found += (of_page := commands.of_page(file.read()))
        first += itertools.takewhile(lambda c: not c.text.startswith("make predict"), of_page)
    return list(dict.fromkeys(first)), list(dict.fromkeys(found))


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
    run_in(tree, inside, container, online=True)
    run_in(tree, inside, "git config --global user.email student@example.org")
    run_in(tree, inside, "git config --global user.name Student")
    run_in(tree, inside, f"git init --quiet && {COMMIT}")
    first, named = commands_of_pages(folder, lab)
    for command in first:
        run_command(tree, inside, command, passes=False)
    for command in steps:
        output = run_in(tree, inside, command, expect=None)
        if not re.search(r"total: \d+/\d+|\d+ of \d+ passed", output):
            raise Wrong(f"`{command}` came to no grade:\n{output[-4000:]}")
    solved = solution(lab)
    put(folder, solved)
    for command in steps:
        run_in(tree, inside, command)
    for command in named:
        run_command(tree, inside, command)
        if command.meanwhile:
            put(folder, solved)  # lab 0 has made another trace than answers.txt is of
    if not os.path.exists(os.path.join(folder, f"build/handin/lab{lab}.zip")):
        raise Wrong("nothing is packed")


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
    run_in(tree, "/autograder/source", "./setup.sh", online=True)
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
