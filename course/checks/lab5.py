"""Lab 5, the public tests. The seams first: each can pass before any other step is written."""

import os
import re
import signal
import tempfile

from kit import sanitizers, watching, workers
from kit.checks import Failed, check
from kit.seams import seam


def port(test, title):
    seam("seam_lab5_port", test, title, lab=5, step=1)


def alone(step, test, title, **more):
    seam("seam_lab5", test, title, lab=5, step=step, **more)


@check(lab=5, step=0)
def lab5_starts(t):
    """One worker starts, answers in C, and stops."""
    server = workers.start(t, count=1)
    t.get(server, "/native").expect(200, "Hello, World!")
    server.stop()


@check(lab=5, step=0)
def lab5_says_what_this_python_can_not_do(t):
    """--isolation=interpreters: refused with the reason, unless each can have a GIL of its own."""
    _, version = workers.run(t, "--version")
    found = re.search(r"Python 3\.(\d+)\S* (\w+)", version)
    if found is None:
        raise Failed("--version names the Python", repr(version))
    can = int(found.group(1)) >= 12 and found.group(2) == "GIL"
    status, said = workers.run(t, "--isolation=interpreters", "--app=no_such_module:app")
    if status != (1 if can else 2):
        raise Failed("the app isn't found: 1" if can else "refused: exit status 2", status, said)
    for part in [] if can else ["GIL", "--isolation=processes works"]:
        if part not in said:
            raise Failed(f"why, and what to do instead: {part!r}", repr(said))


port("who_holds_the_port_shares_it", "The port is held by a socket that shares it.")
port("two_listen_on_one_port", "Two sockets listen on one port.")
port("both_get_connections", "Each of them gets connections.")
alone(2, "others_begin_when_the_first_serves", "The others begin once the first serves.")
alone(2, "interpreters_begin_one_after_the_other", "Interpreters begin one after the other.")
alone(2, "the_owner_learns_once_that_all_serve", "The supervisor learns that all serve, once.")
alone(2, "none_begins_once_they_drain", "None begins once the others drain.")
alone(2, "one_that_cannot_be_begun_ends_all", "One that can't be begun ends them all.")
alone(3, "every_worker_is_told", "A command reaches every worker.")
alone(3, "what_was_told_before_stays", "A second command doesn't replace the first.")
alone(3, "a_full_socket_loses_nothing", "A worker that reads nothing for long loses nothing.")
alone(3, "who_has_ended_is_told_nothing", "A worker that has ended is told nothing.")
alone(
    3,
    "threads_are_told_while_they_run",
    "Workers that are threads hear each command; ThreadSanitizer looks on.",
    needs=("lab5_every_worker_is_told",),
    build=sanitizers.RACES,
    cause="a worker takes what is on its page while the supervisor adds to it: `due` is read and "
    "written by atomic operations only",
)
alone(4, "an_end_that_was_planned_is_0", "Ends that were planned: status 0.")
alone(4, "an_end_that_was_not_planned_ends_all", "An end that wasn't planned ends them all: 1.")
alone(4, "a_worker_that_failed_is_1", "A worker that couldn't start: status 1.")

# ---- With the whole server -----------------------------------------------------------------------


BOTH = {"lab": 5, "step": 2, "after": (1,)}


@check(**BOTH, needs=("lab5_starts",))
def lab5_serves_on_every_worker(t):
    """Connections land on both workers, which are processes and share nothing."""
    server = workers.start(t)
    (first, _, one), (second, _, other) = workers.one_of_each(t, server)
    if one == other:
        raise Failed("two processes", f"one, {one}", "a worker is a process of its own here")
    for connection in (first, second):
        cause = "each process has imported the app for itself"
        connection.send("/count").answer().expect(200, '"count":1', cause)


@check(**BOTH, needs=("lab5_serves_on_every_worker",))
def lab5_a_blocked_worker_harms_its_own_only(t):
    """A handler blocks one worker; the other one's connections are served."""
    server = workers.start(t)
    (blocked, _, _), (served, _, _) = workers.one_of_each(t, server)
    blocked.send("/block/0")
    server.event("blocking")
    for _ in range(3):
        served.send("/count").answer("a worker waits for nobody").expect(200)
    server.open_gate(0)
    blocked.answer().expect(200, "released")


@check(**BOTH, needs=("lab5_serves_on_every_worker",))
def lab5_counts_add_up(t):
    """The supervisor reads on the board what each worker has in flight."""
    server = workers.start(t)
    for connection, _, _ in workers.one_of_each(t, server):
        connection.send("/park/0")
        server.event("parked")
    server.terminate()
    server.wait_until(lambda: "stopping: " in server.stderr(), "a line in the log: stopping")
    if "stopping: 2 requests in flight" not in server.stderr():
        cause = "a worker counts in a book of its own, so that nobody else writes there"
        raise Failed("2 requests in flight, one of each worker", server.stderr(), cause)


