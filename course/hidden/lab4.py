"""Lab 4, the tests that no hand-out shows."""

from kit import situations
from kit.checks import check

ALL = {"lab": 4, "step": 4, "after": (1, 2, 3), "hidden": True}


@check(**ALL, needs=("lab4_waits",))
def hidden_lab4_drains_what_waits(t):
    """SIGTERM while a handler waits: it is answered, then the server ends with 0."""
    server = t.start()
    parked = t.connect(server, "A").send("/park/0?name=A")
    server.event("start A")
    server.begin_drain()
    server.open_gate(0)
    server.event("end A", "asyncio has its turns while the server drains")
    parked.answer().expect(200, '"park":"A"')
    server.expect_end(0)


@check(**ALL, needs=("lab4_waits",))
def hidden_lab4_pipelined_in_order(t):
    """One that waits and one that doesn't, on one connection: answered in their order."""
    server = t.start()
    connection = t.connect(server, "A")
    connection.send("/park/0?name=first")
    server.event("start first")
    connection.send("/fast?name=second")
    server.event("start second")
    server.open_gate(0)
    server.event("end first")
    connection.answer().expect(200, '"park":"first"', "answers in order of completion")
    connection.answer().expect(200, "second", "answers in order of completion")
    server.stop()


@check(**ALL, needs=("lab4_waits",))
def hidden_lab4_many_at_once(t):
    """64 requests parked at once, then released: 64 answers, none dropped."""
    server = t.start()
    cause = "64 wait at once, and end at once: nothing is dropped"
    connections = situations.park(t, server, 64, cause)
    server.open_gate(0)
    for number, connection in enumerate(connections):
        connection.answer().expect(200, f'"park":"{number}"', cause)
    server.stop()
