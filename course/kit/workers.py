"""Lab 5's workers, as a check sees them: by the connections that the kernel has given to each.

They serve tests/apps/cores.py.
"""

import json

from .checks import Failed

MANY = 200  # connections, of which not all land on the same worker
CAUSE = "each worker begins, and opens a listening socket of its own on the shared port"


def start(t, *options, count=2):
    """So many workers, each of which has run its start-up hook."""
    server = t.start(f"--workers={count}", *options, app="cores")
    for _ in range(count):
        server.event("start", "every worker runs the app's start-up hooks")
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