# ---- Step 3, what workers are told ---------------------------------------------------------------


def _reopens(t, log):
    server = workers.start(t, f"--access-log={log}", count=1)
    os.rename(log, f"{log}.1")
    t.step("renamed the access log, sent SIGHUP")
    server.process.send_signal(signal.SIGHUP)
    cause = "COMMAND_REOPEN isn't COMMAND_DRAIN: each bit of the page's `due` asks for one thing"
    server.wait_until(lambda: os.path.exists(log), "a new access log", cause)
    t.get(server, "/count", cause).expect(200, cause=cause)
    server.stop()
    with open(log, encoding="utf-8") as file:
        if "/count" not in file.read():
            raise Failed("the request's line in the new log", "it isn't there", cause)


@check(lab=5, step=3, needs=("lab5_starts",))
def lab5_reopens_its_log(t):
    """SIGHUP: the worker opens its access log anew, and serves on."""
    with tempfile.TemporaryDirectory(dir=os.path.join(t.tree, "build")) as folder:
        os.chmod(folder, 0o777)  # the grader's server runs as somebody else
        _reopens(t, os.path.join(folder, "access.log"))


@check(lab=5, step=3, after=(1, 2), needs=("lab5_serves_on_every_worker",))
def lab5_drains_every_worker(t):
    """SIGTERM while a handler waits on each worker: both are answered, then it ends with 0."""
    workers.expect_drain(t, workers.start(t))


# ---- Step 4, the end of one is the end of all ----------------------------------------------------


@check(lab=5, step=4, after=(1, 2, 3), needs=("lab5_serves_on_every_worker",))
def lab5_a_killed_worker_ends_the_lab(t):
    """A worker is killed: the other answers what it has, and the lab ends with 1."""
    server = workers.start(t)
    # The first one, which has the lower number: so it is the second that has to be told.
    pair = sorted(workers.one_of_each(t, server), key=lambda found: found[2])
    (_, _, killed), (other, _, _) = pair
    other.send("/park/0")
    server.event("parked")
    server.kill_child(killed)
    cause = "notice() tells the owner, who has the others drain; judge() says what has happened"
    said = "was ended by signal 9"
    server.wait_until(lambda: said in server.stderr(), f"a line in the log: {said}", cause)
    server.open_gate(0)
    other.answer(cause).expect(200, "went on", cause)
    server.expect_end(1, cause)


# ---- Step 5, threads -----------------------------------------------------------------------------

THREADS = {"lab": 5, "step": 5, "after": (1, 2, 3), "needs": ("lab5_serves_on_every_worker",)}


@check(**THREADS)
def lab5_threads_share_the_interpreter(t):
    """--isolation=threads: one process, one app, and a thread state for each worker."""
    server = workers.start(t, isolation="threads")
    cause = "where the setup has an app, a worker is one more thread of its interpreter"
    (first, _, one), (second, _, other) = workers.one_of_each(t, server, cause)
    if one != other:
        raise Failed("two threads of one process", f"processes {one} and {other}", cause)
    first.send("/count").answer().expect(200, '"count":1', cause)
    second.send("/count").answer().expect(200, '"count":2', cause)
    server.stop(0, cause)


@check(lab=5, step=5, after=(1, 2, 3), needs=("lab5_threads_share_the_interpreter",))
def lab5_threads_do_not_wait_for_each_other(t):
    """A handler blocks one thread and lets go of the GIL; the other thread serves."""
    server = workers.start(t, isolation="threads")
    (blocked, _, _), (served, _, _) = workers.one_of_each(t, server)
    blocked.send("/block/0")
    server.event("blocking")
    served.send("/count").answer("each worker has a thread state of its own").expect(200)
    server.open_gate(0)
    blocked.answer().expect(200, "released")
    server.stop()


@check(lab=5, step=5, after=(1, 2, 3), needs=("lab5_threads_share_the_interpreter",))
def lab5_nothing_grows(t):
    """Thousands of requests later Python holds as much as before."""
    watching.expect_no_growth(
        t, t.start("--log-level=error", "--workers=2", "--isolation=threads", app="growth")
    )


@check(
    lab=5,
    step=5,
    after=(1, 2, 3),
    needs=("lab5_threads_share_the_interpreter",),
    build=sanitizers.MEMORY,
)
def lab5_memory_is_sound(t):
    """Requests of every kind, and AddressSanitizer finds nothing freed too early or never."""
    watching.expect_sound_memory(
        t, t.start("--log-level=error", "--workers=2", "--isolation=threads", app="growth")
    )
