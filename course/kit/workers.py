"""Lab 5's workers, as a check sees them: by the connections that the kernel has given to each.

They serve tests/apps/cores.py.
"""

import json
import os

from . import sandbox
from .checks import Failed
from .server import DEADLINE_S

MANY = 200  # connections, of which not all land on the same worker
CAUSE = "each worker begins, and opens a listening socket of its own on the shared port"


def run(t, *options):
    """Lab 5 with options that it has to end of by itself. returns (exit status, what it said)"""
    t.step(" ".join(["ran ./lab5", *options]))
    status, said, late = sandbox.run(
        [t.program("lab5"), "--port=0", *options],
        t.limits,
        DEADLINE_S,
        cwd=os.path.join(t.tree, "tests/apps"),
        env=sandbox.environment(),
    )
    if late:
        raise Failed("it ends", late, said)
    return status, said


def start(t, *options, count=2, isolation="processes"):
    """
    So many workers, each of which has run its start-up hook. `isolation` is always given, since the
    lab's own default depends on the Python.
    """
    server = t.start(f"--workers={count}", f"--isolation={isolation}", *options, app="cores")
    for _ in range(count):
        cause = "every worker has run the app's start-up hooks before the lab says that it listens"
        server.event("start", cause, already=True)
    return server


def _who(connection):
    seen = json.loads(connection.send_quietly("/who").answer().expect(200, '"worker":').body)
    return seen["worker"], seen["process"]


def one_of_each(t, server, cause=CAUSE):
    """Two connections that two workers have. returns [(connection, worker, process), ...]"""
    found = {}
    for _ in range(MANY):
        connection = t.connect(server, "AB"[len(found)])
        worker, process = _who(connection)
        if worker in found:
            connection.close()
            continue
        found[worker] = (connection, worker, process)
        if len(found) == 2:
            t.step("connected until two workers had a connection each, A and B")
            return list(found.values())
    raise Failed("connections land on two workers", f"all {MANY} on one", cause)


def expect_drain(t, server):
    """SIGTERM while a handler waits on each of two workers: both are answered, then it ends."""
    cause = "every worker is told to drain, and answers what it has"
    pair = [connection for connection, _, _ in one_of_each(t, server)]
    for connection in pair:
        connection.send("/park/0")
        server.event("parked")
    server.begin_drain(cause)
    server.open_gate(0)
    for connection in pair:
        connection.answer(cause).expect(200, "went on", cause)
    server.expect_end(0, cause)
