"""Lab 1, the tests that no hand-out shows."""

from kit import situations
from kit.checks import check


@check(lab=1, step=4, after=(1, 2, 3), needs=("lab1_serves",), hidden=True)
def hidden_lab1_pipelined_in_order(t):
    """Requests on one connection are answered in their order, whatever order they end in."""
    cause = "a request that waits doesn't keep the next one from starting"
    situations.expect_in_order(t, t.start(), cause)


@check(lab=1, step=4, after=(1, 2, 3), needs=("lab1_serves",), hidden=True)
def hidden_lab1_drains_what_is_in_flight(t):
    """SIGTERM while a handler waits: it is answered, then the server ends with 0."""
    situations.expect_drained(t, t.start(), "what is in flight is answered before the loop stops")


@check(lab=1, step=4, after=(1, 2, 3), needs=("lab1_serves",), hidden=True)
def hidden_lab1_many_at_once(t):
    """64 requests parked at once, then released: 64 answers, none dropped."""
    cause = "64 begin at once, and end at once: one wake-up delivers them all; nothing is dropped"
    situations.expect_all_answered(t, t.start(), cause)


@check(lab=1, step=5, after=(1, 2, 3, 4), needs=("lab1_client_gone_cancels",), hidden=True)
def hidden_lab1_many_clients_leave(t):
    """32 clients leave before the loop can look: each handler is cancelled once, none is left."""
    server = t.start("--max-in-flight=33")
    parked = situations.park(t, server, 32)
    blocking = t.connect(server, "A").send("/block/1")
    server.event("blocking")
    for connection in parked:
        connection.reset()
    server.wait_asleep("the HTTP thread hears of each, though the loop's thread is blocked")
    server.open_gate(1)
    blocking.answer().expect(200, "released")
    left = {f"cancelled {number}" for number in range(32)}
    while left:
        left.remove(server.event_before_sleep(left, "each client's own task is cancelled, once"))
    server.wait_asleep()
    cause = "one that has left is in flight for ever, and takes its room: its answer was never posted"
    again = situations.park(t, server, 33, cause)
    server.open_gate(0)
    for number, connection in enumerate(again):
        connection.answer(cause).expect(200, f'"park":"{number}"', cause)
    server.stop()
