"""What no single answer shows, of a whole server: memory that grows, memory that is touched after
it was freed, loops that a foreign thread touches."""

import json

from .checks import Failed

PASSES = 8
REQUESTS = 400  # a pass, of each kind
PIPELINED = 8
# Blocks of Python's. A reference that is lost is at least one a request; what fills up by itself after
# exceptions has been seen at a tenth of that in the seventh pass still.
LOST_PER_REQUEST = 1 / 4

# What tests/apps/growth.py answers: how a message calls it, target, method, body, status.
KINDS = [
    ("plain", "/users/1?a=b", "GET", None, 200),
    ("with a body", "/echo", "POST", "12345", 200),
    ("to a handler that waits", "/suspends", "GET", None, 200),
    ("to a handler that raises", "/error", "GET", None, 500),
]


def _send(t, server, kind, count, cause=""):
    _, target, method, body, status = kind
    connection = t.connect(server)
    for _ in range(0, count, PIPELINED):
        for _ in range(PIPELINED):
            connection.send_quietly(target, method, body)
        for _ in range(PIPELINED):
            connection.answer().expect(status, cause=cause)
    connection.close()


def _blocks(t, server):
    return json.loads(t.connect(server).send_quietly("/blocks").answer().expect(200).body)["blocks"]


def expect_no_growth(t, server):
    """Caches fill for a while, a leak grows for ever: one pass without growth acquits."""
    for kind in KINDS:
        t.step(f"sent {REQUESTS} requests {kind[0]}, up to {PASSES} times, and counted blocks")
        seen = [_blocks(t, server)]
        while len(seen) <= PASSES:
            _send(t, server, kind, REQUESTS)
            seen.append(_blocks(t, server))
            if seen[-1] - seen[-2] <= REQUESTS * LOST_PER_REQUEST:
                break
        else:
            grown = [after - before for before, after in zip(seen, seen[1:])]
            raise Failed(
                f"as many of Python's blocks after {REQUESTS} more requests {kind[0]}",
                f"{grown[-1]} more, and each time before: {', '.join(map(str, grown))}",
                f"a reference is lost in each request {kind[0]}: which of your new ones isn't"
                " released?",
            )
    server.stop()


def expect_sound_memory(t, server):
    """Some of each kind and a client that leaves, in a build whose sanitizer looks on."""
    cause = "an object is used after its last reference was released, or C memory is never freed"
    for kind in KINDS:
        t.step(f"sent {PIPELINED} requests {kind[0]}")
        _send(t, server, kind, PIPELINED, cause)
    if t.lab != 3:
        leaving = t.connect(server, "A").send("/parked")
        server.event("start")
        leaving.reset()
        server.event("cancelled")
    server.stop(0, cause)


def expect_own_threads(t, server):
    """A server in asyncio's debug mode, in which a call from a foreign thread raises."""
    t.get(server, "/native").expect(200)
    server.stop()
    if "Non-thread-safe operation" in server.stderr():
        raise Failed(
            "each loop is called by its own thread",
            "RuntimeError: Non-thread-safe operation",
            "from another thread only call_soon_threadsafe() is allowed: it locks, and wakes the"
            " loop",
        )
